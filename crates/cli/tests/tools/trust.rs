//! What is asked of addresses, told of changed keys, and given to agents and proxies.

use std::process::Command;
use std::time::{Duration, Instant};

use keyway_testkit::Implementation::OpenSsh;
use keyway_testkit::Server;
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::{DEADLINE, Running, run};

use crate::{User, keygen_with};

#[test]
fn a_changed_key_tells_its_history() {
    let server = Server::new(OpenSsh).host_keys(&["ssh-ed25519"]).start();
    let user = User::knowing(&server, &["ssh-ed25519"]);
    assert_eq!(user.run(&[], "echo in").text(), "in\n");
    let memory = user.read("known_hosts.keyway");
    assert!(memory.contains(" seen=SHA256:"), "{memory}");

    let name = format!("[127.0.0.1]:{}", server.port);
    let other = key_files::public_words(Holder::Stranger, "ssh-ed25519");
    user.write("known_hosts", &format!("{name} {other}\n"));
    let listed = run(
        Command::new("/usr/bin/ssh-keygen").arg("-lf").arg(user.path("known_hosts")),
        b"",
        DEADLINE,
    );
    let before = listed.text().split(' ').nth(1).unwrap_or_default().to_owned();
    user.write("known_hosts.keyway", &format!("{}@{name} seen={before},20500,20512\n", user.name));
    let finished = user.run(&["-o", "BatchMode=yes"], "echo in");
    assert_eq!((finished.code(), finished.text().as_str()), (Some(255), ""), "{finished}");
    for said in [
        format!("the key known before is {before}"),
        "first seen on 2026-02-16, last seen on 2026-02-28".to_owned(),
        "web console of".to_owned(),
        format!("-R \"{name}\""),
    ] {
        assert!(finished.stderr.contains(&said), "{said}: {finished}");
    }
}

#[test]
fn used_keys_go_to_the_agent() {
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, &["ssh-ed25519"]);
    let socket = user.path("agent");
    let mut agent = Command::new("/usr/bin/ssh-agent");
    agent.arg("-D").arg("-a").arg(&socket);
    let agent = Running::start(&mut agent, &user.path("agent.log"));
    let began = Instant::now();
    while !socket.exists() {
        assert!(began.elapsed() < DEADLINE, "the agent does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    let list = || {
        let mut command = Command::new("/usr/bin/ssh-add");
        run(command.arg("-l").env("SSH_AUTH_SOCK", &socket), b"", DEADLINE).text()
    };
    let through = format!("IdentityAgent={}", socket.display());
    for (wanted, keys) in [("no", 0), ("yes", 1), ("confirm 1m", 1)] {
        let add = format!("AddKeysToAgent={wanted}");
        let finished = user.run(&["-o", &through, "-o", &add], "echo in");
        assert_eq!(finished.text(), "in\n", "{finished}");
        assert_eq!(list().matches("(ED25519)").count(), keys, "{wanted}: {}", list());
    }
    drop(agent);
}

#[test]
fn a_proxy_passes_its_connection() {
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, &["ssh-ed25519"]);
    user.write(
        "dial.py",
        "import socket, sys\n\
         made = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n\
         back = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=1)\n\
         socket.send_fds(back, [b'x'], [made.fileno()])\n",
    );
    let proxy = format!("ProxyCommand=/usr/bin/python3 {} %h %p", user.path("dial.py").display());
    let finished = user.run(&["-o", "ProxyUseFdpass=yes", "-o", &proxy], "echo in");
    assert_eq!(finished.text(), "in\n", "{finished}");
}

/// In a network of its own, where the host has an address that is not loopback.
#[test]
fn addresses_are_checked_as_by_openssh() {
    let folder = tempfile::tempdir().expect("temporary folder");
    for name in ["host", "other", "user"] {
        keygen_with(&folder.path().join(name), "");
    }
    let script = r#"
        cd "$1" && chmod 755 . && ip link set lo up && ip addr add 10.9.9.9/32 dev lo || exit 1
        echo '10.9.9.9 box.test' >hosts && mount --bind hosts /etc/hosts || exit 1
        mkdir -p /run/sshd
        cp user.pub keys && printf '%s\n' 'ListenAddress 10.9.9.9' 'Port 4022' "HostKey $1/host" \
            "AuthorizedKeysFile $1/keys" 'StrictModes no' "PidFile $1/pid" >config
        /usr/sbin/sshd -f "$1/config" || exit 1
        try() {
            for ssh in /usr/bin/ssh "$2 ssh"; do
                [ -n "$before" ] && printf "$before" >known || rm -f known
                $ssh -F none -p 4022 -i user -o IdentitiesOnly=yes -o GlobalKnownHostsFile=none \
                    -o CheckHostIP=yes -o UserKnownHostsFile=known -o BatchMode=yes \
                    -o UpdateHostKeys=no -o StrictHostKeyChecking=$1 box.test true >said 2>&1
                echo "$?" && cat said known | tr -d '\r'
                echo end
            done
        }
        host="$(cut -d' ' -f1,2 host.pub)" other="$(cut -d' ' -f1,2 other.pub)"
        before= try accept-new "$2"
        before="[box.test]:4022 $host\n" try yes "$2"
        before="[box.test]:4022 $host\n[10.9.9.9]:4022 $other\n" try yes "$2"
        before="[box.test]:4022 $host\n[10.9.9.9]:4022 $other\n" try no "$2"
        kill "$(cat pid)"
    "#;
    let mut command = Command::new("unshare");
    command.args(["-mn", "sh", "-c", script, "sh"]).arg(folder.path());
    command.arg(env!("CARGO_BIN_EXE_keyway"));
    let finished = run(&mut command, b"", DEADLINE);
    let text = finished.text();
    let runs: Vec<&str> = text.split("end\n").filter(|run| !run.is_empty()).collect();
    if runs.is_empty() {
        keyway_testkit::not_run("addresses_are_checked_as_by_openssh", &finished.stderr);
        return;
    }
    assert_eq!(runs.len(), 8, "{finished}");
    for pair in runs.chunks(2) {
        assert_eq!(pair[1], pair[0]);
    }
    assert!(text.contains("differs from the key for the IP address"), "{text}");
}
