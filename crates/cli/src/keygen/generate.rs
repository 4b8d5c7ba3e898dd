//! Making a key.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use keys::{KeyKind, PrivateKey, limits};
use zeroize::Zeroizing;

use super::options::default_key_file;
use super::{Failure, Options, save, security_key};
use crate::files;
use crate::ui::clean;
use crate::ui::prompt::{self, Place};

/// RSA keys have a multiple of so many bits: the cryptographic library makes no others.
const RSA_BITS_STEP: u32 = 128;

/// A kind of key as the user names it: short name, what the question calls it, bits fixed by a
/// wire name.
pub struct Wanted {
    /// What to make.
    pub kind: KeyKind,
    /// What it is called.
    pub label: &'static str,
    /// `-b`, or what the name says.
    pub bits: Option<u32>,
}

/// `ssh-keygen [-t KIND]`.
pub fn run(options: &Options) -> Result<ExitCode, Failure> {
    let kind = options.kind.as_deref().unwrap_or("ed25519");
    if let Some((key_type, label)) = security_key::kind(kind) {
        return security_key::generate(options, key_type, label);
    }
    let wanted = wanted(kind, options.bits)?;
    if !options.quiet {
        println!("Generating public/private {} key pair.", wanted.label);
    }
    if let Some(bits) = wanted.rounded_up() {
        eprintln!("The key gets {bits} bits: their number is a multiple of 128.");
    }
    let comment = options.comment.clone().unwrap_or_else(default_comment);
    let key = PrivateKey::generate(wanted.kind, wanted.bits, &comment)
        .map_err(|problem| format!("the key cannot be made: {problem}"))?;
    save_new(options, wanted.label, &key).map(|()| ExitCode::SUCCESS)
}

/// Saves a key that was just made, and tells about it.
pub fn save_new(options: &Options, label: &str, key: &PrivateKey) -> Result<(), Failure> {
    let path = match &options.file {
        Some(path) => path.clone(),
        None => ask_for_path(label)?,
    };
    if files::make_private_folder(&path).unwrap_or(false)
        && !options.quiet
        && let Some(folder) = path.parent()
    {
        println!("Created directory '{}'.", folder.display());
    }
    if !may_overwrite(&path) {
        return Err(Failure::Code(1));
    }
    let passphrase = match &options.new_passphrase {
        Some(passphrase) => passphrase.clone(),
        None => ask_for_passphrase(&path)?,
    };
    let text = save::private_text(options, key, &passphrase, None)
        .map_err(|failure| save::failed(&path, failure))?;
    save::new_private(&path, &text).map_err(|source| {
        eprintln!("Saving key \"{}\" failed: {}", path.display(), crate::text::reason(&source));
        Failure::Code(1)
    })?;
    let comment = key.comment();
    save::public(&public_path(&path), key.public(), comment)?;
    if !options.quiet {
        let public = key.public();
        println!("Your identification has been saved in {}", path.display());
        println!("Your public key has been saved in {}", public_path(&path).display());
        println!("The key fingerprint is:");
        println!("{} {}", public.fingerprint(options.hash), clean::visible(comment));
        println!("The key's randomart image is:");
        println!("{}", public.randomart(options.hash));
    }
    Ok(())
}

impl Wanted {
    /// How many bits an RSA key gets where it does not get as many as was asked for.
    fn rounded_up(&self) -> Option<u32> {
        let bits = self.bits.filter(|_| self.kind == KeyKind::Rsa)?;
        let rounded = bits.next_multiple_of(RSA_BITS_STEP);
        (rounded != bits).then_some(rounded)
    }
}

/// A kind of key by its short name or its name on the wire.
pub fn wanted(name: &str, bits: Option<u32>) -> Result<Wanted, Failure> {
    let ecdsa = |bits| Wanted { kind: KeyKind::Ecdsa, label: "ecdsa", bits };
    Ok(match name.to_ascii_lowercase().as_str() {
        "ed25519" | "ssh-ed25519" => {
            Wanted { kind: KeyKind::Ed25519, label: "ed25519", bits: None }
        }
        "rsa" | "ssh-rsa" | "rsa-sha2-256" | "rsa-sha2-512" => {
            if bits.is_some_and(|bits| bits < limits::RSA_BITS_MIN) {
                let least = limits::RSA_BITS_MIN;
                return Err(format!("Invalid RSA key length: minimum is {least} bits").into());
            }
            if bits.is_some_and(|bits| bits > limits::RSA_BITS_MAX) {
                let most = limits::RSA_BITS_MAX;
                return Err(format!("Invalid RSA key length: maximum is {most} bits").into());
            }
            Wanted { kind: KeyKind::Rsa, label: "rsa", bits }
        }
        "ecdsa" => match bits {
            None | Some(256 | 384 | 521) => ecdsa(bits),
            Some(_) => {
                return Err(
                    "Invalid ECDSA key length: valid lengths are 256, 384 or 521 bits".into()
                );
            }
        },
        "ecdsa-sha2-nistp256" => ecdsa(Some(256)),
        "ecdsa-sha2-nistp384" => ecdsa(Some(384)),
        "ecdsa-sha2-nistp521" => ecdsa(Some(521)),
        "dsa" | "ssh-dss" => {
            return Err("DSA keys are not usable in any current SSH; make an ed25519 key with: \
                        ssh-keygen -t ed25519"
                .into());
        }
        _ => return Err(format!("unknown key type {name}").into()),
    })
}

/// `user@host`, as OpenSSH writes it.
pub fn default_comment() -> String {
    let user = crate::ssh::paths::own_account().map(|account| account.name).unwrap_or_default();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{user}@{host}")
}

fn ask_for_path(label: &str) -> Result<PathBuf, Failure> {
    let default = default_key_file(&label.replace('-', "_"))?;
    let question = format!("Enter file in which to save the key ({}): ", default.display());
    match prompt::plain_line(&question) {
        None => Err("No file name was given.".into()),
        Some(answer) if answer.is_empty() => Ok(default),
        Some(answer) => Ok(crate::ssh::paths::expand_tilde(&answer)),
    }
}

/// Asks before a file is replaced.
pub fn may_overwrite(path: &Path) -> bool {
    if fs::symlink_metadata(path).is_err() {
        return true;
    }
    println!("{} already exists.", path.display());
    prompt::plain_line("Overwrite (y/n)? ").is_some_and(|answer| answer.starts_with(['y', 'Y']))
}

pub fn ask_for_passphrase(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let nobody = || "A passphrase is needed, and there is nobody to ask; give it with -N.";
    loop {
        let question =
            format!("Enter passphrase for \"{}\" (empty for no passphrase): ", path.display());
        let first = prompt::secret(&question, Place::StandardInput).ok_or_else(nobody)?;
        let again = prompt::secret("Enter same passphrase again: ", Place::StandardInput)
            .ok_or_else(nobody)?;
        if *first == *again {
            return Ok(first);
        }
        println!("Passphrases do not match.  Try again.");
    }
}

/// The private file's name and `.pub`.
pub fn public_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_sizes() {
        assert_eq!(wanted("ssh-ed25519", None).map(|w| w.label), Ok("ed25519"));
        assert_eq!(wanted("ecdsa-sha2-nistp384", None).map(|w| w.bits), Ok(Some(384)));
        assert!(wanted("ecdsa", Some(257)).is_err());
        assert!(wanted("rsa", Some(512)).is_err());
        assert_eq!(wanted("foo", None).map(|w| w.label), Err("unknown key type foo".into()));
    }
}
