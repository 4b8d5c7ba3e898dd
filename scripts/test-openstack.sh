#!/usr/bin/env bash
# The panel's pages over a real OpenStack, which openstack-real.sh installs and runs for it below
# target/peers: in Chromium, where playwright is there for it, and without scripts. The first run
# takes some minutes, later ones about four. KEEP=1 leaves both running and says where.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
cloud="${OPENSTACK_FOLDER:-$target/peers/openstack}"
[ "$(id -u)" = 0 ] || { echo "not run: a real OpenStack is set up by root only"; exit 0; }
scripts/openstack-real.sh install || { echo "not run: OpenStack's packages cannot be had here"; exit 0; }
program="${KEYWAY_PANEL:-$target/debug/keyway-panel}"
[ -n "${KEYWAY_PANEL:-}" ] || "${CARGO:-cargo}" build -q -p keyway-panel

work="$(mktemp -d)"
panel=
finish() {
  [ -z "$panel" ] || { kill "$panel" 2>/dev/null || true; wait "$panel" 2>/dev/null || true; }
  scripts/openstack-real.sh stop "$cloud" || true
  rm -rf "$work"
}
trap finish EXIT
scripts/openstack-real.sh start "$cloud"

port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
OS_CLIENT_CONFIG_FILE="$cloud/clouds.yaml" "$program" --cloud openstack --os-cloud real --state "$work/state" \
  --listen "127.0.0.1:$port" >"$work/panel.log" 2>&1 &
panel=$!
for _ in $(seq 150); do
  curl -fs "http://127.0.0.1:$port/readyz" >/dev/null 2>&1 && break
  kill -0 "$panel" 2>/dev/null || break
  sleep 0.2
done
ssh-keygen -q -t ed25519 -N '' -C laptop -f "$work/key"
secret="$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["clouds"]["real"]["auth"]["password"])' "$cloud/clouds.yaml")"
status=0
# First, while both regions answer: what the steps after it begin with is an empty project.
python="$target/peers/browser-venv/bin/python"
[ -x "$python" ] || python=python3
"$python" scripts/openstack-browser.py "http://127.0.0.1:$port" --user "alice:$secret" --console "$cloud/consoles" \
  --pictures "$target/browser-openstack" || status=$?
"$target/peers/openstack-venv/bin/python" scripts/openstack-panel.py "http://127.0.0.1:$port" --key "$work/key.pub" --regions RegionOne,RegionTwo \
  --user "alice:$secret" --other "bob:$secret" --console "$cloud/consoles" \
  --clouds "$cloud/clouds.yaml" --silence "$cloud/run/nova2.pid" || status=$?
# Orders by terminal are in the name of the panel's own account.
if [ "$("$program" --state "$work/state" image list --region RegionOne | grep -c '^debian-1[23] ')" = 2 ]; then
  echo "ok  orders by terminal are carried out by the panel's own account"
else
  echo "FAILED: images by an order"; status=1
fi
if grep -q "$secret" "$work/panel.log" "$work"/state/* 2>/dev/null; then
  echo "FAILED: a password is in the panel's log or database"; status=1
fi
[ "$status" = 0 ] || tail -n 30 "$work/panel.log"
if [ -n "${KEEP:-}" ]; then
  trap - EXIT
  echo "panel http://127.0.0.1:$port (pid $panel), cloud $cloud; accounts alice and bob, password $secret"
fi
exit "$status"
