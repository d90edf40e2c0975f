"""The real gateway in front of the servers of all attacks, with one set of walls."""

import dataclasses
import json
import pathlib
import signal
import subprocess
import time
import urllib.request

from attack import Attack, Http, Stdio
from lab import Lab, free_port

TENANT, PEOPLE, AGENT = "eval", ("emma", "victor"), "assistant"
UP_WITHIN_S = 60
ENDS_WITHIN_S = 20


# Everybody may call every tool: policies are not what is tried here.
POLICIES = """
@id("all-connect")
permit (principal, action in Cardea::Action::"connect", resource);
@id("all-call")
permit (principal, action == Cardea::Action::"tools/call", resource);
"""


@dataclasses.dataclass(frozen=True)
class Walls:
    """What stands between the attacker and the server."""

    name: str
    constraints: bool
    sandbox: bool
    # The schema firewall refuses arguments that a tool does not list; without it the sandbox is alone.
    schemas: bool


EVERYTHING = Walls("everything", constraints=True, sandbox=True, schemas=True)
SANDBOX_ALONE = Walls("sandbox alone", constraints=False, sandbox=True, schemas=False)
NO_SANDBOX = Walls("no sandbox", constraints=True, sandbox=False, schemas=False)
WALLS = (EVERYTHING, SANDBOX_ALONE, NO_SANDBOX)


class Gateway:
    def __init__(self, cardea: str, folder: pathlib.Path, walls: Walls, tried: list[tuple[Attack, Lab, Stdio | Http]]):
        self.cardea = cardea
        self.folder = folder
        self.port = free_port()
        self.admin = free_port()
        self.config = folder / "cardea.yaml"
        (folder / "tools.cedar").write_text(POLICIES)
        self.config.write_text(json.dumps(self._configuration(walls, tried), indent=1))
        self.process: subprocess.Popen | None = None

    def _configuration(self, walls: Walls, tried: list[tuple[Attack, Lab, Stdio | Http]]) -> dict:
        return {
            "listen": f"127.0.0.1:{self.port}",
            "admin_listen": f"127.0.0.1:{self.admin}",
            "state_dir": "state",
            "tenants": {TENANT: {}},
            "issuers": [{"embedded": True}],
            "policies": ["tools.cedar"],
            "upstreams": {attack.name: upstream(walls, attack, lab, server) for attack, lab, server in tried},
        }

    def endpoint(self, attack: Attack) -> str:
        return f"http://127.0.0.1:{self.port}/mcp/{attack.name}"

    def tokens(self) -> tuple[str, ...]:
        """One for each of the people."""
        return tuple(self._token(person) for person in PEOPLE)

    def _token(self, person: str) -> str:
        command = [self.cardea, "token", "--config", str(self.config), "--tenant", TENANT, "--subject", person, "--actor", AGENT]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def __enter__(self) -> "Gateway":
        self._check()
        with open(self.folder / "gateway.log", "w") as log:
            self.process = subprocess.Popen([self.cardea, "serve", "--config", str(self.config)], stdout=log, stderr=log)
        deadline = time.monotonic() + UP_WITHIN_S
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/readyz", timeout=5).read()
                return self
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.process.kill()
                    raise SystemExit(f"error: the gateway did not start: {error}; see {self.folder / 'gateway.log'}") from error
                time.sleep(0.1)

    def _check(self) -> None:
        done = subprocess.run([self.cardea, "check", "--config", str(self.config)], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"error: the gateway refuses the configuration {self.config}:\n{done.stdout}{done.stderr}")

    def __exit__(self, *_: object) -> None:
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()


def upstream(walls: Walls, attack: Attack, lab: Lab, server: Stdio | Http) -> dict:
    # What is looked at is the attack; that a person has approved the tools is taken for granted.
    entry: dict = {"tenants": [TENANT], "pins": "off"}
    if walls.constraints and (constraints := attack.constraints(lab)):
        entry["constraints"] = constraints
    if not walls.schemas:
        entry["schemas"] = {"arguments": "ignore", "results": "ignore"}
    if isinstance(server, Http):
        entry["http"] = {"url": server.url}
        return entry
    entry["stdio"] = {"command": server.command, "args": server.args, "cwd": str(server.cwd), "env": server.env}
    entry["sandbox"] = {"mode": "strict", **attack.sandbox(lab)} if walls.sandbox else {"mode": "off"}
    return entry
