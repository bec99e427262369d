#!/usr/bin/env bash
# The long set: every figure of docs/RELIABILITY.md and the long rows of the failure matrix, one after the other, each
# with its own servers. Options: filters for the names of the tests. Takes tens of minutes; the machine should have
# nothing else to do.
set -euo pipefail
cd "$(dirname "$0")/.."

filters=("$@")
[ $# -gt 0 ] || filters=(figures:: partitions:: store_faults::)
export RUSHDESK_CLUSTER_TRIALS="${RUSHDESK_CLUSTER_TRIALS:-51}"
exec cargo test --release --locked --test cluster -- "${filters[@]}" --include-ignored --nocapture --test-threads 1
