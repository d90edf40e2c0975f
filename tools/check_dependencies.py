#!/usr/bin/env python3
"""Checks the crates that are really built against deny.toml: banned names, licences, sources.

A stand-in for `cargo deny check bans licenses sources` on machines without cargo-deny. It asks `cargo tree`, so that a
crate which is in Cargo.lock but switched off by features does not count.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def licence_allowed(expression: str, allowed: set[str]) -> bool:
    """Whether some choice that the SPDX expression offers needs allowed licences only.

    >>> licence_allowed("MIT OR GPL-3.0", {"MIT"})
    True
    >>> licence_allowed("(MIT OR Apache-2.0) AND Unicode-3.0", {"MIT"})
    False
    >>> licence_allowed("(MIT OR Apache-2.0) AND Unicode-3.0", {"MIT", "Unicode-3.0"})
    True
    >>> licence_allowed("Apache-2.0 WITH LLVM-exception", {"Apache-2.0"})
    False
    >>> licence_allowed("Apache-2.0/GPL-3.0", {"Apache-2.0"})
    True
    >>> licence_allowed("", {"MIT"})
    False
    """
    words = re.findall(r"[()]|[A-Za-z0-9.+-]+", expression.replace("/", " OR "))

    def any_of() -> bool:
        allows = all_of()
        while words[:1] == ["OR"]:
            words.pop(0)
            allows = all_of() or allows
        return allows

    def all_of() -> bool:
        allows = one()
        while words[:1] == ["AND"]:
            words.pop(0)
            allows = one() and allows
        return allows

    def one() -> bool:
        if not words:
            return False
        word = words.pop(0)
        if word == "(":
            allows = any_of()
            words.pop(0)
            return allows
        if words[:1] == ["WITH"]:
            words.pop(0)
            word = f"{word} WITH {words.pop(0)}"
        return word in allowed

    return any_of() and not words


def crates(target: str) -> set[tuple[str, str, str, str]]:
    """(name, version, where it comes from or "", licence) of each crate built for a target."""
    command = [
        "cargo", "tree", "--locked", "--workspace", "--all-features", "--target", target,
        "--edges", "normal,build,dev", "--prefix", "none", "--no-dedupe", "--format", "{p}\t{l}",
    ]  # fmt: skip
    listed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = set()
    for line in filter(None, listed.splitlines()):
        package, licence = line.split("\t")
        name, version, *places = package.removesuffix(" (*)").split(" ")
        place = " ".join(places).replace("(proc-macro)", "").strip(" ()")
        found.add((name, version, place, licence))
    return found


def findings() -> tuple[list[str], int]:
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    banned = {ban["name"] for ban in rules["bans"]["deny"]}
    allowed = set(rules["licenses"]["allow"])
    built = set().union(*(crates(target) for target in rules["graph"]["targets"]))
    wrong = []
    for name, version, place, licence in sorted(built):
        ours = place != "" and Path(place).is_relative_to(ROOT)
        if name in banned:
            wrong.append(f"{name} {version} is banned; `cargo tree -i {name}` shows what needs it")
        if place and not ours:
            wrong.append(f"{name} {version} comes from {place}: only the Rust registry is a source")
        if not licence_allowed(licence, allowed):
            wrong.append(f"{name} {version} has the licence `{licence}`, which deny.toml does not allow")
    return wrong, len(built)


def main() -> None:
    wrong, count = findings()
    for line in wrong:
        print(f"error: {line}", file=sys.stderr)
    print(f"{count} crates checked against deny.toml, {len(wrong)} findings")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
