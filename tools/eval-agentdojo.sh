#!/usr/bin/env bash
# AgentDojo through the real gateway, without a model: useful work, attacks executed, approvals asked for.
# See `make eval-agentdojo`; EVAL_DATA is the folder that holds `agentdojo`, and KEEP a folder for what the run leaves behind.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

data=${EVAL_DATA:-../shared/corpora}/agentdojo
[ -f "$data/agentdojo_replay.py" ] ||
  die "there is no $data/agentdojo_replay.py: set EVAL_DATA to the folder of the evaluation data (docs/reference/evaluation.md)"

need_build_tools
venv_install "$ROOT/tools/agentdojo"
cargo_build dev -p cardea
say "AgentDojo through the gateway, the user's request declared and not"
tools/agentdojo/.venv/bin/python3 tools/agentdojo/eval.py --data "$(cd "$data" && pwd)" \
  --cardea "$(target_dir dev)/cardea" ${KEEP:+--keep "$KEEP"}
