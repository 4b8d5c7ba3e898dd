//! `ConnectTimeout` where the way to the server leads through something that stalls, and a user who
//! does.

use std::io::Write as _;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::{DEADLINE, Finished, run};
use keyway_testkit::{Client, Server, StartedServer};

use crate::User;

/// Answers every connection with this and nothing more.
fn stalling(words: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            // Whoever hung up already does not hear it.
            let _ = stream.write_all(words);
            open.push(stream);
        }
    });
    port
}

/// The status and the time are as they should be.
fn gave_up(finished: &Finished, began: Instant) {
    assert_eq!(finished.code(), Some(255), "{finished}");
    assert!(began.elapsed() < Duration::from_secs(8), "{finished}");
}

fn attempt(server: &StartedServer, options: &[&str]) -> Finished {
    let user = User::knowing(server, &["ssh-ed25519"]);
    let mut all = vec!["-o", "ConnectTimeout=1"];
    all.extend(options);
    let began = Instant::now();
    let finished = user.run(&all, "true");
    gave_up(&finished, began);
    finished
}

#[test]
fn a_proxy_command_that_stalls() {
    let server = Server::new(OpenSsh).start();
    let silent = attempt(&server, &["-o", "ProxyCommand=sleep 60"]);
    assert!(silent.stderr.contains("Connection timed out during banner exchange"), "{silent}");
    let hop = "nothing came from 127.0.0.1 through the ProxyCommand \"sleep 60\"";
    assert!(silent.stderr.contains(hop), "{silent}");

    let deaf = "ProxyCommand=sh -c 'trap \"\" HUP; exec sleep 60'";
    attempt(&server, &["-o", deaf]);

    let half = "ProxyCommand=sh -c 'echo SSH-2.0-Half; exec sleep 60'";
    let half = attempt(&server, &["-o", half]);
    assert!(!half.stderr.contains("during banner exchange"), "{half}");
    let hop = "the key exchange did not end with 127.0.0.1 through the ProxyCommand";
    assert!(half.stderr.contains(hop), "{half}");
}

#[test]
fn a_dialer_that_stalls() {
    let server = Server::new(OpenSsh).start();
    let passing = ["-o", "ProxyUseFdpass=yes", "-o"];
    let silent = attempt(&server, &[passing.as_slice(), &["ProxyCommand=sleep 60"]].concat());
    let hop = "the ProxyCommand \"sleep 60\" passed no connection to 127.0.0.1 in time";
    assert!(silent.stderr.contains(hop), "{silent}");

    if keyway_testkit::program::find("nc").is_none() {
        return keyway_testkit::not_run("a_dialer_that_stalls", "no nc");
    }
    let command = format!("ProxyCommand=nc -F 127.0.0.1 {}", stalling(b""));
    let passed = attempt(&server, &[passing.as_slice(), &[&command]].concat());
    let hop = "nothing came from 127.0.0.1 through the ProxyCommand \"nc -F";
    assert!(passed.stderr.contains(hop), "{passed}");
    // The same dialer on a server that answers.
    let command = format!("ProxyCommand=nc -F 127.0.0.1 {}", server.port);
    let user = User::knowing(&server, &["ssh-ed25519"]);
    let sound = user.run(&[passing.as_slice(), &[&command]].concat(), "echo sound");
    assert_eq!(sound.text(), "sound\n", "{sound}");
}

#[test]
fn a_jump_host_that_stalls() {
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, &["ssh-ed25519"]);
    user.write(
        "config",
        &format!(
            "Host *\n  User {}\n  IdentitiesOnly yes\n  IdentityFile {}\n  \
             UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n",
            user.name,
            key_files::private(Holder::User, "ssh-ed25519").display(),
            user.path("known_hosts").display(),
        ),
    );
    let try_way = |jump: u16, port: u16| {
        let mut command = crate::keyway("ssh");
        command.arg("-F").arg(user.path("config")).args(["-o", "ConnectTimeout=1"]);
        command.arg("-J").arg(format!("127.0.0.1:{jump}"));
        command.args(["-p", &port.to_string(), "127.0.0.1", "true"]);
        let began = Instant::now();
        let finished = run(&mut command, b"", DEADLINE);
        gave_up(&finished, began);
        finished
    };
    let silent = stalling(b"");
    // The first hop names itself...
    let first = try_way(silent, server.port);
    let hop = format!("Connection to 127.0.0.1 port {silent} timed out");
    assert!(first.stderr.contains(&hop), "{first}");
    let half = stalling(b"SSH-2.0-Half\r\n");
    let first = try_way(half, server.port);
    let hop = format!("Connection to 127.0.0.1 port {half} timed out");
    assert!(first.stderr.contains(&hop), "{first}");
    // ... and the last is named with the one it is behind.
    let last = try_way(server.port, silent);
    let jump = format!("through the jump host 127.0.0.1:{}", server.port);
    assert!(last.stderr.contains(&jump) && last.stderr.contains("nothing came from"), "{last}");
}

#[test]
fn an_answer_that_comes_too_late() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let askpass = folder.path().join("askpass");
    std::fs::write(&askpass, "#!/bin/sh\nsleep 3.2; echo word\n").expect("write");
    std::fs::set_permissions(&askpass, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .expect("chmod");
    thread::scope(|scope| {
        for implementation in [OpenSsh, Ours] {
            let askpass = askpass.display().to_string();
            scope.spawn(move || {
                let server = Server::new(implementation)
                    .config("LoginGraceTime 1")
                    .config("PasswordAuthentication yes")
                    .start();
                let client = Client::new(Ours, &server)
                    .answering("")
                    .env("SSH_ASKPASS", askpass)
                    .option("PreferredAuthentications=password")
                    .command("echo in")
                    .run();
                assert_eq!(client.code(), Some(255), "{client}");
                assert!(client.stderr.contains("(LoginGraceTime)"), "{client}");
                assert!(client.stderr.contains("a question waited 3 s"), "{client}");
            });
        }
    });
}
