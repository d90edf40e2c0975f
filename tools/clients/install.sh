#!/usr/bin/env bash
# Installs the MCP clients of package.json and requirements.txt into this folder. Does nothing when up to date.
set -euo pipefail
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

npm_install "$ROOT/tools/clients"
venv_install "$ROOT/tools/clients"
