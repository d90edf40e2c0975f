"""Published attacks on exact versions of real packages: without protection, and through the gateway.

Each attack has to work without the gateway, or it proves nothing. See docs/reference/evaluation.md.
Prints a table, and last one line of JSON.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator

from attack import Attack, Http, Stdio
from attacks import ATTACKS
from gateway import NO_SANDBOX, SANDBOX_ALONE, WALLS, Gateway, Walls
from lab import Lab, port_is_open
from session import Session, over_http, over_stdio

UP_WITHIN_S = 60
DIRECT = "direct"
# What an attack came to, one way.
WORKED, STOPPED, BROKEN = "WORKED", "stopped", "BROKEN"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cardea", required=True, help="the gateway's binary")
    arguments.add_argument("--only", default="", help="names of attacks, separated by commas")
    arguments.add_argument("--walls", default="", help="of " + ", ".join(f"`{walls.name}`" for walls in WALLS) + ", separated by commas")
    arguments.add_argument("--keep", type=pathlib.Path, help="a folder for configurations, logs and what the attacks left")
    arguments.add_argument("--needs", action="store_true", help="print the folders of `servers` that are needed, and end")
    args = arguments.parse_args()
    attacks = chosen(args.only, ATTACKS, "attack")
    if args.needs:
        print("\n".join(sorted({need for attack in attacks for need in attack.needs})))
        return 0
    # What a client library thinks of servers that do not end a session as they should is no finding here.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    walls = chosen(args.walls, WALLS, "set of walls")
    # Not below /tmp, which a sandbox has of its own anyway.
    folder = args.keep or pathlib.Path(tempfile.mkdtemp(prefix="cardea-attacks-", dir="/var/tmp"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        outcomes = asyncio.run(run(str(pathlib.Path(args.cardea).resolve()), folder.resolve(), attacks, walls))
    finally:
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
    return report(attacks, walls, outcomes)


def chosen(wanted: str, all_of_them, kind: str) -> list:
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    known = {one.name: one for one in all_of_them}
    for name in names:
        if name not in known:
            raise SystemExit(f"error: there is no {kind} `{name}`; there are {', '.join(known)}")
    return [known[name] for name in names] if names else list(all_of_them)


# === running ===


async def run(cardea: str, folder: pathlib.Path, attacks: list[Attack], walls: list[Walls]) -> dict:
    """For each way and attack what came of the attack, and what ordinary calls came to: empty where they work."""
    outcomes = {}
    for attack in attacks:
        with laboratory(folder / DIRECT / attack.name, attack) as (lab, server):
            async with direct(lab, server) as open_session:
                outcomes[DIRECT, attack.name] = await tried(attack, lab, open_session)
                tell(DIRECT, attack, outcomes)
    for wall in walls:
        with contextlib.ExitStack() as stack:
            home = folder / wall.name.replace(" ", "-")
            ready = [(attack, *stack.enter_context(laboratory(home / attack.name, attack))) for attack in attacks]
            gateway = stack.enter_context(Gateway(cardea, home, wall, ready))
            for attack, lab, server in ready:
                async with through(gateway, attack, lab, server) as open_session:
                    outcomes[wall.name, attack.name] = await tried(attack, lab, open_session)
                    tell(wall.name, attack, outcomes)
    return outcomes


@contextlib.contextmanager
def laboratory(folder: pathlib.Path, attack: Attack):
    lab = Lab(folder)
    try:
        attack.prepare(lab)
        yield lab, attack.server(lab)
    finally:
        lab.close()


async def tried(attack: Attack, lab: Lab, open_session) -> tuple[str, str]:
    """Ordinary calls first, then the attack, each in a session of its own."""
    trouble = ""
    try:
        async with open_session() as session:
            await attack.ordinary(session, lab)
    except Exception as error:  # of whatever kind: the server does not do its work
        trouble = describe(error)
    try:
        async with open_session() as session:
            session.another = open_session
            await attack.attack(session, lab)
            (lab.folder / "heard.txt").write_text("\n\n".join(session.heard))
            happened = attack.happened(session, lab)
            if not happened:
                # A server that was not there has stopped nothing.
                await session.client.list_tools()
    except Exception as error:  # of whatever kind: what was not carried out was not stopped
        return f"{BROKEN}: {describe(error)}", trouble
    return WORKED if happened else STOPPED, trouble


def describe(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:500]


def tell(way: str, attack: Attack, outcomes: dict) -> None:
    outcome, trouble = outcomes[way, attack.name]
    print(f"{way}: {attack.name}: {outcome}{f'; ordinary calls: {trouble}' if trouble else ''}", file=sys.stderr, flush=True)


@contextlib.asynccontextmanager
async def direct(lab: Lab, server: Stdio | Http) -> AsyncIterator:
    if isinstance(server, Stdio):
        with open(lab.folder / "server.log", "w") as log:
            yield lambda: over_stdio(server, log)
    else:
        with running(lab, server):
            yield lambda: over_http(server.url)


@contextlib.asynccontextmanager
async def through(gateway: Gateway, attack: Attack, lab: Lab, server: Stdio | Http) -> AsyncIterator:
    with running(lab, server) if isinstance(server, Http) else contextlib.nullcontext():
        tokens = gateway.tokens()
        yield lambda: over_http(gateway.endpoint(attack), tokens)


@contextlib.contextmanager
def running(lab: Lab, server: Http):
    """A server that the gateway does not start, with next to no environment."""
    with open(lab.folder / "server.log", "w") as log:
        process = subprocess.Popen(
            [server.command, *server.args], cwd=server.cwd, env={"PATH": os.environ["PATH"], **server.env}, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + UP_WITHIN_S
        while not port_is_open(server.port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"error: the server did not start; see {lab.folder / 'server.log'}")
            time.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()


# === reporting ===


def report(attacks: list[Attack], walls: list[Walls], outcomes: dict) -> int:
    ways = [DIRECT, *(wall.name for wall in walls)]
    rows = [["attack", "package", *ways, "ordinary calls"]]
    stopped = ordinary = 0
    for attack in attacks:
        cells = [cell(attack, way, outcomes[way, attack.name][0]) for way in ways]
        troubles = [way for way in ways if outcomes[way, attack.name][1]]
        rows.append([f"{attack.name} ({attack.ids})", attack.package, *cells, f"FAILED: {', '.join(troubles)}" if troubles else "ok"])
        stopped += holds(attack, walls, outcomes)
        ordinary += not troubles
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())
    for attack in attacks:
        for reason in filter(None, (attack.no_constraint, attack.no_sandbox)):
            print(f"{attack.name}: {reason}")
    print(json.dumps({"total": len(attacks), "stopped": stopped, "ordinary_calls_ok": ordinary}))
    return 0 if stopped == ordinary == len(attacks) else 1


def cell(attack: Attack, way: str, outcome: str) -> str:
    return outcome.split(":")[0] if way == DIRECT or expected(attack, way) else "-"


def expected(attack: Attack, way: str) -> bool:
    """Whether what stands there has to hold by itself."""
    return not (way == SANDBOX_ALONE.name and attack.no_sandbox or way == NO_SANDBOX.name and attack.no_constraint)


def holds(attack: Attack, walls: list[Walls], outcomes: dict) -> bool:
    """It works without the gateway, and every set of walls that has to hold does."""
    return outcomes[DIRECT, attack.name][0] == WORKED and all(
        outcomes[wall.name, attack.name][0] == STOPPED for wall in walls if expected(attack, wall.name)
    )


if __name__ == "__main__":
    sys.exit(main())
