#!/usr/bin/env bash
# The official MCP conformance suite through the gateway. See `make eval-conformance`; arguments go to the program.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

need_build_tools
need_node
say "the MCP conformance suite through the gateway"
tools/conformance/install.sh
cargo_build dev -p cardea -p cardea-testkit --bins
cargo run --locked --quiet -p cardea-testkit --bin eval-conformance -- "$@"
