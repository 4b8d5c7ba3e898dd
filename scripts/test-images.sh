#!/usr/bin/env bash
# Images made by other people's programs, taken in by the panel: a Debian with
# cloud-init by mmdebstrap, as a folder, tar.gz, tar.xz and tar.zst, and with a
# second layer by umoci and skopeo as oci-archive and docker-archive. Servers
# from them must be reached, and cloud-init must have taken what it was given,
# from both of its sources. Minutes, so not in `make test`. Needs root.
#
#   IMAGE=debian.tar   an image made before, instead of one from Debian's archive
#   SHORT=1            fewer forms
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target="${CARGO_TARGET_DIR:-target}"
panel="$(realpath "${KEYWAY_PANEL:-$target/debug/keyway-panel}")"
keyway="$(realpath "${KEYWAY:-$target/debug/keyway}")"
skip() { echo "test-images: not run: $*"; exit 0; }
fail() { echo "test-images: $*" >&2; [ ! -e panel.log ] || tail -n 20 panel.log >&2; exit 1; }
[ "$(id -u)" = 0 ] || skip "only root makes servers with users of their own"
for program in umoci skopeo zstd xz; do
  command -v "$program" >/dev/null || skip "there is no $program (scripts/install-test-peers.sh --heavy)"
done

if [ "${1:-}" != inside ]; then
  work="$(mktemp -d /tmp/keyway-images.XXXXXX)"
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' INT TERM
  if [ -n "${IMAGE:-}" ]; then
    ln -s "$(realpath "$IMAGE")" "$work/debian.tar"
  else
    command -v mmdebstrap >/dev/null || skip "there is no mmdebstrap"
    mmdebstrap --quiet --variant=minbase --include=cloud-init,iproute2,mount,procps \
      "${SUITE:-bookworm}" "$work/debian.tar" || skip "mmdebstrap could not make an image"
  fi
  unshare --net --mount bash "$0" inside "$work" "$panel" "$keyway"
  exit
fi

work="$2" panel="$3"
ip link set lo up
cd "$work"
# Servers execute it, so it lies where everybody may go.
chmod 0755 . && install -m 0755 "$4" keyway

echo "Packing"
mkdir folder second
tar -xf debian.tar -C folder --exclude='./dev/*'
if [ -z "${SHORT:-}" ]; then
  gzip -1 <debian.tar >image.tar.gz
  xz -0 -T2 <debian.tar >image.tar.xz
fi
zstd -q -T2 <debian.tar >image.tar.zst
mkdir -p second/etc/cloud/cloud.cfg.d second/usr/share
echo 'datasource_list: [ ConfigDrive ]' >second/etc/cloud/cloud.cfg.d/99-source.cfg
# This takes the lower layer's folder away.
touch second/usr/share/.wh.doc
tar --owner=0 --group=0 -cf second.tar -C second etc usr
umoci init --layout layers
umoci new --image layers:debian
umoci raw add-layer --image layers:debian debian.tar
umoci raw add-layer --image layers:debian second.tar
skopeo --insecure-policy copy -q oci:layers:debian oci-archive:image.oci:debian
skopeo --insecure-policy copy -q oci:layers:debian docker-archive:image.docker:debian:latest

order() { "$panel" --state state "$@"; }
"$panel" --state state --listen 127.0.0.1:18080 --keyway "$work/keyway" >panel.log 2>&1 &
pid=$!
stop() {
  for server in $(order server list | awk '{print $2}'); do order server delete "$server" || true; done
  kill "$pid" && wait "$pid" || true
}
trap stop EXIT
for _ in $(seq 300); do [ -S state/orders.sock ] && break; sleep 0.1; done
ssh-keygen -q -t ed25519 -N '' -f key
order key add key key.pub --region ams >/dev/null
cat >user-data <<'CONFIG'
#cloud-config
write_files:
  - path: /etc/from-user-data
    content: "written by cloud-init\n"
runcmd:
  - [ sh, -c, "id -un > /etc/run-by-cloud-init" ]
CONFIG

# cloud-init's own code for EC2, which asks for a token first and shows it from then on.
cat >ec2.py <<'PROGRAM'
from cloudinit import helpers
from cloudinit.sources import DataSourceEc2 as ec2
paths = helpers.Paths({"cloud_dir": "/tmp/c", "run_dir": "/tmp/r", "templates_dir": "/tmp/t"})
source = ec2.DataSourceEc2({}, None, paths)
source._cloud_name = ec2.CloudNames.AWS
found = source.crawl_metadata()["meta-data"]
print("token" if source._api_token else "none", found["local-hostname"], *found["public-keys"], sep=", ")
PROGRAM

# The image's file or folder, and the source that cloud-init must have used.
try() {
  local name="$1" source="$2" wanted="$3" began address said
  began=$(date +%s)
  order image import "$name" "$source" >/dev/null || fail "$source was not taken"
  echo "$source: taken in $(($(date +%s) - began)) s"
  order server create "$name" --image "$name" --flavor medium --region ams --key key \
    --user-data user-data >created || fail "no server from $source"
  address="$(awk 'NR == 1 {print $4}' created)"
  awk -v at="$address" '/^host key/ {print at}' created >/dev/null
  login() {
    ssh -F none -i key -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=accept-new \
      -o UserKnownHostsFile="known-$name" "root@$address" "$@"
  }
  login true || fail "no login to the server from $source"
  for _ in $(seq 120); do
    login test -e /run/cloud-init/result.json 2>/dev/null && break
    sleep 0.5
  done
  said="$(login 'cat /etc/from-user-data; cat /etc/run-by-cloud-init; cat /run/cloud-init/result.json')" ||
    fail "cloud-init did not do what it was told in the server from $source: $said"
  case "$said" in
    "written by cloud-init"*root*"$wanted"*'"errors": []'*) ;;
    *) fail "cloud-init in the server from $source: $said" ;;
  esac
  [ "$name" != zst ] || [ "$(login python3 - <"$work/ec2.py")" = "token, $name, key" ] ||
    fail "cloud-init does not find the server's data as it does on EC2"
  # The keys that the panel saw are still those that the server has.
  [ "$(login 'ls /etc/ssh/ssh_host_*_key | wc -l')" -ge 2 ] || fail "host keys are missing"
  while read -r _ _ _ fingerprint; do
    login 'for f in /etc/ssh/ssh_host_*_key.pub; do cat "$f"; done' | ssh-keygen -lf - |
      grep -qF "$fingerprint" || fail "the server has other host keys than the panel says"
  done < <(grep '^host key' created)
  [ "$wanted" = NoCloud ] || login 'test ! -e /usr/share/doc' || fail "a whiteout was not obeyed"
  order server delete "$name" >/dev/null
}
try zst image.tar.zst NoCloud
try folder folder NoCloud
try oci image.oci ConfigDrive
if [ -z "${SHORT:-}" ]; then
  try gz image.tar.gz NoCloud
  try xz image.tar.xz NoCloud
  try docker image.docker ConfigDrive
fi
[ -z "$(order server list)" ] || fail "servers are left"
echo "test-images: all images were taken, and cloud-init did what it was told"
