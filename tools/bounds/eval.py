"""What the largest and the deepest answers of a server cost the gateway: time, and the most memory that it had.

One gateway with flow control on, and one server that answers as it is told. Prints a table, and last one line of JSON. The
peak is the kernel's (VmHWM), set back before each call, so this is for Linux.
"""

import argparse
import http.client
import http.server
import json
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

TENANT, UPSTREAM = "eval", "big"
MB = 1_000_000
UP_WITHIN_S = 60


def text_of(size: int) -> str:
    """Words that are all different: what flow control remembers grows with them."""
    words, length, n = [], 0, 0
    while length < size:
        word = f"w{n:x}"
        words.append(word)
        length += len(word) + 1
        n += 1
    return " ".join(words)[:size]


def result(case: str) -> str:
    """The raw `result` of a case."""
    if case == "50 MB, one word":
        return json.dumps({"content": [{"type": "text", "text": "x" * (50 * MB)}]})
    if case == "50 MB, all words different":
        return json.dumps({"content": [{"type": "text", "text": text_of(50 * MB)}]})
    if case == "50 MB, 3,000,000 numbers":
        rows = ",".join(str(n + 10**14) for n in range(3_000_000))
        return '{"content":[],"structuredContent":{"rows":[' + rows + "]}}"
    if case == "200 levels deep":
        return '{"content":[],"structuredContent":' + '{"a":' * 200 + "1" + "}" * 200 + "}"
    if case == "1,000,000 levels deep":
        return '{"content":[],"structuredContent":' + "[" * 1_000_000 + "]" * 1_000_000 + "}"
    return json.dumps({"content": [{"type": "text", "text": "small"}]})


CASES = [
    "small",
    "50 MB, one word",
    "50 MB, all words different",
    "50 MB, 3,000,000 numbers",
    "200 levels deep",
    "1,000,000 levels deep",
]


class Server:
    def __init__(self) -> None:
        self.case, self.raw = "", ""
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_args) -> None:
                pass

            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
                if message.get("method") == "tools/list":
                    tool = {"name": "get", "inputSchema": {"type": "object"}}
                    raw = json.dumps({"tools": [tool]})
                else:
                    raw = outer.raw
                body = f'{{"jsonrpc":"2.0","id":{json.dumps(message.get("id"))},"result":{raw}}}'.encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass  # the gateway has heard enough

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/mcp"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, case: str) -> int:
        if case != self.case:
            self.case, self.raw = case, result(case)
        return len(self.raw)


class Gateway:
    def __init__(self, cardea: str, folder: pathlib.Path, url: str, answer_bytes_max: str) -> None:
        self.port, admin = free_port(), free_port()
        folder.mkdir()
        (folder / "all.cedar").write_text('@id("all") permit (principal, action, resource);\n')
        config = {
            "listen": f"127.0.0.1:{self.port}",
            "admin_listen": f"127.0.0.1:{admin}",
            "state_dir": "state",
            "tenants": {TENANT: {}},
            "issuers": [{"embedded": True}],
            "policies": ["all.cedar"],
            "packs": ["untrusted-values"],
            "upstreams": {
                UPSTREAM: {
                    "tenants": [TENANT],
                    "http": {"url": url},
                    "limits": {"answer_bytes_max": answer_bytes_max},
                    "pins": "off",
                }
            },
        }
        path = folder / "cardea.yaml"
        path.write_text(json.dumps(config))
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen([cardea, "serve", "--config", path], stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + UP_WITHIN_S
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=5).read()
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"error: the gateway did not start; see {folder / 'log'}")
                time.sleep(0.1)
        self.mint = [cardea, "token", "--config", path, "--tenant", TENANT, "--actor", "agent"]
        self.people = 0

    def token(self) -> str:
        """Each is another person's, so that it begins a run."""
        self.people += 1
        mint = [*self.mint, "--subject", f"person-{self.people}"]
        return subprocess.run(mint, check=True, capture_output=True, text=True).stdout.strip()

    def call(self, method: str, params: dict, token: str) -> tuple[int, bytes]:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        headers = {
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2025-11-25",
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request("POST", f"/mcp/{UPSTREAM}", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def peak_mib(self) -> int:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) // 1024

    def forget_peak(self) -> None:
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def became(body: bytes) -> str:
    if len(body) > MB:
        return "passes"
    answer = json.loads(body)
    error = answer.get("error")
    return "passes" if error is None else f"{error['data']['code']}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cardea", required=True)
    args = parser.parse_args()
    server = Server()
    rows = []
    with tempfile.TemporaryDirectory() as root:
        for limit in ["16MiB", "64MiB"]:
            gateway = Gateway(args.cardea, pathlib.Path(root) / limit, server.url, limit)
            gateway.call("tools/list", {}, gateway.token())
            for case in CASES:
                size = server.answer(case)
                token = gateway.token()
                gateway.forget_peak()
                begun = time.monotonic()
                _, body = gateway.call("tools/call", {"name": "get", "arguments": {}}, token)
                took = time.monotonic() - begun
                rows.append((limit, case, size, took, gateway.peak_mib(), became(body)))
            gateway.stop()
    print(f"{'answer_bytes_max':<17} {'answer':<28} {'bytes':>12} {'time':>9} {'peak':>10}  what became of it")
    for limit, case, size, took, peak, became_ in rows:
        print(f"{limit:<17} {case:<28} {size:>12,} {took * 1000:>6.0f} ms {peak:>6} MiB  {became_}")
    # Where nothing passes, nothing was measured.
    if any(case == "small" and became_ != "passes" for _, case, _, _, _, became_ in rows):
        sys.exit("error: the small answer does not pass")
    worst = max(rows, key=lambda row: row[3])
    print(json.dumps({"worst_s": round(worst[3], 2), "peak_mib": max(row[4] for row in rows), "calls": len(rows)}))


main()
