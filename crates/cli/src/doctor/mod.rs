//! `ssh doctor HOST` and `sshd doctor`: why a login fails, and what mends it.
//!
//! The checks are the crate `doctor`'s. Here is what only this program has: the settings, a login
//! that stops before the end (`login`), and the printing (`show`).

mod client;
mod hint;
mod listeners;
mod login;
mod server;
mod show;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use config::Origin;
use doctor::Finding;

pub use self::hint::{after_denial, after_failure};
use crate::ui::clean::visible_lines;

/// The word that asks for it.
pub const WORD: &str = "doctor";

/// How to ask for it.
const CLIENT_USAGE: &str = "\
usage: ssh doctor [--json] [--report FILE] [--shell] [ssh's options] destination

Goes the way of a login step by step and says what stops it, how that was
seen, and which commands mend it. No command runs there, no password is asked
for, and no file is changed. Ends with 0 when nothing is wrong, else with 1.

  --json          for programs
  --report FILE   also writes what was found to FILE, without names and addresses
  --shell         also starts the login shell, gives it nothing to do, and takes its time
";

/// The same for the server.
const SERVER_USAGE: &str = "\
usage: sshd doctor [--json] [--report FILE] [--user NAME [--key FILE] [--addr ADDRESS]]
                   [-f config_file] [-o option]

Looks at this machine's SSH server: its configuration, ports, keys and
firewall, and with --user at that account, its authorized_keys and every
folder above them. Ends with 0 when nothing is wrong, else with 1.

  --user NAME     whose login
  --key FILE      which public key should let that user in
  --addr ADDRESS  from where, for rules about addresses
  --json          for programs
  --report FILE   also writes what was found to FILE, without names and addresses
";

/// What was asked for besides whom it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    json: bool,
    report: Option<PathBuf>,
    shell: bool,
}

/// What came out: findings, and what else was seen.
pub struct Outcome {
    /// What it was about.
    pub title: String,
    /// Names and addresses that a report for others must not have, each with its kind.
    pub secrets: Vec<(&'static str, String)>,
    /// What was seen on the way, in order.
    pub seen: Vec<String>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Outcome {
    /// Nothing is wrong, though something may be worth knowing.
    fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.is_notice)
    }
}

/// Whether the words of `ssh` or `sshd` ask for it: a host may be called so, too, and is meant
/// when nothing follows.
pub fn is_asked(words: &[OsString]) -> bool {
    words.len() > 1 && words.first().is_some_and(|word| word == WORD)
}

/// `ssh doctor`, with the words behind.
pub fn client(words: &[OsString]) -> ExitCode {
    run(words, CLIENT_USAGE, client::examine)
}

/// Whether `sshd` is asked for it. Nothing need follow: a server has no destination.
pub fn is_server_asked(words: &[OsString]) -> bool {
    words.first().is_some_and(|word| word == WORD)
}

/// `sshd doctor`, with the words behind.
pub fn server(words: &[OsString]) -> ExitCode {
    run(words, SERVER_USAGE, server::examine)
}

/// Examines. The error is the whole message about a wrong call.
type Examine = fn(&Wishes, &[OsString]) -> Result<Outcome, String>;

fn run(words: &[OsString], usage: &str, examine: Examine) -> ExitCode {
    let (wishes, words) = match wishes(words) {
        Ok(told) => told,
        Err(problem) => {
            eprint!("doctor: {problem}\n{usage}");
            return ExitCode::from(2);
        }
    };
    if words.iter().any(|word| word == "--help" || word == "-h") {
        print!("{usage}");
        return ExitCode::SUCCESS;
    }
    let outcome = match examine(&wishes, &words) {
        Ok(outcome) => outcome,
        Err(problem) => {
            eprintln!("{}", visible_lines(problem.trim_end()));
            eprint!("{usage}");
            return ExitCode::from(2);
        }
    };
    crate::sys::default_sigpipe();
    if wishes.json {
        print!("{}", show::json(&outcome));
    } else {
        print!("{}", show::page(&outcome));
    }
    if let Some(file) = &wishes.report
        && let Err(source) = crate::files::replace(file, show::report(&outcome).as_bytes(), 0o600)
    {
        eprintln!("doctor: {}: {}", file.display(), crate::text::reason(&source));
        return ExitCode::from(2);
    }
    ExitCode::from(u8::from(!outcome.is_sound()))
}

/// Takes our own words out, wherever they stand before a `--`.
fn wishes(words: &[OsString]) -> Result<(Wishes, Vec<OsString>), String> {
    let (mut wishes, mut rest) = (Wishes::default(), Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--") => {
                rest.push(word.clone());
                rest.extend(words.by_ref().cloned());
            }
            Some("--json") => wishes.json = true,
            Some("--shell") => wishes.shell = true,
            Some("--report") => {
                let file = words.next().ok_or("--report needs a file")?;
                wishes.report = Some(PathBuf::from(file));
            }
            Some(other) if other.starts_with("--report=") => {
                wishes.report = other.strip_prefix("--report=").map(PathBuf::from);
            }
            _ => rest.push(word.clone()),
        }
    }
    Ok((wishes, rest))
}

/// A place in a file, as editors take it; nothing for what nobody chose.
fn place(origin: &Origin) -> Option<String> {
    match origin {
        Origin::Default => None,
        Origin::CommandLine => Some("the command line".to_owned()),
        Origin::File { path, line } => Some(format!("{}:{line}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart() {
        let words: Vec<OsString> =
            ["h", "--json", "--report", "f", "-p", "2"].map(OsString::from).into();
        let (wishes, rest) = wishes(&words).unwrap();
        assert_eq!(wishes, Wishes { json: true, report: Some("f".into()), shell: false });
        assert_eq!(rest, ["h", "-p", "2"]);
        assert!(super::wishes(&["--report".into()]).is_err());
    }
}
