//! What the flags say.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use keys::FingerprintHash;
use zeroize::Zeroizing;

use super::Failure;
use super::save::Format;
use super::validity::{self, Validity};
use crate::getopt::Getopt;
use crate::ui::prompt;

/// How the flags are used.
pub const USAGE: &str = "\
usage: ssh-keygen [-q] [-a rounds] [-b bits] [-C comment] [-f output_keyfile]
                  [-m format] [-N new_passphrase] [-O option]
                  [-t ecdsa | ecdsa-sk | ed25519 | ed25519-sk | rsa]
                  [-w provider] [-Z cipher]
       ssh-keygen -p [-a rounds] [-f keyfile] [-m format] [-N new_passphrase]
                   [-P old_passphrase] [-Z cipher]
       ssh-keygen -i [-f input_keyfile] [-m key_format]
       ssh-keygen -e [-f input_keyfile] [-m key_format]
       ssh-keygen -y [-f input_keyfile]
       ssh-keygen -c [-a rounds] [-C comment] [-f keyfile] [-P passphrase]
       ssh-keygen -l [-v] [-E fingerprint_hash] [-f input_keyfile]
       ssh-keygen -B [-f input_keyfile]
       ssh-keygen -D pkcs11 [-e] [-m format]
       ssh-keygen -F hostname [-lv] [-f known_hosts_file]
       ssh-keygen -H [-f known_hosts_file]
       ssh-keygen -R hostname [-f known_hosts_file]
       ssh-keygen -K [-a rounds] [-w provider]
       ssh-keygen -r hostname [-g] [-f input_keyfile]
       ssh-keygen -M generate [-O option] output_file
       ssh-keygen -M screen [-f input_file] [-O option] output_file
       ssh-keygen -I certificate_identity -s ca_key [-hU] [-D pkcs11]
                  [-n principals] [-O option] [-V validity_interval]
                  [-z serial_number] file ...
       ssh-keygen -L [-f input_keyfile]
       ssh-keygen -A [-a rounds] [-f prefix_path]
       ssh-keygen -k -f krl_file [-u] [-s ca_public] [-z version_number]
                  file ...
       ssh-keygen -Q [-l] -f krl_file [file ...]
       ssh-keygen -Y find-principals -s signature_file -f allowed_signers_file
       ssh-keygen -Y match-principals -I signer_identity -f allowed_signers_file
       ssh-keygen -Y check-novalidate -n namespace -s signature_file
       ssh-keygen -Y sign -f key_file -n namespace file [-O option] ...
       ssh-keygen -Y verify -f allowed_signers_file -I signer_identity
                  -n namespace -s signature_file [-r krl_file] [-O option]
";

/// What the flags say.
#[derive(Default)]
pub struct Options {
    /// `-A`
    pub all_host_keys: bool,
    /// `-a`
    pub rounds: Option<u32>,
    /// `-B`
    pub bubble_babble: bool,
    /// `-b`
    pub bits: Option<u32>,
    /// `-C`
    pub comment: Option<String>,
    /// `-c`
    pub change_comment: bool,
    /// `-D`
    pub library: Option<OsString>,
    /// `-E`
    pub hash: FingerprintHash,
    /// `-e`
    pub export: bool,
    /// `-F`
    pub find: Option<String>,
    /// `-f`
    pub file: Option<PathBuf>,
    /// `-g`
    pub generic_records: bool,
    /// `-H`
    pub hash_names: bool,
    /// `-h`
    pub host_certificate: bool,
    /// `-I`
    pub identity: Option<String>,
    /// `-i`
    pub import: bool,
    /// `-K`
    pub download: bool,
    /// `-k`
    pub make_krl: bool,
    /// `-L`
    pub show_certificate: bool,
    /// `-l`
    pub fingerprint: bool,
    /// `-M`
    pub moduli: Option<String>,
    /// `-m`
    pub format: Option<Format>,
    /// `-N`
    pub new_passphrase: Option<Zeroizing<String>>,
    /// `-n`
    pub principals: Option<String>,
    /// `-O`
    pub more: Vec<String>,
    /// `-P`
    pub passphrase: Option<Zeroizing<String>>,
    /// `-p`
    pub change_passphrase: bool,
    /// `-Q`
    pub query_krl: bool,
    /// `-q`
    pub quiet: bool,
    /// `-R`
    pub remove: Option<String>,
    /// `-r`: a host to print records for, or with `-Y` a file of revoked keys.
    pub records_of: Option<String>,
    /// `-s`: a CA's key, or with `-Y` a file with a signature.
    pub ca_key: Option<PathBuf>,
    /// `-t`
    pub kind: Option<String>,
    /// `-U`
    pub prefer_agent: bool,
    /// `-u`
    pub update: bool,
    /// `-V`
    pub validity: Option<Validity>,
    /// `-v`
    pub verbose: u8,
    /// `-w`
    pub provider: Option<OsString>,
    /// `-Y`
    pub signature_verb: Option<String>,
    /// `-y`
    pub public_of: bool,
    /// `-Z`
    pub cipher: Option<String>,
    /// `-z`
    pub serial: Option<u64>,
    /// `-z +N`
    pub serial_counts_up: bool,
    /// What follows the flags.
    pub files: Vec<OsString>,
}

/// Reads the command line.
pub fn read(words: &[OsString]) -> Result<Options, Failure> {
    let mut options = Options::default();
    let mut letters = Getopt::new(words, crate::manual::flags::KEYGEN);
    loop {
        match letters.next() {
            Ok(Some(found)) => options.take(found.letter, found.value)?,
            Ok(None) => break,
            Err(problem) => return Err(Failure::Usage(Some(problem.to_string()))),
        }
    }
    options.files = letters.rest().to_vec();
    Ok(options)
}

impl Options {
    fn take(&mut self, letter: char, value: OsString) -> Result<(), Failure> {
        if letter == 'f' {
            self.file = Some(path_of(value));
            return Ok(());
        }
        match letter {
            's' => self.ca_key = Some(path_of(value)),
            'D' => self.library = Some(value),
            'w' => self.provider = Some(value),
            _ => return self.take_text(letter, value),
        }
        Ok(())
    }

    fn take_text(&mut self, letter: char, value: OsString) -> Result<(), Failure> {
        let value = String::from_utf8(value.into_vec())
            .map_err(|_| "the command line is not valid UTF-8")?;
        match letter {
            'A' => self.all_host_keys = true,
            'a' => self.rounds = Some(number(&value, "Invalid number:", 1, 1 << 16)?),
            'B' => self.bubble_babble = true,
            'b' => self.bits = Some(number(&value, "Bits has bad value", 1, 1 << 20)?),
            'C' => self.comment = Some(value),
            'c' => self.change_comment = true,
            'E' => {
                self.hash = FingerprintHash::from_name(&value)
                    .ok_or_else(|| format!("Invalid hash algorithm \"{value}\""))?;
            }
            'e' => self.export = true,
            'F' => self.find = Some(value),
            'g' => self.generic_records = true,
            'H' => self.hash_names = true,
            'h' => self.host_certificate = true,
            'I' => self.identity = Some(value),
            'i' => self.import = true,
            'k' => self.make_krl = true,
            'L' => self.show_certificate = true,
            'l' => self.fingerprint = true,
            'M' => self.moduli = Some(value),
            'm' => {
                self.format = Some(
                    Format::from_name(&value)
                        .ok_or_else(|| format!("Unsupported conversion format \"{value}\""))?,
                );
            }
            'N' => self.new_passphrase = Some(Zeroizing::new(value)),
            'n' => self.principals = Some(value),
            'O' => self.more.push(value),
            'P' => self.passphrase = Some(Zeroizing::new(value)),
            'p' => self.change_passphrase = true,
            'Q' => self.query_krl = true,
            'q' => self.quiet = true,
            'R' => self.remove = Some(value),
            'r' => self.records_of = Some(value),
            't' => self.kind = Some(value),
            'U' => self.prefer_agent = true,
            'u' => self.update = true,
            'V' => self.validity = Some(validity::parse(&value, crate::sys::clock::now())?),
            'v' => self.verbose = self.verbose.saturating_add(1),
            'Y' => self.signature_verb = Some(value),
            'y' => self.public_of = true,
            'Z' => {
                if !keys::is_file_cipher(&value) {
                    return Err(format!("Invalid OpenSSH-format cipher '{value}'").into());
                }
                self.cipher = Some(value);
            }
            'z' => {
                let digits = value.strip_prefix('+').unwrap_or(&value);
                self.serial_counts_up = digits.len() < value.len();
                if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
                    return Err(format!("Invalid serial number \"{value}\"").into());
                }
                self.serial =
                    Some(digits.parse().map_err(|_| format!("Invalid serial number \"{value}\""))?);
            }
            'K' => self.download = true,
            // `-o`: the new format, long the only one.
            _ => {}
        }
        Ok(())
    }

    /// `-f`, or the answer to "Enter file in which the key is", with the default in brackets.
    pub fn file_or_ask(&self, question: &str) -> Result<PathBuf, Failure> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let default = default_key_file("ed25519")?;
        let answer = prompt::plain_line(&format!("{question} ({}): ", default.display()));
        match answer {
            None => Err(Failure::Code(1)),
            Some(answer) if answer.is_empty() => Ok(default),
            Some(answer) => Ok(crate::ssh::paths::expand_tilde(&answer)),
        }
    }
}

fn number(text: &str, what: &str, least: u32, most: u32) -> Result<u32, Failure> {
    let why = match text.parse::<u32>() {
        Ok(number) if number < least => "too small",
        Ok(number) if number > most => "too large",
        Ok(number) => return Ok(number),
        Err(_) => "invalid",
    };
    Err(format!("{what} {text} ({why})").into())
}

/// A path, with `~` spelled out where it is text.
pub fn path_of(value: OsString) -> PathBuf {
    match value.to_str() {
        Some(text) => crate::ssh::paths::expand_tilde(text),
        None => PathBuf::from(value),
    }
}

/// `~/.ssh/id_KIND`.
pub fn default_key_file(kind: &str) -> Result<PathBuf, Failure> {
    let account = crate::ssh::paths::own_account().ok_or("No user exists for this user id.")?;
    Ok(account.home.join(".ssh").join(format!("id_{kind}")))
}

/// Whether a path stands for standard input.
pub fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}
