#!/usr/bin/env bash
# Published attacks on exact versions of real packages, unpatched: without protection and through the gateway. See `make eval-attacks`.
# CARDEA_ATTACKS_ONLY=name,name tries some of them, KEEP names a folder for what the run leaves behind, CARDEA_BIN a gateway that is
# built already.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

ATTACKS=$ROOT/tools/attacks

main() {
  local arguments=(--cardea "${CARDEA_BIN:-$(target_dir dev)/cardea}") folder folders
  [ -z "${CARDEA_ATTACKS_ONLY:-}" ] || arguments+=(--only "$CARDEA_ATTACKS_ONLY")
  [ -z "${KEEP:-}" ] || arguments+=(--keep "$KEEP")
  have git || apt_install git
  need_node
  venv_install "$ATTACKS"
  folders=$(driver "${arguments[@]}" --needs)
  for folder in $folders; do install_servers "$ATTACKS/servers/$folder"; done
  if [ -z "${CARDEA_BIN:-}" ]; then
    need_build_tools
    cargo_build dev -p cardea
  fi
  say "published attacks, without protection and through the gateway"
  driver "${arguments[@]}" "$@"
}

driver() { "$ATTACKS/.venv/bin/python3" "$ATTACKS/eval.py" "$@"; }

# Each folder is of one registry: which, says the file that names its packages.
install_servers() {
  if [ -f "$1/package.json" ]; then npm_install "$1"; else venv_install "$1"; fi
}

main "$@"
