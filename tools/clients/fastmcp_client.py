#!/usr/bin/env python3
"""Drives the FastMCP client (`fastmcp`). See README.md for the command line and the output."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import common
import httpx2
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StreamableHttpTransport

OPTIONS = common.arguments(["auto", "legacy", "2026-07-28"])


async def drive(report: dict[str, Any], refusals: common.HttpRefusals) -> None:
    report["client"] = f"fastmcp {version('fastmcp')}"

    def http_client(**settings: Any) -> httpx2.AsyncClient:
        client = httpx2.AsyncClient(**settings)
        client.event_hooks["response"].append(refusals.hook)
        return client

    async def answer(message: str, *_: Any) -> ElicitResult:
        report["elicited"].append(message)
        return ElicitResult(action="accept", content=OPTIONS.elicit)

    async def progress(done: float, _total: float | None, _message: str | None) -> None:
        report["progress"].append(done)

    transport = StreamableHttpTransport(
        OPTIONS.url, headers=common.headers(OPTIONS), httpx_client_factory=http_client
    )
    async with Client(
        transport,
        mode=OPTIONS.mode,
        elicitation_handler=answer if OPTIONS.elicit is not None else None,
    ) as client:
        report["protocol"] = client.protocol_version
        # A pinned version skips discovery, and the client then makes up a server without a name.
        report["server"] = (client.server_info.name or None) if client.server_info else None
        report["tools"] = [tool.name for tool in await client.list_tools()]
        if OPTIONS.call:
            result = await client.call_tool(OPTIONS.call, OPTIONS.args, progress_handler=progress, raise_on_error=False)
            report.update(common.result_fields(result))
        if OPTIONS.expect_denied:
            report["denied"] = await common.attempt(
                lambda: client.call_tool(OPTIONS.expect_denied, OPTIONS.denied_args, raise_on_error=False)
            )


common.run(OPTIONS, drive)
