#!/usr/bin/env bash
# A real OpenStack on the loopback of this machine, for tests: Keystone, Placement, Glance, Neutron's
# server and Nova with its fake hypervisor (servers without machines behind them), from PyPI and
# Debian's packages, two regions. Needs root, 2 GiB of memory, and minutes at its first start.
#
#   openstack-real.sh install        packages, and a Python environment below target/peers
#   openstack-real.sh start FOLDER   everything below FOLDER; its clouds.yaml says where it is
#   openstack-real.sh stop FOLDER    ends what start began; the folder stays, for a quick start
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$here/.."
venv="${OPENSTACK_VENV:-$(realpath -m "${CARGO_TARGET_DIR:-target}")/peers/openstack-venv}"

install() {
  if ! command -v mariadbd >/dev/null || [ ! -x /usr/lib/rabbitmq/bin/rabbitmq-server ]; then
    local policy=/usr/sbin/policy-rc.d made=
    # Debian starts what it installs; 101 means that it must not.
    [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod 0755 "$policy"; made=1; }
    { apt-get install -y -q --no-install-recommends mariadb-server rabbitmq-server \
      || { apt-get update -q && apt-get install -y -q --no-install-recommends mariadb-server rabbitmq-server; }
    } >"$venv.apt.log" 2>&1 </dev/null || { echo "no MariaDB and RabbitMQ to be had: see $venv.apt.log" >&2; [ -z "$made" ] || rm -f "$policy"; return 1; }
    [ -z "$made" ] || rm -f "$policy"
  fi
  if ! cmp -s scripts/openstack-peers.txt "$venv/installed"; then
    [ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install -q -r scripts/openstack-peers.txt
    cp scripts/openstack-peers.txt "$venv/installed"
  fi
}

case "${1:-}" in
  install) mkdir -p "$(dirname "$venv")"; export DEBIAN_FRONTEND=noninteractive PATH="/usr/sbin:$PATH"; install ;;
  start | stop) exec "$venv/bin/python" "$here/openstack-real.py" "${2:?which folder?}" "$1" ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
