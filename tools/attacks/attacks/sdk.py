"""The TypeScript SDK, which gives an answer to whoever asked last under the same id, where clients share a transport."""

import asyncio

from attack import SERVERS, Attack, Http, program
from lab import Lab, free_port
from session import Session

# The victim's call is under way when the attacker's comes, and ends while that waits.
VICTIM_WAITS_MS, BETWEEN_S, ATTACKER_WAITS_MS = 1500, 0.5, 3000


def server(lab: Lab) -> Http:
    port = free_port()
    return Http(program("node"), [str(SERVERS / "sdk/shared.mjs")], lab.inside, port, {"PORT": str(port)})


async def ordinary(session: Session, _: Lab) -> None:
    await session.expect("report of emma", "report", whose="emma", wait_ms=0)


async def attack(session: Session, lab: Lab) -> None:
    """Two clients count their requests alike, as all of one kind do, so that both calls have one id."""
    async with session.of_another_person() as victim:
        asked = asyncio.create_task(victim.attempt("report", whose=lab.secret, wait_ms=VICTIM_WAITS_MS))
        await asyncio.sleep(BETWEEN_S)
        await asyncio.wait([asyncio.create_task(session.attempt("report", whose="attacker", wait_ms=ATTACKER_WAITS_MS))], timeout=10)
        asked.cancel()


ATTACKS = (
    Attack(
        name="sdk-crossed-answers",
        ids="CVE-2026-25536",
        package="@modelcontextprotocol/sdk@1.25.2",
        what="gets another client's answer by a request with the same id",
        prepare=lambda lab: None,
        server=server,
        ordinary=ordinary,
        attack=attack,
        happened=lambda session, lab: session.heard_of(lab.secret),
        no_sandbox="the server runs by itself, so that the gateway puts no sandbox around it",
        needs=("sdk",),
    ),
)
