# shellcheck shell=bash
# Shared by the scripts of this folder: what the machine must have, and installs which do nothing when they are up to date.
# Source it; it sets ROOT (the top of the repository) and defines functions only.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

NODE_MAJOR_MIN=20
PYTHON_MINOR_MIN=11 # of Python 3

say() {
  if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
    printf '\033[1m==>\033[0m %s\n' "$*" >&2
  else
    printf '==> %s\n' "$*" >&2
  fi
}

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# again COMMAND...: runs COMMAND until it succeeds, four times at most: a network is sometimes gone for a moment.
again() {
  local pause
  for pause in 5 15 45; do
    if "$@"; then return 0; fi
    say "failed, once more in $pause s: $*"
    sleep "$pause"
  done
  "$@"
}

# apt_install PACKAGE...: installs Debian packages, or says which to install where we may not.
apt_install() {
  local as_root=()
  have apt-get || die "please install: $*"
  if [ "$(id -u)" -ne 0 ]; then
    # -n: never ask for a password; nothing here may wait for a person.
    sudo -n true 2>/dev/null || die "please install, as root: apt-get install $*"
    as_root=(sudo -n)
  fi
  say "installing Debian packages: $*"
  again _apt_install "$@"
}

_apt_install() {
  local apt=("${as_root[@]}" env "DEBIAN_FRONTEND=noninteractive" apt-get -qq -o "DPkg::Lock::Timeout=300" -o "Acquire::Retries=3")
  "${apt[@]}" update >&2 && "${apt[@]}" install -y --no-install-recommends "$@" >&2
}

# What building the workspace takes besides Rust: a C compiler, for the cryptography and the allocator.
need_build_tools() {
  have cargo || die "cargo is missing: install Rust (rustup) first"
  have git || apt_install git
  { have cc && have make; } || apt_install build-essential
}

need_node() {
  have node || die "node is missing: install Node.js $NODE_MAJOR_MIN or newer first"
  have npm || die "npm is missing: install it beside Node.js"
  local major
  major=$(node -p 'process.versions.node.split(".")[0]')
  [ "$major" -ge "$NODE_MAJOR_MIN" ] || die "node $(node -v) is too old: $NODE_MAJOR_MIN or newer is needed"
}

need_python() {
  have python3 || apt_install python3 python3-venv
  python3 -c "import sys; sys.exit(sys.version_info < (3, $PYTHON_MINOR_MIN))" ||
    die "$(python3 -V) is too old: 3.$PYTHON_MINOR_MIN or newer is needed"
}

# A real browser; CHROMIUM names one that is elsewhere.
need_chromium() {
  [ -x "${CHROMIUM:-/usr/bin/chromium}" ] || apt_install chromium
  [ -x "${CHROMIUM:-/usr/bin/chromium}" ] || die "there is no chromium at ${CHROMIUM:-/usr/bin/chromium}; set CHROMIUM to where it is"
}

# once MARK INPUTS... -- COMMAND...: runs COMMAND unless MARK records that it was done with exactly these inputs.
# An input is a file (its content counts) or any other word (itself counts). The first input is a file and the lock:
# two installations at the same time would spoil each other.
once() {
  local mark=$1 input digest lock
  exec {lock}<"$2"
  flock "$lock"
  shift
  digest=$(
    for input in "$@"; do
      [ "$input" != -- ] || break
      if [ -f "$input" ]; then cat "$input"; else echo "$input"; fi
    done | sha256sum
  )
  while [ "$1" != -- ]; do shift; done
  shift
  if [ ! -f "$mark" ] || [ "$(cat "$mark")" != "$digest" ]; then
    rm -f "$mark"
    "$@"
    echo "$digest" >"$mark"
  fi
  exec {lock}<&-
}

# npm_install DIR: the packages of DIR/package-lock.json, none of whose install scripts run.
npm_install() {
  need_node
  once "$1/node_modules/.cardea-installed" "$1/package.json" "$1/package-lock.json" "$(uname -m)" \
    -- _npm_ci "$1"
}

_npm_ci() {
  say "installing the npm packages of ${1#"$ROOT"/}"
  again npm --prefix "$1" ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
}

# venv_install DIR: a virtual environment DIR/.venv with exactly DIR/requirements.txt.
venv_install() {
  need_python
  once "$1/.venv/.cardea-installed" "$1/requirements.txt" "$(python3 -V)" "$1" -- _venv_create "$1"
}

_venv_create() {
  say "installing the Python packages of ${1#"$ROOT"/}"
  rm -rf "$1/.venv"
  if ! python3 -m venv "$1/.venv" >/dev/null 2>&1; then
    # Debian ships venv without ensurepip until python3-venv is there; /usr/bin/python3 is then the interpreter.
    apt_install python3-venv
    rm -rf "$1/.venv"
    python3 -m venv "$1/.venv" || die "python3 cannot make virtual environments; install its venv module"
  fi
  again "$1/.venv/bin/python3" -m pip install --quiet --disable-pip-version-check --no-deps -r "$1/requirements.txt" >&2
}

# wait_for_http URL PID WHAT: returns when URL answers 2xx to 4xx, fails when PID ends first or after 30 seconds.
wait_for_http() {
  local deadline=$((SECONDS + 30))
  until node -e 'fetch(process.argv[1]).then(r => process.exit(r.status < 500 ? 0 : 1), () => process.exit(1))' "$1"; do
    kill -0 "$2" 2>/dev/null || die "$3 ended while starting"
    [ "$SECONDS" -lt "$deadline" ] || die "$3 did not answer at $1 within 30 seconds"
    sleep 0.2
  done
}

# cargo_build PROFILE ARGUMENTS...: cargo build with exactly the dependencies of Cargo.lock. CARDEA_BUILT=1 says that it was
# done: other arguments choose other features of dependencies, and would compile them once more.
cargo_build() {
  local profile=$1
  [ -z "${CARDEA_BUILT:-}" ] || return 0
  shift
  (cd "$ROOT" && cargo build --locked --profile "$profile" "$@")
}

# target_dir PROFILE: the folder with the binaries of a profile.
target_dir() {
  local folder=$1
  [ "$folder" != dev ] || folder=debug
  echo "${CARGO_TARGET_DIR:-$ROOT/target}/$folder"
}

# port_taken PORT: whether something listens on loopback there.
port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
