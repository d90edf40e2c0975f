#!/usr/bin/env bash
# All tests: the workspace's, the MCP conformance suite, a real browser, and real clients against the quickstart. See `make test`.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

need_build_tools
tools/servers/install.sh
tools/clients/install.sh
examples/verify-identity/install.sh python
examples/verify-identity/install.sh typescript

# The tests of the binary and the evaluations below start target/debug/cardea, which the build of the tests makes too.
say "building"
cargo test --locked --workspace --no-run
export CARDEA_BUILT=1

# The same cases each time, so that what fails here has been broken; with another seed: PROPTEST_RNG_SEED=$RANDOM.
export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-1}

say "cargo test"
cargo test --locked --workspace

tools/eval-conformance.sh
tools/eval-connect.sh
tools/eval-authorization.sh
tools/eval-access.sh
tools/eval-console.sh 3
tools/eval-quickstart.sh
