//! Networks that lose packets: those that are marked, and all.

use std::thread::sleep;
use std::time::Duration;

use keyway_testkit::Implementation::OpenSsh;
use keyway_testkit::relay::Relay;
use keyway_testkit::{Island, Server};

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
    if !Island::is_possible("marked_packets_that_do_not_arrive", &["nft"]) {
        return;
    }
    let island = Island::new("10.9.0.2", "Port 22\nPidFile none\n");
    let program = env!("CARGO_BIN_EXE_keyway");
    let seen = island.run(SCRIPT, program, OpenSsh, &[], Duration::from_secs(60));
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
