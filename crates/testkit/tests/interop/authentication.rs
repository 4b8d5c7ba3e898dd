//! Getting in, and not getting in.

use std::process::Command;
use std::time::Duration;

use keyway_testkit::account::Account;
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::{DEADLINE, Running, run};
use keyway_testkit::program::find;
use keyway_testkit::ssh::current_user;
use keyway_testkit::{Client, Implementation, Server, StartedServer, not_run};

use crate::{PAIRS, check, check_for};

/// A server that takes passwords, by PAM or by itself.
fn password_server(implementation: Implementation, pam: bool) -> StartedServer {
    Server::new(implementation)
        .config("PasswordAuthentication yes")
        .config("KbdInteractiveAuthentication yes")
        .config(format!("UsePAM {}", if pam { "yes" } else { "no" }))
        .start()
}

fn account(test: &str, tag: &str) -> Option<Account> {
    match Account::create(tag) {
        Ok(account) => Some(account),
        Err(reason) => {
            not_run(test, &reason);
            None
        }
    }
}

#[test]
fn password() {
    let Some(account) = account("password", "pw") else {
        return;
    };
    for (pair, pam) in PAIRS.iter().flat_map(|pair| [(pair, false), (pair, true)]) {
        let server = password_server(pair.1, pam);
        let mut client = Client::to_port(pair.0, server.port, &account.name)
            .known_hosts(&server.known_hosts())
            .option("PreferredAuthentications=password")
            .answering(&account.password)
            .command("id -un");
        let run = client.run();
        check(&run, 0, &format!("{}\n", account.name));
        assert!(
            client.questions().contains(&format!("{}@127.0.0.1's password", account.name)),
            "{}",
            client.questions()
        );
    }
}

#[test]
fn keyboard_interactive() {
    let Some(account) = account("keyboard_interactive", "ki") else {
        return;
    };
    for pair in PAIRS {
        let server = password_server(pair.1, true);
        let run = Client::to_port(pair.0, server.port, &account.name)
            .known_hosts(&server.known_hosts())
            .option("PreferredAuthentications=keyboard-interactive")
            .answering(&account.password)
            .command("id -un")
            .run();
        check(&run, 0, &format!("{}\n", account.name));
    }
}

/// A key login to an account other than the server's: the server has to give
/// up its privileges.
#[test]
fn key_of_another_account() {
    let Some(account) = account("key_of_another_account", "key") else {
        return;
    };
    for pair in PAIRS {
        let server = Server::new(pair.1).start();
        let run = Client::to_port(pair.0, server.port, &account.name)
            .known_hosts(&server.known_hosts())
            .command("id -un; id -u -r; echo $HOME $USER $LOGNAME $SHELL; pwd; cat /proc/self/status | grep -c '^Groups:.*[0-9]'; cat /root/.profile")
            .run();
        let text = run.text();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(account.name.as_str()), "{run}");
        assert_ne!(lines.next(), Some("0"), "{run}");
        assert_eq!(
            lines.next(),
            Some(format!("/home/{0} {0} {0} /bin/sh", account.name).as_str()),
            "{run}"
        );
        assert_eq!(lines.next(), Some(format!("/home/{}", account.name).as_str()), "{run}");
        assert!(run.stderr.contains("Permission denied"), "{run}");
    }
}

#[test]
fn wrong_password() {
    let Some(account) = account("wrong_password", "bad") else {
        return;
    };
    for pair in PAIRS {
        let server = password_server(pair.1, false);
        let mut client = Client::to_port(pair.0, server.port, &account.name)
            .known_hosts(&server.known_hosts())
            .option("PreferredAuthentications=password")
            .option("NumberOfPasswordPrompts=2")
            .answering("not it")
            .command("true");
        let run = client.run();
        assert_eq!(run.code(), Some(255), "{run}");
        assert!(run.stderr.contains("Permission denied"), "{run}");
        assert!(run.stderr.contains("please try again"), "{run}");
        assert_eq!(client.questions().lines().count(), 2, "{}", client.questions());
    }
}

#[test]
fn refused_key() {
    for pair in PAIRS {
        let server = Server::new(pair.1).start();
        let run = Client::new(pair.0, &server)
            .key(&key_files::private(Holder::Stranger, "ssh-ed25519"))
            .command("true")
            .run();
        assert_eq!(run.code(), Some(255), "{run}");
        assert!(run.stderr.contains("Permission denied (publickey"), "{pair:?} {run}");
    }
}

#[test]
fn unknown_user() {
    for pair in PAIRS {
        let server = Server::new(pair.1).start();
        let run = Client::to_port(pair.0, server.port, "nobody-of-that-name")
            .known_hosts(&server.known_hosts())
            .command("true")
            .run();
        assert_eq!(run.code(), Some(255), "{run}");
        assert!(run.stderr.contains("Permission denied"), "{pair:?} {run}");
        let log = server.process.log();
        assert!(log.contains("Invalid user nobody-of-that-name"), "{pair:?} {log}");
    }
}

/// The stock agent with one key, and the file of its public half only.
#[test]
fn agent() {
    let (Some(agent), Some(add)) = (find("ssh-agent"), find("ssh-add")) else {
        not_run("agent", "no ssh-agent and ssh-add here");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("agent");
    let mut process = Running::start(
        Command::new(agent).arg("-D").arg("-a").arg(&socket),
        &folder.path().join("log"),
    );
    process.wait_for_log(Duration::from_secs(10), |_| socket.exists().then_some(())).unwrap();
    for kind in key_files::kinds() {
        let added = run(
            Command::new(&add)
                .arg(key_files::private(Holder::User, kind))
                .env("SSH_AUTH_SOCK", &socket),
            b"",
            DEADLINE,
        );
        assert!(added.success(), "{added}");
    }
    let public_only = folder.path().join("id");
    for pair in PAIRS {
        let server = Server::new(pair.1).start();
        for kind in key_files::kinds() {
            std::fs::write(
                public_only.with_extension("pub"),
                key_files::public_line(Holder::User, kind) + "\n",
            )
            .unwrap();
            let run = Client::new(pair.0, &server)
                .key(&public_only)
                .env("SSH_AUTH_SOCK", &socket)
                .command("echo by agent")
                .run();
            check(&run, 0, "by agent\n");
        }
    }
}

#[test]
fn encrypted_key_file() {
    let Some(keygen) = find("ssh-keygen") else {
        not_run("encrypted_key_file", "no ssh-keygen here");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::copy(key_files::private(Holder::User, "ssh-ed25519"), &key).unwrap();
    let locked = run(
        Command::new(keygen).args(["-q", "-p", "-P", "", "-N", "correct horse", "-f"]).arg(&key),
        b"",
        DEADLINE,
    );
    assert!(locked.success(), "{locked}");
    for pair in PAIRS {
        let server = Server::new(pair.1).start();
        let mut client =
            Client::new(pair.0, &server).key(&key).answering("correct horse").command("echo open");
        let run = client.run();
        check(&run, 0, "open\n");
        assert!(client.questions().contains("Enter passphrase for key"), "{}", client.questions());
        let run = Client::new(pair.0, &server).key(&key).answering("wrong").command("true").run();
        assert_eq!(run.code(), Some(255), "{run}");
    }
}

/// authorized_keys options that decide what a key may do.
#[test]
fn key_options() {
    let key = key_files::public_line(Holder::User, "ssh-ed25519");
    for pair in PAIRS {
        let forced = Server::new(pair.1)
            .config("PermitUserEnvironment yes")
            .authorized(&[format!(
                "command=\"echo forced: $SSH_ORIGINAL_COMMAND $COLOUR\",environment=\"COLOUR=blue\" {key}"
            )])
            .start();
        let run = Client::new(pair.0, &forced).command("id").run();
        check(&run, 0, "forced: id blue\n");

        for (options, fits) in [
            ("from=\"127.0.0.1\"", true),
            ("from=\"10.0.0.0/8,127.0.0.0/8\"", true),
            ("from=\"!127.0.0.1,*\"", false),
            ("from=\"192.0.2.1\"", false),
            ("expiry-time=\"20990101\"", true),
            ("expiry-time=\"20010101\"", false),
        ] {
            let server = Server::new(pair.1).authorized(&[format!("{options} {key}")]).start();
            let run = Client::new(pair.0, &server).command("echo in").run();
            let (code, text) = if fits { (0, "in\n") } else { (255, "") };
            check_for(&(pair, options), &run, code, text);
        }
    }
}

#[test]
fn server_rules() {
    let user = current_user();
    for pair in PAIRS {
        for (line, fits) in [
            (format!("AllowUsers {user}"), true),
            ("AllowUsers somebody-else".to_owned(), false),
            (format!("DenyUsers {user}"), false),
            (format!("AllowUsers {user}@127.0.0.1"), true),
            (format!("AllowUsers {user}@192.0.2.*"), false),
            ("AuthenticationMethods publickey".to_owned(), true),
            ("AuthenticationMethods publickey,password".to_owned(), false),
            ("PubkeyAuthentication no".to_owned(), false),
        ] {
            let server = Server::new(pair.1).config(&line).start();
            let run = Client::new(pair.0, &server).command("echo in").run();
            let (code, text) = if fits { (0, "in\n") } else { (255, "") };
            check_for(&(pair, &line), &run, code, text);
        }
    }
}

/// Two keys in turn, both asked for.
#[test]
fn partial_success() {
    for pair in PAIRS {
        let server =
            Server::new(pair.1).config("AuthenticationMethods publickey,publickey").start();
        let one = key_files::private(Holder::User, "ssh-ed25519");
        let two = key_files::private(Holder::User, "ecdsa-sha2-nistp256");
        let run = Client::new(pair.0, &server).key(&one).key(&two).command("echo twice").run();
        check(&run, 0, "twice\n");
        let run = Client::new(pair.0, &server).key(&one).command("true").run();
        assert_eq!(run.code(), Some(255), "{run}");
        assert!(run.stderr.contains("Permission denied"), "{run}");
    }
}
