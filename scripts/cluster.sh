#!/usr/bin/env bash
# A cluster on one machine, to try and to rehearse with: a PostgreSQL and a Redis of its own and three nodes on ports 8081…
#
#   bash scripts/cluster.sh start [NODES]   starts what does not run yet, waits until every node is ready (1 to 9 nodes)
#   bash scripts/cluster.sh status          what runs, and what each node says of itself
#   bash scripts/cluster.sh kill N          kill -9 of node N, for rehearsals
#   bash scripts/cluster.sh restart N       stops node N in order if it runs, and starts it again
#   bash scripts/cluster.sh stop            ends what `start` began, and removes its folder with all that was said
#
# Everything lies in data/cluster. A process is ended by its number only, and only while it is still the one that was
# started here. RUSHDESK=PATH names the program; without it a release build is made. Linux only.
set -euo pipefail
cd "$(dirname "$0")/.."

place="$PWD/data/cluster"
postgres_port=54329
redis_port=63799
first_node_port=8081
nobody=65534

say() { printf '%s\n' "$*"; }
fail() { printf 'cluster: %s\n' "$*" >&2; exit 1; }

need() {
  # $1: command, $2: Debian package that brings it
  command -v "$1" >/dev/null 2>&1 && return 0
  command -v apt-get >/dev/null 2>&1 || fail "$1 is missing: install it (on Debian the package $2) and run this again"
  say "$1 is missing: installing the package $2"
  local as=(); [ "$(id -u)" = 0 ] || as=(sudo)
  "${as[@]}" apt-get update -q && "${as[@]}" apt-get install -y -q "$2"
}

postgres_programs() {
  local bin
  for bin in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -rn); do
    [ -x "$bin/initdb" ] && { echo "$bin"; return; }
  done
  if command -v initdb >/dev/null 2>&1; then dirname "$(command -v initdb)"; fi
}

# PostgreSQL refuses to run as root.
as_nobody() {
  if [ "$(id -u)" = 0 ]; then
    exec setpriv --reuid=$nobody --regid=$nobody --clear-groups "$@"
  fi
  exec "$@"
}

# What tells a process from a later one with the same number.
born() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

note() { echo "$2 $(born "$2")" >"$place/$1.pid"; }

# The number of a process that was started here and still runs; nothing otherwise.
running() {
  local pid began
  [ -r "$place/$1.pid" ] || return 0
  read -r pid began <"$place/$1.pid" || return 0
  if [ -n "$began" ] && [ "$(born "$pid")" = "$began" ]; then echo "$pid"; fi
}

# $1: name, $2: signal, $3: seconds until SIGKILL
end() {
  local pid tries
  pid="$(running "$1")"
  if [ -n "$pid" ]; then
    kill "-$2" "$pid" 2>/dev/null || true
    for ((tries = $3 * 10; tries > 0; tries--)); do
      [ -n "$(running "$1")" ] || break
      sleep 0.1
    done
    if [ -n "$(running "$1")" ]; then
      say "$1 does not end by SIG$2 within $3 s: it is killed"
      kill -KILL "$pid" 2>/dev/null || true
    fi
    say "$1 has ended"
  fi
  rm -f "$place/$1.pid"
}

# $1: name of the process, $2: seconds, then the command that tells whether it serves
wait_until() {
  local tries
  for ((tries = $2 * 10; tries > 0; tries--)); do
    if "${@:3}" >/dev/null 2>&1; then return 0; fi
    [ -n "$(running "$1")" ] || fail "$1 has ended: see $place/$1.log, and end the rest with \`bash scripts/cluster.sh stop\`"
    sleep 0.1
  done
  fail "$1 does not serve within $2 s: see $place/$1.log, and end the rest with \`bash scripts/cluster.sh stop\`"
}

free_port() {
  if is_taken "$1"; then
    fail "port $1 is taken by another program ($2 needs it): end that one first"
  fi
}

secret() {
  if [ ! -e "$place/$1" ]; then (umask 077; head -c 18 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$place/$1"); fi
  cat "$place/$1"
}

start_postgres() {
  [ -z "$(running postgres)" ] || return 0
  ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || need initdb postgresql
  need setpriv util-linux
  local bin store
  bin="$(postgres_programs)"
  [ -n "$bin" ] || fail "the programs of PostgreSQL (initdb, postgres) are not found: install PostgreSQL 14 or newer"
  free_port $postgres_port PostgreSQL
  if [ ! -e "$place/postgres.folder" ]; then
    # The user that PostgreSQL runs as must reach its folder; where the way to this one is closed, it lies in /var/tmp.
    store="$place/postgres"
    if [ "$(id -u)" = 0 ] && ! (as_nobody test -x "$place") 2>/dev/null; then
      store="$(mktemp -d /var/tmp/rushdesk-cluster.XXXXXX)"
    fi
    mkdir -p "$store"
    echo "$store" >"$place/postgres.folder"
  fi
  store="$(cat "$place/postgres.folder")"
  chmod 700 "$store"
  if [ ! -e "$store/data/PG_VERSION" ]; then
    (umask 077; secret postgres.password >"$store/password")
    if [ "$(id -u)" = 0 ]; then chown -R $nobody "$store"; fi
    if ! (cd / && as_nobody "$bin/initdb" -D "$store/data" -U rushdesk -E UTF8 --locale=C --auth=scram-sha-256 \
      --pwfile="$store/password") >"$place/postgres.log" 2>&1
    then
      fail "PostgreSQL could not be set up: see $place/postgres.log"
    fi
  fi
  (cd / && as_nobody setsid "$bin/postgres" -D "$store/data" -k "$store" -p $postgres_port \
    -c listen_addresses=127.0.0.1 -c max_connections=200) </dev/null >>"$place/postgres.log" 2>&1 &
  note postgres $!
  wait_until postgres 60 "$bin/pg_isready" -q -h 127.0.0.1 -p $postgres_port
  say "PostgreSQL runs on 127.0.0.1:$postgres_port"
}

start_redis() {
  [ -z "$(running redis)" ] || return 0
  need redis-server redis-server
  free_port $redis_port Redis
  local settings="bind 127.0.0.1
port $redis_port
requirepass $(secret redis.password)
save \"\"
appendonly no
daemonize no"
  (cd / && exec setsid redis-server - <<<"$settings") >>"$place/redis.log" 2>&1 &
  note redis $!
  wait_until redis 20 is_taken $redis_port
  say "Redis runs on 127.0.0.1:$redis_port"
}

is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# What every node and every command is given.
surroundings() {
  RUSHDESK__STORE__URL="postgres://rushdesk:$(secret postgres.password)@127.0.0.1:$postgres_port/postgres"
  RUSHDESK__BUS__URL="redis://:$(secret redis.password)@127.0.0.1:$redis_port"
  RUSHDESK__BOOTSTRAP__ADMIN_PASSWORD="$(secret admin.password)"
  RUSHDESK__ATTACHMENTS__DIR="$place/attachments"
  export RUSHDESK__STORE__URL RUSHDESK__BUS__URL RUSHDESK__BOOTSTRAP__ADMIN_PASSWORD RUSHDESK__ATTACHMENTS__DIR
}

program() {
  if [ -n "${RUSHDESK:-}" ]; then echo "$RUSHDESK"; else echo "$PWD/target/release/rushdesk"; fi
}

build() {
  if [ -n "${RUSHDESK:-}" ]; then
    [ -x "$RUSHDESK" ] || fail "RUSHDESK=$RUSHDESK is no program"
    return 0
  fi
  command -v cargo >/dev/null 2>&1 || fail "cargo is missing: install Rust (https://rustup.rs), or name the program with RUSHDESK=PATH"
  say "building the program (some minutes where it was never built)"
  cargo build --release --locked --quiet
}

start_node() {
  local port=$((first_node_port + $1 - 1))
  [ -z "$(running "node-$1")" ] || return 0
  free_port $port "node-$1"
  RUSHDESK__NODE__ID="node-$1" RUSHDESK__SERVER__LISTEN="127.0.0.1:$port" setsid "$(program)" serve \
    --config config/cluster.toml </dev/null >>"$place/node-$1.log" 2>&1 &
  note "node-$1" $!
  wait_until "node-$1" 60 ready $port
  say "node-$1 is ready on http://127.0.0.1:$port"
}

ready() { answer_of "$1" /readyz | grep -q '^HTTP/1.1 200'; }

# $1: port, $2: path; the whole answer
answer_of() (
  exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
  printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$2" >&3
  timeout 5 cat <&3
)

nodes_started() {
  local file
  for file in "$place"/node-*.pid; do
    [ -e "$file" ] || continue
    file="${file##*/node-}"
    echo "${file%.pid}"
  done | sort -n
}

a_node() {
  case "${1:-}" in
    [1-9]) ;;
    *) fail "name a node: bash scripts/cluster.sh $command 1" ;;
  esac
  [ -e "$place/node-$1.log" ] || fail "there is no node-$1: \`bash scripts/cluster.sh status\` tells which there are"
}

start() {
  local nodes="${1:-3}" n
  case "$nodes" in [1-9]) ;; *) fail "$nodes is no number of nodes: give 1 to 9" ;; esac
  [ -d /proc/self ] || fail "this script needs /proc, that is Linux"
  build
  mkdir -p "$place/attachments"
  start_postgres
  start_redis
  surroundings
  # The first one makes the tables; the others find them.
  for ((n = 1; n <= nodes; n++)); do start_node $n; done
  # Those that ran already may have lost something meanwhile.
  for n in $(nodes_started); do wait_until "node-$n" 60 ready $((first_node_port + n - 1)); done
  say
  say "The cluster is up. Open any of its nodes; sign in as admin with the password $(secret admin.password)"
  for n in $(nodes_started); do say "  http://127.0.0.1:$((first_node_port + n - 1))   metrics at /metrics, log in data/cluster/node-$n.log"; done
  say "Rehearse:  bash scripts/cluster.sh kill 2   ·   bash scripts/cluster.sh restart 2   ·   bash scripts/cluster.sh status"
  say "Stop it:   bash scripts/cluster.sh stop      (removes data/cluster with all that was said)"
}

status() {
  local name n port
  [ -d "$place" ] || { say "no cluster runs here; start one: bash scripts/cluster.sh start"; return 0; }
  for name in postgres redis; do
    if [ -n "$(running $name)" ]; then say "$name runs as process $(running $name)"; else say "$name does not run"; fi
  done
  for n in $(nodes_started); do
    port=$((first_node_port + n - 1))
    if [ -n "$(running "node-$n")" ]; then
      say "node-$n runs as process $(running "node-$n"): $(answer_of $port /readyz | tail -n 1)"
    else
      say "node-$n does not run"
    fi
  done
  if [ -n "$(running postgres)" ] && [ -x "$(program)" ]; then
    surroundings
    "$(program)" node list --config config/cluster.toml || true
  fi
}

stop() {
  local n
  [ -d "$place" ] || { say "no cluster runs here"; return 0; }
  for n in $(nodes_started); do end "node-$n" TERM 30 & done
  wait
  end redis TERM 10
  end postgres INT 30
  if [ -e "$place/postgres.folder" ]; then
    case "$(cat "$place/postgres.folder")" in
      "$place/postgres" | /var/tmp/rushdesk-cluster.*) rm -rf "$(cat "$place/postgres.folder")" ;;
    esac
  fi
  rm -rf "$place"
  rmdir data 2>/dev/null || true
  say "everything has ended, and data/cluster is removed"
}

command="${1:-}"
case "$command" in
  start) start "${2:-3}" ;;
  status) status ;;
  stop) stop ;;
  kill)
    a_node "${2:-}"
    pid="$(running "node-$2")"
    [ -n "$pid" ] || fail "node-$2 does not run"
    kill -KILL "$pid"
    say "node-$2 was killed; the others take its slots when its lease is over (10 s). Again: bash scripts/cluster.sh restart $2"
    ;;
  restart)
    a_node "${2:-}"
    build
    surroundings
    end "node-$2" TERM 30
    start_node "$2"
    ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
