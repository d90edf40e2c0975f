#!/usr/bin/env bash
# The official JSON Schema Test Suite through the schema firewall, and the tools of real servers, through the firewall and
# as Cedar schemas, where there are some.
# See `make eval-schema`. EVAL_DATA names the folder with `benign_tools`.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

# The source package of the Python validator has the suite in it; the other one the metaschemas.
SUITE=jsonschema==4.25.1
METASCHEMAS=jsonschema-specifications==2025.9.1
DATA=${EVAL_DATA:-../shared/corpora}

need_build_tools
need_python
WORK=target/json-schema-suite
mkdir -p "$WORK"
fetch() {
  python3 -m venv "$WORK/venv"
  "$WORK/venv/bin/pip" download -q --no-deps --no-binary jsonschema -d "$WORK" "$SUITE" >&2
  "$WORK/venv/bin/pip" download -q --no-deps -d "$WORK" "$METASCHEMAS" >&2
  tar -xzf "$WORK"/jsonschema-4.25.1.tar.gz -C "$WORK" jsonschema-4.25.1/json
  (cd "$WORK" && python3 -m zipfile -e jsonschema_specifications-*.whl specifications)
}
once "$WORK/fetched" tools/eval-schema.sh -- fetch
say "the JSON Schema Test Suite through the schema firewall"
cargo_build dev -p cardea-guard --example schema_suite
RUN="$(target_dir dev)/examples/schema_suite"
JSON="$WORK/jsonschema-4.25.1/json"
META="$WORK/specifications/jsonschema_specifications/schemas"
STATUS=0
"$RUN" suite "$JSON/tests/draft7" http://json-schema.org/draft-07/schema# "$JSON/remotes" "$META" || STATUS=1
"$RUN" suite "$JSON/tests/draft2020-12" https://json-schema.org/draft/2020-12/schema "$JSON/remotes" "$META" || STATUS=1
if [ -d "$DATA/benign_tools" ]; then
  mkdir -p "$WORK/tools"
  for FILE in "$DATA"/benign_tools/*.json.gz; do
    gzip -dc "$FILE" >"$WORK/tools/$(basename "$FILE" .gz)"
  done
  "$RUN" tools "$WORK"/tools/*.json || STATUS=1
  say "the same tools as policies see them: each has to yield a valid Cedar schema"
  cargo_build dev -p cardea
  mkdir -p "$WORK/policy"
  for FILE in "$WORK"/tools/*.json; do
    "$(target_dir dev)/cardea" policy schema --json --tools "$FILE" >"$WORK/policy/$(basename "$FILE")" || STATUS=1
  done
  python3 tools/eval_policy_schema.py "$WORK"/policy/*.json || STATUS=1
else
  say "there are no tools of real servers in $DATA/benign_tools; set EVAL_DATA to look at some"
fi
exit "$STATUS"
