# A panel over the embedded cloud for foreign judges of its API, in a network of its own; to be read
# by bash. It says `embedded`, and wants `work`, `target` and `panel`. PANEL, KEYWAY and SEED_PANEL
# name programs built before.

# enter_own_network SCRIPT ARGUMENTS...: with --embedded first, the script again where it may do that.
embedded=false
enter_own_network() {
  [ "${2:-}" = --embedded ] || return 0
  embedded=true
  if [ -z "${PANEL_INSIDE:-}" ]; then
    [ "$(id -u)" = 0 ] || { echo "not run: servers with addresses of their own need root"; exit 0; }
    [ -n "${PANEL:-}" ] || cargo build -q -p keyway-cli -p keyway-panel --bins --example seed-panel
    PANEL_INSIDE=1 exec unshare --net --mount "$@"
  fi
  ip link set lo up
}

# Servers outlive a panel: they are deleted while it still runs.
delete_servers() {
  [ -n "$panel" ] || return 0
  python3 "$work/ask.py" delete || true
}

# keyway-panel over the embedded cloud, and what a client has to know of it in env.json.
# start_embedded [--server]: with a server for judges that want one.
start_embedded() {
  mkdir -m 0700 "$work/state"
  "${SEED_PANEL:-$target/debug/examples/seed-panel}" "sqlite:$work/state/panel.db" >"$work/accounts.yaml"
  # Inside a server everybody is somebody else: the program has to be where all may execute it.
  chmod 0755 "$work" && install -m 0755 "${KEYWAY:-$target/debug/keyway}" "$work/keyway"
  local program="${PANEL:-$target/debug/keyway-panel}"
  install -m 0755 "$program" "$work/keyway-panel"
  [ ! -x "${program%/*}/keyway-shim" ] || install -m 0755 "${program%/*}/keyway-shim" "$work/keyway-shim"
  "$work/keyway-panel" --state "$work/state" --listen 127.0.0.1:8774 --keyway "$work/keyway" >"$work/panel.log" 2>&1 &
  panel=$!
  for _ in $(seq 300); do [ -S "$work/state/orders.sock" ] && break; sleep 0.1; done
  cat >"$work/ask.py" <<'PY'
import json, sys, urllib.request
base = "http://127.0.0.1:8774"
def ask(path, body=None, token=None, method=None):
    headers = {"Content-Type": "application/json"} | ({"X-Auth-Token": token} if token else {})
    data = json.dumps(body).encode() if body else None
    answer = urllib.request.urlopen(urllib.request.Request(base + path, data, headers, method=method))
    return answer.headers, json.loads(answer.read() or b"{}")
def token_of(name, project):
    domain = {"id": "default"}
    return ask("/identity/v3/auth/tokens", {"auth": {
        "identity": {"methods": ["password"], "password": {"user": {
            "name": name, "domain": domain, "password": "correct horse battery"}}},
        "scope": {"project": {"name": project, "domain": domain}}}})[0]["X-Subject-Token"]
def describe(path):
    token = token_of("demo", "demo")
    images = ask("/image/ams/v2/images", token=token)[1]["images"]
    flavors = ask("/compute/ams/v2.1/flavors", token=token)[1]["flavors"]
    server = ask("/compute/ams/v2.1/servers", {"server": {"name": "first", "imageRef": images[0]["id"],
        "flavorRef": flavors[0]["id"]}}, token)[1]["server"]["id"] if "--server" in sys.argv else None
    json.dump({"image": images[0]["id"], "image_alt": images[-1]["id"], "flavor": flavors[0]["id"],
               "flavor_alt": flavors[1]["id"], "network": "public", "url": base, "token": token,
               "server": server}, open(path, "w"))
def delete():
    token = token_of("boss", "admin")
    for region in "ams", "iad":
        for server in ask(f"/compute/{region}/v2.1/servers?all_tenants=1", token=token)[1]["servers"]:
            ask(f"/compute/{region}/v2.1/servers/{server['id']}", token=token, method="DELETE")
if sys.argv[1] == "delete":
    delete()
else:
    describe(sys.argv[1])
PY
  python3 "$work/ask.py" "$work/env.json" "$@"
}
