//! The command line of `ssh-agent`.

use std::ffi::OsString;
use std::path::PathBuf;

use keys::FingerprintHash;

use crate::getopt::Getopt;

/// How OpenSSH's `ssh-agent` is called.
pub const USAGE: &str = "\
usage: ssh-agent [-c | -s] [-DdTU] [-a bind_address] [-E fingerprint_hash]
                 [-O option] [-P allowed_providers] [-t life]
       ssh-agent [-TU] [-a bind_address] [-E fingerprint_hash] [-O option]
                 [-P allowed_providers] [-t life] command [arg ...]
       ssh-agent [-c | -s] -k
       ssh-agent -u";

/// Which libraries the agent's helpers load, and what security keys may sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Patterns for the real paths of libraries. `-P`
    pub allowed_providers: String,
    /// Libraries may be named from other machines, too. `-O allow-remote-pkcs11`
    pub allow_remote: bool,
    /// Patterns for applications whose keys may sign anything; those of others sign only what
    /// no browser would ask for. Nothing lets all sign anything. `-O`
    pub websafe: Option<String>,
}

impl Default for Policy {
    /// OpenSSH's.
    fn default() -> Self {
        Policy {
            allowed_providers: "/usr/lib*/*,/usr/local/lib*/*".to_owned(),
            allow_remote: false,
            websafe: Some("ssh:*".to_owned()),
        }
    }
}

/// What is asked for.
#[derive(Debug)]
pub struct Args {
    /// `-c`, `-s`: the shell that reads the output; nothing to go by `SHELL`.
    pub c_shell: Option<bool>,
    /// `-d`: in the foreground, telling everything.
    pub debug: bool,
    /// `-D`: in the foreground.
    pub foreground: bool,
    /// `-k`: end the agent that runs.
    pub kill: bool,
    /// `-T`: the socket under `/tmp`.
    pub temporary: bool,
    /// `-U`: leave dead sockets alone.
    pub keep_dead: bool,
    /// How often `-u`: remove dead sockets and end.
    pub remove_dead: u32,
    /// `-a`
    pub socket: Option<PathBuf>,
    /// `-E`
    pub hash: FingerprintHash,
    /// `-t`: seconds that keys live without a lifetime of their own; zero for ever.
    pub lifetime: u32,
    /// `-P` and `-O`
    pub policy: Policy,
    /// The command to run, with its words.
    pub command: Vec<OsString>,
}

/// Why the words make no sense.
#[derive(Debug, PartialEq, Eq)]
pub enum Problem {
    /// Said before the usage.
    Usage(String),
    /// Said alone.
    Fatal(String),
}

impl Args {
    /// Reads the words behind the program's name.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(words: &[OsString]) -> Result<Self, Problem> {
        let mut args = Args {
            c_shell: None,
            debug: false,
            foreground: false,
            kill: false,
            temporary: false,
            keep_dead: false,
            remove_dead: 0,
            socket: None,
            hash: FingerprintHash::Sha256,
            lifetime: 0,
            policy: Policy::default(),
            command: Vec::new(),
        };
        let usage = |text: &str| Problem::Usage(text.to_owned());
        let mut providers = false;
        let mut options = Getopt::new(words, crate::manual::flags::AGENT);
        while let Some(found) =
            options.next().map_err(|problem| Problem::Usage(format!("ssh-agent: {problem}")))?
        {
            let value = found.value.to_string_lossy();
            match found.letter {
                'c' if args.c_shell == Some(false) => return Err(usage("")),
                's' if args.c_shell == Some(true) => return Err(usage("")),
                'c' => args.c_shell = Some(true),
                's' => args.c_shell = Some(false),
                'd' | 'D' if args.debug || args.foreground => return Err(usage("")),
                'd' => args.debug = true,
                'D' => args.foreground = true,
                'k' => args.kill = true,
                'T' => args.temporary = true,
                'U' => args.keep_dead = true,
                'u' => args.remove_dead += 1,
                'a' => args.socket = Some(found.value.into()),
                'E' => args.hash = hash(&value)?,
                'O' => args.policy.set(&value)?,
                'P' if providers => {
                    return Err(Problem::Fatal("-P option already specified".to_owned()));
                }
                'P' => {
                    providers = true;
                    args.policy.allowed_providers = value.into_owned();
                }
                't' => args.lifetime = lifetime(&value).ok_or(usage("Invalid lifetime"))?,
                _ => {}
            }
        }
        args.command = options.rest().to_vec();
        let in_foreground = args.debug || args.foreground;
        let has_mode = args.c_shell.is_some() || args.kill || in_foreground;
        if !args.command.is_empty() && has_mode {
            return Err(usage(""));
        }
        Ok(args)
    }
}

/// A time as `-t` takes it, in seconds.
pub fn lifetime(text: &str) -> Option<u32> {
    let seconds = config::parse_time(text)?.as_secs();
    u32::try_from(seconds).ok().filter(|seconds| i32::try_from(*seconds).is_ok())
}

/// The name of a fingerprint hash.
///
/// # Errors
/// There is none of that name.
pub fn hash(name: &str) -> Result<FingerprintHash, Problem> {
    FingerprintHash::from_name(name)
        .ok_or_else(|| Problem::Fatal(format!("Invalid hash algorithm \"{name}\"")))
}

impl Policy {
    /// `-O`
    fn set(&mut self, option: &str) -> Result<(), Problem> {
        match option.split_once('=') {
            None if option == "no-restrict-websafe" => self.websafe = None,
            None if option == "allow-remote-pkcs11" => self.allow_remote = true,
            Some(("websafe-allow", patterns)) => self.websafe = Some(patterns.to_owned()),
            _ => return Err(Problem::Fatal("Unknown -O option".to_owned())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, Problem> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        Args::parse(&words)
    }

    #[test]
    fn good_ones() {
        let args = parse("-t 1h -a /s -E md5 -O websafe-allow=ssh:* ls -l").unwrap();
        assert_eq!((args.lifetime, args.command.len()), (3600, 2));
        assert_eq!(args.socket, Some("/s".into()));
        assert_eq!(args.policy, Policy::default());
        let policy = parse("-P /x/* -O no-restrict-websafe -O allow-remote-pkcs11").unwrap().policy;
        assert_eq!((policy.allowed_providers.as_str(), policy.allow_remote), ("/x/*", true));
        assert_eq!(policy.websafe, None);
        assert_eq!(parse("-uu").unwrap().remove_dead, 2);
        assert_eq!(parse("-s -k").unwrap().c_shell, Some(false));
    }

    #[test]
    fn bad_ones() {
        for line in ["-c -s", "-d -D", "-z", "-a", "-k ls", "-s ls", "-d ls"] {
            assert!(matches!(parse(line), Err(Problem::Usage(_))), "{line}");
        }
        assert_eq!(parse("-t never").unwrap_err(), Problem::Usage("Invalid lifetime".into()));
        assert_eq!(parse("-O x").unwrap_err(), Problem::Fatal("Unknown -O option".into()));
        assert!(matches!(parse("-E sha3"), Err(Problem::Fatal(_))));
        assert!(matches!(parse("-P a -P b"), Err(Problem::Fatal(_))));
    }
}
