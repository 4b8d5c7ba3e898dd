//! A person at the terminal, and what is left behind when things go wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::terminal::Terminal;
use crate::{Folder, keyway, text};

#[test]
fn a_passphrase_is_changed_by_answering() {
    let folder = Folder::new();
    folder.line("ours", "-q -t ed25519 -N one -C me@here -f k");
    let mut command = keyway("ssh-keygen");
    command.args(["-p", "-f", text(&folder.path("k"))]);
    let mut terminal = Terminal::start(&command);
    terminal.expect("Enter old passphrase: ");
    terminal.type_keys("one\n");
    terminal.expect("Key has comment 'me@here'");
    terminal.expect("Enter new passphrase (empty for no passphrase): ");
    terminal.type_keys("two\n");
    terminal.expect("Enter same passphrase again: ");
    terminal.type_keys("two\n");
    terminal.expect("Your identification has been saved with the new passphrase.");
    let (code, seen) = terminal.finish();
    assert_eq!(code, 0, "{seen}");
    folder.line("ssh-keygen", "-y -P two -f k");

    // Two answers that differ change nothing.
    let before = folder.read("k");
    let mut terminal = Terminal::start(&command);
    for (question, answer) in
        [("old passphrase: ", "two\n"), ("passphrase): ", "a\n"), ("again: ", "b\n")]
    {
        terminal.expect(question);
        terminal.type_keys(answer);
    }
    terminal.expect("Pass phrases do not match.  Try again.");
    assert_eq!(terminal.finish().0, 1);
    assert_eq!(folder.read("k"), before);
}

#[test]
fn a_comment_is_changed_by_answering() {
    let folder = Folder::new();
    folder.line("ours", "-q -t ed25519 -N  -C old -f k");
    let mut command = keyway("ssh-keygen");
    command.args(["-c", "-f", text(&folder.path("k"))]);
    let mut terminal = Terminal::start(&command);
    terminal.expect("Old comment: old");
    terminal.expect("New comment: ");
    terminal.type_keys("new words\n");
    terminal.expect("Comment 'new words' applied");
    assert_eq!(terminal.finish().0, 0);
    assert!(folder.read("k.pub").ends_with(" new words\n"));
    assert!(folder.line("ssh-keygen", "-y -f k").ends_with(" new words\n"));
}

#[test]
fn scripts_answer_on_standard_input() {
    let folder = Folder::new();
    let detached = |words: &str, input: &str| {
        // A session of its own has no terminal to ask on.
        let program = env!("CARGO_BIN_EXE_keyway");
        let line = format!("exec setsid --wait {program} ssh-keygen {words}");
        folder.run("sh", &["-c", &line], input)
    };
    let made = detached("-t ed25519 -f k", "secret\nsecret\n");
    assert!(made.success(), "{made}");
    folder.line("ssh-keygen", "-y -P secret -f k");
    assert!(detached("-y -f k", "secret\n").success());
    let made = detached("-q -t ed25519 -f plain", "");
    assert!(made.success(), "{made}");
    folder.good("ssh-keygen", &["-y", "-P", "", "-f", "plain"]);
    let kept = detached("-q -t ed25519 -N '' -f k", "n\n");
    assert_eq!(kept.code(), Some(1));
    assert!(kept.text().contains("Overwrite (y/n)? "), "{kept}");
    assert!(detached("-q -t ed25519 -N '' -f k", "y\n").success());
}

#[test]
fn control_c_leaves_nothing() {
    let folder = Folder::new();
    let mut command = keyway("ssh-keygen");
    command.args(["-t", "ed25519", "-f", text(&folder.path("k"))]);
    for questions in [&["passphrase): "][..], &["passphrase): ", "again: "]] {
        let mut terminal = Terminal::start(&command);
        for (index, question) in questions.iter().enumerate() {
            terminal.expect(question);
            terminal.type_keys(if index + 1 == questions.len() { "\x03" } else { "x\n" });
        }
        assert_ne!(terminal.finish().0, 0);
        assert_eq!(folder.names(), [""; 0]);
    }
}

#[test]
fn a_full_disk_leaves_the_old_key() {
    let folder = Folder::new();
    folder.line("ours", "-q -t ed25519 -N  -f k");
    let before = folder.read("k");
    let program = env!("CARGO_BIN_EXE_keyway");
    // No file may grow beyond nothing: what a full disk is like.
    for tool in ["ssh-keygen -p -N new -f k", "ssh-keygen -q -t ed25519 -N '' -f other"] {
        let script = format!("trap '' XFSZ; ulimit -f 0; exec {program} {tool}");
        let refused = folder.run("sh", &["-c", &script], "");
        assert_eq!(refused.code(), Some(1), "{refused}");
        assert!(refused.stderr.contains("Saving key \""), "{refused}");
        assert_eq!(folder.read("k"), before);
        assert_eq!(folder.names(), ["k", "k.pub"]);
    }
}

#[test]
fn errors_name_the_file_and_what_is_wrong() {
    let folder = Folder::new();
    folder.line("ours", "-q -t ed25519 -N  -f k");
    let whole = folder.read("k");
    folder.write("cut", &whole[..whole.len() / 2]);
    folder.write("public", &folder.read("k.pub"));
    folder.write("noise", "hello\n");
    folder.write("open", &whole);
    fs::set_permissions(folder.path("open"), fs::Permissions::from_mode(0o644)).expect("chmod");
    for (name, expected) in [
        ("cut", "Load key \"cut\": the key file is truncated"),
        ("public", "Load key \"public\": this is a public key, not a private key"),
        ("noise", "Load key \"noise\": no private key found"),
        ("open", "chmod 600 'open'"),
        ("nothing", "nothing: No such file or directory"),
    ] {
        let refused = folder.run("ours", &["-y", "-f", name], "");
        assert_eq!(refused.code(), Some(255), "{refused}");
        assert!(refused.stderr.contains(expected), "{refused}");
    }
    assert_eq!(folder.run("ours", &["-?"], "").code(), Some(1));
    assert_eq!(folder.run("ours", &["-l", "-f", "noise"], "").code(), Some(255));
}
