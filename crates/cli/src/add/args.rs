//! The command line of `ssh-add`.

use std::ffi::OsString;

use keys::FingerprintHash;

use crate::getopt::Getopt;

/// How OpenSSH's `ssh-add` is called.
pub const USAGE: &str = "\
usage: ssh-add [-CcDdKkLlNQqvXx] [-E fingerprint_hash] [-H hostkey_file]
               [-h destination_constraint] [-S provider] [-t life]
               [file ...]
       ssh-add [-CNqv] [-E fingerprint_hash] [-H hostkey_file]
               [-h destination_constraint] [-t life] -s pkcs11 [certificate ...]
       ssh-add -e pkcs11
       ssh-add -T pubkey ...";

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Give keys to the agent.
    Add,
    /// `-d`
    Delete,
    /// `-D`
    DeleteAll,
    /// `-l`, or in full `-L`
    List {
        /// `-L`
        full: bool,
    },
    /// `-x`
    Lock,
    /// `-X`
    Unlock,
    /// `-T`
    Test,
    /// `-Q`
    Extensions,
    /// `-s`
    AddCard(OsString),
    /// `-e`
    RemoveCard(OsString),
    /// `-K`
    Resident,
}

/// What is asked for.
#[derive(Debug)]
pub struct Args {
    /// What is to be done.
    pub action: Action,
    /// `-c`: the agent asks before every use.
    pub confirm: bool,
    /// `-k`: the keys without their certificates.
    pub keys_only: bool,
    /// `-C`: the certificates without their keys.
    pub certificates_only: bool,
    /// `-N`: certificates stay when they have expired.
    pub keep_expired: bool,
    /// `-q`
    pub quiet: bool,
    /// How often `-v`.
    pub verbosity: u32,
    /// `-E`
    pub hash: FingerprintHash,
    /// `-t`, in seconds.
    pub lifetime: Option<u32>,
    /// `-h`, each.
    pub destinations: Vec<String>,
    /// `-H`, each.
    pub host_key_files: Vec<OsString>,
    /// `-S`
    pub provider: Option<OsString>,
    /// The words behind the options.
    pub files: Vec<OsString>,
}

/// Why the words make no sense.
#[derive(Debug, PartialEq, Eq)]
pub enum Problem {
    /// Said before the usage.
    Usage(String),
    /// Said alone.
    Told(String),
    /// Said alone, with the exit code of OpenSSH's `fatal`.
    Fatal(String),
}

impl Args {
    /// Reads the words behind the program's name.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(words: &[OsString]) -> Result<Self, Problem> {
        let mut args = Args {
            action: Action::Add,
            confirm: false,
            keys_only: false,
            certificates_only: false,
            keep_expired: false,
            quiet: false,
            verbosity: 0,
            hash: FingerprintHash::Sha256,
            lifetime: None,
            destinations: Vec::new(),
            host_key_files: Vec::new(),
            provider: None,
            files: Vec::new(),
        };
        let mut options = Getopt::new(words, crate::manual::flags::ADD);
        while let Some(found) =
            options.next().map_err(|problem| Problem::Usage(format!("ssh-add: {problem}")))?
        {
            let value = found.value;
            match found.letter {
                'v' => args.verbosity += 1,
                'k' => args.keys_only = true,
                'C' => args.certificates_only = true,
                'c' => args.confirm = true,
                'N' => args.keep_expired = true,
                'q' => args.quiet = true,
                'K' => args.act(Action::Resident)?,
                'l' => args.act(Action::List { full: false })?,
                'L' => args.act(Action::List { full: true })?,
                'd' => args.act(Action::Delete)?,
                'D' => args.act(Action::DeleteAll)?,
                'T' => args.act(Action::Test)?,
                'x' => args.act(Action::Lock)?,
                'X' => args.act(Action::Unlock)?,
                'Q' => args.act(Action::Extensions)?,
                's' => args.act(Action::AddCard(value))?,
                'e' => args.act(Action::RemoveCard(value))?,
                'E' => {
                    let name = value.to_string_lossy();
                    args.hash = FingerprintHash::from_name(&name).ok_or_else(|| {
                        Problem::Fatal(format!("Invalid hash algorithm \"{name}\""))
                    })?;
                }
                'h' => args.destinations.push(value.to_string_lossy().into_owned()),
                'H' => args.host_key_files.push(value),
                'S' => args.provider = Some(value),
                't' => {
                    let seconds = crate::agent::lifetime(&value.to_string_lossy());
                    let invalid = || Problem::Told("Invalid lifetime".to_owned());
                    args.lifetime = Some(seconds.ok_or_else(invalid)?);
                }
                _ => {}
            }
        }
        args.files = options.rest().to_vec();
        Ok(args)
    }

    fn act(&mut self, action: Action) -> Result<(), Problem> {
        let again = matches!(
            (&self.action, &action),
            (Action::List { .. }, Action::List { .. })
                | (Action::Lock | Action::Unlock, Action::Lock | Action::Unlock)
        );
        if self.action != Action::Add && self.action != action && !again {
            return Err(Problem::Fatal("Invalid combination of actions".to_owned()));
        }
        self.action = action;
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
        let args = parse("-qdk file").unwrap();
        assert!(args.quiet && args.keys_only && args.action == Action::Delete);
        assert_eq!(args.files, ["file"]);
        let args = parse("-kt 10 -h a>b -h c -H known").unwrap();
        assert_eq!((args.lifetime, args.destinations.len()), (Some(10), 2));
        assert_eq!(parse("-lL").unwrap().action, Action::List { full: true });
        assert_eq!(parse("-s lib").unwrap().action, Action::AddCard("lib".into()));
    }

    #[test]
    fn bad_ones() {
        assert!(matches!(parse("-z"), Err(Problem::Usage(_))));
        assert!(matches!(parse("-l -D"), Err(Problem::Fatal(_))));
        assert_eq!(parse("-t soon").unwrap_err(), Problem::Told("Invalid lifetime".into()));
    }
}
