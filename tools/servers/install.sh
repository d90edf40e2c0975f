#!/usr/bin/env bash
# Installs the third-party MCP servers of package.json and requirements.txt into this folder. Does nothing when up to date.
set -euo pipefail
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

npm_install "$ROOT/tools/servers"
venv_install "$ROOT/tools/servers"
