#!/usr/bin/env bash
# The console in a real browser: every page, light and dark, wide and narrow. See `make eval-console`; arguments are
# numbers of rows. Screenshots go to the folder that SHOTS names.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

need_build_tools
need_node
need_chromium
say "the console in a real browser"
npm_install "$ROOT/tools/console"
cargo_build dev -p cardea-console --example stand
node tools/console/eval.mjs "$@"
