//! `ssh-keygen`: makes keys and tells about them.
//!
//! This version makes keys (`-t`), changes passphrase and comment (`-p`, `-c`), prints fingerprints
//! (`-l`) and public halves (`-y`), and looks after known_hosts (`-F`, `-H`, `-R`). Everything else of OpenSSH's is refused by name.

mod change;
mod generate;
mod known;
mod show;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::ExitCode;

use keys::FingerprintHash;
use zeroize::Zeroizing;

use crate::getopt::Getopt;
use crate::messages::{self, Level};
use crate::ui::prompt;

const LETTERS: &str = "ABHKLQUXceghiklopquvyC:D:E:F:I:M:N:O:P:R:V:Y:Z:a:b:f:g:m:n:r:s:t:w:z:";

const USAGE: &str = "\
usage: ssh-keygen [-q] [-a rounds] [-b bits] [-C comment] [-f output_keyfile]
                  [-N new_passphrase] [-t ecdsa | ed25519 | rsa]
       ssh-keygen -p [-a rounds] [-f keyfile] [-N new_passphrase] [-P old_passphrase]
       ssh-keygen -c [-a rounds] [-C comment] [-f keyfile] [-P passphrase]
       ssh-keygen -y [-f input_keyfile] [-P passphrase]
       ssh-keygen -l [-v] [-E fingerprint_hash] [-f input_keyfile]
       ssh-keygen -F hostname [-lv] [-f known_hosts_file]
       ssh-keygen -H [-f known_hosts_file]
       ssh-keygen -R hostname [-f known_hosts_file]
";

/// What the flags say.
#[derive(Default)]
struct Options {
    kind: Option<String>,
    bits: Option<u32>,
    comment: Option<String>,
    file: Option<PathBuf>,
    new_passphrase: Option<Zeroizing<String>>,
    passphrase: Option<Zeroizing<String>>,
    rounds: Option<u32>,
    quiet: bool,
    verbose: u8,
    fingerprint: bool,
    public_of: bool,
    hash: FingerprintHash,
    find: Option<String>,
    remove: Option<String>,
    hash_names: bool,
    change_passphrase: bool,
    change_comment: bool,
}

/// Why it did not work; printed as it is.
type Failure = String;

/// Runs the tool. Errors end with 255, or 1 as far as OpenSSH does.
pub fn main(words: &[OsString]) -> ExitCode {
    crate::sys::default_sigpipe();
    messages::init();
    let options = match read(words) {
        Ok(options) => options,
        Err(Some(problem)) => {
            eprintln!("{}", crate::ui::clean::visible_lines(&problem));
            return ExitCode::from(255);
        }
        Err(None) => {
            eprint!("{USAGE}");
            return ExitCode::from(1);
        }
    };
    match options.verbose {
        0 => {}
        1 => messages::set_level(Level::Debug1),
        2 => messages::set_level(Level::Debug2),
        _ => messages::set_level(Level::Debug3),
    }
    match run(options) {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("{}", crate::ui::clean::visible_lines(&problem));
            ExitCode::from(255)
        }
    }
}

fn run(options: Options) -> Result<ExitCode, Failure> {
    if let Some(host) = &options.find {
        return known::find(&options, host);
    }
    if let Some(host) = &options.remove {
        return known::remove(&options, host);
    }
    if options.hash_names {
        return known::hash(&options);
    }
    if options.change_passphrase && options.change_comment {
        return Err("Can only have one of -p and -c.".to_owned());
    }
    if options.change_passphrase {
        return change::passphrase(&options);
    }
    if options.change_comment {
        return change::comment(&options);
    }
    if options.fingerprint {
        return show::fingerprints(&options);
    }
    if options.public_of {
        return show::public_half(&options);
    }
    generate::run(options)
}

fn read(words: &[OsString]) -> Result<Options, Option<Failure>> {
    let mut options = Options::default();
    let mut letters = Getopt::new(words, LETTERS);
    loop {
        let found = match letters.next() {
            Ok(Some(found)) => found,
            Ok(None) => break,
            Err(problem) => {
                eprintln!("{problem}");
                return Err(None);
            }
        };
        let value = String::from_utf8(found.value.into_vec())
            .map_err(|_| Some("the command line is not valid UTF-8".to_owned()))?;
        match found.letter {
            'a' => options.rounds = Some(number(&value, "Invalid number", 1, 1 << 16)?),
            'b' => options.bits = Some(number(&value, "Bits has bad value", 1, 1 << 20)?),
            'C' => options.comment = Some(value),
            'c' => options.change_comment = true,
            'E' => {
                options.hash = FingerprintHash::from_name(&value)
                    .ok_or_else(|| Some(format!("Invalid hash algorithm \"{value}\"")))?;
            }
            'F' => options.find = Some(value),
            'f' => options.file = Some(crate::ssh::paths::expand_tilde(&value)),
            'H' => options.hash_names = true,
            'l' => options.fingerprint = true,
            'N' => options.new_passphrase = Some(Zeroizing::new(value)),
            'o' => {}
            'P' => options.passphrase = Some(Zeroizing::new(value)),
            'p' => options.change_passphrase = true,
            'q' => options.quiet = true,
            'R' => options.remove = Some(value),
            't' => options.kind = Some(value),
            'v' => options.verbose = options.verbose.saturating_add(1),
            'y' => options.public_of = true,
            other => {
                return Err(Some(format!(
                    "ssh-keygen: option -{other} ({}) is not in this version of Keyway",
                    lacking(other)
                )));
            }
        }
    }
    if !letters.rest().is_empty() {
        eprintln!("Too many arguments.");
        return Err(None);
    }
    Ok(options)
}

fn number(text: &str, what: &str, least: u32, most: u32) -> Result<u32, Option<Failure>> {
    let why = match text.parse::<u32>() {
        Ok(number) if number < least => "too small",
        Ok(number) if number > most => "too large",
        Ok(number) => return Ok(number),
        Err(_) => "invalid",
    };
    Err(Some(format!("{what} {text} ({why})")))
}

fn lacking(letter: char) -> &'static str {
    match letter {
        'A' => "all missing host keys",
        'B' => "bubblebabble fingerprint",
        'D' => "PKCS#11 library",
        'e' => "export to another format",
        'i' => "import from another format",
        'K' => "resident FIDO keys",
        'k' | 'Q' | 'u' => "revocation lists",
        'L' => "print a certificate",
        'M' => "moduli",
        'm' => "another key format",
        'r' | 'g' => "SSHFP records",
        'I' | 'h' | 'n' | 's' | 'U' | 'V' | 'z' => "sign certificates",
        'Y' => "sign files",
        'w' | 'O' => "FIDO keys",
        'Z' => "choose the cipher of a key file",
        _ => "unknown",
    }
}

impl Options {
    /// `-f`, or the answer to "Enter file in which the key is", with the default in brackets.
    fn file_or_ask(&self, question: &str) -> Result<PathBuf, Failure> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let default = default_key_file("ed25519")?;
        let answer = prompt::plain_line(&format!("{question} ({}): ", default.display()));
        match answer {
            None => Err("No key file was given.".to_owned()),
            Some(answer) if answer.is_empty() => Ok(default),
            Some(answer) => Ok(crate::ssh::paths::expand_tilde(&answer)),
        }
    }
}

/// `~/.ssh/id_KIND`.
fn default_key_file(kind: &str) -> Result<PathBuf, Failure> {
    let account = crate::ssh::paths::own_account().ok_or("No user exists for this user id.")?;
    Ok(account.home.join(".ssh").join(format!("id_{kind}")))
}
