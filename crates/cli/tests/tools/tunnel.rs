//! `ssh -w` between two network name spaces, with OpenSSH's client and server and with ours.

use std::path::Path;
use std::process::Command;

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::{DEADLINE, run};
use keyway_testkit::program::find;
use keyway_testkit::{Implementation, not_run};

/// Joins two name spaces, logs in from one to the other, gives the tunnel's two ends addresses and
/// sends 300 kB through it. Arguments: a folder, ssh, sshd, the host key, the user's key, the mode.
const SCRIPT: &str = r#"
set -u
cd "$1"; ssh=$2 sshd=$3 host=$4 user=$5 mode=$6
mount -t tmpfs tmpfs /run && mkdir -p /run/sshd /run/netns && ip link set lo up
ip netns add far && ip netns exec far ip link set lo up
ip link add near0 type veth peer name far0 && ip link set far0 netns far
ip addr add 10.9.0.1/24 dev near0 && ip link set near0 up
ip netns exec far ip addr add 10.9.0.2/24 dev far0 && ip netns exec far ip link set far0 up
interface() { ip -o link | grep -oE '(tun|tap)[0-9]+' | head -1; }
ip netns exec far "$sshd" -f sshd_config -E sshd.log
for _ in $(seq 100); do ip netns exec far nc -z 10.9.0.2 2222 2>/dev/null && break; sleep 0.1; done
"$ssh" -F none -oBatchMode=yes -oStrictHostKeyChecking=no -oUserKnownHostsFile=known_hosts -i "$user" -p 2222 \
  -oExitOnForwardFailure=yes -oTunnel=$mode -w 3:4 root@10.9.0.2 \
  'device=$(ip -o link | grep -oE "(tun|tap)[0-9]+" | head -1)
   ip addr add 10.77.0.2/30 dev $device && ip link set $device up && echo up; sleep 30' > told 2> complaints &
login=$!
for _ in $(seq 100); do grep -q up told && break; sleep 0.1; done
device=$(interface)
ip addr add 10.77.0.1/30 dev $device && ip link set $device up
head -c 300000 /dev/urandom > sent
ip netns exec far sh -c 'timeout 20 nc -l -N 10.77.0.2 4444 > got < /dev/null' & listening=$!
for _ in $(seq 50); do ip netns exec far ss -ltn | grep -q 4444 && break; sleep 0.1; done
timeout 20 nc -N 10.77.0.2 4444 < sent
wait $listening
kill $login
cmp sent got && echo through $device
cat complaints; tail -n 20 sshd.log
"#;

fn tunnel(client: Implementation, server: Implementation, mode: &str) -> String {
    let folder = tempfile::tempdir().expect("temporary folder");
    let key = |holder| key_files::private(holder, "ssh-ed25519");
    let (host, user) = (key(Holder::Host), key(Holder::User));
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("write a file");
    };
    write("authorized_keys", &key_files::public_line(Holder::User, "ssh-ed25519"));
    let config = format!(
        "Port 2222\nHostKey {}\nAuthorizedKeysFile {}/authorized_keys\nStrictModes no\n\
         PidFile none\nPermitTunnel {mode}\nPermitRootLogin yes\n",
        host.display(),
        folder.path().display(),
    );
    write("sshd_config", &config);
    let tool = |one: Implementation, name: &str| one.tool(name);
    let mut command = Command::new("unshare");
    command.args(["-m", "-p", "-n", "-i", "-f", "--kill-child", "--mount-proc", "bash", "-c"]);
    command.args([SCRIPT, "tunnel"]).arg(folder.path());
    command.arg(tool(client, "ssh")).arg(tool(server, "sshd")).arg(host).arg(user).arg(mode);
    run(&mut command, b"", 4 * DEADLINE).to_string()
}

#[test]
fn packets_go_through() {
    let test = "packets_go_through";
    if !rustix::process::geteuid().is_root() || !Path::new("/dev/net/tun").exists() {
        return not_run(test, "tunnel devices are root's");
    }
    if let Some(program) = ["ip", "nc", "ss", "unshare"].into_iter().find(|p| find(p).is_none()) {
        return not_run(test, program);
    }
    if !run(Command::new("unshare").args(["-n", "true"]), b"", DEADLINE).success() {
        return not_run(test, "no right to name spaces");
    }
    for (client, server, mode, interface) in [
        (Ours, OpenSsh, "point-to-point", "tun3"),
        (OpenSsh, Ours, "point-to-point", "tun3"),
        (Ours, Ours, "ethernet", "tap3"),
    ] {
        let seen = tunnel(client, server, mode);
        let expected = format!("through {interface}");
        assert!(seen.contains(&expected), "{client:?} to {server:?}, {mode}: {seen}");
    }
}
