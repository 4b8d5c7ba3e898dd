#!/usr/bin/env bash
# Client and server alone: builds Keyway, makes a key, starts a server that
# only this machine can reach, logs in to it. Everything it writes is below
# .keyway/; nothing in ~/.ssh or /etc is read or touched.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root="$PWD"
home="$root/.keyway"
cargo="${CARGO:-cargo}"
program="${CARGO_TARGET_DIR:-$root/target}/release/keyway"
case "$program" in /*) ;; *) program="$root/$program" ;; esac

say() { printf '\n\033[1m%s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }
fail() { printf 'up: %s\n' "$*" >&2; exit 1; }
show() { printf '  $ %s\n' "$*"; }
indent() { sed 's/^/  /'; }

server_pid=
stop_server() {
  if [ -n "$server_pid" ] && kill -0 "$server_pid" 2>/dev/null; then
    kill "$server_pid" 2>/dev/null || true
    wait "$server_pid" 2>/dev/null || true
  fi
  server_pid=
}
trap stop_server EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say "1. Build"
command -v "$cargo" >/dev/null 2>&1 || fail "no cargo in PATH. Install Rust 1.90 or newer: https://rustup.rs"
show "cargo build --release -p keyway-cli"
"$cargo" build --release -p keyway-cli || fail "the build failed; its messages are above"
[ -x "$program" ] || fail "the build left no program at $program"

umask 077
if [ -e "$home" ] && [ ! -O "$home" ]; then
  fail "$home belongs to another user: remove it, or run this as that user"
fi
mkdir -p "$home/server" "$home/bin" || fail "cannot make $home"
chmod 0700 "$home"
for tool in ssh sshd ssh-keygen; do ln -sfn "$program" "$home/bin/$tool"; done
ssh="$home/bin/ssh" sshd="$home/bin/sshd" keygen="$home/bin/ssh-keygen"
user="$(id -un)"
"$ssh" -V 2>&1 | indent

# A key that a stopped run left half made would be a riddle later: it is made
# under another name and moved.
make_key() { # FILE COMMENT
  if [ -s "$1" ] && [ -s "$1.pub" ]; then
    printf '  %s is here from an earlier run\n' "${1#"$root"/}"
    return
  fi
  rm -f "$1" "$1.pub" "$1.new" "$1.new.pub"
  show "ssh-keygen -t ed25519 -N '' -C '$2' -f ${1#"$root"/}"
  "$keygen" -q -t ed25519 -N '' -C "$2" -f "$1.new" </dev/null || fail "ssh-keygen could not make $1"
  mv "$1.new.pub" "$1.pub" && mv "$1.new" "$1"
}

say "2. A key pair for you, and one for the server"
make_key "$home/id_ed25519" "$user@keyway-demo"
make_key "$home/server/host_ed25519" "keyway demo server"
show "ssh-keygen -lf .keyway/id_ed25519.pub"
"$keygen" -lf "$home/id_ed25519.pub" | indent
cp "$home/id_ed25519.pub" "$home/server/authorized_keys"

say "3. A server on the loopback address"
port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
port="$(cat "$home/port" 2>/dev/null || true)"
case "$port" in *[!0-9]* | '') port= ;; esac
if [ -z "$port" ] || ! port_is_free "$port"; then
  port=
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    candidate=$((20000 + RANDOM % 12000))
    if port_is_free "$candidate"; then port=$candidate; break; fi
  done
  [ -n "$port" ] || fail "found no free port on 127.0.0.1"
  echo "$port" >"$home/port"
fi

# The folder may be anywhere, /tmp included, so the modes of the folders above
# it say nothing about this demo's safety: hence StrictModes no.
cat >"$home/server/sshd_config" <<CONFIG
ListenAddress 127.0.0.1
Port $port
HostKey "$home/server/host_ed25519"
AuthorizedKeysFile "$home/server/authorized_keys"
PidFile none
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowUsers $user
CONFIG
cat >"$home/ssh_config" <<CONFIG
Host demo
    HostName 127.0.0.1
    Port $port
    User $user
    IdentityFile "$home/id_ed25519"
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile "$home/known_hosts"
    GlobalKnownHostsFile none
    StrictHostKeyChecking ask
    HostKeyAlias keyway-demo
CONFIG
show "sshd -t -f .keyway/server/sshd_config"
"$sshd" -t -f "$home/server/sshd_config" || fail "the server does not accept its configuration"
show "sshd -D -e -f .keyway/server/sshd_config &"
log="$home/server/sshd.log"
"$sshd" -D -e -f "$home/server/sshd_config" >"$log" 2>&1 </dev/null &
server_pid=$!
for attempt in $(seq 1 100); do
  port_is_free "$port" || break
  kill -0 "$server_pid" 2>/dev/null || { indent <"$log" >&2; fail "the server stopped; its log is above"; }
  [ "$attempt" -lt 100 ] || { indent <"$log" >&2; fail "the server does not listen on port $port after 10 s; its log is above"; }
  sleep 0.1
done
printf '  process %s listens on 127.0.0.1 port %s\n' "$server_pid" "$port"
fingerprint="$("$keygen" -lf "$home/server/host_ed25519.pub" | awk '{print $2}')"
case "$fingerprint" in SHA256:*) ;; *) fail "ssh-keygen -l printed no fingerprint of the host key" ;; esac
printf '  its host key: %s\n' "$fingerprint"

say "4. Log in"
login() { # COMMAND...
  "$ssh" -F "$home/ssh_config" demo "$@"
}
if [ -s "$home/known_hosts" ] && login true </dev/null 2>/dev/null; then
  echo "  the host key is known from an earlier run: no question"
else
  # The question is answered the way a careful person would: with the
  # fingerprint that the server's owner read out, so any other key is refused.
  rm -f "$home/known_hosts"
  cat >"$home/askpass" <<'ASKPASS'
#!/bin/sh
printf '%s\n' "$1" >>"$KEYWAY_UP_QUESTIONS"
printf '%s\n' "$KEYWAY_UP_FINGERPRINT"
ASKPASS
  chmod 0700 "$home/askpass"
  questions="$home/questions"
  : >"$questions"
  show "ssh demo true      (asked about the host key, answers with the fingerprint from step 3)"
  status=0
  DISPLAY="${DISPLAY:-none}" SSH_ASKPASS="$home/askpass" SSH_ASKPASS_REQUIRE=force \
    KEYWAY_UP_FINGERPRINT="$fingerprint" KEYWAY_UP_QUESTIONS="$questions" \
    login true </dev/null 2>"$home/client.log" || status=$?
  indent <"$questions"
  printf '  > %s\n' "$fingerprint"
  indent <"$home/client.log"
  rm -f "$questions" "$home/askpass"
  if [ "$status" != 0 ]; then
    rm -f "$home/known_hosts"
    echo "  --- the server's log:" >&2
    indent <"$log" >&2
    fail "the login failed with exit code $status"
  fi
  rm -f "$home/client.log"
fi
command='echo "hello from $(id -un), process $$, over $SSH_CONNECTION"'
show "ssh demo '$command'"
login "$command" </dev/null | indent || { indent <"$log" >&2; fail "the command did not run; the server's log is above"; }
status=0
show "ssh demo 'exit 7'; echo \$?"
login 'exit 7' </dev/null || status=$?
echo "  $status"
[ "$status" = 7 ] || fail "expected exit code 7 from the remote command"

tips() {
  cat <<TIPS
    ssh demo                                a shell on the server
    ssh demo 'tar c /etc/ssh' | tar tv      a command, with its output here
    ssh -v demo true                        what happens on the way
    ssh -Q kex                              the algorithms (also: cipher, mac, key)
    ssh-keygen -lvf .keyway/id_ed25519      a key's fingerprint and picture
    less .keyway/server/sshd.log            what the server wrote
TIPS
}
if [ -t 0 ] && [ -t 1 ]; then
  say "5. Yours. The server runs until you leave this shell (exit or Ctrl-D). Try:"
  tips
  cat >"$home/bashrc" <<RC
[ -f ~/.bashrc ] && . ~/.bashrc
PATH="$home/bin:\$PATH"
ssh() { command "$home/bin/ssh" -F "$home/ssh_config" "\$@"; }
PS1='keyway> '
RC
  bash --rcfile "$home/bashrc" -i || true
  stop_server
  echo "The server is stopped. 'make up-ssh' starts it again; 'rm -r .keyway' forgets everything."
else
  say "5. With a terminal there would be a shell here, with the server running and 'ssh demo' ready. To try:"
  tips
  stop_server
  echo
  echo "  No terminal, so the server is stopped again. 'make up-ssh' in a terminal keeps it running."
fi
