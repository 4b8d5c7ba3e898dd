//! `ssh explain HOST` and `sshd explain`: what would happen, and which line says so.
//!
//! Nothing is connected to. What a configuration asks for is done as it would be for a login:
//! commands of `Match exec` run, and `CanonicalizeHostname` asks the name service.

mod client;
mod server;
mod show;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::ui::clean::visible_lines;

/// The word that asks for it.
pub const WORD: &str = "explain";

/// How to ask for it.
pub const CLIENT_USAGE: &str = "\
usage: ssh explain [--json] [--all] [ssh's options] destination [command ...]

Says where each setting for a destination comes from, without connecting:
the values and the lines that set them, the rules that apply and those that
do not, what tokens stand for, the keys in the order they would be tried,
and the lines of known_hosts that are about the host.

  --all    also the settings that have their built-in default
  --json   for programs
";

/// The same for the server.
pub const SERVER_USAGE: &str = "\
usage: sshd explain [--json] [--all] [--user NAME] [--addr ADDRESS] [--host NAME]
                    [--laddr ADDRESS] [--lport PORT] [--rdomain NAME]
                    [-f config_file] [-o option]

Says which line of sshd_config each setting comes from for such a connection,
and which Match blocks apply. What is not named matches nothing.
";

/// What was asked for besides whom it is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Wishes {
    json: bool,
    all: bool,
}

/// Whether the words of `ssh` or `sshd` ask for an explanation: a host may be called so, too,
/// and is meant when nothing follows.
pub fn is_asked(words: &[OsString]) -> bool {
    words.len() > 1 && words.first().is_some_and(|word| word == WORD)
}

/// `ssh explain`, with the words behind.
pub fn client(words: &[OsString]) -> ExitCode {
    run(words, CLIENT_USAGE, client::explain)
}

/// `sshd explain`, with the words behind.
pub fn server(words: &[OsString]) -> ExitCode {
    run(words, SERVER_USAGE, server::explain)
}

/// Explains and says how it went. The error is the whole message.
type Explain = fn(&[OsString], Wishes) -> Result<String, String>;

fn run(words: &[OsString], usage: &str, explain: Explain) -> ExitCode {
    let (wishes, words) = wishes(words);
    if words.is_empty() || words.iter().any(|word| word == "--help") {
        print!("{usage}");
        return ExitCode::from(if words.is_empty() { 255 } else { 0 });
    }
    match explain(&words, wishes) {
        Ok(text) => {
            crate::sys::default_sigpipe();
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{}", visible_lines(&problem));
            ExitCode::from(255)
        }
    }
}

/// Takes our own words out, wherever they stand before a `--`.
fn wishes(words: &[OsString]) -> (Wishes, Vec<OsString>) {
    let (mut wishes, mut rest, mut over) = (Wishes::default(), Vec::new(), false);
    for word in words {
        match word.to_str() {
            Some("--json") if !over => wishes.json = true,
            Some("--all") if !over => wishes.all = true,
            other => {
                over |= other == Some("--");
                rest.push(word.clone());
            }
        }
    }
    (wishes, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart() {
        let words: Vec<OsString> = ["host", "--json", "--", "--all"].map(OsString::from).into();
        let (wishes, rest) = wishes(&words);
        assert_eq!(wishes, Wishes { json: true, all: false });
        assert_eq!(rest, ["host", "--", "--all"]);
        assert!(is_asked(&["explain".into(), "h".into()]) && !is_asked(&["explain".into()]));
    }
}
