//! Signatures over files, and git's commits.

use std::process::Command;

use keyway_testkit::process::{DEADLINE, run};

use crate::{Folder, KINDS, has};

#[test]
fn signatures_go_both_ways() {
    let folder = Folder::new();
    folder.write("message", "what is signed\n");
    for (kind, flags) in KINDS {
        for passphrase in ["", "open sesame"] {
            let _ = std::fs::remove_file(folder.path("k"));
            folder.good("ssh-keygen", &[*flags, &["-q", "-N", passphrase, "-f", "k"]].concat());
            folder.write("signers", &format!("me@here {}", folder.read("k.pub")));
            for hash in ["sha256", "sha512"] {
                for signer in ["ours", "ssh-keygen"] {
                    let _ = std::fs::remove_file(folder.path("message.sig"));
                    let option = format!("hashalg={hash}");
                    let mut sign =
                        vec!["-q", "-Y", "sign", "-f", "k", "-n", "file", "-O", &option, "message"];
                    if signer == "ssh-keygen" && !passphrase.is_empty() {
                        continue;
                    }
                    sign.extend(["-P", passphrase]);
                    sign.rotate_right(2);
                    folder.good(signer, &sign);
                    let verify = [
                        "-Y",
                        "verify",
                        "-f",
                        "signers",
                        "-I",
                        "me@here",
                        "-n",
                        "file",
                        "-s",
                        "message.sig",
                    ];
                    for input in ["what is signed\n", "what is forged\n"] {
                        let (ours, theirs) = (
                            folder.run("ours", &verify, input),
                            folder.run("ssh-keygen", &verify, input),
                        );
                        assert_eq!(
                            (ours.text(), ours.code()),
                            (theirs.text(), theirs.code()),
                            "{kind}"
                        );
                    }
                    for line in [
                        "-Y find-principals -f signers -s message.sig",
                        "-Y match-principals -f signers -I me@here",
                    ] {
                        assert_eq!(folder.line("ours", line), folder.line("ssh-keygen", line));
                    }
                }
            }
        }
    }
}

#[test]
fn git_signs_and_verifies_commits() {
    if !has("git", "git_signs_and_verifies_commits") {
        return;
    }
    let folder = Folder::new();
    folder.line("ours", "-q -t ed25519 -N  -f k");
    folder.write("signers", &format!("me@here namespaces=\"git\" {}", folder.read("k.pub")));
    // git calls one program by one name.
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_keyway"), folder.path("ssh-keygen"))
        .expect("link");
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(folder.path("")).env("HOME", folder.path(""));
        command.env_remove("SSH_AUTH_SOCK").env("GIT_CONFIG_NOSYSTEM", "1");
        for (name, value) in [
            ("user.name", "me".to_owned()),
            ("user.email", "me@here".to_owned()),
            ("gpg.format", "ssh".to_owned()),
            ("gpg.ssh.program", folder.path("ssh-keygen").display().to_string()),
            ("gpg.ssh.allowedSignersFile", folder.path("signers").display().to_string()),
            ("user.signingKey", folder.path("k.pub").display().to_string()),
        ] {
            command.args(["-c", &format!("{name}={value}")]);
        }
        let finished = run(command.args(words), b"", DEADLINE);
        assert!(finished.success(), "{finished}");
        finished
    };
    git(&["init", "-q"]);
    git(&["commit", "-q", "-S", "--allow-empty", "-m", "signed"]);
    let verified = git(&["verify-commit", "HEAD"]);
    assert!(
        verified.stderr.contains("Good \"git\" signature for me@here with ED25519 key"),
        "{verified}"
    );
}

#[test]
fn what_is_missing_is_said() {
    let folder = Folder::new();
    for line in [
        "-Y sign -n x",
        "-Y sign -f k",
        "-Y verify -n x -s s -f f",
        "-Y verify -n x -I i -f f",
        "-Y check-novalidate -n x",
        "-Y find-principals -f f",
        "-Y match-principals -f f",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let (ours, theirs) = (folder.run("ours", &words, ""), folder.run("ssh-keygen", &words, ""));
        // One of theirs lacks a blank.
        let plain = |text: &str| text.replace([' ', '\r'], "");
        assert_eq!((ours.code(), plain(&ours.stderr)), (theirs.code(), plain(&theirs.stderr)));
    }
}
