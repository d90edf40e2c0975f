#!/usr/bin/env bash
# Applies each leak of tools/mutants to a copy of the tree, one by one, and runs the tests of tenants against it: each
# must be caught. See `make eval-mutants`. Arguments name some of them; none means all.
# The differential test comes first and by itself; the others only where it finds nothing.
# Standard output is a table and then one JSON line, {"mutants": n, "caught": n, "differential": n}.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

need_build_tools
need_python

# A folder and a target of their own, so that no leak ends up in what is built here.
work=$ROOT/target/mutants
tree=$work/tree
export CARGO_TARGET_DIR=$work/target
# What is built once for each leak is not worth gigabytes of intermediate results.
export CARGO_INCREMENTAL=0

# What was built here of other people's crates need not be built again.
if [ ! -d "$CARGO_TARGET_DIR/debug" ] && [ -d target/debug/deps ]; then
  mkdir -p "$CARGO_TARGET_DIR/debug"
  cp --archive --reflink=auto target/debug/{deps,build,.fingerprint} "$CARGO_TARGET_DIR/debug/"
fi

# A copy of what git knows of, without what it ignores; files keep their times, so that only what changes is built.
copy() {
  mkdir -p "$tree"
  local list=$work/files
  git ls-files -z --cached --others --exclude-standard >"$list"
  tar --create --null --files-from="$list" --file=- | tar --extract --directory="$tree" --file=-
  git -C "$tree" init --quiet
  # A run that was stopped may have left what it built of a leak.
  for patch in tools/mutants/*.patch; do renew "$ROOT/$patch"; done
}

# Gives the files of a patch a new time, so that they are built again.
renew() {
  git -C "$tree" apply --numstat "$1" | cut -f3 | while read -r file; do touch "$tree/$file"; done
}

restore() {
  git -C "$tree" apply --reverse "$1"
  renew "$1"
}

# The tests are built once, without a leak; they start the binary that CARDEA_BIN names.
tests=
build_tests() {
  tests=$(cd "$tree" && cargo test --locked --quiet --workspace --test it --no-run --message-format=json |
    python3 -c 'import json, sys
for line in sys.stdin:
    found = json.loads(line)
    if found.get("executable") and found.get("target", {}).get("name") == "it":
        print(found["executable"])')
  [ -x "$tests" ] || die "the tests do not build"
  # What is built for a leak takes the place of what was built before.
  cp "$tests" "$work/tests"
  tests=$work/tests
}

run_tests() {
  (cd "$tree/crates/cardea" && CARDEA_BIN=$CARGO_TARGET_DIR/debug/cardea "$tests" "$2") >"$1" 2>&1
}

# With the tests, so that it has the same features as what is built already.
builds() {
  (cd "$tree" && cargo test --locked --quiet --workspace --test it --no-run) >"$1" 2>&1
}

# The first test that failed, for the table.
caught_by() {
  sed -n 's/^test \(tenants::[a-z_:]*\).*FAILED$/\1/p; s/^    \(tenants::[a-z_:]*\)$/\1/p' "$1" | head -n 1
}

names=("$@")
if [ "${#names[@]}" -eq 0 ]; then
  for patch in tools/mutants/*.patch; do names+=("$(basename "$patch" .patch)"); done
fi

copy
say "the tree as it is must pass"
build_tests
builds "$work/none.log" || die "the tree does not build: see $work/none.log"
run_tests "$work/none.log" tenants:: || die "the tests of tenants fail without any leak: see $work/none.log"

mutants=0
caught=0
differential=0
printf '%-28s %-9s %s\n' leak result 'caught by'
for name in "${names[@]}"; do
  patch=$ROOT/tools/mutants/$name.patch
  [ -f "$patch" ] || die "there is no tools/mutants/$name.patch"
  mutants=$((mutants + 1))
  git -C "$tree" apply "$patch"
  # A leak that does not compile is not caught: nothing was shown.
  builds "$work/$name.log" || die "$name does not compile: see $work/$name.log"
  if ! run_tests "$work/$name.log" tenants::differential::; then
    caught=$((caught + 1))
    differential=$((differential + 1))
    printf '%-28s %-9s %s\n' "$name" caught "$(caught_by "$work/$name.log")"
  elif run_tests "$work/$name.log" tenants::; then
    printf '%-28s %-9s %s\n' "$name" MISSED "see $work/$name.log"
  else
    caught=$((caught + 1))
    printf '%-28s %-9s %s\n' "$name" caught "$(caught_by "$work/$name.log")"
  fi
  restore "$patch"
done
printf '{"mutants": %d, "caught": %d, "differential": %d}\n' "$mutants" "$caught" "$differential"
[ "$mutants" -eq "$caught" ]
