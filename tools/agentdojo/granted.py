"""The user's own calls, with every offered approval granted: nothing useful may be impossible."""

import asyncio
import os
import re
import subprocess

import httpx
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

REQUEST = re.compile(r"/console/requests/([A-Za-z0-9_-]+)")


async def call(client, wanted: dict) -> str:
    """The text of a result, or of an error."""
    try:
        result = await client.call_tool(wanted["name"], wanted["arguments"])
        return "".join(getattr(block, "text", "") for block in result.content)
    except Exception as error:  # of whatever kind: it is an answer all the same
        return f"{error} {getattr(getattr(error, 'error', None), 'data', '')}"


async def task(control, url: str, token: str, suite: str, name: str, approver) -> dict:
    spec = (await control.post("/control/reset", json={"suite": suite, "user_task": name})).json()
    environment = {**os.environ, "TASK": spec["prompt"], "SUITE": suite}
    minted = subprocess.run(token, shell=True, check=True, capture_output=True, text=True, env=environment)
    headers = {"Authorization": f"Bearer {minted.stdout.strip()}"}
    approvals = 0
    async with create_mcp_http_client(headers=headers) as http:
        async with Client(streamable_http_client(url.format(suite=suite), http_client=http), mode="legacy") as client:
            await client.list_tools()
            for wanted in spec["user_calls"]:
                asked = REQUEST.search(await call(client, wanted))
                if asked:
                    approvals += 1
                    await asyncio.to_thread(approver.approve, asked.group(1))
                    await call(client, wanted)
    state = (await control.post("/control/state", json={"suite": suite})).json()
    return {"suite": suite, "user_task": name, "utility": state["utility"], "approvals": approvals}


async def run(control: str, url: str, token: str, suites: list[str], approver) -> list[dict]:
    async with httpx.AsyncClient(base_url=control, timeout=60) as client:
        index = (await client.get("/control/index")).json()
        return [
            await task(client, url, token, suite, name, approver)
            for suite in suites
            for name in index[suite]["user_tasks"]
        ]
