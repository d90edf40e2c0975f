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
PATH=$ROOT/.tools/bin:$PATH
if ! have cargo-fuzz; then
  say "installing cargo-fuzz $CARGO_FUZZ_VERSION into .tools"
  cargo install --locked --quiet --root .tools cargo-fuzz --version "$CARGO_FUZZ_VERSION"
fi

# Coverage instrumentation is behind unstable flags; this lets the stable compiler take them.
export RUSTC_BOOTSTRAP=1
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || mapfile -t targets < <(cargo fuzz list)
for target in "${targets[@]}"; do
  say "fuzzing $target for ${FUZZ_SECONDS:-60} seconds"
  # What the fuzzer finds interesting goes to the first folder and is kept there for the next run; the second is
  # checked in and stays as it is.
  grown=fuzz/target/corpus/$target
  mkdir -p "$grown"
  # No sanitizer: the code under test has no unsafe, and without one there are several times as many executions.
  cargo fuzz run --sanitizer none "$target" "$grown" "fuzz/corpus/$target" -- \
    -dict=fuzz/words.dict -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 \
    -verbosity=0 -print_final_stats=1 ||
    die "$target: copy the input from fuzz/artifacts/$target to fuzz/corpus/$target, where it is a test, and mend the code"
done
