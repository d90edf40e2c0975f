"""What the Python client drivers share: the command line and the one line of JSON that they print. See README.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

# The exit status when the tool of --expect-denied was not refused.
NOT_DENIED = 3


class HttpRefusals:
    """Remembers HTTP statuses of 400 and above with the authentication challenge, which the SDKs drop from their errors."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    async def hook(self, response: Any) -> None:
        if response.status_code >= 400:
            challenge = response.headers.get("www-authenticate")
            self.seen.append(
                {"method": response.request.method, "status": response.status_code, "www_authenticate": challenge}
            )


def arguments(modes: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Drive one MCP client: list the tools, call one, print one line of JSON.")
    server = parser.add_mutually_exclusive_group(required=True)
    server.add_argument("--url")
    server.add_argument("--command", type=json.loads, metavar="JSON", help="launched over stdio: program and arguments")
    parser.add_argument("--token", help="sent as Authorization: Bearer")
    parser.add_argument("--mode", choices=modes, default=modes[0])
    parser.add_argument("--call", metavar="TOOL")
    parser.add_argument("--args", type=json.loads, default={}, metavar="JSON")
    parser.add_argument("--expect-denied", metavar="TOOL")
    parser.add_argument("--denied-args", type=json.loads, default={}, metavar="JSON")
    parser.add_argument("--elicit", type=json.loads, metavar="JSON", help="declare elicitation and answer with this")
    parser.add_argument("--pages", metavar="DESK", help="declare elicitation by address, and have this open the first")
    parser.add_argument("--approve-failed", metavar="DESK", help="have this open the page that a failed tool names")
    parser.add_argument("--timeout-s", type=float, default=60)
    return parser.parse_args()


async def open_page(desk: str, url: str, report: dict[str, Any]) -> None:
    """Has the desk open an address; returns once a person has dealt with it."""
    query = urllib.parse.urlencode({"url": url})
    with await asyncio.to_thread(urllib.request.urlopen, f"{desk}?{query}") as answer:
        answer.read()
    report["opened"].append(url)


def page_of(result: Any) -> str | None:
    """The page of the gateway that a failed tool names."""
    found = re.search(r"https?:\S+/console/requests/[\w-]+", text_of(result)) if result.is_error else None
    return found.group() if found else None


def headers(options: argparse.Namespace) -> dict[str, str]:
    return {"Authorization": f"Bearer {options.token}"} if options.token else {}


def result_fields(result: Any) -> dict[str, Any]:
    return {
        "result_text": text_of(result),
        "is_error": bool(result.is_error),
        "structured": result.structured_content,
    }


def text_of(result: Any) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


async def attempt(call: Callable[[], Awaitable[Any]]) -> dict[str, Any] | None:
    """The refusal of a call, or None when it was carried out."""
    try:
        result = await call()
    except Exception as error:  # noqa: BLE001 - whatever the client raises is what a test wants to see
        return refusal_of(error)
    if result.is_error:
        return {"code": None, "message": text_of(result), "as": "result"}
    return None


def refusal_of(error: BaseException) -> dict[str, Any]:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    details = getattr(error, "error", None)
    if details is not None and hasattr(details, "code"):
        return {"code": details.code, "message": details.message, "data": details.data, "as": "error"}
    code = getattr(error, "code", None)
    return {"code": code, "message": f"{type(error).__name__}: {error}", "as": "exception"}


def run(options: argparse.Namespace, drive: Callable[[dict[str, Any], HttpRefusals], Awaitable[None]]) -> None:
    """Runs `drive`, which fills the report, prints the report and exits."""
    report: dict[str, Any] = {
        "client": None, "protocol": None, "server": None, "tools": [], "result_text": None, "is_error": None,
        "structured": None, "progress": [], "elicited": [], "opened": [], "denied": None, "http_refusals": [],
    }  # fmt: skip
    refusals = HttpRefusals()
    status = 0
    try:
        asyncio.run(asyncio.wait_for(drive(report, refusals), options.timeout_s))
        if options.expect_denied and report["denied"] is None:
            print(f"{options.expect_denied} was not refused", file=sys.stderr)
            status = NOT_DENIED
    except Exception as error:  # noqa: BLE001
        report["error"] = refusal_of(error)
        status = 1
    report["http_refusals"] = refusals.seen
    print(json.dumps(report))
    sys.exit(status)
