//! Changing a private key file in place: `-p` and `-c`.

use std::path::Path;
use std::process::ExitCode;

use keys::{PrivateKey, PrivateKeyError, limits};
use zeroize::Zeroizing;

use super::generate::public_path;
use super::show::check_permissions;
use super::{Failure, Options};
use crate::files;
use crate::text::reason;
use crate::ui::clean;
use crate::ui::prompt::{self, Place};

/// `-p`: another passphrase, or none.
pub fn passphrase(options: &Options) -> Result<ExitCode, Failure> {
    let path = options.file_or_ask("Enter file in which the key is")?;
    let (key, _) = load(options, &path, "Enter old passphrase: ")?;
    if !key.comment().is_empty() {
        println!("Key has comment '{}'", clean::visible(key.comment()));
    }
    let Some(new) = new_passphrase(options)? else {
        println!("Pass phrases do not match.  Try again.");
        return Ok(ExitCode::from(1));
    };
    write(options, &key, &path, &new)?;
    println!("Your identification has been saved with the new passphrase.");
    Ok(ExitCode::SUCCESS)
}

/// `-N`, or asked for twice; nothing when the answers differ.
fn new_passphrase(options: &Options) -> Result<Option<Zeroizing<String>>, Failure> {
    if let Some(new) = &options.new_passphrase {
        return Ok(Some(new.clone()));
    }
    let nobody = "A passphrase is needed, and there is nobody to ask; give it with -N.";
    let ask = |question: &str| prompt::secret(question, Place::StandardInput).ok_or(nobody);
    let new = ask("Enter new passphrase (empty for no passphrase): ")?;
    let again = ask("Enter same passphrase again: ")?;
    Ok((*new == *again).then_some(new))
}

/// `-c`: another comment, in both files.
pub fn comment(options: &Options) -> Result<ExitCode, Failure> {
    let path = options.file_or_ask("Enter file in which the key is")?;
    let (key, passphrase) = load(options, &path, "Enter passphrase: ")?;
    match key.comment() {
        "" => println!("No existing comment"),
        old => println!("Old comment: {}", clean::visible(old)),
    }
    let new = match &options.comment {
        Some(new) => new.clone(),
        None => prompt::plain_line("New comment: ").ok_or("No comment was given.")?,
    };
    if new == key.comment() {
        println!("No change to comment");
        return Ok(ExitCode::SUCCESS);
    }
    let key = key.with_comment(&new);
    write(options, &key, &path, &passphrase)?;
    let public = public_path(&path);
    let line = format!("{}\n", key.public().to_line(&new));
    files::replace(&public, line.as_bytes(), 0o644).map_err(|source| {
        format!("Unable to save public key to {}: {}", public.display(), reason(&source))
    })?;
    if new.is_empty() {
        println!("Comment removed");
    } else {
        println!("Comment '{}' applied", clean::visible(&new));
    }
    Ok(ExitCode::SUCCESS)
}

/// The key and the passphrase that opened it.
fn load(
    options: &Options,
    path: &Path,
    question: &str,
) -> Result<(PrivateKey, Zeroizing<String>), Failure> {
    check_permissions(path)?;
    let failed = |problem: &dyn std::fmt::Display| {
        format!("Failed to load key {}: {problem}", path.display())
    };
    let bytes = files::read_limited(path, limits::PRIVATE_FILE_BYTES as u64)
        .map_err(|source| failed(&reason(&source)))?;
    let bytes = Zeroizing::new(bytes);
    match PrivateKey::parse(&bytes, None) {
        Ok(key) => return Ok((key, Zeroizing::default())),
        Err(PrivateKeyError::PassphraseNeeded) => {}
        Err(problem) => return Err(failed(&problem)),
    }
    let passphrase = match &options.passphrase {
        Some(passphrase) => passphrase.clone(),
        None => prompt::secret(question, Place::StandardInput).unwrap_or_default(),
    };
    let key = PrivateKey::parse(&bytes, Some(passphrase.as_bytes()))
        .map_err(|problem| failed(&problem))?;
    Ok((key, passphrase))
}

fn write(
    options: &Options,
    key: &PrivateKey,
    path: &Path,
    passphrase: &str,
) -> Result<(), Failure> {
    let passphrase = (!passphrase.is_empty()).then_some(passphrase.as_bytes());
    let rounds = options.rounds.unwrap_or(limits::BCRYPT_ROUNDS_DEFAULT);
    let text = key
        .to_openssh(passphrase, rounds)
        .map_err(|problem| format!("the key cannot be encrypted: {problem}"))?;
    files::replace(path, text.as_bytes(), 0o600)
        .map_err(|source| format!("Saving key \"{}\" failed: {}", path.display(), reason(&source)))
}
