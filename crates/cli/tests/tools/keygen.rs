//! `ssh-keygen`, compared with the machine's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use keyway_testkit::Finished;
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::{DEADLINE, run};

use crate::keyway;
use crate::terminal::Terminal;

fn ours(words: &[&str]) -> Finished {
    run(keyway("ssh-keygen").args(words), b"", DEADLINE)
}

fn stock(words: &[&str]) -> Finished {
    run(Command::new("ssh-keygen").args(words), b"", DEADLINE)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

#[test]
fn made_keys_are_read_by_the_other() {
    let folder = tempfile::tempdir().expect("temporary folder");
    for (kind, bits) in [("ed25519", "256"), ("ecdsa", "384"), ("rsa", "2048")] {
        for passphrase in ["", "open sesame"] {
            let path = folder.path().join(format!("{kind}-{}", passphrase.len()));
            let made = ours(&[
                "-t",
                kind,
                "-b",
                bits,
                "-N",
                passphrase,
                "-C",
                "me@here",
                "-f",
                text(&path),
            ]);
            assert!(made.success(), "{made}");
            assert!(made.text().contains("The key's randomart image is:"), "{made}");
            let mode = fs::metadata(&path).expect("private key").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);

            let public = stock(&["-y", "-P", passphrase, "-f", text(&path)]);
            assert!(public.success(), "{public}");
            let beside = fs::read_to_string(path.with_extension("pub")).expect("public key");
            let words = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
            assert_eq!(words(public.text().trim()), words(beside.trim()));
            assert!(beside.ends_with(" me@here\n"));
            let again = ours(&["-y", "-P", passphrase, "-f", text(&path)]);
            assert_eq!(again.text().trim(), beside.trim(), "{again}");
        }
    }
}

#[test]
fn passphrases_and_comments_change() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("id");
    let file = text(&path);
    assert!(stock(&["-q", "-t", "ecdsa", "-N", "old", "-C", "before", "-f", file]).success());
    let public = |passphrase| stock(&["-y", "-P", passphrase, "-f", file]);

    assert_eq!(ours(&["-p", "-P", "wrong", "-N", "new", "-f", file]).code(), Some(255));
    let changed = ours(&["-p", "-P", "old", "-N", "new", "-f", file]);
    assert!(changed.success(), "{changed}");
    assert!(!public("old").success() && public("new").success());

    let changed = ours(&["-c", "-P", "new", "-C", "after", "-f", file]);
    assert_eq!(changed.text(), "Old comment: before\nComment 'after' applied\n", "{changed}");
    assert!(public("new").text().ends_with(" after\n"));
    let beside = fs::read_to_string(path.with_extension("pub")).expect("public key");
    assert!(beside.ends_with(" after\n"), "{beside}");

    assert!(ours(&["-p", "-P", "new", "-N", "", "-f", file]).success());
    assert!(public("").success());
    let mode = fs::metadata(&path).expect("private key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_familiar_questions() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("below/id");
    let mut command = keyway("ssh-keygen");
    command.args(["-t", "ed25519", "-f", text(&path)]);
    let mut terminal = Terminal::start(&command);
    terminal.expect("Generating public/private ed25519 key pair.");
    terminal.expect("Created directory '");
    terminal.expect("(empty for no passphrase): ");
    terminal.type_keys("one\n");
    terminal.expect("Enter same passphrase again: ");
    terminal.type_keys("two\n");
    terminal.expect("Passphrases do not match.  Try again.");
    terminal.expect("(empty for no passphrase): ");
    terminal.type_keys("secret\n");
    terminal.expect("again: ");
    terminal.type_keys("secret\n");
    terminal.expect("Your identification has been saved in ");
    terminal.expect("+----[SHA256]-----+");
    let (code, seen) = terminal.finish();
    assert_eq!(code, 0, "{seen}");
    assert!(!seen.contains("secret"), "typed passphrases are not shown");
    assert!(stock(&["-y", "-P", "secret", "-f", text(&path)]).success());

    // An existing key is only overwritten on request.
    let before = fs::read(&path).expect("key");
    let mut terminal = Terminal::start(&command);
    terminal.expect("Overwrite (y/n)? ");
    terminal.type_keys("n\n");
    assert_eq!(terminal.finish().0, 1);
    assert_eq!(fs::read(&path).expect("key"), before);
}

#[test]
fn fingerprints_are_the_same() {
    for kind in key_files::kinds() {
        let private = key_files::private(Holder::User, kind);
        for file in [private.clone(), private.with_extension("pub")] {
            for flags in [["-l", "-E", "sha256"], ["-lv", "-E", "md5"]] {
                let words = [flags.as_slice(), &["-f", text(&file)]].concat();
                assert_eq!(ours(&words).text(), stock(&words).text(), "{kind}");
            }
        }
    }
}

#[test]
fn known_hosts_are_looked_after_alike() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let key = key_files::public_words(Holder::Host, "ssh-ed25519");
    let content = format!(
        "# comment\none,two {key}\n@cert-authority *.corp {key}\n[three]:2222 {key} note\ndamaged\n"
    );
    let reset = || {
        fs::write(&a, &content).expect("write");
        fs::write(&b, &content).expect("write");
    };
    reset();
    for host in ["one", "two", "[three]:2222", "x.corp", "nowhere"] {
        for flags in [vec!["-F", host], vec!["-l", "-F", host]] {
            let (ours, stock) = (
                ours(&[flags.as_slice(), &["-f", text(&a)]].concat()),
                stock(&[flags.as_slice(), &["-f", text(&b)]].concat()),
            );
            assert_eq!((ours.text(), ours.code()), (stock.text(), stock.code()), "{host}");
        }
    }
    // Both leave a file alone that has a damaged line.
    for flags in [vec!["-R", "one"], vec!["-H"]] {
        let (ours, stock) = (
            ours(&[flags.as_slice(), &["-f", text(&a)]].concat()),
            stock(&[flags.as_slice(), &["-f", text(&b)]].concat()),
        );
        assert_eq!((ours.code(), stock.code()), (Some(1), Some(1)), "{ours}");
        assert_eq!(fs::read_to_string(&a).expect("read"), content);
    }
    let content = content.replace("damaged\n", "");
    let reset = || {
        fs::write(&a, &content).expect("write");
        fs::write(&b, &content).expect("write");
    };
    for host in ["one", "[three]:2222", "nowhere"] {
        reset();
        let removed = ours(&["-R", host, "-f", text(&a)]);
        assert_eq!(removed.code(), stock(&["-R", host, "-f", text(&b)]).code(), "{removed}");
        let read = |path: &Path| fs::read_to_string(path).expect("read");
        assert_eq!(read(&a), read(&b), "{host}");
        if host != "nowhere" {
            assert_eq!(read(&a.with_extension("old")), content);
        }
    }
    fs::write(&a, &content).expect("write");
    assert!(ours(&["-H", "-f", text(&a)]).success());
    let hashed = fs::read_to_string(&a).expect("read");
    assert!(!hashed.contains("one") && !hashed.contains("three"), "{hashed}");
    assert!(hashed.contains("*.corp"), "{hashed}");
    assert!(stock(&["-F", "two", "-f", text(&a)]).success());
}

#[test]
fn what_cannot_be_done_is_said() {
    let lacking = ours(&["-D", "lib.so"]);
    assert_eq!(lacking.code(), Some(255));
    assert!(lacking.stderr.contains("lib.so"), "{lacking}");
    let lacking = ours(&["-t", "ed25519-sk", "-N", "", "-f", "/nonexistent/x"]);
    assert_eq!(lacking.code(), Some(255));
    assert!(lacking.stderr.contains("Key enrollment failed"), "{lacking}");
    let unknown = ours(&["-t", "rsa1", "-N", "", "-f", "/nonexistent/x"]);
    assert_eq!((unknown.code(), unknown.stderr.trim()), (Some(255), "unknown key type rsa1"));
}
