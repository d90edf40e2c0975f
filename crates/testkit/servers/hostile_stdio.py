#!/usr/bin/env python3
"""An MCP server over stdio that misbehaves as it is asked to; standard library only.

--log FILE gets one line per thing that a test may want to see: `start PID`, `line TEXT` for each message that arrived,
`call TOOL ARGUMENTS`, `cancelled ARGUMENTS`, `end` when the input was closed. What it does is chosen by the tool that is called; see TOOLS.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import subprocess
import sys
import time
from typing import Any

MODERN = "2026-07-28"
LEGACY = "2025-11-25"

TOOLS = {
    "echo": "Answers with its arguments",
    "crash": "Says something on stderr and exits in the middle of the call",
    "hang": "Never answers",
    "junk": "Prints lines that are no messages before its answer",
    "broken": "Answers with a key twice",
    "huge": "Prints one line of `bytes` bytes",
    "environment": "Answers with its environment and its working folder",
    "spawn": "Starts a process that ignores SIGTERM and the end of its input; answers with its pid",
    "slow": "Answers with its arguments, `ms` milliseconds later",
    "remember": "Keeps `value`",
    "recall": "Answers with all values that this process was given",
    "pair": "Answers when two calls are waiting, the later one first, after some progress for both",
    "wait": "Answers once it is cancelled",
    "close": "Closes its output and runs on",
    "deaf": "Reads nothing any more",
    "flood": "Reports progress without end",
    "shout": "Writes `lines` lines to stderr before its answer",
    "twice": "Answers twice",
    "answer_other": "Answers to an id that was not asked, then to the one that was",
    "log": "Logs a message before its answer",
    "ask": "Asks the client for `method` before its answer, and answers with what it was told",
}

REGION = {
    "name": "region",
    "inputSchema": {
        "type": "object",
        "properties": {"name": {"type": "string", "x-mcp-header": "Region"}},
    },
}


PARENT = os.getppid()


def idle() -> None:
    """Does nothing for as long as the gateway runs; a test that kills it leaves nobody else to end this process."""
    while os.getppid() == PARENT:
        time.sleep(0.2)
    os._exit(0)


class Server:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.values: list[Any] = []
        self.pair: list[tuple[Any, Any, Any]] = []
        self.waiting: dict[Any, Any] = {}
        self.asked: dict[Any, Any] = {}

    def log(self, text: str) -> None:
        if self.options.log:
            with open(self.options.log, "a", encoding="utf-8") as file:
                file.write(text + "\n")

    def send(self, message: Any) -> None:
        line = message if isinstance(message, str) else json.dumps({"jsonrpc": "2.0", **message})
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def answer(self, number: Any, result: Any) -> None:
        if self.options.era == "modern":
            result = {"resultType": "complete", **result}
        self.send({"id": number, "result": result})

    def text(self, number: Any, text: Any) -> None:
        if not isinstance(text, str):
            text = json.dumps(text, sort_keys=True)
        self.answer(number, {"content": [{"type": "text", "text": text}]})

    def run(self) -> None:
        self.log(f"start {os.getpid()}")
        if self.options.crash_at_start:
            sys.exit("cannot start today")
        for line in sys.stdin:
            self.log(f"line {line.rstrip()}")
            self.message(json.loads(line))
        self.log("end")
        if self.options.stubborn:
            idle()

    def message(self, message: dict[str, Any]) -> None:
        method, number, params = message.get("method"), message.get("id"), message.get("params", {})
        if method is None:
            caller = self.asked.pop(number, None)
            if caller is not None:
                self.text(caller, message)
        elif method == "notifications/cancelled":
            if params.get("requestId") in self.waiting:
                self.log(f"cancelled {json.dumps(self.waiting.pop(params['requestId']))}")
        elif number is None:
            pass
        elif method == "initialize" and self.options.era == "legacy":
            info = {"name": "hostile-stdio", "version": "1"}
            self.answer(number, {"protocolVersion": LEGACY, "capabilities": {"tools": {}}, "serverInfo": info})
        elif method == "server/discover" and self.options.era == "modern":
            found = {"supportedVersions": [MODERN], "capabilities": {"tools": {}}, "ttlMs": 0, "cacheScope": "private"}
            self.answer(number, found)
        elif method == "ping":
            self.answer(number, {})
        elif method == "tools/list":
            tools = [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS] + [REGION]
            self.answer(number, {"tools": tools})
        elif method == "tools/call":
            self.call(number, params)
        else:
            self.send({"id": number, "error": {"code": -32601, "message": f"no method {method}"}})

    def call(self, number: Any, params: dict[str, Any]) -> None:
        name, arguments = params.get("name"), params.get("arguments", {})
        token = params.get("_meta", {}).get("progressToken")
        self.log(f"call {name} {json.dumps(arguments)}")
        if name in ("echo", "region"):
            self.text(number, arguments)
        elif name == "slow":
            time.sleep(arguments["ms"] / 1000)
            self.text(number, arguments)
        elif name == "crash":
            print("dying words", file=sys.stderr, flush=True)
            os._exit(7)
        elif name == "hang":
            pass
        elif name == "junk":
            for line in ["Starting up...", "{", "[]", "null", '{"jsonrpc":"1.0"}', '{"a":1,"a":2}', "\x00\x01", ""]:
                self.send(line)
            self.text(number, "after the junk")
        elif name == "broken":
            self.send(f'{{"jsonrpc":"2.0","id":{json.dumps(number)},"result":{{"content":[],"content":[]}}}}')
        elif name == "huge":
            self.text(number, "x" * arguments["bytes"])
        elif name == "environment":
            self.text(number, {"environment": dict(os.environ), "cwd": os.getcwd()})
        elif name == "spawn":
            child = subprocess.Popen(
                ["sh", "-c", "trap '' TERM HUP; for n in $(seq 120); do sleep 1; done"], stdin=subprocess.DEVNULL
            )
            self.text(number, {"pid": child.pid, "own": os.getpid()})
        elif name == "remember":
            self.values.append(arguments.get("value"))
            self.text(number, {"pid": os.getpid()})
        elif name == "recall":
            self.text(number, {"values": self.values, "pid": os.getpid()})
        elif name == "pair":
            self.pair.append((number, token, arguments))
            if len(self.pair) == 2:
                for step in (1, 2):
                    for _, token, label in self.pair:
                        progress = {"progressToken": token, "progress": step, "message": json.dumps(label)}
                        self.send({"method": "notifications/progress", "params": progress})
                while self.pair:
                    number, token, label = self.pair.pop()
                    self.text(number, {"label": label, "id": number, "token": token})
        elif name == "wait":
            self.waiting[number] = arguments
        elif name == "close":
            os.close(1)
            idle()
        elif name == "deaf":
            idle()
        elif name == "flood":
            while True:
                self.send({"method": "notifications/progress", "params": {"progressToken": token, "progress": 1}})
                # Others are served in between.
                while select.select([sys.stdin], [], [], 0)[0]:
                    line = sys.stdin.readline()
                    if not line:
                        return
                    other = json.loads(line)
                    if other.get("method") == "tools/call":
                        self.call(other["id"], other["params"])
        elif name == "shout":
            for line in range(arguments["lines"]):
                print(f"line {line} of many, which nobody reads", file=sys.stderr)
            self.text(number, "after the shouting")
        elif name == "twice":
            self.text(number, "first")
            self.text(number, "second")
        elif name == "answer_other":
            self.text(number + 1000, "for somebody else")
            self.text(str(number), "for a text")
            self.text(number, "for you")
        elif name == "log":
            said = {"level": "info", "data": "on the way"}
            self.send({"method": "notifications/message", "params": said})
            self.text(number, "logged")
        elif name == "ask":
            self.asked["q"] = number
            self.send({"id": "q", "method": arguments["method"], "params": {}})
        else:
            self.send({"id": number, "error": {"code": -32602, "message": f"no tool {name}"}})


def main() -> None:
    parser = argparse.ArgumentParser(description="An MCP server that misbehaves as it is asked to.")
    parser.add_argument("--era", choices=["modern", "legacy"], default="modern")
    parser.add_argument("--log")
    parser.add_argument("--crash-at-start", action="store_true")
    parser.add_argument("--stubborn", action="store_true", help="ignore SIGTERM and the end of the input")
    options = parser.parse_args()
    if options.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Server(options).run()


if __name__ == "__main__":
    main()
