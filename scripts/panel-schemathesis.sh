#!/usr/bin/env bash
# schemathesis against the API that the panel describes in /panel/v1/openapi.json, over a cloud in
# memory: whatever it sends, no answer is a failure of ours, and every answer is as described.
# --embedded first: keyway-panel itself as root, over servers that are really there. Other arguments
# go to schemathesis. PANEL_URL, PANEL_TOKEN and PANEL_SERVER, a server's identifier, name a panel
# that runs already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
schemathesis="${SCHEMATHESIS:-$target/peers/panel-heavy-venv/bin/schemathesis}"
[ -x "$schemathesis" ] || { echo "not run: no schemathesis here: run scripts/install-test-peers.sh --heavy"; exit 0; }
. scripts/panel-embedded.sh
enter_own_network "$0" "$@"
! $embedded || shift
work="$(mktemp -d)"
panel=
finish() {
  ! $embedded || delete_servers
  [ -z "$panel" ] || { kill "$panel" 2>/dev/null && wait "$panel" 2>/dev/null; } || true
  rm -rf "$work"
}
trap finish EXIT
value() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$work/env.json" "$1"; }

if $embedded; then
  start_embedded --server
elif [ -z "${PANEL_URL:-}" ]; then
  program="${MEMORY_PANEL:-}"
  if [ -z "$program" ]; then
    cargo build -q -p keyway-panel --example memory-panel
    program="$target/debug/examples/memory-panel"
  fi
  "$program" 0 "$work" >"$work/url" 2>"$work/panel.log" &
  panel=$!
  for _ in $(seq 100); do [ -s "$work/url" ] && break; sleep 0.1; done
fi
if [ -z "${PANEL_URL:-}" ]; then
  PANEL_URL="$(value url)"
  PANEL_TOKEN="$(value token)"
  PANEL_SERVER="$(value server)"
fi
export PANEL_TOKEN
flavor=small
! $embedded || flavor="$(value flavor)"
cat >"$work/schemathesis.toml" <<TOML
[auth.openapi.token]
api_key = "\${PANEL_TOKEN}"
[generation]
# Nova leaves unknown filters out without a word.
allow-extra-parameters = false
[parameters]
"path.region" = "ams"
"path.server_id" = "$PANEL_SERVER"
"path.flavor_id" = "$flavor"
TOML
# The one server has to stay, or everything about it is only not found.
# A schema cannot say which keys, images and flavors there are: a refusal of what it allows is no
# fault. The contrary, taking what it does not allow, is one.
cd "$work"
"$schemathesis" --config-file "$work/schemathesis.toml" run "$PANEL_URL/panel/v1/openapi.json" \
  --exclude-path "/compute/{region}/v2.1/servers/{server_id}" --exclude-checks positive_data_acceptance --phases examples,coverage,fuzzing \
  --max-examples "${EXAMPLES:-20}" --seed 1 "$@"
