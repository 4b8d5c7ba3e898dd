//! Completions, in the shells themselves.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use keyway_testkit::Finished;
use keyway_testkit::process::{DEADLINE, run};
use tempfile::TempDir;

use crate::keyway;

/// A folder with the program and the script of one shell, or nothing without that shell.
fn prepared(shell: &str, name: &str) -> Option<TempDir> {
    let is_there = Command::new(shell).args(["-c", "exit 0"]).status().is_ok_and(|s| s.success());
    if !is_there {
        eprintln!("not run: there is no {shell}");
        return None;
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    symlink(env!("CARGO_BIN_EXE_keyway"), folder.path().join("keyway")).expect("link");
    let script = run(keyway("completions").arg(shell), b"", DEADLINE);
    assert!(script.success(), "{script}");
    fs::write(folder.path().join(name), script.stdout).expect("write");
    Some(folder)
}

/// Runs a shell in that folder, with the program found first.
fn in_shell(shell: &str, folder: &TempDir, arguments: &[&str]) -> Finished {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(shell);
    command.args(arguments).current_dir(folder.path()).env("HOME", folder.path());
    command.env("PATH", format!("{}:{path}", folder.path().display()));
    run(&mut command, b"", DEADLINE)
}

/// What is typed, and what must be offered.
const CASES: &[(&str, &[&str])] = &[
    ("ssh -Q k", &["kex", "key", "key-ca-sign", "key-cert", "key-plain", "key-sig"]),
    ("ssh-keygen -t ed", &["ed25519", "ed25519-sk"]),
    ("ssh -O ch", &["check", "channels"]),
    ("keyway completions f", &["fish"]),
    ("ssh exp", &["explain"]),
];

fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    words.sort();
    words
}

fn expected(words: &[&str]) -> Vec<String> {
    self::words(&words.join(" "))
}

#[test]
fn bash() {
    let Some(folder) = prepared("bash", "script") else { return };
    let driver = r#"
        source ./script
        COMP_LINE=$1; COMP_POINT=${#COMP_LINE}
        COMP_WORDS=($(printf '%s' "$COMP_LINE" | sed 's/[=@:]/ & /g'))
        case $COMP_LINE in *" ") COMP_WORDS+=("") ;; esac
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        $(complete -p "${COMP_WORDS[0]}" | sed 's/.*-F \([^ ]*\) .*/\1/')
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let offered = |typed: &str| {
        let finished = in_shell("bash", &folder, &["--norc", "-c", driver, "bash", typed]);
        assert!(finished.success(), "{finished}");
        words(&finished.text())
    };
    for (typed, choices) in CASES {
        assert_eq!(offered(typed), expected(choices), "{typed}");
    }
    assert_eq!(offered("ssh -o StrictHostK"), ["StrictHostKeyChecking="]);
    assert_eq!(offered("ssh -o StrictHostKeyChecking=a"), ["accept-new", "ask"]);
    assert_eq!(offered("sshd -o PermitRootLogin=forced"), ["forced-commands-only"]);
    assert!(offered("ssh-add scr").contains(&"script".to_owned()));
    assert!(offered("keyway ssh").contains(&"ssh-keygen".to_owned()));
}

#[test]
fn fish() {
    let Some(folder) = prepared("fish", "script.fish") else { return };
    let offered = |typed: &str| {
        let line = format!("source ./script.fish; complete -C '{typed}'");
        let finished = in_shell("fish", &folder, &["--no-config", "-c", &line]);
        let first = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
        let text = finished.text();
        words(&text.lines().map(first).collect::<Vec<_>>().join(" "))
    };
    for (typed, choices) in CASES {
        assert_eq!(offered(typed), expected(choices), "{typed}");
    }
    assert!(
        offered("ssh -o StrictHostKeyChecking=a").contains(&"StrictHostKeyChecking=ask".into())
    );
    assert!(offered("keyway ssh-k").contains(&"ssh-keygen".to_owned()));
}

/// zsh offers only to somebody at a terminal, so it is given one.
#[test]
fn zsh() {
    let Some(folder) = prepared("zsh", "_keyway") else { return };
    fs::write(
        folder.path().join("driver"),
        r#"
        zmodload zsh/zpty || exit 7
        zpty -b z zsh -f -i
        await() { # text: until it is on the screen
            local line
            for ((n = 0; n < 200; n++)); do
                while zpty -r -t z line; do screen+=$line; done
                [[ $screen == *$1* ]] && { screen=; return 0 }
                sleep 0.05
            done
            print -r -- "missing: $1 in: ${(q)screen}"
            exit 1
        }
        zpty -n -w z $'fpath=($PWD $fpath); autoload -U compinit; compinit -u -D; PS1=REA""DY\n'
        await READY
        zpty -n -w z $'ssh -o StrictHostK\t'
        await StrictHostKeyChecking=
        zpty -n -w z $'acc\t'
        await accept-new
        zpty -n -w z $'\x15ssh-keygen -t ed25519-\t'
        await ed25519-sk
        zpty -n -w z $'\x15keyway ssh-copy\t'
        await ssh-copy-id
        print fine
        "#,
    )
    .expect("write");
    let finished = in_shell("zsh", &folder, &["-f", "./driver"]);
    if finished.code() == Some(7) {
        eprintln!("not run: zsh has no zpty");
        return;
    }
    assert_eq!(finished.text().trim(), "fine", "{finished}");
}

#[test]
fn other_shells_are_told_which_there_are() {
    let finished = run(keyway("completions").arg("tcsh"), b"", DEADLINE);
    assert_eq!(finished.code(), Some(2));
    assert!(finished.stderr.contains("bash|zsh|fish"), "{finished}");
}
