#!/usr/bin/env bash
# Just-in-time access: real clients ask, people approve in a real browser. See `make eval-access`.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

need_build_tools
need_node
need_chromium
say "just-in-time access with real clients and a real browser"
tools/conformance/install.sh
tools/clients/install.sh
npm_install "$ROOT/tools/authorization"
cargo_build dev -p cardea
# The newest clients want Node 22, which the suite brings.
tools/conformance/node_modules/node/bin/node tools/access/eval.mjs
