#!/usr/bin/env bash
# Two versions side by side: builds the version of a commit, and rolls a cluster under load from it to this one and back.
#   scripts/versions.sh COMMIT       builds that commit in target/versions (minutes)
#   RUSHDESK_OTHER_PROGRAM=… scripts/versions.sh     takes a program that is there
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${RUSHDESK_OTHER_PROGRAM:-}" ]; then
  commit="${1:?name a commit, or set RUSHDESK_OTHER_PROGRAM}"
  commit="$(git rev-parse --verify "$commit^{commit}")"
  tree="$PWD/target/versions/$commit"
  [ -e "$tree" ] || git worktree add --detach "$tree" "$commit"
  (cd "$tree" && cargo build --locked --bin rushdesk --target-dir "$tree/target")
  export RUSHDESK_OTHER_PROGRAM="$tree/target/debug/rushdesk"
fi
exec cargo test --locked --test cluster versions:: -- --include-ignored --nocapture --test-threads 1
