//! A machine that lets nobody in for a while, a way that is slow, and a server that does not wait.

use std::process::Command;
use std::thread;
use std::time::Duration;

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::{Implementation, Island, not_run};

use crate::done;

/// On a machine whose files are its own. Arguments: a folder, our program, the server, the user's
/// key.
const SCRIPT: &str = r#"
set -u
cd "$1"; here=$1 keyway=$2 sshd=$3 user=$4
mount -t tmpfs tmpfs /run && mkdir -p /run/sshd /run/netns && ip link set lo up
ip netns add far && ip netns exec far ip link set lo up
mkdir etc && cp -a /etc/. etc && mount --bind etc /etc && rm -f /etc/nologin
mkdir -m 755 home && chown 4242:4242 home
printf 'guest:x:4242:4242::%s/home:/bin/sh\n' "$here" >> /etc/passwd
printf 'guest:*:19000:0:99999:7:::\n' >> /etc/shadow; echo 'guest:x:4242:' >> /etc/group
printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files\n' > /etc/nsswitch.conf
printf 'account required pam_nologin.so\naccount required pam_permit.so\nsession required pam_permit.so\n' \
  > /etc/pam.d/sshd
examine() {
  name=$1; shift
  "$keyway" "${@:1:2}" --json "${@:3}" > found.json 2>&1
  echo "case $name: $? $(grep -o '"name": "[a-z0-9-]*"' found.json | cut -d'"' -f4 | tr '\n' ' ')"
  grep -o -e 'it says: [^"]*' -e 'connection took [^"]*' -e 'every answer took [0-9]' found.json | tr '\n' ';'; echo
  [ "${SHOW:-}" = "" ] || cat found.json
}
way() {
  examine "$1" ssh doctor -F none -oConnectTimeout=15 -oGlobalKnownHostsFile=none \
    -oUserKnownHostsFile=known_hosts -oHostKeyAlias=here "${@:2}"
}
serve() { # where, port, lines
  $1 "$sshd" -f sshd_config -E "$here/sshd.log" -o Port=$2 "${@:3}" -o PidFile=none
  for _ in $(seq 100); do $1 nc -z 127.0.0.1 $2 2>/dev/null && break; sleep 0.1; done
}
serve env 2201 -o UsePAM=yes -o LoginGraceTime=1
serve env 2202 -o UsePAM=no
way sound -i "$user" -p 2201 guest@127.0.0.1
echo 'Back at noon.' > /etc/nologin
way nologin-pam -i "$user" -p 2201 guest@127.0.0.1
way nologin --shell -i "$user" -p 2202 guest@127.0.0.1
way nologin-root -i "$user" -p 2201 root@127.0.0.1
examine server sshd doctor -f sshd_config -o Port=2201 -o UsePAM=yes --user guest
examine server-root sshd doctor -f sshd_config -o Port=2201 -o UsePAM=yes --user root
rm /etc/nologin
# An agent that asks, and somebody who thinks for a while.
printf '#!/bin/sh\nsleep 2; exit 0\n' > think; chmod 755 think
SSH_ASKPASS=$here/think SSH_ASKPASS_REQUIRE=force ssh-agent -D -a "$here/agent" > /dev/null & agent=$!
for _ in $(seq 50); do [ -S agent ] && break; sleep 0.1; done
SSH_AUTH_SOCK=$here/agent ssh-add -q -c "$user"
SSH_AUTH_SOCK=$here/agent way grace -p 2201 guest@127.0.0.1
SSH_AUTH_SOCK=$here/agent way patient -p 2202 guest@127.0.0.1
kill $agent
python3 "$5" 0.37 > link.log 2>&1 & link=$!
for _ in $(seq 50); do grep -q ready link.log && break; sleep 0.1; done
serve 'ip netns exec far' 2203 -o UsePAM=no
way link -i "$user" -p 2203 guest@10.8.0.2
kill $link; tail -n 5 sshd.log link.log
"#;

fn examine_all(server: Implementation) -> String {
    // Logins that fail from one address are what this test is about.
    let ours = if server == Ours { "PerSourcePenalties no\n" } else { "" };
    let config = format!(
        "PermitRootLogin yes\nKbdInteractiveAuthentication no\nPasswordAuthentication no\n{ours}"
    );
    let island = Island::new("here", &config);
    island.write("link.py", include_str!("link.py"));
    let link = island.folder().join("link.py");
    done(Command::new("chmod").arg("755").arg(island.folder()));
    let program = env!("CARGO_BIN_EXE_keyway");
    island.run(SCRIPT, program, server, &[link.as_os_str()], Duration::from_secs(120))
}

#[test]
fn logins_that_wait_or_may_not_be() {
    if !Island::is_possible("logins_that_wait_or_may_not_be", &["python3", "ssh-agent"]) {
        return;
    }
    let seen: Vec<String> = thread::scope(|scope| {
        let both = [OpenSsh, Ours].map(|server| scope.spawn(move || examine_all(server)));
        both.into_iter().map(|one| one.join().expect("an examination")).collect()
    });
    for seen in seen {
        for expected in [
            "case sound: 0 \n",
            "case nologin-pam: 1 nologin \nit says: Back at noon.;",
            "case nologin: 1 nologin \nit says: Back at noon.;",
            "case nologin-root: 0 \n",
            "case server: 1 nologin \nit says: Back at noon.;",
            "case server-root: 0 \n",
            "case grace: 1 login-grace-time \n",
            "case patient: 0 \n",
        ] {
            assert!(seen.contains(expected), "{expected}: {seen}");
        }
        if seen.contains("/dev/net/tun") {
            not_run("logins_that_wait_or_may_not_be", "no device for the slow link");
            continue;
        }
        assert!(seen.contains("case link: 1 slow-network \nevery answer took 7"), "{seen}");
    }
}
