#!/usr/bin/env bash
# How often tools of real servers are flagged as squatting, and how many look-alikes of them are. See `make eval-squatting`.
# EVAL_DATA names the folder with `benign_tools`: one answer to `tools/list` a file, `.json.gz`.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

DATA=${EVAL_DATA:-../shared/corpora}
[ -d "$DATA/benign_tools" ] || die "there is no $DATA/benign_tools; set EVAL_DATA to a folder that has it: one answer to tools/list a file, .json.gz"
need_build_tools
say "flags on the tools of $DATA/benign_tools"
cargo_build dev -p cardea-registry --example squatting
WORK=target/squatting
rm -rf "$WORK"
mkdir -p "$WORK"
for FILE in "$DATA"/benign_tools/*.json.gz; do
  gzip -dc "$FILE" >"$WORK/$(basename "$FILE" .gz)"
done
"$(target_dir dev)/examples/squatting" "$WORK"/*.json
