#!/usr/bin/env bash
# Counts the instructions of the hot path (benches/instructions.rs) under callgrind, one operation on average, and
# compares them with benches/instructions.txt. Fails where a case costs a tenth more than is recorded there, or where a
# decision costs a tenth more with 100 000 waiting than with 100. `record` writes the file anew instead: do so where a
# change is meant, and say in the commit what it bought.
set -euo pipefail
cd "$(dirname "$0")/.."
recorded=benches/instructions.txt
command -v valgrind >/dev/null 2>&1 || {
  echo "== installing valgrind"
  if [ "$(id -u)" = 0 ]; then apt-get update -q && apt-get install -y -q valgrind; else sudo apt-get update -q && sudo apt-get install -y -q valgrind; fi
}

program=$(cargo build --locked --profile counted --bench instructions --message-format json-render-diagnostics |
  sed -n 's/.*"name":"instructions".*"executable":"\([^"]*\)".*/\1/p')
counts=$(mktemp); folder=$(mktemp -d)
trap 'rm -rf "$counts" "$folder"' EXIT

for case in routing_overloaded_100 routing_overloaded_100000 routing_underloaded_100 routing_underloaded_100000 \
  rank_100 rank_100000 read_send write_entry; do
  rounds=$(valgrind -q --tool=callgrind --callgrind-out-file="$folder/$case" --collect-atstart=no \
    --toggle-collect='*instructions::counted*' "$program" "$case")
  total=$(sed -n 's/^summary: \([0-9]*\).*/\1/p' "$folder/$case" | tail -1)
  [ "${total:-0}" -gt 0 ] || { echo "$case: callgrind counted nothing" >&2; exit 1; }
  echo "$case $((total / rounds))" | tee -a "$counts"
done

if [ "${1:-}" = record ]; then cp "$counts" "$recorded"; echo "recorded in $recorded"; exit 0; fi
[ -s "$recorded" ] || { echo "$recorded is missing or empty: run scripts/instructions.sh record" >&2; exit 1; }
awk '
  FILENAME == ARGV[1] { recorded[$1] = $2; next }
  { now[$1] = $2 }
  !($1 in recorded) { print $1 ": not recorded yet, run scripts/instructions.sh record"; bad = 1; next }
  $2 > recorded[$1] * 1.1 { print $1 ": " $2 " instructions, " recorded[$1] " are recorded"; bad = 1 }
  $2 < recorded[$1] * 0.5 { print $1 ": " $2 " instructions, " recorded[$1] " are recorded: less than half is counted, or record it"; bad = 1 }
  END {
    for (kind in recorded) if (!(kind in now)) { print kind ": recorded, and not counted any more"; bad = 1 }
    for (kind in now) if (kind ~ /^routing.*_100$/ && now[kind "000"] > now[kind] * 1.1) {
      print kind "000: " now[kind "000"] ", with 100 waiting " now[kind] ": not flat in the length of the queue"; bad = 1
    }
    exit bad
  }' "$recorded" "$counts"
echo "== instructions: within a tenth of what is recorded, and flat in the length of the queue"
