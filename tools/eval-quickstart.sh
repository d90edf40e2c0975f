#!/usr/bin/env bash
# Starts the quickstart as a person would (development profile), drives real MCP clients against it, checks the audit
# log, and stops it. See `make eval-quickstart`.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

CONFIG=examples/quickstart/cardea.yaml
UP_WITHIN_S=400

need_build_tools
tools/servers/install.sh
tools/clients/install.sh
say "real MCP clients against the quickstart"
cargo_build dev -p cardea
cardea=$(target_dir dev)/cardea

log=$(mktemp)
CARDEA_PROFILE=dev tools/run.sh >"$log" 2>&1 &
quickstart=$!
trap 'kill "$quickstart" 2>/dev/null || true; wait "$quickstart" 2>/dev/null || true; rm -f "$log"' EXIT

deadline=$((SECONDS + UP_WITHIN_S))
until grep -q '^Cardea is up' "$log"; do
  if ! kill -0 "$quickstart" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
    cat "$log" >&2
    die "the quickstart did not come up"
  fi
  sleep 0.2
done

# The Inspector ends no session: one of its own for each of its programs is as many as one person may have.
tokens=()
for person in demo-person demo-inspector demo-again; do
  tokens+=("$("$cardea" token --config "$CONFIG" --tenant demo --subject "$person" --actor demo-agent --ttl 1h)")
done
if ! node tools/clients/matrix.mjs --url http://127.0.0.1:8808 \
  --token "${tokens[0]}" --inspector-token "${tokens[1]}" --again-token "${tokens[2]}"; then
  sed 's/^/quickstart: /' "$log" >&2
  die "a client did not see what it should"
fi

"$cardea" audit verify --config "$CONFIG"

kill -TERM "$quickstart"
wait "$quickstart" || die "the quickstart did not stop cleanly"
for port in 8808 8809 3901; do
  if port_taken "$port"; then die "something still listens on port $port after the stop"; fi
done
say "the quickstart stopped cleanly"
