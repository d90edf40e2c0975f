#!/usr/bin/env bash
# Lists of command, path and SQL injections against argument constraints. See `make eval-arguments`.
# EVAL_DATA names the folder of the lists, EVAL_CONSTRAINTS another folder of constraints; `--show` prints what went wrong.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

DATA=${EVAL_DATA:-../shared/corpora}
[ -d "$DATA" ] || die "there is no data in $DATA; set EVAL_DATA to a folder with payload_cmd.jsonl.gz, payload_path.jsonl.gz or payload_sqli.jsonl.gz (one {\"text\", \"label\"} a line)"
need_build_tools
need_python
say "argument constraints against the lists in $DATA"
cargo_build dev -p cardea
python3 tools/eval_arguments.py --binary "$(target_dir dev)/cardea" --data "$DATA" \
  --constraints "${EVAL_CONSTRAINTS:-examples/constraints}" "$@"
