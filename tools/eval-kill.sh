#!/usr/bin/env bash
# Kills the gateway with SIGKILL many times under load and checks after each that no effect is without its record.
# See `make eval-kill`; CARDEA_KILLS=1000 is how often.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

need_build_tools
export CARDEA_KILLS=${CARDEA_KILLS:-1000}
say "kill -9, $CARDEA_KILLS times"
cargo test --locked -p cardea --test it kill -- --nocapture
