#!/usr/bin/env python3
"""Real history: consecutive published versions of real servers, added one after the other as a user would.

For each step from one version to the next, what the gateway puts into quarantine is held against what really differs: the
definitions that both versions give when they are asked directly, compared as JSON values. Wanted: nothing missed, and no
alarm on what did not change. See `make eval-history`.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

POLICY = '@id("all") permit (principal, action, resource);\n'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--versions", type=int, default=6, help="the last so many versions of each server")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(arguments.binary).resolve(), Path(folder))
        try:
            steps = list(house.walk(arguments.versions))
        finally:
            house.end()
    missed = sum(len(step["missed"]) for step in steps)
    false = sum(len(step["false"]) for step in steps)
    unchanged = sum(step["unchanged"] for step in steps)
    drift = sum(len(step["drift"]) for step in steps)
    print(
        json.dumps(
            {"steps": len(steps), "drift": drift, "unchanged": unchanged, "missed": missed, "false_alarms": false}
        )
    )
    return 0 if steps and missed == 0 and false == 0 else 1


class House:
    """A gateway without servers, to which some are added."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self.binary, self.folder = binary, folder
        self.config = folder / "cardea.yaml"
        self.allowed = folder / "allowed"
        self.allowed.mkdir()
        repository = folder / "repository"
        subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
        self.repository = repository
        (folder / "policies").mkdir()
        (folder / "policies" / "all.cedar").write_text(POLICY)
        port, admin = free_port(), free_port()
        config = {
            "listen": f"127.0.0.1:{port}",
            "public_url": f"http://127.0.0.1:{port}",
            "admin_listen": f"127.0.0.1:{admin}",
            "state_dir": "state",
            "tenants": {"demo": {}},
            "issuers": [{"embedded": True}],
            "upstreams": {},
            "policies": ["policies"],
        }
        self.config.write_text(json.dumps(config))
        self.log = open(folder / "gateway.log", "w", encoding="utf-8")
        serve = [str(binary), "serve", "--config", str(self.config)]
        self.gateway = subprocess.Popen(serve, stdout=self.log, stderr=self.log)
        wait_for(f"http://127.0.0.1:{admin}/readyz")

    def end(self) -> None:
        self.gateway.terminate()
        self.gateway.wait(timeout=30)
        self.log.close()

    def walk(self, count: int):
        allowed, repository = str(self.allowed), str(self.repository)
        servers = [
            (
                "filesystem",
                npm_versions("@modelcontextprotocol/server-filesystem", count),
                ["--write", allowed],
                [],
                [allowed],
            ),
            (
                "git",
                pypi_versions("mcp-server-git", count),
                ["--write", repository, "--exec", "git"],
                ["--constraint", "mcp<2"],
                ["--repository", repository],
            ),
        ]
        for name, specs, box, options, args in servers:
            before = None
            for spec in specs:
                replace = ["--replace"] if before is not None else []
                add = ["add", spec, "--name", name, *box, *replace]
                # Earlier versions do not say that they need the SDK of their time; later ones cannot have it.
                if not options or self.cardea(*add, *options, "--", *args, may_fail=True) is None:
                    self.cardea(*add, "--", *args)
                approved = self.cardea("approve", "--all", name, "--reason", f"history: {spec}", "--wait", "120s")
                found = {item["what"] for server in approved["approved"] for item in server["items"]}
                launch = self.cardea("show", name)["record"]["launch"]["stdio"]
                now = definitions([launch["command"], *launch["args"]], launch["cwd"])
                if before is not None:
                    drift = {what for what, raw in now.items() if before.get(what) != raw}
                    step = {
                        "to": spec,
                        "drift": sorted(drift),
                        "unchanged": len(now) - len(drift),
                        "missed": sorted(drift - found),
                        "false": sorted(found - drift),
                    }
                    print(
                        f"{spec}: {len(drift)} of {len(now)} definitions are new or changed"
                        f" ({', '.join(sorted(drift)) or 'none'}); missed {step['missed']}, false {step['false']}",
                        flush=True,
                    )
                    yield step
                # What an earlier version had and this one lacks is still approved: it counts as known.
                before = {**(before or {}), **now}

    def cardea(self, verb: str, *args: str, may_fail: bool = False):
        options, rest = list(args), []
        if "--" in options:
            at = options.index("--")
            options, rest = options[:at], options[at:]
        command = [str(self.binary), "server", verb, "--config", str(self.config), "--json", *options, *rest]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 and may_fail:
            return None
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: {done.returncode}: {done.stderr}{(self.folder / 'gateway.log').read_text()[-2000:]}")
        return json.loads(done.stdout)


def definitions(command: list[str], cwd: str) -> dict[str, object]:
    """What a server says of itself, asked directly: by the name under which it is approved."""
    environment = {"PATH": os.environ["PATH"]}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, cwd=cwd, env=environment, text=True, **pipes)
    number = 0

    def ask(method: str, params: dict):
        nonlocal number
        number += 1
        tell({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        for line in server.stdout:
            message = json.loads(line)
            if message.get("id") == number and "method" not in message:
                return message.get("result")
        return None

    def tell(message: dict) -> None:
        server.stdin.write(json.dumps(message) + "\n")
        server.stdin.flush()

    hello = ask(
        "initialize",
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "history", "version": "1"}},
    )
    tell({"jsonrpc": "2.0", "method": "notifications/initialized"})
    found: dict[str, object] = {}
    if "instructions" in hello:
        found["instructions"] = hello["instructions"]
    for capability, method, member, key, prefix in [
        ("tools", "tools/list", "tools", "name", ""),
        ("prompts", "prompts/list", "prompts", "name", "prompt:"),
        ("resources", "resources/templates/list", "resourceTemplates", "uriTemplate", "template:"),
    ]:
        if capability in hello["capabilities"]:
            for item in (ask(method, {}) or {}).get(member, []):
                found[prefix + item[key]] = item
    server.terminate()
    server.wait(timeout=30)
    return found


def npm_versions(package: str, count: int) -> list[str]:
    shown = subprocess.run(["npm", "view", package, "versions", "--json"], capture_output=True, text=True, check=True)
    return [f"npm:{package}@{version}" for version in json.loads(shown.stdout)[-count:]]


def pypi_versions(package: str, count: int) -> list[str]:
    pip = [sys.executable, "-m", "pip", "index", "versions", package, "--disable-pip-version-check"]
    shown = subprocess.run(pip, capture_output=True, text=True, check=True).stdout
    line = next(line for line in shown.splitlines() if line.startswith("Available versions:"))
    versions = [version.strip() for version in line.split(":", 1)[1].split(",")]
    return [f"pypi:{package}=={version}" for version in reversed(versions[:count])]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for(url: str) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"{url} does not answer")


if __name__ == "__main__":
    sys.exit(main())
