#!/usr/bin/env bash
# The quickstart: installs what it needs, builds the gateway, starts it with four third-party MCP servers behind it,
# prints the endpoints, a client configuration and a short-lived token, and runs until it is stopped. See `make run`.
#
# CARDEA_PROFILE=dev builds and runs the development profile; CARDEA_TOKEN_TTL=15m is how long the token lives.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

EXAMPLE=$ROOT/examples/quickstart
CONFIG=$EXAMPLE/cardea.yaml
STATE=$EXAMPLE/.state
GATEWAY_URL=http://127.0.0.1:8808
ADMIN_URL=http://127.0.0.1:8809
EVERYTHING_PORT=3901
UPSTREAMS=(time files notes everything)
PROFILE=${CARDEA_PROFILE:-release}
TOKEN_TTL=${CARDEA_TOKEN_TTL:-15m}

# Who the demo agent acts for, and who approves what it asks for.
PERSON=demo-person

children=()

main() {
  need_build_tools
  "$ROOT/tools/servers/install.sh"
  cargo_build "$PROFILE" -p cardea
  local cardea
  cardea=$(target_dir "$PROFILE")/cardea

  mkdir -p "$STATE"
  make_notes
  "$cardea" check --config "$CONFIG" >&2
  for port in "$EVERYTHING_PORT" "${GATEWAY_URL##*:}" "${ADMIN_URL##*:}"; do
    if port_taken "$port"; then die "port $port is in use: is the quickstart running already?"; fi
  done

  local account
  account=$(account_link "$cardea")
  trap stop EXIT
  trap 'exit 0' INT TERM HUP
  start_everything
  start "$cardea" serve --config "$CONFIG"
  wait_for_http "$ADMIN_URL/readyz" "${children[-1]}" "the gateway"
  # What they say of their tools is approved as it is at the versions that were installed; a change of it waits.
  approve "$cardea" || approve "$cardea"

  announce "$cardea" "$account"
  # Runs until a signal comes, or until one of the two ends by itself, which is a failure.
  wait -n "${children[@]}" || true
  die "the gateway or an MCP server ended by itself; see above and $STATE/everything.log"
}

# On a slow machine a server may be looked at in vain; the gateway looks again.
approve() {
  "$1" server approve --config "$CONFIG" --wait 2m --all "${UPSTREAMS[@]}" --reason "installed by make run, at exact versions" >&2
}

# A repository with nothing in it that anybody would miss.
make_notes() {
  local notes=$STATE/notes
  [ ! -e "$notes/.git" ] || return 0
  git init --quiet --initial-branch=main "$notes"
  echo "Nothing to do today." >"$notes/today.md"
  git -C "$notes" add today.md
  git -C "$notes" -c user.name=Cardea -c user.email=cardea@localhost commit --quiet --message "Begin"
}

# A link by which the person chooses a password; nothing once they have. It is good once, for a day, so each start makes
# a new one until then.
account_link() {
  local who=(--config "$CONFIG" --tenant demo --subject "$PERSON") state
  state=$("$1" account list --config "$CONFIG" --tenant demo | awk -F '\t' -v person="$PERSON" '$2 == person { print $4 }')
  case $state in
    active) ;;
    '') "$1" account add "${who[@]}" | grep -o 'http[^ ]*' ;;
    *) "$1" account reset "${who[@]}" | grep -o 'http[^ ]*' ;;
  esac
}

start() {
  "$@" &
  children+=($!)
}

# Its own folder and next to no environment: it has tools which show both.
start_everything() {
  local package=$ROOT/tools/servers/node_modules/@modelcontextprotocol/server-everything
  start env -i PATH="$PATH" PORT="$EVERYTHING_PORT" \
    node --import "$ROOT/tools/servers/loopback.mjs" "$package/dist/index.js" streamableHttp \
    >"$STATE/everything.log" 2>&1
  wait_for_http "http://127.0.0.1:$EVERYTHING_PORT/mcp" "${children[-1]}" "server-everything"
}

# Asks the children to end, the gateway first, and after ten seconds makes them.
# shellcheck disable=SC2329 # the trap calls it
stop() {
  local status=$? pid deadline=$((SECONDS + 10)) i
  trap '' INT TERM HUP
  [ "${#children[@]}" -eq 0 ] || say "stopping"
  for ((i = ${#children[@]} - 1; i >= 0; i--)); do
    pid=${children[i]}
    kill -TERM "$pid" 2>/dev/null || continue
    while kill -0 "$pid" 2>/dev/null && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.1; done
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  exit "$status"
}

announce() {
  local cardea=$1 account=$2 token shown=${1#"$PWD"/}
  token=$(
    "$cardea" token --config "$CONFIG" --tenant demo --subject "$PERSON" --actor demo-agent \
      --task "Try the quickstart" --ttl "$TOKEN_TTL"
  )

  printf '\nCardea is up. MCP endpoints:\n'
  printf "  $GATEWAY_URL/mcp/%s\n" "${UPSTREAMS[@]}"
  printf '\nClient configuration, ready to paste (the token lives %s):\n' "$TOKEN_TTL"
  client_configuration "$token"
  printf '\nThe token alone, for the demo agent on behalf of demo-person:\n%s\n' "$token"
  printf '\nWhere you approve what the agent asks for, as demo-person:\n'
  if [ -n "$account" ]; then printf '  choose a password first: %s\n' "$account"; fi
  cat <<END
  $GATEWAY_URL/console

Another one:   $shown token --config ${CONFIG#"$PWD"/} --tenant demo --subject demo-person --actor demo-agent
The record:    $shown audit tail --config ${CONFIG#"$PWD"/}
Health:        $ADMIN_URL/readyz   $ADMIN_URL/metrics
The rules:     ${EXAMPLE#"$PWD"/}/policies/

Ctrl-C stops the gateway and the servers behind it.
END
}

client_configuration() {
  # shellcheck disable=SC2016 # the dollars are JavaScript's
  node -e '
    const [token, url, ...upstreams] = process.argv.slice(1);
    const server = (name) => [
      `cardea-${name}`,
      { type: "http", url: `${url}/mcp/${name}`, headers: { Authorization: `Bearer ${token}` } },
    ];
    console.log(JSON.stringify({ mcpServers: Object.fromEntries(upstreams.map(server)) }, null, 2));
  ' "$1" "$GATEWAY_URL" "${UPSTREAMS[@]}"
}

main "$@"
