#!/usr/bin/env bash
# The long set: every figure of docs/RELIABILITY.md, one after the other, each with its own servers. Options: a filter
# for the names of the figures. Takes tens of minutes; the machine should have nothing else to do.
set -euo pipefail
cd "$(dirname "$0")/.."

export RUSHDESK_CLUSTER_TRIALS="${RUSHDESK_CLUSTER_TRIALS:-51}"
exec cargo test --release --locked --test cluster "figures::${1:-}" -- --include-ignored --nocapture --test-threads 1
