#!/usr/bin/env bash
# The whole test command: formats, lints, and every test, with all its own set-up. Ends with a non-zero code at the
# first thing that is wrong. Options after `--` go to nothing: this is one command without choices.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }

need() {
  # $1: command, $2: Debian package that brings it
  command -v "$1" >/dev/null 2>&1 && return 0
  say "installing $2"
  if [ "$(id -u)" = 0 ]; then apt-get update -q && apt-get install -y -q "$2"; else sudo apt-get update -q && sudo apt-get install -y -q "$2"; fi
}

# Debian keeps programs of servers and networks there, which the tests start.
export PATH="$PATH:/usr/sbin:/sbin"
need cc gcc
# Debian keeps the server's programs beside PATH; the tests look there too.
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || need postgres postgresql
need redis-server redis-server
need pgbouncer pgbouncer
need setpriv util-linux
# Tests that cut networks and turn clocks; nothing of it reaches this machine's own.
need ip iproute2
need nft nftables
need faketime faketime
command -v cargo >/dev/null 2>&1 || { echo "cargo is missing: install Rust (https://rustup.rs) and run this again" >&2; exit 1; }
rustup component add rustfmt clippy >/dev/null 2>&1 || true
cargo fmt --version >/dev/null && cargo clippy --version >/dev/null

say "format"
cargo fmt --all --check
say "lints"
cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
say "documentation tests"
cargo test --workspace --locked --doc
say "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --locked --no-deps --quiet
say "tests"
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --workspace --locked --no-fail-fast
else
  cargo test --workspace --locked --no-fail-fast --lib --bins --tests
fi
say "all passed"
