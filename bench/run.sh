#!/usr/bin/env bash
# Builds what is measured and runs the comparison: see bench/README.md.
#
# ROUNDS=1 SECONDS_PER_RUN=1 CONNS="1 16" SIZES=0 PROTO=2026-07-28 make it short or different; further arguments go to
# bench-run (bench-run --help), such as --without-cardea.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(-p cardea-bench -p cardea)
[[ " $* " == *" --without-cardea "* ]] && packages=(-p cardea-bench)
cargo build --release "${packages[@]}"

# A thousand sessions are two thousand sockets in the process between.
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"

exec target/release/bench-run \
  --rounds "${ROUNDS:-3}" \
  --seconds "${SECONDS_PER_RUN:-4}" \
  --connections "${CONNS:-1 16 64}" \
  --sizes "${SIZES:-0 10240}" \
  --protocol "${PROTO:-2025-11-25}" \
  "$@"
