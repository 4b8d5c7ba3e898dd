#!/usr/bin/env bash
# A few seconds of fuzzing for each target where the fuzzer is installed, every
# test of the workspace, the short ones of OpenSSH's own scripts, and the panel
# in a browser. Arguments go to `cargo test`; with any, the last two are left out.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo="${CARGO:-cargo}"
peers="${CARGO_TARGET_DIR:-target}/peers"
mkdir -p "$peers"

# Fuzzing goes first so that the counts of the tests stand last.
fuzzed=0
TIME=5 scripts/fuzz.sh --if-installed || fuzzed=1

# The panel's own cloud is made of Linux's namespaces.
crates=(--workspace)
[ "$(uname -s)" = Linux ] || crates+=(--exclude keyway-cloud --exclude keyway-panel)

# The whole workspace's build has made the program when the first test runs. Built
# by a test for itself, it would be with other features and take minutes.
if [ "$#" = 0 ]; then
  target="${CARGO_TARGET_DIR:-target}"
  case "$target" in /*) ;; *) target="$PWD/$target" ;; esac
  export KEYWAY_BIN="$target/debug/keyway"
fi

log="$peers/test.log"
"$cargo" test "${crates[@]}" --no-fail-fast "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}

# OpenSSH's own scripts with the program that the tests have just built.
scripts_status=0
if [ "$#" = 0 ]; then
  echo "OpenSSH's own test scripts, with these tools:"
  scripts/regress.py --selection --jobs "${JOBS:-4}" --program "${CARGO_TARGET_DIR:-target}/debug/keyway" 2>&1 | tee "$peers/regress.log"
  scripts_status=${PIPESTATUS[0]}
  grep '^not run: ' "$peers/regress.log" >>"$log"
fi

# The panel's pages in a browser, over the programs that the tests have just built.
browser_status=0
if [ "$#" = 0 ]; then
  echo "The panel in a browser:"
  scripts/panel-browser.sh 2>&1 | tee "$peers/browser.log"
  browser_status=${PIPESTATUS[0]}
  grep '^not run: ' "$peers/browser.log" >>"$log"
fi

# One line that adds up cargo's own.
awk -v fuzzed="$fuzzed" -v status="$status" -v scripts="$scripts_status" -v browser="$browser_status" '
  /^test result:/ { for (i = 1; i < NF; i++) { if ($(i+1) ~ /^passed/) passed += $i; if ($(i+1) ~ /^failed/) failed += $i; if ($(i+1) ~ /^ignored/) ignored += $i } }
  /^not run: / { skipped++ }
  END { printf "total: %d passed; %d failed; %d ignored; %d not run for want of a peer%s%s%s%s\n", passed, failed, ignored, skipped, scripts ? "; OPENSSH'"'"'S SCRIPTS FAILED" : "", browser ? "; THE PANEL IN A BROWSER FAILED" : "", fuzzed ? "; FUZZING FAILED" : "", status ? "; CARGO TEST FAILED" : "" }
' "$log"
[ "$status" = 0 ] && [ "$fuzzed" = 0 ] && [ "$scripts_status" = 0 ] && [ "$browser_status" = 0 ]
