#!/usr/bin/env python3
"""Drives the OAuth flow of the Python SDK's client (`mcp`). See README.md for the command line and the output."""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any
from urllib.parse import parse_qs, urlsplit

import common
import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)

# Between two looks at whether a token has ended.
LOOK_S = 0.25


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Log one MCP client in, call a tool, print one line of JSON.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--browser", required=True, metavar="PROGRAM", help="is started with the address to open")
    parser.add_argument("--client-id", help="registered beforehand")
    parser.add_argument("--client-metadata-url", help="where the client's metadata document is")
    parser.add_argument("--redirect-port", type=int, default=0)
    parser.add_argument("--call", required=True, metavar="TOOL")
    parser.add_argument("--args", type=json.loads, default={}, metavar="JSON")
    parser.add_argument("--elsewhere", metavar="URL", help="an endpoint that the token is not for")
    parser.add_argument("--refresh", action="store_true", help="wait for the end of the token, and call again")
    parser.add_argument("--timeout-s", type=float, default=120)
    parser.set_defaults(expect_denied=None)
    return parser.parse_args()


OPTIONS = arguments()


class Refused(Exception):
    """What the authorization server sent the browser back with, instead of a code."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code


@dataclass
class Memory:
    """The SDK's `TokenStorage`."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info

    def registered(self) -> str:
        """How the client came by its id."""
        known = {OPTIONS.client_id: "pre-registered", OPTIONS.client_metadata_url: "document"}
        return known.get(self.client.client_id if self.client else None, "dynamic")


@dataclass
class Person:
    """The browser, and the loopback listener to which it comes back."""

    told: asyncio.Future[dict[str, str]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    redirect_url: str = ""
    authorizations: int = 0
    browser: asyncio.subprocess.Process | None = None

    async def listen(self) -> None:
        server = await asyncio.start_server(self._answer, "127.0.0.1", OPTIONS.redirect_port)
        self.redirect_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/callback"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        target = urlsplit(request.split(b" ", 2)[1].decode())
        is_callback = target.path == "/callback"
        status, text = ("200 OK", "You can close this page.") if is_callback else ("404 Not Found", "")
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
        writer.write(f"{head}{text}".encode())
        await writer.drain()
        writer.close()
        if is_callback and not self.told.done():
            self.told.set_result({name: values[0] for name, values in parse_qs(target.query).items()})

    async def open(self, url: str) -> None:
        self.authorizations += 1
        pipe = asyncio.subprocess.PIPE
        self.browser = await asyncio.create_subprocess_exec(OPTIONS.browser, url, stdout=pipe, stderr=pipe)

    async def answer(self) -> AuthorizationCodeResult:
        """What the browser came back with. That a person may have said no is left to applications."""
        _, complaint = await self.browser.communicate()
        if self.browser.returncode != 0:
            raise RuntimeError(f"the browser failed: {complaint.decode()[-2000:]}")
        told = await self.told
        if "code" not in told:
            raise Refused(told.get("error", "no code"), told.get("error_description", ""))
        return AuthorizationCodeResult(code=told["code"], state=told.get("state"), iss=told.get("iss"))


async def presented(url: str, token: str) -> dict[str, Any]:
    """How an endpoint takes a bare bearer token."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(timeout=60) as http:
        response = await http.post(url, headers=headers, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    return {"status": response.status_code, "www_authenticate": response.headers.get("www-authenticate")}


async def ended(provider: OAuthClientProvider, token: str) -> None:
    """Waits until the gateway refuses the token, and the client's own clock says so too: on a refusal before that the
    SDK logs in anew, and renews nothing."""
    while provider.context.is_token_valid() or (await presented(OPTIONS.url, token))["status"] != 401:
        await asyncio.sleep(LOOK_S)


async def drive(report: dict[str, Any], refusals: common.HttpRefusals) -> None:
    report.update(client=f"python mcp {version('mcp')}", registered=None, client_id=None, scopes=None, elsewhere=None)
    report.update(token_type=None, refreshed=None, authorizations=0)
    person, memory = Person(), Memory()
    await person.listen()
    if OPTIONS.client_id:
        memory.client = OAuthClientInformationFull(client_id=OPTIONS.client_id, token_endpoint_auth_method="none")
    provider = OAuthClientProvider(
        server_url=OPTIONS.url,
        client_metadata=OAuthClientMetadata(client_name="Real client", redirect_uris=[person.redirect_url]),
        storage=memory,
        redirect_handler=person.open,
        callback_handler=person.answer,
        client_metadata_url=OPTIONS.client_metadata_url,
    )

    async with create_mcp_http_client(auth=provider) as http:
        http.event_hooks["response"].append(refusals.hook)
        async with Client(streamable_http_client(OPTIONS.url, http_client=http), mode="auto") as client:
            first = memory.tokens
            report.update(
                registered=memory.registered(),
                client_id=memory.client.client_id,
                protocol=client.protocol_version,
                token_type=first.token_type,
                scopes=first.scope.split() if first.scope else None,
                authorizations=person.authorizations,
            )
            report.update(common.result_fields(await client.call_tool(OPTIONS.call, OPTIONS.args)))
            if OPTIONS.elsewhere:
                report["elsewhere"] = await presented(OPTIONS.elsewhere, first.access_token)
            if OPTIONS.refresh:
                await ended(provider, first.access_token)
                report.update(common.result_fields(await client.call_tool(OPTIONS.call, OPTIONS.args)))
                is_new = memory.tokens.access_token != first.access_token
                report["refreshed"] = is_new and person.authorizations == 1


common.run(OPTIONS, drive)
