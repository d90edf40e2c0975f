#!/usr/bin/env bash
# The MCP conformance suite's client scenarios against `cardea connect`. See `make eval-connect`; arguments are scenarios.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

need_build_tools
need_node
say "the MCP conformance suite against cardea connect"
tools/conformance/install.sh
npm_install "$ROOT/tools/clients"
cargo_build dev -p cardea
node tools/connect/eval.mjs "$@"
