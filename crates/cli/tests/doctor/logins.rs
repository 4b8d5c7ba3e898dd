//! Certificates of users, accounts that may not log in, and commands in the place of a shell.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::account::Account;
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::{Server, StartedServer, not_run};

use crate::{Diagnosis, User, done, right_key};

/// A key of nobody's with a certificate of the authority's.
fn certified(user: &User, principals: &str, more: &[&str]) -> PathBuf {
    key_files::certify(user.folder.path(), Holder::Stranger, "ssh-ed25519", principals, more)
}

#[test]
fn certificates_that_do_not_hold() {
    for implementation in [OpenSsh, Ours] {
        let authority = key_files::public_line(Holder::Authority, "ssh-ed25519");
        let server = Server::new(implementation);
        let file = server.folder().join("authorities");
        fs::write(&file, authority + "\n").expect("write");
        let server = server.config(format!("TrustedUserCAKeys {}", file.display())).start();
        let examine = |principals: &str, more: &[&str]| {
            let user = User::knowing(&server);
            let key = certified(&user, principals, more);
            user.examine(server.port, &[&key], &["IdentitiesOnly=yes"])
        };
        let user = server.user.as_str();
        examine(user, &[]).found_sound();
        examine(user, &["-V", "20200101:20200102"])
            .is("user-certificate-expired")
            .mentions("2020-01-02")
            .mentions("ssh-keygen -Lf");
        examine(user, &["-V", "20980101:20990101"]).is("user-certificate-not-yet-valid");
        examine("somebody,else", &[]).is("user-certificate-other-name").mentions("somebody,else");
        // Good for this user, but not from here.
        examine(user, &["-O", "source-address=192.0.2.0/24"])
            .is("user-certificate-source")
            .mentions("192.0.2.0/24");
    }
}

#[test]
fn an_authority_that_the_server_does_not_trust() {
    for implementation in [OpenSsh, Ours] {
        let server = Server::new(implementation).start();
        let user = User::knowing(&server);
        let key = certified(&user, &server.user, &[]);
        user.examine(server.port, &[&key], &["IdentitiesOnly=yes"])
            .is("user-certificate-authority")
            .mentions("TrustedUserCAKeys");
    }
}

#[test]
fn commands_in_the_place_of_a_shell() {
    for implementation in [OpenSsh, Ours] {
        let key = key_files::public_line(Holder::User, "ssh-ed25519");
        let server = Server::new(implementation)
            .authorized(&[format!("command=\"echo forced\" {key}")])
            .start();
        let user = User::knowing(&server);
        user.examine(server.port, &[&right_key()], &[]).notes("forced-command");
    }
}

/// Logs in to servers as somebody, whose account is then spoilt.
#[test]
fn accounts_that_may_not_log_in() {
    let account = match Account::create("doctor-in") {
        Ok(account) => account,
        Err(reason) => return not_run("accounts_that_may_not_log_in", &reason),
    };
    let change = |words: &[&str]| done(Command::new("usermod").args(words).arg(&account.name));
    let servers: Vec<StartedServer> = [OpenSsh, Ours]
        .into_iter()
        .flat_map(|one| [(one, "UsePAM no"), (one, "UsePAM yes")])
        .map(|(one, pam)| Server::new(one).config(pam).config("PasswordAuthentication no").start())
        .collect();
    let examine = |server: &StartedServer, words: &[&str]| -> Diagnosis {
        let user = User::knowing(server);
        let mut command = user.command(server.port, &[&right_key()], &["IdentitiesOnly=yes"]);
        Diagnosis::of(command.arg("-l").arg(&account.name).args(words))
    };
    let sound = |server| examine(server, &[]).found_sound();
    for server in &servers {
        drop(sound(server));
    }

    change(&["-e", "2001-01-01"]);
    for (index, server) in servers.iter().enumerate() {
        // Without PAM the server does not say that it would have taken the key.
        let expected = if index % 2 == 0 { "keys-refused" } else { "account-refused" };
        examine(server, &[]).is(expected).mentions("sshd doctor --user");
    }
    change(&["-e", ""]);
    change(&["-s", "/no/such/shell"]);
    for server in &servers {
        examine(server, &[]).is("keys-refused").mentions("the account may not log in");
    }
    change(&["-s", "/usr/sbin/nologin"]);
    for server in &servers {
        examine(server, &["--shell"]).is("shell-ends").mentions("not available");
    }
    let slow = Path::new("/home").join(&account.name).join(".profile");
    fs::write(&slow, "sleep 2.5\n").expect("write");
    change(&["-s", "/bin/sh"]);
    for server in &servers {
        examine(server, &["--shell"]).is("slow-shell").mentions(".profile");
    }
}
