//! The command line of `ssh-copy-id`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::getopt::Getopt;

/// How it is called.
pub const USAGE: &str = "\
Usage: ssh-copy-id [-h|-?|-f|-n|-s|-x] [-i [identity_file]] [-t target_path]
                   [-F ssh_config] [[-o ssh_option] ...] [-p port] [user@]hostname
    -f: add keys without looking whether they are there already
    -n: change nothing, tell which keys would be added
    -s: use sftp instead of a remote shell
    -x: show what is run, here and there
    -h, -?: print this help";

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Args {
    /// `-f`
    pub force: bool,
    /// `-n`
    pub dry_run: bool,
    /// `-s`
    pub sftp: bool,
    /// `-x`
    pub debug: bool,
    /// `-i`: which keys.
    pub identity: Identity,
    /// `-t`: another file than `~/.ssh/authorized_keys`.
    pub target: Option<String>,
    /// `-F`, `-o`, `-p`, as ssh takes them.
    pub ssh_options: Vec<OsString>,
    /// `-p`
    pub port: Option<OsString>,
    /// The host, perhaps with a user before it.
    pub host: OsString,
}

/// Which keys are asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// The agent's, or the newest file's.
    #[default]
    Any,
    /// `-i`: the newest file's.
    DefaultFile,
    /// `-i FILE`
    File(OsString),
}

/// Why there is nothing to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// `-h`
    Help,
    /// The words make no sense.
    Wrong(String),
}

impl Args {
    /// Reads the words behind the program's name.
    ///
    /// # Errors
    /// What is wrong with them, or that help is asked for.
    pub fn parse(words: &[OsString]) -> Result<Self, Stop> {
        let mut args = Args::default();
        let words = with_identity_marked(words);
        let mut options = Getopt::new(&words, crate::manual::flags::COPY_ID);
        let mut hosts = Vec::new();
        loop {
            let next = options.next().map_err(|problem| Stop::Wrong(problem.to_string()))?;
            let Some(found) = next else {
                // The host may stand before options, as with the script of OpenSSH's.
                match options.take_word() {
                    Some(word) => hosts.push(word.to_owned()),
                    None => break,
                }
                continue;
            };
            let value = found.value;
            match found.letter {
                'f' => args.force = true,
                'n' => args.dry_run = true,
                's' => args.sftp = true,
                'x' => args.debug = true,
                'i' if args.identity != Identity::Any => {
                    return Err(Stop::Wrong(
                        "-i option must not be specified more than once".into(),
                    ));
                }
                'i' if value == DEFAULT_IDENTITY => args.identity = Identity::DefaultFile,
                'i' => args.identity = Identity::File(value),
                't' => {
                    let target = value.into_string();
                    let target = target.map_err(|_| Stop::Wrong("-t: not a text".into()))?;
                    args.target = Some(target);
                }
                'p' => {
                    args.port = Some(value.clone());
                    args.ssh_options.extend(["-p".into(), value]);
                }
                letter @ ('F' | 'o') => {
                    args.ssh_options.extend([format!("-{letter}").into(), value]);
                }
                _ => return Err(Stop::Help),
            }
        }
        let mut hosts = hosts.into_iter();
        args.host = hosts.next().unwrap_or_default();
        if args.host.is_empty() || hosts.next().is_some() {
            return Err(Stop::Wrong("one [user@]hostname is needed".into()));
        }
        Ok(args)
    }
}

/// Stands for a missing value of `-i`: no file has such a name.
const DEFAULT_IDENTITY: &str = "\0";

/// Gives a lone `-i` a value: when an option or only the host follows it.
fn with_identity_marked(words: &[OsString]) -> Vec<OsString> {
    let mut marked = Vec::with_capacity(words.len() + 1);
    for (index, word) in words.iter().enumerate() {
        marked.push(word.clone());
        let rest = words.get(index + 1..).unwrap_or_default();
        let is_lone =
            rest.len() <= 1 || rest.first().is_some_and(|next| next.as_bytes().starts_with(b"-"));
        if word == "-i" && is_lone {
            marked.push(DEFAULT_IDENTITY.into());
        }
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, Stop> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        Args::parse(&words)
    }

    #[test]
    fn identities() {
        assert_eq!(parse("host").unwrap().identity, Identity::Any);
        assert_eq!(parse("-i host").unwrap().identity, Identity::DefaultFile);
        assert_eq!(parse("-i -p 22 host").unwrap().identity, Identity::DefaultFile);
        assert_eq!(parse("-i file host").unwrap().identity, Identity::File("file".into()));
        assert_eq!(parse("-ifile host").unwrap().identity, Identity::File("file".into()));
    }

    #[test]
    fn the_rest_is_for_ssh() {
        let args = parse("-n -o A=b me@host -F conf -p 2222").unwrap();
        assert_eq!(args.ssh_options, ["-o", "A=b", "-F", "conf", "-p", "2222"]);
        assert_eq!(args.host, "me@host");
        assert!(args.dry_run);
    }

    #[test]
    fn nonsense() {
        assert_eq!(parse("-h"), Err(Stop::Help));
        for line in ["", "-z host", "a b", "-i a -i b host", "-p"] {
            assert!(matches!(parse(line), Err(Stop::Wrong(_))), "{line}");
        }
    }
}
