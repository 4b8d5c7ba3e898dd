#!/usr/bin/env bash
# From nothing to a cloud of one's own: builds Keyway, starts the control panel,
# stores a key, makes a server with it, and logs in. Everything it writes is
# below .keyway/; nothing in ~/.ssh or /etc is read or touched.
#
#   up.sh          all of that; what is there already is used again
#   up.sh down     stops the servers and the panel; they keep what they have
#   up.sh clean    deletes the servers, the panel's store and the keys
#
# The servers are made of Linux's name spaces: elsewhere there is no panel, and it
# shows client and server alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ "$(uname -s)" != Linux ]; then
  if [ "$#" -gt 0 ]; then
    echo "up: the panel and its servers are for Linux only; there is nothing to stop or to delete here"
    exit 0
  fi
  echo "The panel's servers are made of Linux's name spaces, which $(uname -s) does not have."
  echo "So this shows the client and the server alone, as 'make up-ssh' does."
  exec scripts/up-ssh.sh
fi
root="$PWD"
home="$root/.keyway"
cargo="${CARGO:-cargo}"
target="${CARGO_TARGET_DIR:-$root/target}"
case "$target" in /*) ;; *) target="$root/$target" ;; esac
keyway="$target/release/keyway"
panel="$target/release/keyway-panel"
state="$home/panel"
region=ams key=laptop name=web

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\033[1m' plain=$'\033[0m'; else bold= plain=; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
fail() { printf 'up: %s\n' "$*" >&2; exit 1; }
show() { printf '  $ %s\n' "$*"; }
indent() { sed 's/^/  /'; }
order() { "$panel" --state "$state" "$@"; }
running() { order fingerprint >/dev/null 2>&1; }
panel_log_end() { tail -n 20 "$home/panel.log" | indent >&2; }

stop_panel() {
  local pid
  pid="$(cat "$home/panel.pid" 2>/dev/null || true)"
  if [ -n "$pid" ] && kill -TERM "$pid" 2>/dev/null; then
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  fi
  rm -f "$home/panel.pid"
}
servers() { order server list | awk '{print $2}'; }

start_panel() {
  local port
  port="$(cat "$home/panel.port" 2>/dev/null || true)"
  port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
  case "$port" in *[!0-9]*) port= ;; esac
  for candidate in ${port:-8080} 8080 8081 8082 8090 18080 $((20000 + RANDOM % 12000)); do
    if port_is_free "$candidate"; then port=$candidate; break; fi
    port=
  done
  [ -n "$port" ] || fail "found no free port on 127.0.0.1 for the panel"
  echo "$port" >"$home/panel.port"
  show "keyway-panel --state .keyway/panel --listen 127.0.0.1:$port &"
  setsid nohup "$panel" --state "$state" --listen "127.0.0.1:$port" --keyway "$keyway" \
    >"$home/panel.log" 2>&1 </dev/null &
  echo $! >"$home/panel.pid"
  for attempt in $(seq 1 300); do
    running && break
    kill -0 "$(cat "$home/panel.pid")" 2>/dev/null || { panel_log_end; fail "the panel stopped; the end of its log is above"; }
    [ "$attempt" -lt 300 ] || { panel_log_end; fail "the panel does not answer after 30 s; the end of its log is above"; }
    [ $((attempt % 20)) != 0 ] || echo "  waiting for the panel ($((attempt / 10)) s)"
    sleep 0.1
  done
  # Shown once by the panel; kept for whoever comes back to this demo.
  grep '^First account' "$home/panel.log" >"$home/first-account" 2>/dev/null || true
  [ -s "$home/first-account" ] || rm -f "$home/first-account"
}

case "${1:-}" in
  "") ;;
  down | clean)
    [ -x "$panel" ] && [ -d "$state" ] || { echo "Nothing of 'make up' is here."; exit 0; }
    if [ "$1" = clean ]; then
      running || start_panel
      for server in $(servers); do echo "deleting server $server"; order server delete "$server"; done
      stop_panel
      # A server's shim may take a moment to let go of its disk.
      for _ in $(seq 50); do rm -rf "$state" 2>/dev/null && break; sleep 0.1; done
      rm -rf "$home"
      echo "The panel, its servers and the keys of 'make up' are gone."
    else
      if running; then
        for server in $(servers); do echo "stopping server $server"; order server stop "$server"; done
      fi
      stop_panel
      echo "Stopped. 'make up' starts it all again; 'make clean-cloud' deletes it."
    fi
    exit 0
    ;;
  *) fail "usage: up.sh [down|clean]" ;;
esac

# The embedded cloud is made of Linux's namespaces.
if [ "$(uname -s)" != Linux ]; then
  echo "Servers of the panel's own need Linux; here is the way in alone (make up-ssh)."
  exec scripts/up-ssh.sh
fi

say "1. Build"
command -v "$cargo" >/dev/null 2>&1 || fail "no cargo in PATH. Install Rust 1.90 or newer: https://rustup.rs"
show "cargo build --release -p keyway-cli -p keyway-panel"
"$cargo" build --release -p keyway-cli -p keyway-panel || fail "the build failed; its messages are above"
[ -x "$keyway" ] && [ -x "$panel" ] || fail "the build left no programs in $target/release"

umask 077
if [ -e "$home" ] && [ ! -O "$home" ]; then
  fail "$home belongs to another user: remove it, or run this as that user"
fi
mkdir -p "$home/bin" || fail "cannot make $home"
chmod 0700 "$home"
for tool in ssh ssh-keygen; do ln -sfn "$keyway" "$home/bin/$tool"; done
ln -sfn "$keyway" "$home/bin/keyway"
ln -sfn "$panel" "$home/bin/keyway-panel"
ssh="$home/bin/ssh" keygen="$home/bin/ssh-keygen"

say "2. The control panel, on this machine"
if running; then
  echo "  it runs already (process $(cat "$home/panel.pid" 2>/dev/null))"
else
  start_panel
fi
url="http://127.0.0.1:$(cat "$home/panel.port")"
echo "  its page: $url"
[ ! -e "$home/first-account" ] || indent <"$home/first-account"
grep '^Note:' "$home/panel.log" | indent || true

say "3. A key pair for you"
if [ -s "$home/id_ed25519" ] && [ -s "$home/id_ed25519.pub" ]; then
  echo "  .keyway/id_ed25519 is here from an earlier run"
else
  rm -f "$home"/id_ed25519*
  show "ssh-keygen -t ed25519 -N '' -f .keyway/id_ed25519"
  "$keygen" -q -t ed25519 -N '' -C "$(id -un)@keyway-demo" -f "$home/id_ed25519.new" </dev/null ||
    fail "ssh-keygen could not make a key"
  mv "$home/id_ed25519.new.pub" "$home/id_ed25519.pub" && mv "$home/id_ed25519.new" "$home/id_ed25519"
fi
"$keygen" -lf "$home/id_ed25519.pub" | indent

say "4. Its public half, stored in the panel"
if order key list --region "$region" | awk '{print $2}' | grep -qx "$key"; then
  echo "  key $key is stored in region $region already"
else
  show "keyway-panel key add $key .keyway/id_ed25519.pub --region $region"
  order key add "$key" "$home/id_ed25519.pub" --region "$region" | indent
fi

say "5. A server with that key"
line="$(order server list --region "$region" | awk -v name="$name" '$2 == name')"
if [ -z "$line" ]; then
  show "keyway-panel server create $name --region $region --key $key"
  began=$(date +%s%N)
  order server create "$name" --region "$region" --key "$key" | indent ||
    { panel_log_end; fail "the server was not made; the end of the panel's log is above"; }
  echo "  made in $((($(date +%s%N) - began) / 1000000)) ms"
else
  case "$line" in
    *" active "*) echo "  server $name runs already" ;;
    *)
      show "keyway-panel server start $name"
      order server start "$name" | indent || fail "the server was not started"
      ;;
  esac
fi
read -r _ _ _ address port < <(order server list --region "$region" | awk -v name="$name" '$2 == name')
[ -n "${address:-}" ] || fail "the panel lists no server $name"

say "6. Log in"
export KEYWAY_PANELS="$home/panels"
# The panel runs as this user on this machine, so its fingerprint can be asked of itself.
fingerprint="$(order fingerprint)"
if ! "$keyway" enroll --list 2>/dev/null | grep -F "$fingerprint" | grep -qF "$url"; then
  rm -rf "$home/panels"
  show "keyway enroll --fingerprint $fingerprint $url"
  "$keyway" enroll --fingerprint "$fingerprint" "$url" | indent
fi
cat >"$home/ssh_config" <<CONFIG
Host $name
    HostName $address
    Port $port
    User root
    IdentityFile "$home/id_ed25519"
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile "$home/known_hosts"
    GlobalKnownHostsFile none
    StrictHostKeyChecking yes
CONFIG
login() { "$ssh" -F "$home/ssh_config" "$name" "$@"; }
command='echo "hello from $(hostname), $(id -un), over $SSH_CONNECTION"'
show "ssh $([ "$port" = 22 ] || echo "-p $port ")root@$address '$command'"
login "$command" </dev/null 2>&1 | indent
login true </dev/null 2>/dev/null || { panel_log_end; fail "the login failed"; }

tips() {
  cat <<TIPS
    ssh $name                          a shell on the server, and no question about its host key
    keyway-panel console $name         the same without the network (leave with Ctrl-])
    keyway-panel server list          what there is
    keyway-panel server create db --region $region --key $key
    make down                         stops servers and panel; make clean-cloud deletes them
TIPS
}
say "7. Yours. The panel is at $url; it and the server go on running. To try:"
tips
if [ -t 0 ] && [ -t 1 ]; then
  cat >"$home/bashrc" <<RC
[ -f ~/.bashrc ] && . ~/.bashrc
PATH="$home/bin:\$PATH"
export KEYWAY_PANELS="$home/panels"
ssh() { command "$home/bin/ssh" -F "$home/ssh_config" "\$@"; }
keyway-panel() { command "$home/bin/keyway-panel" --state "$state" "\$@"; }
PS1='keyway> '
RC
  bash --rcfile "$home/bashrc" -i || true
fi
