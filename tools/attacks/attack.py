"""What a published attack is to the driver: a server, what a user would configure for it, the attack, its effect."""

import dataclasses
import pathlib
import shutil
from collections.abc import Awaitable, Callable

from lab import Lab
from session import Session

HERE = pathlib.Path(__file__).parent
SERVERS = HERE / "servers"


@dataclasses.dataclass(frozen=True)
class Stdio:
    """A server that its user starts: a program and its arguments."""

    command: str
    args: list[str]
    cwd: pathlib.Path
    env: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Http:
    """A server that runs by itself and is called at a port of its own on loopback."""

    command: str
    args: list[str]
    cwd: pathlib.Path
    port: int
    env: dict[str, str] = dataclasses.field(default_factory=dict)
    path: str = "/mcp"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"


@dataclasses.dataclass(frozen=True)
class Attack:
    """One published attack on one exact version of a package, and what is configured against it."""

    name: str
    ids: str
    package: str
    what: str
    prepare: Callable[[Lab], None]
    server: Callable[[Lab], Stdio | Http]
    # Ordinary calls, each of which raises where the server does not do its work.
    ordinary: Callable[[Session, Lab], Awaitable[None]]
    attack: Callable[[Session, Lab], Awaitable[None]]
    # Whether the attack had its effect; the answers are in the session.
    happened: Callable[[Session, Lab], bool]
    # `upstreams.X.constraints`, and `upstreams.X.sandbox`, as the server's user would write them.
    constraints: Callable[[Lab], list[dict]] = lambda lab: []
    sandbox: Callable[[Lab], dict] = lambda lab: {}
    # Why a wall alone cannot hold here; empty where it has to.
    no_constraint: str = ""
    no_sandbox: str = ""
    # Folders of `servers` to be installed.
    needs: tuple[str, ...] = ()


def node(package: str, script: str, *args: str, cwd: pathlib.Path, env: dict[str, str] | None = None) -> Stdio:
    """A Node server of `servers/<package>`."""
    return Stdio(program("node"), [str(module(package, script)), *args], cwd, env or {})


def python(package: str, *args: str, cwd: pathlib.Path, env: dict[str, str] | None = None) -> Stdio:
    """A Python server of the virtual environment of `servers/<package>`."""
    return Stdio(str(SERVERS / package / ".venv/bin/python3"), list(args), cwd, env or {})


def module(package: str, script: str) -> pathlib.Path:
    return SERVERS / package / "node_modules" / script


def program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise SystemExit(f"error: {name} is missing: install it first")
    return found
