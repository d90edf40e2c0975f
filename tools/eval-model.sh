#!/usr/bin/env bash
# Random lives of requests, grants, locks, clock jumps, restarts and crashes against a simple model, and processes that are
# killed in the midst of counting. See `make eval-model`; CARDEA_MODEL_CASES=5000 is how many lives, CARDEA_MODEL_STEPS=120 how
# long they are at most, CARDEA_KILLS=100 how often a process is killed.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

need_build_tools
export CARDEA_MODEL_CASES=${CARDEA_MODEL_CASES:-5000}
export CARDEA_MODEL_STEPS=${CARDEA_MODEL_STEPS:-120}
export CARDEA_KILLS=${CARDEA_KILLS:-100}
say "$CARDEA_MODEL_CASES lives of up to $CARDEA_MODEL_STEPS steps"
cargo test --locked -p cardea-access --lib tests::model -- --nocapture
say "kill -9, $CARDEA_KILLS times"
cargo test --locked -p cardea-access --test kill
cargo test --locked -p cardea --test it access::once -- --nocapture
