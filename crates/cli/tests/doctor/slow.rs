//! Slow parts of a login, each made slow for real: a server's PAM rules, name services without an
//! answer, and a greeting that is held back.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::key_files;
use keyway_testkit::{Implementation, Island, Server};

use crate::{User, right_key};

/// Starts servers on a machine whose files are its own, and examines the way to each. Arguments: a
/// folder, our program, the server, the user's key.
const SCRIPT: &str = r#"
set -u
cd "$1"; here=$1 keyway=$2 sshd=$3 user=$4
mount -t tmpfs tmpfs /run && mkdir -p /run/sshd && ip link set lo up
# A name server that takes questions and gives no answer.
nc -u -l -k -s 127.0.0.1 -p 53 > /dev/null 2>&1 < /dev/null & silent=$!
printf 'nameserver 127.0.0.1\noptions timeout:3 attempts:1\n' > resolv.conf
printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n' > nsswitch.conf
printf '127.0.0.1 here\n' > hosts
cp /etc/pam.d/sshd pam
for file in resolv.conf nsswitch.conf hosts; do mount --bind $file /etc/$file; done
mount --bind pam /etc/pam.d/sshd
examine() {
  name=$1; shift
  "$keyway" ssh doctor --json -F none -oConnectTimeout=8 -oBatchMode=yes -oGlobalKnownHostsFile=none \
    -oUserKnownHostsFile=known_hosts -oHostKeyAlias=here -i "$user" "$@" > found.json 2>&1
  echo "case $name: $? $(grep -o '"name": "[a-z0-9-]*"' found.json | cut -d'"' -f4 | tr '\n' ' ')"
  [ "${SHOW:-}" = "" ] || cat found.json
}
serve() { # port, lines
  "$sshd" -f sshd_config -E "$here/sshd.log" -o Port=$1 -o ListenAddress=127.0.0.1 "${@:2}" -o PidFile=none
  for _ in $(seq 100); do nc -z 127.0.0.1 $1 2>/dev/null && break; sleep 0.1; done
}
serve 2201 -o UsePAM=yes -o UseDNS=no; serve 2202 -o UsePAM=no -o UseDNS=yes
examine sound -p 2201 127.0.0.1
printf 'account required pam_exec.so /bin/sleep 2.5\naccount required pam_permit.so\nsession required pam_permit.so\n' > pam
examine account -p 2201 127.0.0.1
printf 'account required pam_permit.so\nsession required pam_exec.so /bin/sleep 2.5\n' > pam
examine session -p 2201 127.0.0.1
printf 'account required pam_permit.so\nsession required pam_permit.so\n' > pam
# Only now, as the server asks for the name of 127.0.0.1.
: > hosts
examine use-dns -p 2202 127.0.0.1
printf 'passwd: files\ngroup: files\nshadow: files\nhosts: dns files\n' > nsswitch.conf
printf '127.0.0.1 here\n' > hosts
examine name-service -p 2201 here
kill $silent; tail -n 5 sshd.log
"#;

fn examine_all(server: Implementation) -> String {
    let config =
        "PermitRootLogin yes\nKbdInteractiveAuthentication no\nPasswordAuthentication no\n";
    let island = Island::new("here", config);
    let program = env!("CARGO_BIN_EXE_keyway");
    island.run(SCRIPT, program, server, &[], Duration::from_secs(120))
}

#[test]
fn parts_that_take_long() {
    if !Island::is_possible("parts_that_take_long", &[]) {
        return;
    }
    // Ours opens the session before it says that the user is in.
    let sessions = ["case session: 1 slow-session \n", "case session: 1 slow-authentication \n"];
    let seen: Vec<String> = thread::scope(|scope| {
        let both = [OpenSsh, Ours].map(|server| scope.spawn(move || examine_all(server)));
        both.into_iter().map(|one| one.join().expect("an examination")).collect()
    });
    for (seen, session) in seen.into_iter().zip(sessions) {
        for expected in [
            "case sound: 0 \n",
            "case account: 1 slow-authentication \n",
            session,
            "case use-dns: 1 slow-user-lookup \n",
            "case name-service: 1 slow-name-service \n",
        ] {
            assert!(seen.contains(expected), "{expected}: {seen}");
        }
    }
}

#[test]
fn a_greeting_that_is_held_back() {
    let server = Server::new(OpenSsh).start();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let behind = server.port;
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            thread::sleep(Duration::from_millis(2300));
            let Ok(mut server) = TcpStream::connect(("127.0.0.1", behind)) else { return };
            let (Ok(mut from), Ok(mut to)) = (client.try_clone(), server.try_clone()) else {
                return;
            };
            thread::spawn(move || std::io::copy(&mut from, &mut to));
            thread::spawn(move || {
                let _ = std::io::copy(&mut server, &mut client);
                let _ = client.flush();
            });
        }
    });
    let user = User::new();
    user.write("known_hosts", &key_files::known_hosts(port, &["ssh-ed25519"]), 0o600);
    user.examine(port, &[&right_key()], &["ConnectTimeout=8"]).is("slow-greeting");
}
