//! Networks that lose packets: those that are marked, and all.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use keyway_testkit::Implementation::OpenSsh;
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::run;
use keyway_testkit::program::find;
use keyway_testkit::relay::Relay;
use keyway_testkit::{Server, not_run};

use crate::User;
use crate::terminal::Terminal;

/// Two name spaces, a server in one of which takes no marked packets. Arguments: a folder, our
/// program, the server, the user's key.
const SCRIPT: &str = r#"
set -u
cd "$1"; keyway=$2 sshd=$3 user=$4
mount -t tmpfs tmpfs /run && mkdir -p /run/sshd /run/netns && ip link set lo up
ip netns add far && ip netns exec far ip link set lo up
ip link add near0 type veth peer name far0 && ip link set far0 netns far
ip addr add 10.9.0.1/24 dev near0 && ip link set near0 up
far() { ip netns exec far "$@"; }
far ip addr add 10.9.0.2/24 dev far0 && far ip link set far0 up
far nft add table inet t
far nft add chain inet t c '{ type filter hook input priority 0; }'
far nft add rule inet t c tcp dport 22 ip dscp != cs0 drop
far "$sshd" -f sshd_config -E sshd.log
for _ in $(seq 100); do nc -z 10.9.0.2 22 2>/dev/null && break; sleep 0.1; done
for round in first second; do
  "$keyway" ssh -v -F none -oIPQoS=ef -oBatchMode=yes -oGlobalKnownHostsFile=none \
    -oUserKnownHostsFile=known_hosts -i "$user" 10.9.0.2 echo "case $round" 2>&1 | grep -e case -e IPQoS
done
tail -n 3 sshd.log
"#;

#[test]
fn marked_packets_that_do_not_arrive() {
    let test = "marked_packets_that_do_not_arrive";
    if !rustix::process::geteuid().is_root() {
        return not_run(test, "name spaces are root's");
    }
    if let Some(program) = ["ip", "nc", "nft", "unshare"].into_iter().find(|p| find(p).is_none()) {
        return not_run(test, program);
    }
    if !run(Command::new("unshare").args(["-n", "true"]), b"", Duration::from_secs(10)).success() {
        return not_run(test, "no right to name spaces");
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let key = |holder| key_files::private(holder, "ssh-ed25519");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("write a file");
    };
    write("authorized_keys", &key_files::public_line(Holder::User, "ssh-ed25519"));
    let host = key_files::public_line(Holder::Host, "ssh-ed25519");
    write("known_hosts", &format!("10.9.0.2 {host}\n"));
    let authorized = folder.path().join("authorized_keys");
    write(
        "sshd_config",
        &format!(
            "Port 22\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nPidFile none\n",
            key(Holder::Host).display(),
            authorized.display()
        ),
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "-p", "-n", "-i", "-f", "--kill-child", "--mount-proc", "bash", "-c"]);
    command.args([SCRIPT, "network"]).arg(folder.path()).arg(env!("CARGO_BIN_EXE_keyway"));
    command.arg(OpenSsh.tool("sshd")).arg(key(Holder::User));
    command.env_remove("SSH_AUTH_SOCK");
    let seen = run(&mut command, b"", Duration::from_secs(60)).to_string();
    let (first, second) = seen.split_once("case first\n").unwrap_or_default();
    assert!(first.contains("do not seem to arrive; sending without the mark"), "{seen}");
    assert!(first.contains("packets arrive without the mark"), "{seen}");
    assert!(second.contains("no mark, as marked packets did not arrive there lately"), "{seen}");
    assert!(second.contains("case second") && !second.contains("do not seem"), "{seen}");
}

#[test]
fn a_terminal_tells_that_nothing_is_answered() {
    let server = Server::new(OpenSsh).start();
    let relay = Relay::start(server.port);
    let mut user = User::new(&server);
    user.port = relay.port;
    let options = ["-tt", "-o", "StrictHostKeyChecking=no", "-o", "UpdateHostKeys=no"];
    let mut terminal = Terminal::start(user.ssh(&options).arg("echo rea''dy; cat"));
    terminal.expect("ready");
    // On a way that forgets nothing, nothing is said while nobody types.
    sleep(Duration::from_millis(500));
    let before = relay.bytes();
    sleep(Duration::from_secs(3));
    assert_eq!(relay.bytes(), before);

    relay.hold();
    terminal.type_keys("anybody?\n");
    terminal.expect("ssh: the server has not answered for 1");
    relay.release();
    terminal.expect("anybody?");
    terminal.expect("ssh: the server answers again, after 1");
    terminal.type_keys("\r~.");
    let (code, seen) = terminal.finish();
    assert_eq!(code, 255, "{seen}");
    assert!(!user.read("known_hosts.keyway").contains(" idle="), "{seen}");
}
