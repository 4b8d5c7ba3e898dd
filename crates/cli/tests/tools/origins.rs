//! Rules of a server about where a client comes from: its name, and the routing domain.

use std::fs;
use std::process::Command;

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::{DEADLINE, run};
use keyway_testkit::program::find;
use keyway_testkit::{Implementation, not_run};

/// On a machine whose name service is its own: a server, and a login from each address. Arguments:
/// a folder, the server, the user's key.
const SCRIPT: &str = r#"
cd "$1"; sshd=$2 user=$3
mount -t tmpfs tmpfs /run && mkdir -p /run/sshd && ip link set lo up
echo 'nameserver 127.0.0.1' > resolv.conf; echo 'hosts: files dns' > nsswitch.conf; : > hosts
for file in resolv.conf nsswitch.conf hosts; do mount --bind $file /etc/$file; done
python3 reverse.py & names=$!
for _ in $(seq 100); do getent hosts 127.0.0.1 > /dev/null && break; sleep 0.1; done
"$sshd" -f sshd_config -E "$1/sshd.log"
login() { # from, to, port
  ssh -F none -oBatchMode=yes -oStrictHostKeyChecking=no -oUserKnownHostsFile=known -oLogLevel=ERROR \
    -i "$user" -b $1 -p $3 $2 true 2>&1
}
for _ in $(seq 100); do nc -z 127.0.0.1 2222 && nc -z 127.0.0.1 2223 && break; sleep 0.1; done
for client in 1 2 3 4; do echo "from $client: $(login 127.0.0.$client 127.0.0.1 2222)"; done
echo "domain: $(login 127.0.0.4 127.0.0.1 2223)"
kill $names; cat sshd.log
"#;

fn answers(server: Implementation) -> String {
    let folder = tempfile::tempdir().expect("temporary folder");
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("write a file");
    };
    let key = key_files::public_line(Holder::User, "ssh-ed25519");
    write("keys", &format!("{key}\n"));
    write("reverse.py", include_str!("reverse.py"));
    write(
        "sshd_config",
        &format!(
            "Port 2222\nListenAddress 127.0.0.1\nListenAddress 127.0.0.1:2223 rdomain lo\nHostKey {}\n\
             AuthorizedKeysFile {}/keys\nStrictModes no\nPermitRootLogin yes\nPidFile none\nUseDNS yes\n\
             Match RDomain lo\nForceCommand echo in a domain\nMatch Host friend.test\n\
             ForceCommand echo a friend\nMatch Host liar.test\nForceCommand echo a liar\n\
             Match Host 10.0.0.*\nForceCommand echo a number\nMatch all\nForceCommand echo a stranger\n",
            key_files::private(Holder::Host, "ssh-ed25519").display(),
            folder.path().display()
        ),
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "-p", "-n", "-f", "--kill-child", "--mount-proc", "bash", "-c", SCRIPT]);
    command.arg("origins").arg(folder.path()).arg(server.tool("sshd"));
    command.arg(key_files::private(Holder::User, "ssh-ed25519"));
    run(&mut command, b"", DEADLINE).text()
}

#[test]
fn rules_about_names_and_domains() {
    let test = "rules_about_names_and_domains";
    let missing = ["ip", "nc", "unshare", "python3"].into_iter().find(|p| find(p).is_none());
    if let Some(program) = missing {
        return not_run(test, program);
    }
    if !run(Command::new("unshare").args(["-mn", "true"]), b"", DEADLINE).success() {
        return not_run(test, "no right to name spaces");
    }
    for server in [OpenSsh, Ours] {
        let seen = answers(server);
        for expected in [
            "from 1: a friend\n",
            // Its name leads elsewhere, so it has none.
            "from 2: a stranger\n",
            "from 3: a stranger\n",
            "from 4: a stranger\n",
            "domain: in a domain\n",
        ] {
            assert!(seen.contains(expected), "{expected}: {seen}");
        }
        assert!(seen.contains("liar.test, but this does not map back"), "{seen}");
        assert!(seen.contains("Nasty PTR record \"10.0.0.9\""), "{seen}");
    }
}
