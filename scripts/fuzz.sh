#!/usr/bin/env bash
# Runs each fuzz target for TIME seconds. --install fetches cargo-fuzz when it
# is not here; --if-installed says so and does nothing.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mode="${1:---if-installed}"
seconds="${TIME:-60}"
tools="$PWD/target/tools"
PATH="$tools/bin:$PATH"

if ! command -v cargo-fuzz >/dev/null 2>&1; then
  if [ "$mode" != --install ]; then
    echo "fuzz: cargo-fuzz is not installed; the tests still run every target over seeded mutations ('make fuzz' installs it)"
    exit 0
  fi
  cargo install cargo-fuzz --version 0.13.2 --locked --root "$tools" || exit 1
fi

# libFuzzer needs -Z flags; this lets the stable compiler take them.
export RUSTC_BOOTSTRAP=1
targets=(${TARGETS:-$(cargo fuzz list)})
cargo fuzz build || exit 1
cargo run --quiet -p keyway-testkit --example fuzz_seeds -- fuzz/corpus || exit 1
failed=()
# The corpus is kept, so each run goes on from the last.
for target in "${targets[@]}"; do
  echo "fuzz: $target for $seconds s"
  if ! cargo fuzz run "$target" -- -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
      -max_len=8192 -verbosity=0 -print_final_stats=1 >"target/fuzz-$target.log" 2>&1; then
    failed+=("$target")
    tail -n 40 "target/fuzz-$target.log"
  else
    grep -E 'stat::(number_of_executed_units|average_exec_per_sec)' "target/fuzz-$target.log"
  fi
done
if [ "${#failed[@]}" -gt 0 ]; then
  echo "fuzz: FAILED: ${failed[*]} (inputs are in fuzz/artifacts/)"
  exit 1
fi
