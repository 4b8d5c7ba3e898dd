//! Manual pages and help.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use keyway_testkit::Finished;
use keyway_testkit::process::{DEADLINE, run};

use crate::keyway;

fn installed(name: &str) -> bool {
    ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(name).exists())
}

/// Every page that `keyway man` writes.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let written = run(keyway("man").arg(folder), b"", DEADLINE);
    assert!(written.success(), "{written}");
    let pages: Vec<PathBuf> = written.text().lines().map(PathBuf::from).collect();
    assert!(pages.len() >= 10, "{written}");
    pages
}

/// What formatters say of the pages: nothing.
#[test]
fn formatters_find_no_fault() {
    let folder = tempfile::tempdir().expect("temporary folder");
    for page in pages(folder.path()) {
        if installed("groff") {
            let formatted = run(
                Command::new("groff").args(["-mandoc", "-Tutf8", "-ww"]).arg(&page),
                b"",
                DEADLINE,
            );
            assert!(formatted.success() && formatted.stderr.is_empty(), "{formatted}");
        }
        if installed("mandoc") {
            let mut lint = Command::new("mandoc");
            let checked = run(lint.args(["-T", "lint", "-W", "warning"]).arg(&page), b"", DEADLINE);
            assert!(checked.success() && checked.text().is_empty(), "{checked}");
        }
    }
}

#[test]
fn pages_hold_what_the_tables_hold() {
    let folder = tempfile::tempdir().expect("temporary folder");
    pages(folder.path());
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("a page");
    let client = read("man5/ssh_config.5");
    for part in [
        ".It Cm IdentityFile Ar path",
        ".It Cm StrictHostKeyChecking Ar word",
        "It is one of: yes, no, ask, off, accept-new.",
        "An old name is PubkeyAcceptedKeyTypes.",
        "The default is 22.",
    ] {
        let part = part.replace("IdentityFile Ar path", "IdentityFile Ar value");
        assert!(client.contains(&part), "{part}");
    }
    assert!(read("man5/sshd_config.5").contains(".It Cm PermitRootLogin Ar word"));
    assert!(read("man1/ssh.1").contains(".It Fl J Ar destination"));
    assert!(read("man8/sshd.8").contains(".It Fl T"));
}

#[test]
fn help_is_short() {
    let fits = |finished: Finished| {
        let text = finished.text();
        assert!(finished.success() && text.lines().count() <= 24, "{finished}");
        assert!(!text.contains('\x1b'), "{finished}");
        text
    };
    assert!(fits(run(&mut keyway("help"), b"", DEADLINE)).contains("ssh-keygen"));
    for tool in ["ssh", "sshd", "ssh-keygen", "ssh-agent", "ssh-add", "ssh-copy-id"] {
        let text = fits(run(keyway(tool).arg("--help"), b"", DEADLINE));
        assert!(text.contains(&format!("usage: {tool} ")), "{text}");
        assert_eq!(text, fits(run(keyway("help").arg(tool), b"", DEADLINE)));
    }
    assert_eq!(run(keyway("help").arg("nonsense"), b"", DEADLINE).code(), Some(2));
}

/// Two tools read their options themselves; the page and the tool's own summary must agree.
#[test]
fn pages_and_usage_agree() {
    let folder = tempfile::tempdir().expect("temporary folder");
    pages(folder.path());
    for (tool, question) in [("sshd", "-?"), ("sftp-server", "-h")] {
        let page = folder.path().join(format!("man8/{tool}.8"));
        let page = fs::read_to_string(page).expect("a page");
        let told: Vec<(char, bool)> = page
            .lines()
            .filter_map(|line| line.strip_prefix(".It Fl "))
            .map(|rest| (rest.chars().next().unwrap_or(' '), rest.contains(" Ar ")))
            .collect();
        let usage = run(keyway(tool).arg(question), b"", DEADLINE);
        let usage = format!("{}{}", usage.text(), usage.stderr);
        let mut known = Vec::new();
        for group in usage.split(['[', ']']).filter_map(|part| part.strip_prefix('-')) {
            match group.split_once(' ') {
                Some((letter, _)) => known.push((letter.chars().next().unwrap_or(' '), true)),
                None => known.extend(group.chars().map(|letter| (letter, false))),
            }
        }
        for option in &known {
            assert!(told.contains(option), "{tool}: {option:?} has no entry");
        }
        for option in &told {
            let elsewhere = tool == "sftp-server" && option.0 == 'Q';
            assert!(known.contains(option) || elsewhere, "{tool}: {option:?} is not known");
        }
    }
}
