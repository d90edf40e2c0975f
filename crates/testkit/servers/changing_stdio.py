"""A stdio MCP server whose definitions stand in a file, so that a test can change them under its feet.

    changing_stdio.py --era modern|legacy --definitions FILE

The file is JSON: {"instructions": "...", "tools": [...], "prompts": [...], "resourceTemplates": [...]}; it is read for
each answer. Any tool and any prompt can be called, listed or not.
"""

import argparse
import json
import sys


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--era", choices=["modern", "legacy"], required=True)
    parser.add_argument("--definitions", required=True)
    args = parser.parse_args()
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        with open(args.definitions, encoding="utf-8") as file:
            answer = respond(message, args.era, json.load(file))
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}), flush=True)


def respond(message, era, definitions):
    method, params = message["method"], message.get("params", {})
    about = {
        "capabilities": {"tools": {}, "prompts": {}, "resources": {}},
        "serverInfo": {"name": "changing", "version": "1"},
        "instructions": definitions.get("instructions", ""),
    }
    if method == "initialize" and era == "legacy":
        return {"result": {"protocolVersion": params["protocolVersion"], **about}}
    if method == "server/discover" and era == "modern":
        return {"result": {"resultType": "complete", "supportedVersions": ["2026-07-28"], **about}}
    lists = {
        "tools/list": "tools",
        "prompts/list": "prompts",
        "resources/templates/list": "resourceTemplates",
    }
    if method in lists:
        member = lists[method]
        return complete({member: definitions.get(member, [])}, era)
    if method == "tools/call":
        return complete({"content": [{"type": "text", "text": "called " + params["name"]}]}, era)
    if method == "prompts/get":
        return complete({"messages": []}, era)
    return {"error": {"code": -32601, "message": "Method not found"}}


def complete(result, era):
    return {"result": {"resultType": "complete", **result} if era == "modern" else result}


if __name__ == "__main__":
    main()
