#!/usr/bin/env bash
# Consecutive published versions of real servers through `cardea server add` and `approve`: what goes to quarantine is what
# really changed. See `make eval-history`. HISTORY_VERSIONS=N takes the last N versions of each (6).
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

need_build_tools
need_python
say "the last versions of server-filesystem (npm) and mcp-server-git (PyPI), one after the other"
cargo_build dev -p cardea
python3 tools/eval_history.py --binary "$(target_dir dev)/cardea" --versions "${HISTORY_VERSIONS:-6}"
