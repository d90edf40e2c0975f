#!/usr/bin/env bash
# The authorization server with a real browser, the MCP conformance suite, an OpenID provider and clients of other people.
# See `make eval-authorization`; arguments are parts, such as `pages`.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

need_build_tools
need_node
need_chromium
have openssl || apt_install openssl
say "the authorization server in a real browser"
tools/conformance/install.sh
tools/clients/install.sh
npm_install "$ROOT/tools/authorization"
cargo_build dev -p cardea
cargo build --locked --manifest-path tools/clients/rmcp/Cargo.toml --target-dir "$(dirname "$(target_dir dev)")/oauth-rmcp"
# The provider wants Node 22, which the suite brings.
tools/conformance/node_modules/node/bin/node tools/authorization/eval.mjs "$@"
