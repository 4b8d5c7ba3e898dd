//! Clients and agents of others.

use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::{DEADLINE, run};
use keyway_testkit::program::find;
use keyway_testkit::{Client, Implementation, Running, Server, not_run};

use crate::terminal::Terminal;
use crate::{Agent, has_openssh, keyway, stock, wait_for, wait_for_socket, write_askpass};

#[test]
fn stock_ssh_add_and_ssh_use_our_agent() {
    if !has_openssh("stock_ssh_add_and_ssh_use_our_agent") {
        return;
    }
    let agent = Agent::start();
    let server = Server::new(Implementation::OpenSsh).start();
    for kind in key_files::kinds() {
        let path = key_files::private(Holder::User, kind);
        let path = path.to_str().expect("a path");
        let added = agent.run(stock("ssh-add"), &["-q", path]);
        assert!(added.success(), "{kind}: {added}");
        let tested = agent.run(stock("ssh-add"), &["-T", &format!("{path}.pub")]);
        assert!(tested.success(), "{kind}: {tested}");
        for implementation in [Implementation::OpenSsh, Implementation::Ours] {
            let client = Client::new(implementation, &server)
                .option(format!("IdentityAgent={}", agent.socket().display()))
                .option(format!("IdentityFile={path}.pub"))
                .option("IdentitiesOnly=yes")
                .command("echo in")
                .run();
            assert_eq!(client.text().trim(), "in", "{kind}: {client}");
        }
    }
    let theirs = agent.run(stock("ssh-add"), &["-l"]);
    assert_eq!(theirs.text(), agent.ssh_add(&["-l"]).text());
    assert_eq!(theirs.text().lines().count(), key_files::kinds().count());
    let full = agent.run(stock("ssh-add"), &["-L"]);
    assert_eq!(full.text(), agent.ssh_add(&["-L"]).text());
    assert!(agent.run(stock("ssh-add"), &["-D"]).success());
    assert_eq!(agent.ssh_add(&["-l"]).code(), Some(1));
}

#[test]
fn our_ssh_add_uses_a_stock_agent() {
    if !has_openssh("our_ssh_add_uses_a_stock_agent") {
        return;
    }
    let Some(program) = find("ssh-agent") else { return };
    let folder = tempfile::tempdir().expect("temporary folder");
    let socket = folder.path().join("socket");
    let mut command = std::process::Command::new(program);
    command.arg("-D").arg("-a").arg(&socket);
    let _agent = Running::start(&mut command, &folder.path().join("log"));
    wait_for_socket(&socket);
    let add = |words: &[&str]| {
        let mut command = keyway("ssh-add");
        run(command.env("SSH_AUTH_SOCK", &socket).args(words), b"", DEADLINE)
    };
    assert_eq!(add(&["-l"]).text(), "The agent has no identities.\n");
    for kind in key_files::kinds() {
        let path = key_files::private(Holder::User, kind);
        let path = path.to_str().expect("a path");
        let added = add(&[path]);
        assert!(added.stderr.starts_with(&format!("Identity added: {path} (")), "{added}");
        assert!(add(&["-T", &format!("{path}.pub")]).success());
    }
    assert_eq!(add(&["-l"]).text().lines().count(), key_files::kinds().count());
    let removed = add(&["-d", key_files::private(Holder::User, "ssh-rsa").to_str().expect("path")]);
    assert!(removed.stderr.starts_with("Identity removed: "), "{removed}");
    assert_eq!(add(&["-s", "/nowhere/lib.so"]).code(), Some(1));
    assert!(add(&["-D"]).stderr.contains("All identities removed."));
}

#[test]
fn our_ssh_add_uses_gpg_agent() {
    if !has_openssh("our_ssh_add_uses_gpg_agent") {
        return;
    }
    let Some(program) = find("gpg-agent") else { return not_run("gpg-agent", "none here") };
    let folder = tempfile::tempdir().expect("temporary folder");
    let home = folder.path();
    // Says "secret" whenever a window would ask.
    let pinentry = home.join("pinentry");
    write_askpass(
        &pinentry,
        "echo OK; while read -r line; do case \"$line\" in GETPIN*) echo D secret;; esac; \
         echo OK; case \"$line\" in BYE*) exit;; esac; done",
    );
    let mut command = std::process::Command::new(program);
    command.arg("--homedir").arg(home).arg("--pinentry-program").arg(&pinentry);
    command.args(["--enable-ssh-support", "--daemon", "sleep", "60"]);
    let _agent = Running::start(&mut command, &home.join("log"));
    let socket = home.join("S.gpg-agent.ssh");
    wait_for(|| std::os::unix::net::UnixStream::connect(&socket).is_ok());
    let add = |words: &[&str]| {
        let mut command = keyway("ssh-add");
        run(command.env("SSH_AUTH_SOCK", &socket).args(words), b"", DEADLINE)
    };
    assert_eq!(add(&["-l"]).code(), Some(1));
    for kind in ["ssh-ed25519", "ssh-rsa"] {
        let path = key_files::private(Holder::User, kind);
        let path = path.to_str().expect("a path");
        let added = add(&["-q", path]);
        assert!(added.success(), "{kind}: {added}");
        let tested = add(&["-T", &format!("{path}.pub")]);
        assert!(tested.success(), "{kind}: {tested}");
    }
    assert_eq!(add(&["-l"]).text().lines().count(), 2);
    assert!(add(&["-Q"]).code() == Some(1) || add(&["-Q"]).success());
}

#[test]
fn git_signs_with_our_agent() {
    if !has_openssh("git_signs_with_our_agent") {
        return;
    }
    let Some(git) = find("git") else { return not_run("git", "none here") };
    let agent = Agent::start();
    let key = agent.make_key("key", "");
    assert!(agent.ssh_add(&["key"]).success());
    std::fs::remove_file(&key).expect("the agent alone has it");
    let public = std::fs::read_to_string(agent.path("key.pub")).expect("public key");
    std::fs::write(agent.path("signers"), format!("me@example.org {public}")).expect("write");
    let git = |words: &[&str]| {
        let mut command = agent.tool(std::process::Command::new(&git));
        for setting in [
            "user.name=Me",
            "user.email=me@example.org",
            "gpg.format=ssh",
            "commit.gpgsign=true",
            "gpg.ssh.program=ssh-keygen",
            &format!("user.signingkey={}", agent.path("key.pub").display()),
            &format!("gpg.ssh.allowedSignersFile={}", agent.path("signers").display()),
        ] {
            command.args(["-c", setting]);
        }
        run(command.arg("-C").arg(agent.folder.path()).args(words), b"", DEADLINE)
    };
    let made = git(&["init", "-q"]);
    assert!(made.success(), "{made}");
    let committed = git(&["commit", "-q", "--allow-empty", "-m", "signed"]);
    assert!(committed.success(), "{committed}");
    let verified = git(&["verify-commit", "HEAD"]);
    assert!(verified.success() && verified.stderr.contains("me@example.org"), "{verified}");
}

#[test]
fn passphrases_are_asked_for_and_kept_for_the_next_file() {
    let agent = Agent::start();
    agent.make_key("one", "secret");
    agent.make_key("two", "secret");
    let mut command = agent.tool(keyway("ssh-add"));
    command.args(["-c", "-t", "1h"]);
    for name in ["one", "two"] {
        command.arg(agent.path(name));
    }
    let mut terminal = Terminal::start(&command);
    let one = agent.path("one").display().to_string();
    terminal.expect(&format!("Enter passphrase for {one} (will confirm each use): "));
    terminal.type_keys("wrong\n");
    terminal.expect(&format!("Bad passphrase, try again for {one} (will confirm each use): "));
    terminal.type_keys("secret\n");
    terminal.expect(&format!("Identity added: {one} (made here)"));
    terminal.expect("Lifetime set to 3600 seconds");
    terminal.expect("The user must confirm each use of the key");
    terminal.expect("Identity added: ");
    assert_eq!(terminal.finish().0, 0);

    let mut command = agent.tool(keyway("ssh-add"));
    let mut terminal = Terminal::start(command.arg("-x"));
    terminal.expect("Enter lock password: ");
    terminal.type_keys("p\n");
    terminal.expect("Again: ");
    terminal.type_keys("p\n");
    terminal.expect("Agent locked.");
    assert_eq!(terminal.finish().0, 0);
    assert_eq!(agent.ssh_add(&["-l"]).text(), "The agent has no identities.\n");
}

#[test]
fn files_and_exit_codes() {
    let agent = Agent::start();
    let nowhere = run(keyway("ssh-add").arg("-l"), b"", DEADLINE);
    assert_eq!(nowhere.code(), Some(2));
    assert_eq!(nowhere.stderr.trim(), "Could not open a connection to your authentication agent.");
    agent.make_key("ca", "");
    agent.make_key("key", "");
    let mut keygen = keyway("ssh-keygen");
    keygen.args(["-q", "-s", "ca", "-I", "me", "-n", "me", "-V", "-1d:+1d", "key.pub"]);
    assert!(run(keygen.current_dir(agent.folder.path()), b"", DEADLINE).success());
    let added = agent.ssh_add(&["key"]);
    let lines: Vec<&str> = added.stderr.lines().map(str::trim).collect();
    assert_eq!(
        lines[..2],
        ["Identity added: key (made here)", "Certificate added: key-cert.pub (me)"]
    );
    assert!(lines[2].starts_with("Lifetime set to 86"), "{added}");
    let labels: Vec<String> = agent
        .ssh_add(&["-l"])
        .text()
        .lines()
        .map(|line| line[line.len() - 15..].to_owned())
        .collect();
    assert!(labels.iter().any(|label| label.ends_with("(ED25519-CERT)")), "{labels:?}");
    assert!(agent.ssh_add(&["-qdC", "key"]).success());
    assert_eq!(agent.ssh_add(&["-L"]).text().lines().count(), 1);
    let mut from_input = agent.tool(keyway("ssh-add"));
    let public = std::fs::read(agent.path("key.pub")).expect("public key");
    let deleted = run(from_input.args(["-d", "-"]), &public, DEADLINE);
    assert_eq!(deleted.stderr.trim(), "Identity removed: (stdin) ED25519 (made here)");
    assert_eq!(agent.ssh_add(&["-d", "key"]).code(), Some(1));
    let private = std::fs::read(agent.path("key")).expect("private key");
    let mut from_input = agent.tool(keyway("ssh-add"));
    let added = run(from_input.arg("-"), &private, DEADLINE);
    assert_eq!(added.stderr.trim(), "Identity added: (stdin) (made here)");
    assert_eq!(agent.ssh_add(&["-Q"]).text(), "query\nsession-bind@openssh.com\n");
    assert_eq!(agent.ssh_add(&["-t", "soon", "key"]).stderr.trim(), "Invalid lifetime");
    assert_eq!(agent.ssh_add(&["-l", "-D"]).code(), Some(255));
    assert_eq!(agent.ssh_add(&["-K"]).code(), Some(1));
}
