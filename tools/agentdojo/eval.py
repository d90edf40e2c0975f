"""AgentDojo through the real gateway, without a model: useful work, attacks, approvals.

The server and the replay are those of the folder given by --data; see docs/reference/evaluation.md for what each figure means.
Prints a table, and last one line of JSON.
"""

import argparse
import asyncio
import concurrent.futures
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from approver import Approver
import granted

TENANT, PERSON, AGENT = "eval", "emma", "assistant"
UP_WITHIN_S = 60
# On a busy machine the control connection of the replay may be closed just as it is used again.
ATTEMPTS_MAX = 3
# A call that is offered an approval names the page on which people decide.
APPROVAL_PATTERN = "/console/requests/"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_for(url: str, process: subprocess.Popen, what: str) -> bytes:
    deadline = time.monotonic() + UP_WITHIN_S
    while True:
        try:
            return urllib.request.urlopen(url, timeout=5).read()
        except OSError as error:
            if process.poll() is not None:
                sys.exit(f"error: {what} ended while starting")
            if time.monotonic() > deadline:
                sys.exit(f"error: {what} did not answer at {url}: {error}")
            time.sleep(0.1)


def stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()


async def tools_of(url: str) -> dict:
    """The answer to `tools/list`, as the gateway's command reads it."""
    from mcp.client.client import Client
    from mcp.client.streamable_http import streamable_http_client

    async with Client(streamable_http_client(url), mode="legacy") as client:
        listed = await client.list_tools()
    return {"tools": [tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in listed.tools]}


def configure(folder: pathlib.Path, cardea: str, suites: list[str], upstream: str, port: int, admin: int) -> pathlib.Path:
    """One configuration for all suites; labels are those that the gateway suggests from `tools/list`."""
    lists = []
    for suite in suites:
        path = folder / f"{suite}.tools.json"
        path.write_text(json.dumps(asyncio.run(tools_of(f"{upstream}/{suite}/mcp"))))
        lists.append(str(path))
    labels = subprocess.run([cardea, "flow", "labels", *lists], check=True, capture_output=True, text=True).stdout
    (folder / "labels.yaml").write_text(labels)
    (folder / "all.cedar").write_text('@id("permit-all") permit (principal, action, resource);\n')
    config = {
        "listen": f"127.0.0.1:{port}",
        "admin_listen": f"127.0.0.1:{admin}",
        "state_dir": "state",
        "tenants": {TENANT: {}},
        "issuers": [{"embedded": True}],
        "authorization_server": {},
        "policies": ["all.cedar"],
        "packs": ["untrusted-values"],
        "upstreams": {
            suite: {"tenants": [TENANT], "http": {"url": f"{upstream}/{suite}/mcp"}, "labels": "labels.yaml", "pins": "first"}
            for suite in suites
        },
        "entitlements": {
            "one-call": {
                "title": "One call",
                "resources": [{"upstream": "*", "tools": ["*"]}],
                "approval": [{"subjects": [PERSON]}],
                "second_person": False,
            }
        },
    }
    path = folder / "cardea.yaml"
    path.write_text(json.dumps(config, indent=1))
    return path


def figures(rows: list[dict], beaten: set) -> dict:
    tasks = [row for row in rows if row["injection_task"] is None]
    pairs = [
        row
        for row in rows
        if row["injection_task"] is not None
        and row["n_inj_defined"]
        and (row["suite"], row["user_task"], row["injection_task"]) not in beaten
    ]
    reached = sum(row["upstream_calls"] for row in tasks)
    percent = lambda part, whole: round(100 * part / max(whole, 1), 1)
    return {
        "utility_pct": percent(sum(row["utility"] for row in tasks), len(tasks)),
        "undisturbed_pct": percent(sum(row["utility"] and not row["approvals"] for row in tasks), len(tasks)),
        "attacks_executed": sum(bool(row["attack_succeeded"]) for row in pairs),
        "pairs": len(pairs),
        "approvals_per_task": round(sum(row["approvals"] for row in tasks) / max(len(tasks), 1), 3),
        "unaltered_pct": percent(sum(row["unaltered"] for row in tasks), reached),
    }


def replay(args, control: str, url: str, token: str, out: pathlib.Path, suites: list[str]) -> list[dict]:
    """Every suite by a process of its own, at the same time: each has a world of its own on the server."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        of_suites = pool.map(lambda suite: replay_suite(args, control, url, token, out, suite), suites)
        return [row for rows in of_suites for row in rows]


def replay_suite(args, control: str, url: str, token: str, out: pathlib.Path, suite: str) -> list[dict]:
    out = out.with_name(f"{out.stem}-{suite}.jsonl")
    command = [
        sys.executable, "agentdojo_replay.py", "--url", url, "--control", control, "--suites", suite,
        "--approval-pattern", APPROVAL_PATTERN, "--out", str(out), "--list-first",
    ]
    if token:
        command += ["--token-command", token]
    for attempt in range(ATTEMPTS_MAX):
        done = subprocess.run(command, cwd=args.data, capture_output=True, text=True)
        if args.verbose:
            print(done.stdout, file=sys.stderr, flush=True)
        if done.returncode == 0:
            return [json.loads(line) for line in out.read_text().splitlines()]
        print(f"{suite}: the replay broke off and begins anew: {done.stderr.splitlines()[-1:]}", file=sys.stderr, flush=True)
    sys.exit(f"error: the replay of {suite} broke off {ATTEMPTS_MAX} times: {done.stderr[-2000:]}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--cardea", required=True)
    parser.add_argument("--keep", type=pathlib.Path, help="folder for labels, configuration and rows")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    args.cardea = str(pathlib.Path(args.cardea).resolve())
    folder = args.keep or pathlib.Path(tempfile.mkdtemp(prefix="cardea-agentdojo-"))
    folder.mkdir(parents=True, exist_ok=True)
    serving, port, admin = free_port(), free_port(), free_port()
    control = f"http://127.0.0.1:{serving}"
    server = subprocess.Popen([sys.executable, "agentdojo_mcp.py", "--port", str(serving)], cwd=args.data)
    gateway = None
    try:
        suites = list(json.loads(wait_for(f"{control}/control/index", server, "the server of the suites")))
        config = configure(folder, args.cardea, suites, control, port, admin)
        print(f"labels, configuration and rows: {folder}", file=sys.stderr)
        log = open(folder / "gateway.log", "w")
        gateway = subprocess.Popen([args.cardea, "serve", "--config", str(config)], stdout=log, stderr=log)
        wait_for(f"http://127.0.0.1:{admin}/readyz", gateway, "the gateway")
        run(args, folder, config, suites, control, f"http://127.0.0.1:{port}")
    finally:
        for process in filter(None, [gateway, server]):
            stop(process)


def run(args, folder: pathlib.Path, config: pathlib.Path, suites: list[str], control: str, gateway: str) -> None:
    direct = replay(args, control, control + "/{suite}/mcp", "", folder / "direct.jsonl", suites)
    # What does not succeed without a gateway cannot be prevented by one.
    beaten = {
        (row["suite"], row["user_task"], row["injection_task"])
        for row in direct
        if row["injection_task"] is not None and not row["attack_succeeded"]
    }
    # Each task is another person's: how many requests may wait for one person is bounded.
    person = 'person-$(date +%s%N)'
    mint = f"{args.cardea} token --config {config} --tenant {TENANT} --subject {person} --actor {AGENT}"
    approver = Approver(args.cardea, config, gateway, TENANT, PERSON)
    results = {}
    for name, token in [("declared", f'{mint} --task "$TASK"'), ("undeclared", mint)]:
        url = gateway + "/mcp/{suite}"
        rows = replay(args, control, url, token, folder / f"{name}.jsonl", suites)
        results[name] = figures(rows, beaten)
        granted_rows = asyncio.run(granted.run(control, url, token, suites, approver))
        (folder / f"{name}-granted.json").write_text(json.dumps(granted_rows))
        results[name]["utility_granted_pct"] = round(
            100 * sum(row["utility"] for row in granted_rows) / max(len(granted_rows), 1), 1
        )
    print(f"suites: {', '.join(suites)}; without a gateway: {figures(direct, beaten)['utility_pct']} % utility")
    names = list(results["declared"])
    print(f"{'':24}" + "".join(f"{name:>14}" for name in results))
    for figure in names:
        print(f"{figure:24}" + "".join(f"{results[name][figure]:>14}" for name in results))
    print(json.dumps(results))


if __name__ == "__main__":
    main()
