#!/usr/bin/env bash
# Installs what one of the examples needs into its folder: install.sh python|typescript. Does nothing when up to date.
set -euo pipefail
# shellcheck source=../../tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../tools/lib.sh"

folder=$ROOT/examples/verify-identity/$1

build() { (cd "$folder" && node node_modules/typescript/bin/tsc); }

case $1 in
python) venv_install "$folder" ;;
typescript)
  npm_install "$folder"
  once "$folder/dist/.cardea-built" "$folder/package-lock.json" "$folder/tsconfig.json" "$folder"/src/*.ts -- build
  ;;
*) die "there is no example $1" ;;
esac
