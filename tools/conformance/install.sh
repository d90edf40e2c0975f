#!/bin/sh
# Installs the MCP conformance suite, and the Node it needs, into node_modules beside this file.
# Does nothing when what package-lock.json names is installed already.
set -eu
cd "$(dirname "$0")"

# One at a time: two installations in one folder spoil each other.
exec 9<package-lock.json
flock 9

stamp=node_modules/.installed
wanted=$(cat package.json package-lock.json | sha256sum)
if [ -x node_modules/node/bin/node ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

# `npm ci` starts from an empty folder, installs exactly what the lockfile names, and leaves the lockfile alone.
# A network is sometimes gone for a moment.
for pause in 5 15 45 last; do
    if npm ci --no-audit --no-fund --loglevel=error; then
        break
    fi
    [ "$pause" != last ] || exit 1
    sleep "$pause"
done
node_modules/node/bin/node --version >/dev/null
printf '%s\n' "$wanted" >"$stamp"
