"""Counts what `cardea policy schema --json` says of the tools of real servers; see tools/eval-schema.sh."""

import json
import pathlib
import sys


def members(record):
    """The arguments of a tool that policies can read, those within others among them."""
    count = 0
    for attribute in record.get("attributes", {}).values():
        count += 1 + members(attribute)
    return count


def main(paths):
    tools = valid = readable = unreadable = 0
    print(f"{'server':<34} {'tools':>6} {'valid':>6} {'readable':>9} {'not':>5}")
    for path in map(pathlib.Path, paths):
        listed = json.loads(path.read_text())
        good = sum(tool["valid"] for tool in listed)
        can = sum(members(tool["arguments"]) for tool in listed)
        cannot = sum(len(tool["unreadable"]) for tool in listed)
        print(f"{path.stem:<34} {len(listed):>6} {good:>6} {can:>9} {cannot:>5}")
        tools, valid = tools + len(listed), valid + good
        readable, unreadable = readable + can, unreadable + cannot
    totals = {"tools": tools, "valid": valid, "arguments_readable": readable, "arguments_unreadable": unreadable}
    print(json.dumps({"policy_schema": totals}))
    return 0 if tools and tools == valid else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
