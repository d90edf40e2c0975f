"""A client's session with a server, directly or through the gateway, and everything that it was told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable

from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

# From a call to its answer; interpreters start slowly on a busy machine.
CALL_WITHIN_S = 60
# From the end of a server to its next start.
AGAIN_WITHIN_S = 60


class Refused(Exception):
    """An answer that is an error, of the protocol or of the tool."""


class Session:
    """Calls, and all that was answered, joined for those who look for what must not be in it."""

    def __init__(self, client: Client, endpoint: str = "", tokens: tuple[str, ...] = ()):
        self.client = client
        # Where the server is reached, if by HTTP, and the tokens for it: this session's, then other people's.
        self.endpoint = endpoint
        self.tokens = tokens
        self.heard: list[str] = []
        # Opens a further session of the same client.
        self.another: Callable[[], contextlib.AbstractAsyncContextManager[Session]] | None = None

    async def call(self, tool: str, **arguments: object) -> str:
        """The text of the answer; `Refused` where it is an error."""
        try:
            result = await asyncio.wait_for(self.client.call_tool(tool, arguments), CALL_WITHIN_S)
        except Exception as error:  # of whatever kind: it is an answer all the same
            told = f"{error} {getattr(getattr(error, 'error', None), 'data', '')}"
            self.heard.append(told)
            raise Refused(told) from error
        text = "\n".join(getattr(block, "text", "") for block in result.content)
        if result.structured_content is not None:
            text += json.dumps(result.structured_content)
        self.heard.append(text)
        if result.is_error:
            raise Refused(text)
        return text

    async def attempt(self, tool: str, **arguments: object) -> str:
        """As `call`, for attackers: an error is an answer."""
        try:
            return await self.call(tool, **arguments)
        except Refused as refused:
            return str(refused)

    async def attempt_apart(self, tool: str, **arguments: object) -> None:
        """As `attempt`, in a session of its own, for what ends a server. The gateway lets one that ended wait a little."""
        deadline = time.monotonic() + AGAIN_WITHIN_S
        while True:
            try:
                async with self.another() as session:
                    self.heard.append(await session.attempt(tool, **arguments))
                    return
            except Exception:  # of whatever kind: it could not be opened
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(1)

    async def expect(self, wanted: str, tool: str, **arguments: object) -> None:
        """As `call`, for ordinary work: the answer has to hold `wanted`."""
        answer = await self.call(tool, **arguments)
        if wanted not in answer:
            raise Refused(f"{tool} answered without `{wanted}`: {answer[:300]}")

    @property
    def token(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def of_another_person(self) -> contextlib.AbstractAsyncContextManager["Session"]:
        """Another client's session with the same server, by HTTP."""
        return over_http(self.endpoint, self.tokens[1:])

    def heard_of(self, text: str) -> bool:
        return any(text in answer for answer in self.heard)


@contextlib.asynccontextmanager
async def over_stdio(server, log) -> AsyncIterator[Session]:
    """A server that is started for this session, with the environment that hosts give."""
    parameters = StdioServerParameters(
        command=server.command, args=server.args, cwd=server.cwd, env={"PATH": os.environ["PATH"], **server.env}
    )
    async with Client(stdio_client(parameters, errlog=log), mode="legacy") as client:
        await client.list_tools()
        yield Session(client)


@contextlib.asynccontextmanager
async def over_http(url: str, tokens: tuple[str, ...] = ()) -> AsyncIterator[Session]:
    """A server or a gateway at an address."""
    headers = {"Authorization": f"Bearer {tokens[0]}"} if tokens else {}
    async with create_mcp_http_client(headers=headers) as http:
        async with Client(streamable_http_client(url, http_client=http), mode="legacy") as client:
            await client.list_tools()
            yield Session(client, url, tokens)
