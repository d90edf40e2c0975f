#!/usr/bin/env python3
"""Drives the Python SDK's client (`mcp`). See README.md for the command line and the output."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Any

import common
from mcp import Client, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

OPTIONS = common.arguments(["auto", "legacy", "2026-07-28"])


async def drive(report: dict[str, Any], refusals: common.HttpRefusals) -> None:
    report["client"] = f"python mcp {version('mcp')}"

    async def answer(_context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        report["elicited"].append(params.message)
        if OPTIONS.pages:
            # One page is opened; a host asks its person before each.
            if report["opened"]:
                return types.ElicitResult(action="decline")
            await common.open_page(OPTIONS.pages, params.url, report)
            return types.ElicitResult(action="accept")
        return types.ElicitResult(action="accept", content=OPTIONS.elicit)

    async def progress(done: float, _total: float | None, _message: str | None) -> None:
        report["progress"].append(done)

    async with create_mcp_http_client(headers=common.headers(OPTIONS)) as http:
        http.event_hooks["response"].append(refusals.hook)
        if OPTIONS.command:
            program, *arguments = OPTIONS.command
            transport = stdio_client(StdioServerParameters(command=program, args=arguments, env=dict(os.environ)))
        else:
            transport = streamable_http_client(OPTIONS.url, http_client=http)
        async with Client(
            transport,
            mode=OPTIONS.mode,
            elicitation_callback=answer if OPTIONS.elicit is not None or OPTIONS.pages else None,
        ) as client:
            report["protocol"] = client.protocol_version
            report["server"] = client.server_info.name if client.server_info else None
            report["tools"] = await all_tools(client)
            if OPTIONS.call:
                result = await client.call_tool(OPTIONS.call, OPTIONS.args, progress_callback=progress)
                if OPTIONS.approve_failed and (page := common.page_of(result)):
                    await common.open_page(OPTIONS.approve_failed, page, report)
                    result = await client.call_tool(OPTIONS.call, OPTIONS.args, progress_callback=progress)
                report.update(common.result_fields(result))
            if OPTIONS.expect_denied:
                report["denied"] = await common.attempt(
                    lambda: client.call_tool(OPTIONS.expect_denied, OPTIONS.denied_args)
                )


async def all_tools(client: Client) -> list[str]:
    page = await client.list_tools()
    names = [tool.name for tool in page.tools]
    while page.next_cursor:
        page = await client.list_tools(cursor=page.next_cursor)
        names += [tool.name for tool in page.tools]
    return names


common.run(OPTIONS, drive)
