#!/usr/bin/env bash
# Installs the foreign SSH programs that the tests talk to: Debian packages
# where apt and the right to use it are there, and paramiko, asyncssh and Ansible in a
# Python environment below target/, OpenStack's clients in a second one, what
# drives a browser in a third; with --heavy Tempest and schemathesis in a fourth. Quick when all is there already. What
# cannot be had is named at the end; its tests then say that they did not run.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
peers="${CARGO_TARGET_DIR:-target}/peers"
mkdir -p "$peers"

# program=package pairs; a program found anywhere a test would look counts.
needed=(
  sshd=openssh-server
  ssh=openssh-client
  ssh-agent=openssh-client
  dropbear=dropbear-bin
  dbclient=dropbear-bin
  plink=putty-tools
  nc=netcat-openbsd
  go=golang-go
  Xvfb=xvfb
  xauth=xauth
  xdpyinfo=x11-utils
  ip=iproute2
  nft=nftables
  git=git
  rsync=rsync
  zsh=zsh
  fish=fish
  mandoc=mandoc
  groff=groff
  softhsm2-util=softhsm2
  chromium=chromium
  runc=runc
  nsd=nsd
  unbound=unbound
  drill=ldnsutils
)
# What minutes of tests need.
[ "${1:-}" != --heavy ] || needed+=(mmdebstrap=mmdebstrap umoci=umoci skopeo=skopeo zstd=zstd xz=xz-utils)
find_program() { PATH="$PATH:/usr/sbin:/sbin:/usr/local/sbin" command -v "$1" >/dev/null 2>&1; }
find_python() {
  local candidate
  for candidate in python3 /usr/bin/python3 /opt/homebrew/bin/python3; do
    if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then echo "$candidate"; return 0; fi
  done
  return 1
}

packages=()
for pair in "${needed[@]}"; do
  find_program "${pair%%=*}" || packages+=("${pair#*=}")
done
if command -v dpkg >/dev/null 2>&1; then
  dpkg -s openssh-tests >/dev/null 2>&1 || packages+=(openssh-tests)
  dpkg -s golang-github-gophercloud-gophercloud-dev >/dev/null 2>&1 \
    || packages+=(golang-github-gophercloud-gophercloud-dev)
fi
find_python >/dev/null || packages+=(python3-venv)
# The panel's store on its other database; the program is not in any PATH.
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)

as_root=()
can_be_root=yes
if [ "$(id -u)" != 0 ]; then
  if sudo -n true 2>/dev/null; then as_root=(sudo -n); else can_be_root=no; fi
fi

apt_install() {
  # openssh-server would start a daemon on port 22 at once; the tests only
  # want the program. 101 is Debian's "not allowed" to starting services.
  local policy=/usr/sbin/policy-rc.d made=no status=0 log="$peers/apt.log"
  if [ ! -e "$policy" ]; then
    made=yes
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 0755 "$policy"
  fi
  install_now() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -q --no-install-recommends "$@" >>"$log" 2>&1 </dev/null
  }
  : >"$log"
  # The package lists are fetched only when the ones at hand do not do.
  install_now "$@" || { "${as_root[@]}" apt-get update -q >>"$log" 2>&1 && install_now "$@"; } || status=1
  [ "$made" = no ] || "${as_root[@]}" rm -f "$policy"
  [ "$status" = 0 ] || { echo "apt-get could not install: $* (see $log)" >&2; tail -n 5 "$log" >&2; }
  return "$status"
}

# A Mac has OpenSSH. Homebrew has some of the others, under names of its own; the
# panel, the network's tools and a display are for Linux.
if [ "$(uname -s)" = Darwin ]; then
  if command -v brew >/dev/null 2>&1; then
    for pair in dropbear=dropbear plink=putty go=go fish=fish mandoc=mandoc groff=groff softhsm2-util=softhsm; do
      find_program "${pair%%=*}" && continue
      echo "peers: brew install ${pair#*=}"
      brew install -q "${pair#*=}" >>"$peers/brew.log" 2>&1 </dev/null \
        || echo "peers: brew could not install ${pair#*=} (see $peers/brew.log)" >&2
    done
  else
    echo "peers: without Homebrew (https://brew.sh) only what macOS has is tested against"
  fi
elif [ "${#packages[@]}" -gt 0 ] && command -v apt-get >/dev/null 2>&1; then
  mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
  if [ "$can_be_root" = yes ]; then
    echo "peers: installing ${packages[*]}"
    # One package that this distribution does not have must not cost the others.
    apt_install "${packages[@]}" || for package in "${packages[@]}"; do apt_install "$package"; done
  else
    echo "peers: no right to install packages here (not root, and sudo asks for a password)"
  fi
fi
# The stock server refuses to start without its empty folder.
if [ -d /run ] && [ ! -d /run/sshd ] && find_program sshd && [ "$can_be_root" = yes ]; then
  "${as_root[@]}" mkdir -p -m 0755 /run/sshd
fi

# A Python environment below target/ with the libraries of a list.
python_peers() {
  local list="$1" venv="$peers/$2" what="$3" python
  if ! cmp -s "$list" "$venv/installed.txt" && python="$(find_python)"; then
    echo "peers: $what into $venv"
    rm -rf "$venv"
    if "$python" -m venv "$venv" >"$venv.log" 2>&1 \
      && "$venv/bin/python" -m pip install -q -r "$list" >>"$venv.log" 2>&1 </dev/null; then
      cp "$list" "$venv/installed.txt"
    else
      echo "peers: the Python environment failed (see $venv.log)" >&2
      tail -n 3 "$venv.log" >&2
    fi
  fi
}
python_peers scripts/test-peers.txt venv "paramiko, asyncssh and Ansible"
if [ "$(uname -s)" = Linux ]; then
  python_peers scripts/panel-peers.txt panel-venv "OpenStack's clients"
  python_peers scripts/browser-peers.txt browser-venv "playwright"
fi
[ "${1:-}" != --heavy ] || python_peers scripts/panel-heavy-peers.txt panel-heavy-venv "Tempest and schemathesis"

missing=()
for pair in "${needed[@]}"; do
  find_program "${pair%%=*}" || missing+=("${pair%%=*}")
done
[ -e "$peers/venv/installed.txt" ] || missing+=(paramiko asyncssh)
[ -e "$peers/panel-venv/installed.txt" ] || missing+=(openstack libcloud)
[ -e "$peers/browser-venv/installed.txt" ] || missing+=(playwright)
[ -d /usr/share/gocode/src/github.com/gophercloud ] || missing+=(gophercloud)
if [ "${#missing[@]}" -gt 0 ]; then
  echo "peers: MISSING: ${missing[*]}. Tests against them will say so and not run."
else
  echo "peers: all here"
fi
