#!/usr/bin/env bash
# Runs each fuzz target of fuzz/ for FUZZ_SECONDS=60 seconds. See `make fuzz`; arguments name the targets to run.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

CARGO_FUZZ_VERSION=0.13.2

[ -f fuzz/Cargo.toml ] || die "there are no fuzz targets yet: fuzz/Cargo.toml is missing"
need_build_tools
have c++ || apt_install g++
if ! have cargo-fuzz; then
  say "installing cargo-fuzz $CARGO_FUZZ_VERSION into .tools"
  cargo install --locked --quiet --root .tools cargo-fuzz --version "$CARGO_FUZZ_VERSION"
  PATH=$ROOT/.tools/bin:$PATH
fi

# Coverage instrumentation is behind unstable flags; this lets the stable compiler take them.
export RUSTC_BOOTSTRAP=1
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || mapfile -t targets < <(cargo fuzz list)
for target in "${targets[@]}"; do
  say "fuzzing $target for ${FUZZ_SECONDS:-60} seconds"
  cargo fuzz run "$target" -- -max_total_time="${FUZZ_SECONDS:-60}" -rss_limit_mb=2048
done
