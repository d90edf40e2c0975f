#!/usr/bin/env bash
# How long it takes from a command (a grant is revoked, a tenant is locked) to the last byte of each of 200 calls under
# way, streams and clients that read nothing among them. See `make eval-revocation`; CARDEA_REVOCATION_ROUNDS=5 is how often,
# CARDEA_BIN another gateway than the one that is built here. The last line is JSON.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

need_build_tools
if [ -z "${CARDEA_BIN:-}" ]; then
  cargo_build release -p cardea --bin cardea
  CARDEA_BIN=$(target_dir release)/cardea
fi
export CARDEA_BIN
export CARDEA_REVOCATION_CALLS=${CARDEA_REVOCATION_CALLS:-200}
export CARDEA_REVOCATION_ROUNDS=${CARDEA_REVOCATION_ROUNDS:-5}
export CARDEA_REVOCATION_P99_MS=${CARDEA_REVOCATION_P99_MS:-50}
say "$CARDEA_REVOCATION_CALLS calls under way, ended $CARDEA_REVOCATION_ROUNDS times by each command"
cargo test --locked -p cardea --test it access::cut -- --nocapture --test-threads=1 2>&1 | tee /dev/stderr | grep '^{' | tail -n 1
