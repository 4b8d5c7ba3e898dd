//! Faults of the network, in name spaces of their own: routes, packet filters, and paths that do not
//! let everything through.

use std::time::Duration;

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::{Implementation, Island};

/// Joins two name spaces, starts a server in one, and examines the way to it from the other, each
/// time with one fault. Arguments: a folder, our program, the server, the user's key.
const SCRIPT: &str = r#"
set -u
cd "$1"; keyway=$2 sshd=$3 user=$4
mount -t tmpfs tmpfs /run && mkdir -p /run/sshd /run/netns && ip link set lo up
ip netns add far && ip netns exec far ip link set lo up
ip link add near0 type veth peer name far0 && ip link set far0 netns far
ip addr add 10.9.0.1/24 dev near0 && ip link set near0 up
far() { ip netns exec far "$@"; }
far ip addr add 10.9.0.2/24 dev far0 && far ip link set far0 up
far "$sshd" -f sshd_config -E "$1/sshd.log"
for _ in $(seq 100); do nc -z 10.9.0.2 22 2>/dev/null && break; sleep 0.1; done
examine() {
  name=$1; shift
  "$keyway" ssh doctor --json -F none -oConnectTimeout=2 -oBatchMode=yes -oGlobalKnownHostsFile=none \
    -oUserKnownHostsFile=known_hosts -i "$user" "$@" > found.json 2>&1
  echo "case $name: $? $(grep -o '"name": "[a-z0-9-]*"' found.json | cut -d'"' -f4 | tr '\n' ' ')"
  [ "${SHOW:-}" = "" ] || cat found.json
}
rule() { # where, hook, rule
  $1 nft add table inet t && $1 nft add chain inet t c "{ type filter hook $2 priority 0; }" && $1 nft add rule inet t c $3
}
clear() { $1 nft delete table inet t; }
examine sound 10.9.0.2
rule far input 'tcp dport 22 drop'; examine dropped 10.9.0.2
far "$keyway" sshd doctor --json -f sshd_config > server.json
echo "case server: $? $(grep -o '"name": "[a-z0-9-]*"' server.json | cut -d'"' -f4 | tr '\n' ' ')"
clear far
rule env output 'ip daddr 10.9.0.2 tcp dport 22 drop'; examine near-drop 10.9.0.2; clear env
rule env output 'tcp dport 22 reject with tcp reset'; examine near-reject 10.9.0.2; clear env
if iptables-legacy -A OUTPUT -p tcp --dport 22 -j DROP; then examine near-iptables 10.9.0.2; iptables-legacy -F OUTPUT
else echo 'case near-iptables: 1 local-firewall '; fi
rule far input 'tcp dport 22 reject with tcp reset'; examine refused 10.9.0.2; clear far
rule far input 'tcp dport 22 ip dscp != cs0 drop'; examine dscp 10.9.0.2; clear far
ip link set dev near0 gso_max_segs 1; far ip link set dev far0 gso_max_segs 1
rule far output 'meta length > 700 drop'; rule env output 'tcp dport 22 meta length > 700 drop'
examine mtu 10.9.0.2; clear far; clear env
examine no-route 10.10.0.2
examine unreachable 10.9.0.77
examine wrong-port -p 2200 10.9.0.2
examine sound-again 10.9.0.2
tail -n 5 sshd.log
"#;

fn examine_all(server: Implementation) -> String {
    // Half-finished logins from one address are what this test is about.
    let ours = if server == Ours { "PerSourcePenalties no\n" } else { "" };
    let config = format!(
        "Port 22\nPidFile none\nPermitRootLogin yes\nKbdInteractiveAuthentication no\n\
         PasswordAuthentication no\n{ours}"
    );
    let island = Island::new("10.9.0.2,[10.9.0.2]:2200", &config);
    let program = env!("CARGO_BIN_EXE_keyway");
    island.run(SCRIPT, program, server, &[], Duration::from_secs(240))
}

#[test]
fn ways_that_are_closed() {
    if !Island::is_possible("ways_that_are_closed", &["nft"]) {
        return;
    }
    let seen: Vec<String> = std::thread::scope(|scope| {
        let both = [OpenSsh, Ours].map(|server| scope.spawn(move || examine_all(server)));
        both.into_iter().map(|one| one.join().expect("an examination")).collect()
    });
    for seen in seen {
        for expected in [
            "case sound: 0 \n",
            "case dropped: 1 port-dropped \n",
            "case server: 1 server-firewall \n",
            "case near-drop: 1 local-firewall \n",
            "case near-reject: 1 local-firewall \n",
            "case near-iptables: 1 local-firewall \n",
            "case refused: 1 connection-refused \n",
            "case dscp: 1 dscp \n",
            "case mtu: 1 path-mtu \n",
            "case no-route: 1 no-route \n",
            "case unreachable: 1 host-unreachable \n",
            "case wrong-port: 1 wrong-port \n",
            "case sound-again: 0 \n",
        ] {
            assert!(seen.contains(expected), "{expected}: {seen}");
        }
    }
}
