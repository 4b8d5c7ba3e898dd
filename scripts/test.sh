#!/usr/bin/env bash
# Every test of the workspace, then a few seconds of fuzzing for each target
# where the fuzzer is installed. Arguments go to `cargo test`.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo="${CARGO:-cargo}"
peers="${CARGO_TARGET_DIR:-target}/peers"
mkdir -p "$peers"

# Fuzzing goes first so that the counts of the tests stand last.
fuzzed=0
TIME=5 scripts/fuzz.sh --if-installed || fuzzed=1

log="$peers/test.log"
"$cargo" test --workspace --no-fail-fast "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}

# One line that adds up cargo's own.
awk -v fuzzed="$fuzzed" -v status="$status" '
  /^test result:/ { for (i = 1; i < NF; i++) { if ($(i+1) ~ /^passed/) passed += $i; if ($(i+1) ~ /^failed/) failed += $i; if ($(i+1) ~ /^ignored/) ignored += $i } }
  /^not run: / { skipped++ }
  END { printf "total: %d passed; %d failed; %d ignored; %d not run for want of a peer%s%s\n", passed, failed, ignored, skipped, fuzzed ? "; FUZZING FAILED" : "", status ? "; CARGO TEST FAILED" : "" }
' "$log"
[ "$status" = 0 ] && [ "$fuzzed" = 0 ]
