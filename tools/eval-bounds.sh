#!/usr/bin/env bash
# What hostile schemas, patterns, statements and answers cost: time and memory, in the guard by itself and through the gateway.
# See `make eval-bounds`.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

need_build_tools
need_python
cargo_build dev -p cardea-guard --example bounds
cargo_build dev -p cardea
say "hostile schemas, patterns, statements and forms"
"$(target_dir dev)/examples/bounds"
say "large and deep answers through the gateway"
python3 tools/bounds/eval.py --cardea "$(target_dir dev)/cardea"
