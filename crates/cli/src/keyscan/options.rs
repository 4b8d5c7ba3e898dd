//! The command line of `ssh-keyscan`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use net::dial::Family;

use super::kinds::{self, KINDS, Named};
use crate::getopt::Getopt;
use crate::manual::flags::KEYSCAN;
use crate::messages::Level;

/// How long a host may be silent.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What a call is to do.
#[derive(Debug)]
pub struct Options {
    /// `-4`, `-6`.
    pub family: Family,
    /// `-c`: certificates instead of keys.
    pub certificates: bool,
    /// `-D`: DNS records instead of lines for known_hosts.
    pub dns_records: bool,
    /// `-O hashalg=`: the only fingerprint type of those records.
    pub record_hash: Option<u8>,
    /// `-H`: hashed names.
    pub hash_names: bool,
    /// `-q`: no comments.
    pub quiet: bool,
    /// `-p`.
    pub port: u16,
    /// `-T`.
    pub timeout: Duration,
    /// `-t`: places in [`KINDS`].
    pub kinds: Vec<usize>,
    /// `-v`.
    pub level: Option<Level>,
    /// `-f`; none is standard input.
    pub files: Vec<Option<PathBuf>>,
    /// Hosts and ranges of the command line.
    pub hosts: Vec<String>,
}

/// What is asked for.
#[derive(Debug)]
pub enum Request {
    /// To scan.
    Run(Options),
    /// `-V`.
    Version,
}

/// Why nothing is done.
#[derive(Debug)]
pub struct Problem {
    /// What is wrong.
    pub text: Option<String>,
    /// Whether the usage follows.
    pub with_usage: bool,
    /// The exit status.
    pub status: u8,
}

impl Problem {
    fn usage(text: Option<String>) -> Self {
        Problem { text, with_usage: true, status: 1 }
    }

    fn fatal(text: String) -> Self {
        Problem { text: Some(text), with_usage: false, status: 255 }
    }
}

/// Reads the words behind the tool's name.
///
/// # Errors
/// What makes no sense, in the words that scripts know.
pub fn parse(words: &[OsString]) -> Result<Request, Problem> {
    let mut options = Options {
        family: Family::Any,
        certificates: false,
        dns_records: false,
        record_hash: None,
        hash_names: false,
        quiet: false,
        port: 22,
        timeout: TIMEOUT,
        kinds: (0..KINDS.len()).collect(),
        level: None,
        files: Vec::new(),
        hosts: Vec::new(),
    };
    let mut walk = Getopt::new(words, KEYSCAN);
    while let Some(found) =
        walk.next().map_err(|problem| Problem::usage(Some(problem.to_string())))?
    {
        let value = found.value.to_string_lossy();
        match found.letter {
            '4' => options.family = Family::Inet,
            '6' => options.family = Family::Inet6,
            'c' => options.certificates = true,
            'D' => options.dns_records = true,
            'H' => options.hash_names = true,
            'q' => options.quiet = true,
            'V' => return Ok(Request::Version),
            'v' => options.level = Some(louder(options.level)?),
            'f' => options.files.push((value != "-").then(|| PathBuf::from(&found.value))),
            'O' => options.record_hash = Some(record_hash(&value)?),
            'p' => {
                options.port =
                    value.parse().ok().filter(|port| *port != 0).ok_or_else(|| Problem {
                        text: Some(format!("Bad port '{value}'")),
                        with_usage: false,
                        status: 1,
                    })?;
            }
            'T' => {
                let seconds = crate::agent::lifetime(&value).filter(|seconds| *seconds != 0);
                options.timeout = seconds
                    .map(|seconds| Duration::from_secs(seconds.into()))
                    .ok_or_else(|| Problem::usage(Some(format!("Bad timeout '{value}'"))))?;
            }
            't' => options.kinds = kinds_of(&value)?,
            _ => {}
        }
    }
    options.hosts = walk.rest().iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if options.hosts.is_empty() && options.files.is_empty() {
        return Err(Problem::usage(None));
    }
    Ok(Request::Run(options))
}

fn louder(level: Option<Level>) -> Result<Level, Problem> {
    match level {
        None => Ok(Level::Debug1),
        Some(Level::Debug1) => Ok(Level::Debug2),
        Some(Level::Debug2) => Ok(Level::Debug3),
        Some(_) => Err(Problem::fatal("Too high debugging level.".to_owned())),
    }
}

fn record_hash(value: &str) -> Result<u8, Problem> {
    let name = value
        .strip_prefix("hashalg=")
        .ok_or_else(|| Problem::fatal("Unsupported -O option".to_owned()))?;
    match name.to_ascii_lowercase().as_str() {
        "sha1" => Ok(1),
        "sha256" => Ok(2),
        _ => Err(Problem::fatal("Unsupported hash algorithm".to_owned())),
    }
}

/// The types of a list, each once, in the order of the connections.
fn kinds_of(list: &str) -> Result<Vec<usize>, Problem> {
    let mut wanted = Vec::new();
    for word in list.split(',').filter(|word| !word.is_empty()) {
        match kinds::named(word) {
            Named::Kind(index) => wanted.push(index),
            Named::Dsa => {
                eprintln!("ssh-keyscan: DSA keys cannot be checked; this version leaves them out");
            }
            Named::Unknown => {
                return Err(Problem::fatal(format!("Unknown key type \"{word}\"")));
            }
        }
    }
    wanted.sort_unstable();
    wanted.dedup();
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Options, Problem> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        match parse(&words)? {
            Request::Run(options) => Ok(options),
            Request::Version => panic!("the version was asked for"),
        }
    }

    #[test]
    fn flags() {
        let options = parsed("-4cDH -p 2200 -T 1m -t ed25519,rsa,ssh-rsa -f - a b").unwrap();
        assert_eq!(options.family, Family::Inet);
        assert!(options.certificates && options.dns_records && options.hash_names);
        assert_eq!((options.port, options.timeout), (2200, Duration::from_secs(60)));
        assert_eq!(options.kinds, [0, 2]);
        assert_eq!((options.files.len(), options.hosts.len()), (1, 2));
    }

    #[test]
    fn what_makes_no_sense() {
        let text = |line: &str| parsed(line).unwrap_err().text.unwrap_or_default();
        assert_eq!(text("-p 0 h"), "Bad port '0'");
        assert_eq!(text("-T 5x h"), "Bad timeout '5x'");
        assert_eq!(text("-t foo h"), "Unknown key type \"foo\"");
        assert_eq!(text("-O foo h"), "Unsupported -O option");
        assert_eq!(text("-z h"), "unknown option -- z");
        assert_eq!(text("-4"), "");
    }
}
