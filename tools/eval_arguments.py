"""Argument values of labelled lists against the constraints that a user would write; see `make eval-arguments`."""

import argparse
import gzip
import json
import pathlib
import subprocess
import sys

# Which constraint is for which list; lists of other names are not arguments of one kind.
KINDS = {"payload_cmd": "command", "payload_path": "path", "payload_sqli": "sql"}


def lines(path):
    """The values of a list as (text, is malicious); a plain string in a line is benign."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        for line in filter(str.strip, file):
            value = json.loads(line)
            yield (value, False) if isinstance(value, str) else (value["text"], bool(value["label"]))


def verdicts(binary, constraint, values):
    """Whether each value passes, by `cardea guard args`."""
    run = subprocess.run(
        [binary, "guard", "args", "--constraint", constraint, "--json"],
        input="".join(json.dumps(value) + "\n" for value in values),
        capture_output=True, text=True, check=False,
    )
    if run.returncode not in (0, 1):
        sys.exit(f"`cardea guard args` ended with {run.returncode}: {run.stderr.strip()}")
    said = [json.loads(line)["pass"] for line in run.stdout.splitlines()]
    if len(said) != len(values):
        sys.exit(f"{len(values)} values and {len(said)} verdicts: {run.stderr.strip()}")
    return said


def find(data, name):
    for ending in (".jsonl.gz", ".jsonl"):
        if (data / (name + ending)).is_file():
            return data / (name + ending)
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--constraints", type=pathlib.Path, required=True)
    parser.add_argument("--show", action="store_true", help="print each value that went wrong")
    args = parser.parse_args()
    result = {}
    print(f"{'list':<14} {'malicious':>9} {'passed':>7} {'benign':>7} {'refused':>8}")
    for name, kind in KINDS.items():
        source = find(args.data, name)
        if source is None:
            print(f"{name:<14} is missing in {args.data}")
            continue
        own = args.constraints / f"{kind}.benign.jsonl"
        values = list(lines(source)) + (list(lines(own)) if own.is_file() else [])
        said = verdicts(args.binary, str(args.constraints / f"{kind}.yaml"), [text for text, _ in values])
        wrong = [(text, bad) for (text, bad), passed in zip(values, said) if passed == bad]
        malicious = sum(bad for _, bad in values)
        passed_malicious = sum(bad for _, bad in wrong)
        refused_benign = len(wrong) - passed_malicious
        print(f"{name:<14} {malicious:>9} {passed_malicious:>7} {len(values) - malicious:>7} {refused_benign:>8}")
        for text, bad in wrong if args.show else ():
            print("  passed:" if bad else "  refused:", json.dumps(text, ensure_ascii=False)[:120])
        result[name] = {
            "malicious": malicious, "passed_malicious": passed_malicious,
            "benign": len(values) - malicious, "refused_benign": refused_benign,
        }
    if not result:
        sys.exit(f"none of the lists is in {args.data}; set EVAL_DATA to a folder with payload_cmd.jsonl.gz and the like")
    print(json.dumps(result))


main()
