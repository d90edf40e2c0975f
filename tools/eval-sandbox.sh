#!/usr/bin/env bash
# The sandbox of stdio servers: which layers this machine has, every attack with and without each wall, and what a box
# costs. See `make eval-sandbox`; CARDEA_BIN names another gateway for the cost. The last line is JSON; it fails when an
# attack passes, or when a start costs CARDEA_SANDBOX_MS milliseconds or more.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

need_build_tools
need_python
if [ -z "${CARDEA_BIN:-}" ]; then
  cargo_build release -p cardea --bin cardea
  CARDEA_BIN=$(target_dir release)/cardea
fi
LIMIT_MS=${CARDEA_SANDBOX_MS:-20}

"$CARDEA_BIN" sandbox doctor >&2
say "attacks from within, with and without each wall"
cargo test --locked --workspace --test it sandbox:: >&2
say "what a box costs, against a plain child"
COST=$("$CARDEA_BIN" sandbox measure --json)
python3 - "$COST" "$LIMIT_MS" <<'END'
import json, sys
cost, limit = json.loads(sys.argv[1]), float(sys.argv[2])
print(json.dumps({"added_ms": round(cost["start_ms"]["added"], 2), "call_ratio": round(cost["call_us"]["ratio"], 3)}))
sys.exit(cost["start_ms"]["added"] >= limit)
END
