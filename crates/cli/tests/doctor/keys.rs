//! Keys, their files, the agent and passwords, with OpenSSH's server and with ours.

use std::path::Path;
use std::process::Command;

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::process::{Running, run};
use keyway_testkit::{Server, StartedServer};

use crate::{DEADLINE, User, done, keyway, right_key, wrong_key};

fn both() -> [StartedServer; 2] {
    [OpenSsh, Ours].map(|one| {
        Server::new(one)
            .config("PasswordAuthentication no")
            .config("KbdInteractiveAuthentication no")
            .start()
    })
}

#[test]
fn keys_and_their_files() {
    for server in both() {
        let user = User::knowing(&server);
        let port = server.port;
        user.examine(port, &[&right_key()], &[]).found_sound();
        user.examine(port, &[&wrong_key()], &[]).is("keys-refused").mentions("sshd doctor");
        user.examine(port, &[&user.own_key(0o644)], &[])
            .is("key-file-permissions")
            .mentions(&format!("chmod 600 {}", user.path("key").display()));
        let text = user.write("text", "no key at all\n", 0o600);
        user.examine(port, &[&text], &[]).is("key-file-format");
        let missing = user.path("missing");
        user.examine(port, &[&missing], &[]).is("key-file-missing");
    }
}

#[test]
fn passphrases_and_wrong_halves() {
    let user = User::new();
    let key = user.path("locked");
    done(keyway("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "secret", "-f"]).arg(&key));
    let public = std::fs::read_to_string(key.with_extension("pub")).expect("public key");
    let server =
        Server::new(OpenSsh).config("PasswordAuthentication no").authorized(&[public]).start();
    let known = keyway_testkit::key_files::known_hosts(server.port, &["ssh-ed25519"]);
    user.write("known_hosts", &known, 0o600);
    user.examine(server.port, &[&key], &[]).is("passphrase-needed").mentions("ssh-add");

    // Another name for the public half of a key that the server takes.
    let text = std::fs::read_to_string(key.with_extension("pub")).expect("public key");
    let public = user.write("public", &text, 0o600);
    user.examine(server.port, &[&public], &[]).is("key-file-public");

    // The file beside it is what is offered.
    let other = user.path("other");
    done(keyway("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&other));
    std::fs::copy(key.with_extension("pub"), other.with_extension("pub")).expect("copy");
    user.examine(server.port, &[&other], &[]).is("key-file-mismatch");
}

#[test]
fn too_many_keys() {
    for implementation in [OpenSsh, Ours] {
        let server = Server::new(implementation).config("MaxAuthTries 3").start();
        let user = User::knowing(&server);
        let mut keys = Vec::new();
        for number in 0..4 {
            let key = user.path(&format!("stranger{number}"));
            done(keyway("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
            keys.push(key);
        }
        keys.push(right_key());
        let keys: Vec<&Path> = keys.iter().map(std::path::PathBuf::as_path).collect();
        user.examine(server.port, &keys, &[])
            .is("too-many-keys")
            .mentions("IdentitiesOnly")
            .mentions(&right_key().display().to_string());
    }
}

#[test]
fn what_the_server_takes() {
    for implementation in [OpenSsh, Ours] {
        let passwords = Server::new(implementation)
            .config("PubkeyAuthentication no")
            .config("PasswordAuthentication yes")
            .start();
        let user = User::knowing(&passwords);
        user.examine(passwords.port, &[&right_key()], &[]).is("password-only");

        let keys = Server::new(implementation)
            .config("PasswordAuthentication no")
            .config("KbdInteractiveAuthentication no")
            .start();
        let user = User::knowing(&keys);
        user.examine(keys.port, &[&right_key()], &["PubkeyAuthentication=no"])
            .is("keys-switched-off");
        // Without a file and without an agent there is nothing to log in with.
        user.examine(keys.port, &[], &["IdentityAgent=none"]).is("keys-only");

        let two = Server::new(implementation)
            .config("PasswordAuthentication yes")
            .config("AuthenticationMethods publickey,password")
            .start();
        let user = User::knowing(&two);
        user.examine(two.port, &[&right_key()], &[]).is("second-factor");
    }
}

#[test]
fn agents() {
    let [server, _] = both();
    let user = User::knowing(&server);
    let examine = |socket: &Path| {
        let mut command = user.command(server.port, &[], &[]);
        crate::Diagnosis::of(command.env("SSH_AUTH_SOCK", socket))
    };
    // Nobody listens any more.
    let stale = user.path("stale");
    drop(std::os::unix::net::UnixListener::bind(&stale).expect("bind"));
    examine(&stale).is("agent-stale");
    crate::Diagnosis::of(&mut user.command(server.port, &[], &[])).is("agent-missing");

    let tools: [(&str, Command); 2] =
        [("ours", keyway("ssh-agent")), ("theirs", Command::new("ssh-agent"))];
    for (name, mut agent) in tools {
        let socket = user.path(&format!("{name}.sock"));
        agent.arg("-D").arg("-a").arg(&socket);
        let _agent = Running::start(&mut agent, &user.path(&format!("{name}.log")));
        for _ in 0..200 {
            if socket.exists() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        examine(&socket).is("agent-empty");
        done(keyway("ssh-add").arg("-q").arg(user.own_key(0o600)).env("SSH_AUTH_SOCK", &socket));
        examine(&socket).found_sound();
        let askpass = user.write("askpass", "#!/bin/sh\necho word\n", 0o700);
        let mut lock = keyway("ssh-add");
        lock.arg("-x").env("SSH_AUTH_SOCK", &socket).env("SSH_ASKPASS", &askpass);
        done(lock.env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", "none"));
        examine(&socket).is("agent-locked").mentions("ssh-add -X");
    }
}

#[test]
fn a_refused_login_names_the_doctor() {
    let [server, _] = both();
    let user = User::knowing(&server);
    let login = |options: &[&str]| {
        let mut command = keyway("ssh");
        command.args(["-F", "none", "-p", &server.port.to_string()]).args(options);
        command.arg("-o").arg(format!("UserKnownHostsFile={}", user.path("known_hosts").display()));
        command.arg("-o").arg("GlobalKnownHostsFile=none").arg("-i").arg(wrong_key());
        run(command.args(["-o", "IdentitiesOnly=yes", "127.0.0.1", "true"]), b"", DEADLINE).stderr
    };
    let said = login(&[]);
    assert!(said.contains("\"ssh doctor 127.0.0.1\" looks closer"), "{said}");
    let last = said.trim_end().lines().last().unwrap_or_default();
    assert!(last.contains("Permission denied (publickey"), "{said}");
    assert!(!login(&["-q"]).contains("doctor"));
    assert!(!login(&["-o", "BatchMode=yes"]).contains("doctor"));
}
