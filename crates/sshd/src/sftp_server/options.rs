//! The command line of `sftp-server`, which `internal-sftp` has too. sftp-server(8).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use net::logging::{Facility, LogLevel};
use sftp::{Policy, REQUESTS};

use crate::accounts::Account;

/// How it is called.
pub(super) const USAGE: &str = "\
usage: sftp-server [-ehR] [-d start_directory] [-f log_facility]
                   [-l log_level] [-P denied_requests]
                   [-p allowed_requests] [-u umask]
       sftp-server -Q protocol_feature";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) task: Task,
    /// `-R`, `-P` and `-p`
    pub(super) policy: Policy,
    /// `-l`
    pub(super) log_level: LogLevel,
    /// `-f`
    pub(super) facility: Facility,
    /// `-e`
    pub(super) log_to_stderr: bool,
    /// `-d`, its tokens replaced.
    pub(super) start_directory: Option<OsString>,
    /// `-u`
    pub(super) umask: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Serve,
    /// `-Q requests`
    Requests,
    /// `-h`
    Usage,
}

impl Options {
    /// Reads the words behind the name.
    pub(super) fn parse(words: &[OsString], account: &Account) -> Result<Self, String> {
        let mut options = Options {
            task: Task::Serve,
            policy: Policy::default(),
            log_level: LogLevel::Error,
            facility: Facility::AUTH,
            log_to_stderr: false,
            start_directory: None,
            umask: None,
        };
        let mut allowed: Option<String> = None;
        let mut words = words.iter();
        'words: while let Some(word) = words.next() {
            let bytes = word.as_bytes();
            let Some(letters) = bytes.strip_prefix(b"-").filter(|rest| !rest.is_empty()) else {
                break;
            };
            for (at, letter) in letters.iter().enumerate() {
                let letter = char::from(*letter);
                if !"dflPpQu".contains(letter) {
                    match letter {
                        'e' => options.log_to_stderr = true,
                        'R' => options.policy.read_only = true,
                        'h' => options.task = Task::Usage,
                        // Called as a shell: what follows is a command, which is not for us.
                        'c' | '-' => break 'words,
                        other => return Err(format!("unknown option -- {other}")),
                    }
                    continue;
                }
                let attached = letters.get(at + 1..).unwrap_or_default();
                let value = if attached.is_empty() {
                    let next = words.next();
                    next.ok_or_else(|| format!("option requires an argument -- {letter}"))?.clone()
                } else {
                    OsStr::from_bytes(attached).to_owned()
                };
                if letter == 'd' {
                    options.start_directory = Some(expand(&value, account)?);
                    continue 'words;
                }
                let value = value.to_string_lossy().into_owned();
                match letter {
                    'f' => {
                        let facility = Facility::from_name(&value);
                        options.facility =
                            facility.ok_or_else(|| format!("Invalid log facility \"{value}\""))?;
                    }
                    'l' => {
                        let level = LogLevel::from_name(&value);
                        options.log_level =
                            level.ok_or_else(|| format!("Invalid log level \"{value}\""))?;
                    }
                    'p' => allowed = Some(value),
                    'P' => options.deny(&known(&value)?),
                    'Q' if value.eq_ignore_ascii_case("requests") => options.task = Task::Requests,
                    'Q' => return Err("Invalid query type".into()),
                    _ => options.umask = Some(mask(&value)?),
                }
                continue 'words;
            }
        }
        if let Some(allowed) = allowed {
            let allowed = known(&allowed)?;
            let others = REQUESTS.iter().map(|row| row.name);
            let others: Vec<&str> = others.filter(|name| !allowed.contains(name)).collect();
            options.deny(&others);
        }
        Ok(options)
    }

    fn deny(&mut self, names: &[&str]) {
        for row in REQUESTS.iter().filter(|row| names.contains(&row.name)) {
            self.policy.deny(row.kind);
        }
    }
}

/// The requests that a list's patterns mean. A name that none has is an error: nobody who misspells a request
/// should believe that it is denied.
fn known(list: &str) -> Result<Vec<&'static str>, String> {
    let mut found = Vec::new();
    for name in list.split(',').filter(|name| !name.is_empty()) {
        let row = REQUESTS.iter().find(|row| row.name == name);
        found.push(row.ok_or_else(|| format!("unknown request \"{name}\""))?.name);
    }
    Ok(found)
}

fn mask(text: &str) -> Result<u32, String> {
    let mask = u32::from_str_radix(text, 8).ok().filter(|mask| *mask <= 0o777);
    mask.ok_or_else(|| format!("Invalid umask \"{text}\""))
}

/// `~` for the home folder, and the tokens `%d`, `%u`, `%U` and `%%`.
fn expand(text: &OsStr, account: &Account) -> Result<OsString, String> {
    let home = account.home.as_os_str().as_bytes();
    let mut bytes = text.as_bytes();
    let mut path = Vec::new();
    if let Some(rest) = bytes.strip_prefix(b"~").filter(|rest| matches!(rest, [] | [b'/', ..])) {
        path.extend_from_slice(home);
        bytes = rest;
    }
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        if *byte != b'%' {
            path.push(*byte);
            continue;
        }
        match rest.next() {
            Some(b'%') => path.push(b'%'),
            Some(b'd') => path.extend_from_slice(home),
            Some(b'u') => path.extend_from_slice(account.name.as_bytes()),
            Some(b'U') => path.extend_from_slice(account.uid.to_string().as_bytes()),
            _ => return Err(format!("unknown token in \"{}\"", text.to_string_lossy())),
        }
    }
    Ok(OsString::from_vec(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        let account = Account {
            name: "kim".into(),
            uid: 1000,
            home: "/home/kim".into(),
            ..Account::unknown()
        };
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        Options::parse(&words, &account)
    }

    #[test]
    fn letters_and_values() {
        let options = parse("-eRl VERBOSE -f LOCAL3 -u 027 -d ~/x/%u-%U%%").unwrap();
        assert!(options.log_to_stderr && options.policy.read_only);
        assert_eq!(options.log_level, LogLevel::Verbose);
        assert_eq!(options.umask, Some(0o27));
        assert_eq!(options.start_directory, Some("/home/kim/x/kim-1000%".into()));
        assert_eq!(parse("-dsub").unwrap().start_directory, Some("sub".into()));
        assert_eq!(parse("-Q requests").unwrap().task, Task::Requests);
        assert_eq!(parse("-c anything -z").unwrap().task, Task::Serve);
        for wrong in ["-z", "-l", "-l LOUD", "-f NOWHERE", "-u 8", "-u 1000", "-Q x", "-d %x"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lists_of_requests() {
        let mut policy = Policy::default();
        policy.deny(sftp::RequestKind::Remove);
        policy.deny(sftp::RequestKind::Statvfs);
        assert_eq!(parse("-P remove,statvfs").unwrap().policy, policy);
        let mut all_but_open = Policy::default();
        for row in REQUESTS.iter().filter(|row| row.name != "open") {
            all_but_open.deny(row.kind);
        }
        assert_eq!(parse("-p open").unwrap().policy, all_but_open);
        assert!(parse("-P remov").is_err());
    }
}
