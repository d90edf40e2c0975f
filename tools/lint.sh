#!/usr/bin/env bash
# Formatting, lints and the dependency rules; the first finding fails it. See `make lint`.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

need_build_tools
need_python

say "cargo fmt"
cargo fmt --all --check
cargo fmt --manifest-path tools/clients/rmcp/Cargo.toml --check

say "cargo clippy"
cargo clippy --locked --workspace --all-targets -- -D warnings
cargo clippy --locked --manifest-path tools/clients/rmcp/Cargo.toml --target-dir "$(dirname "$(target_dir dev)")/oauth-rmcp" \
  --all-targets -- -D warnings

say "dependency rules (deny.toml)"
# Releases before 0.18 do not know all keys of deny.toml.
if version=$(cargo deny --version 2>/dev/null) && [[ $version =~ \ 0\.(1[89]|[2-9][0-9])\.|\ [1-9][0-9]*\. ]]; then
  cargo deny --locked --log-level error check bans licenses sources
else
  python3 -m doctest tools/check_dependencies.py
  python3 tools/check_dependencies.py
fi

say "shell scripts"
for script in .ci/run tools/*.sh tools/*/*.sh; do bash -n "$script"; done
if have shellcheck; then shellcheck .ci/run tools/*.sh tools/servers/*.sh tools/clients/*.sh; fi

say "seeded leaks (tools/mutants)"
for patch in tools/mutants/*.patch; do
  git apply --check "$patch" || die "$patch does not apply any more: make the same leak in the code as it is now"
done
