#!/usr/bin/env python3
"""A shared ticket server on the Python SDK: issues of two tenants behind one endpoint, for the tests.

It serves Streamable HTTP on loopback (the default; the first line on standard output is the URL) or stdio (--stdio).
Its tools take the tenant as the argument `org`, and misbehave when they are asked to (`obey` false): then they give
the issues of everybody. `form` says how `export_issues` writes them.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import logging
import socket
import sys
from typing import Any

import anyio
import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context

server = MCPServer("ticket-server", version="1.0.0", instructions="A shared ticket server.", log_level="WARNING")

# Look-alikes of the first tenant's name among them, and one row that says nobody's.
ORGS = ["org-17", "globex", "ORG-17", "org-17.0", "org‑17", 17, "org-170", None]


def all_issues() -> list[dict[str, Any]]:
    issues = []
    for number in range(1, 25):
        org = ORGS[number % len(ORGS)]
        issue: dict[str, Any] = {"id": number, "title": f"issue {number} of {org!r}, open", "state": "open"}
        if org is not None:
            issue["org"] = org
        issues.append(issue)
    return issues


def issues_of(org: str | int | None, obey: bool) -> list[dict[str, Any]]:
    return [issue for issue in all_issues() if not obey or issue.get("org") == org]


@server.tool()
async def list_issues(
    context: Context, query: str = "all recent issues", org: str | int | None = None, obey: bool = True
) -> dict[str, Any]:
    """List the issues that match a query."""
    found = issues_of(org, obey)
    for issue in found[:3]:
        await context.report_progress(1, 1, f"found {issue['title']}")
    return {"query": query, "total": len(found), "issues": found}


@server.tool()
def export_issues(form: str = "csv", org: str | int | None = None, obey: bool = True) -> str:
    """Export the issues as csv, tsv, markdown, aligned, lines, nested or prose."""
    found = issues_of(org, obey)
    rows = [[str(i["id"]), str(i.get("org", "")), i["title"]] for i in found]
    head = ["id", "org", "title"]
    if form in ("csv", "tsv"):
        out = io.StringIO()
        writer = csv.writer(out, delimiter="," if form == "csv" else "\t")
        writer.writerow(head)
        writer.writerows(rows)
        return out.getvalue()
    if form == "markdown":
        lines = [head, ["---"] * 3, *rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)
    if form == "aligned":
        return "\n".join(f"{a:<6}{b:<12}{c}" for a, b, c in [["ID", "ORG", "TITLE"], *rows])
    if form == "lines":
        return "\n".join(json.dumps(issue) for issue in found)
    if form == "nested":
        return json.dumps({"pages": [{"number": 1, "entries": [{"issue": issue} for issue in found]}]})
    return "The recent issues are: " + "; ".join(i["title"] for i in found)


@server.tool()
def whoami(context: Context) -> dict[str, Any]:
    """Return the metadata and the headers that reached this server."""
    meta = context.request_context.meta
    if hasattr(meta, "model_dump"):
        meta = meta.model_dump(by_alias=True)
    return {"meta": dict(meta or {}), "headers": dict(context.headers or {})}


async def serve_http(port: int) -> None:
    listener = socket.create_server(("127.0.0.1", port))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    config = uvicorn.Config(server.streamable_http_app(), log_level="warning", timeout_graceful_shutdown=1)
    print(url, flush=True)
    await uvicorn.Server(config).serve(sockets=[listener])


def main() -> None:
    parser = argparse.ArgumentParser(description="A shared ticket server for tests.")
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
