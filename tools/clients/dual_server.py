#!/usr/bin/env python3
"""A small MCP server on the Python SDK that speaks both eras: a real modern upstream for the tests.

It serves Streamable HTTP on loopback (the default; the first line on standard output is the URL) or stdio (--stdio).
What it has: add, count_up (reports progress), ask_name (elicits input), region (an argument mirrored as a header),
seen_headers (what reached it), fail; one resource and one prompt.
"""

from __future__ import annotations

import argparse
import json
import logging
import socket
import sys
from typing import Annotated

import anyio
import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Elicit, Resolve
from pydantic import BaseModel, Field

server = MCPServer("dual-server", version="1.0.0", instructions="A server for tests.", log_level="WARNING")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


@server.tool()
async def count_up(context: Context, to: Annotated[int, Field(ge=1, le=100)] = 3, pause_ms: int = 0) -> str:
    """Count to a number, reporting progress at each step."""
    for step in range(1, to + 1):
        await context.report_progress(step, to, f"step {step}")
        await anyio.sleep(pause_ms / 1000)
    return f"counted to {to}"


class Name(BaseModel):
    """The form that ask_name shows."""

    name: str = Field(description="The name to greet")


async def _asked_name() -> Elicit[Name]:
    return Elicit("Who shall be greeted?", Name)


@server.tool()
async def ask_name(name: Annotated[Name, Resolve(_asked_name)]) -> str:
    """Ask the person for a name and greet it."""
    return f"hello {name.name}"


@server.tool()
def region(name: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
    """Return the region; modern clients send the argument as the header Mcp-Param-Region too."""
    return f"region {name}"


@server.tool()
def seen_headers(context: Context) -> str:
    """Return the request headers that reached this server, as a JSON object."""
    return json.dumps(dict(context.headers or {}), sort_keys=True)


@server.tool()
def fail() -> str:
    """Fail, as a tool does: with an error result."""
    raise ValueError("failed as asked")


@server.resource("note://welcome")
def welcome() -> str:
    """A text resource."""
    return "welcome"


@server.prompt()
def greeting(name: str) -> str:
    """A prompt with one argument."""
    return f"Greet {name}."


async def serve_http(port: int) -> None:
    listener = socket.create_server(("127.0.0.1", port))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    config = uvicorn.Config(server.streamable_http_app(), log_level="warning", timeout_graceful_shutdown=1)
    print(url, flush=True)
    await uvicorn.Server(config).serve(sockets=[listener])


def main() -> None:
    parser = argparse.ArgumentParser(description="A dual-era MCP server for tests.")
    parser.add_argument("--stdio", action="store_true", help="serve standard input and output instead of HTTP")
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0 lets the system choose")
    arguments = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    if arguments.stdio:
        server.run("stdio")
    else:
        anyio.run(serve_http, arguments.port)


if __name__ == "__main__":
    main()
