//! `-Y verify`, `check-novalidate`, `find-principals` and `match-principals`.

use std::path::Path;
use std::process::ExitCode;

use keys::allowed_signers::{self, Entry};
use keys::sshsig::SshSignature;
use keys::{FingerprintHash, PublicKey, VerifyOptions, krl, limits};

use super::load::KEYS_FILE_BYTES_MAX;
use super::signature::{Choices, MESSAGE_BYTES_MAX};
use super::{Failure, Options, load};
use crate::files;
use crate::messages::debug;
use crate::sys::clock;
use crate::text::reason;
use crate::ui::clean::visible;

/// Verifies a signature over standard input; with a file of signers and a principal, that the
/// key may sign for them too.
pub fn verify(
    options: &Options,
    path: &Path,
    namespace: &str,
    signer: Option<(&Path, &str)>,
) -> Result<ExitCode, Failure> {
    let choices = Choices::read(options)?;
    match judge(options, &choices, path, namespace, signer) {
        Ok(key) => {
            if !options.quiet {
                let whom =
                    signer.map_or_else(String::new, |(_, name)| format!(" for {}", visible(name)));
                println!(
                    "Good \"{}\" signature{whom} with {} key {}",
                    visible(namespace),
                    key.type_label(),
                    key.fingerprint(FingerprintHash::Sha256)
                );
            }
            if choices.print_key {
                println!("{}", key.to_line(""));
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => {
            eprintln!("{}", crate::ui::clean::visible_lines(&why));
            if !options.quiet {
                println!("Could not verify signature.");
            }
            Ok(ExitCode::from(255))
        }
    }
}

fn judge(
    options: &Options,
    choices: &Choices,
    path: &Path,
    namespace: &str,
    signer: Option<(&Path, &str)>,
) -> Result<PublicKey, String> {
    let signature = read(path)?;
    let message = load::stdin(MESSAGE_BYTES_MAX)?;
    signature.verify(namespace, &message, &VerifyOptions::ANY).map_err(|why| match why {
        keys::Error::BadSignatureFile(why) => format!("Couldn't verify signature: {why}"),
        keys::Error::BadSignature => {
            "Signature verification failed: incorrect signature".to_owned()
        }
        other => format!("Signature verification failed: {other}"),
    })?;
    let key = signature.public_key;
    debug!("Valid (unverified) signature from key {}", key.fingerprint(FingerprintHash::Sha256));
    if let Some(revoked) = &options.records_of {
        let revoked = super::options::path_of(revoked.into());
        let shown = revoked.display();
        let file = files::read_limited(&revoked, limits::KRL_BYTES as u64).map_err(|source| {
            format!("Unable to open revoked keys file {shown}: {}", reason(&source))
        })?;
        if krl::file_revokes(&file, &key).map_err(|why| format!("{shown}: {why}"))? {
            return Err(format!("The key that signed is revoked by {shown}"));
        }
    }
    if let Some((signers, principal)) = signer {
        permit(choices, signers, principal, namespace, &key)?;
    }
    Ok(key)
}

/// Finds the line that lets the key sign for the principal.
fn permit(
    choices: &Choices,
    signers: &Path,
    principal: &str,
    namespace: &str,
    key: &PublicKey,
) -> Result<(), String> {
    let mut refusals = String::new();
    for (number, entry) in entries(signers)? {
        let place = format!("{}:{number}", signers.display());
        let entry = match entry {
            Ok(entry) => entry,
            Err(why) => {
                eprintln!("{place}: {why}");
                continue;
            }
        };
        if !entry.names(principal) || !entry.has_key(key) {
            continue;
        }
        match entry.check(key, principal, namespace, choices.time, clock::unix_seconds) {
            Ok(()) => {
                debug!("{place}: matched key and principal");
                return Ok(());
            }
            Err(why) => refusals = format!("{refusals}{place}: {why}\n"),
        }
    }
    if refusals.is_empty() {
        let fingerprint = key.fingerprint(FingerprintHash::Sha256);
        let shown = signers.display();
        return Err(format!("{shown} does not let the key {fingerprint} sign for {principal}"));
    }
    Err(refusals.trim_end().to_owned())
}

/// Who may have made a signature.
pub fn find_principals(
    options: &Options,
    path: &Path,
    signers: &Path,
) -> Result<ExitCode, Failure> {
    let choices = Choices::read(options)?;
    let key = read(path)?.public_key;
    for (number, entry) in entries(signers)? {
        let place = format!("{}:{number}", signers.display());
        let entry = match entry {
            Ok(entry) if entry.has_key(&key) => entry,
            Ok(_) => continue,
            Err(why) => {
                eprintln!("{place}: {why}");
                continue;
            }
        };
        match entry.find_principals(&key, choices.time, clock::unix_seconds) {
            Ok(names) => {
                for name in names {
                    println!("{}", visible(&name));
                }
                return Ok(ExitCode::SUCCESS);
            }
            Err(why) => eprintln!("{place}: {why}"),
        }
    }
    eprintln!("No principal matched.");
    Ok(ExitCode::from(255))
}

/// Which lines are about a principal.
pub fn match_principals(signers: &Path, principal: &str) -> Result<ExitCode, Failure> {
    let mut found = false;
    for (number, entry) in entries(signers)? {
        match entry {
            Ok(entry) if entry.names(principal) => {
                println!("{}", visible(&entry.principals));
                found = true;
            }
            Ok(_) => {}
            Err(why) => eprintln!("{}:{number}: {why}", signers.display()),
        }
    }
    if !found {
        eprintln!("No principal matched.");
        return Ok(ExitCode::from(255));
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<SshSignature, String> {
    let shown = path.display();
    let text = files::read_limited(path, limits::SIGNATURE_FILE_BYTES as u64)
        .map_err(|source| format!("Couldn't read signature file {shown}: {}", reason(&source)))?;
    SshSignature::from_armour(&text).map_err(|why| format!("{shown}: {why}"))
}

/// A line's number and what it says.
type Line = (usize, Result<Entry, keys::Error>);

fn entries(path: &Path) -> Result<Vec<Line>, String> {
    let bytes = files::read_limited(path, KEYS_FILE_BYTES_MAX).map_err(|source| {
        let shown = path.display();
        format!("Unable to open allowed keys file \"{shown}\": {}", reason(&source))
    })?;
    let text = String::from_utf8_lossy(&bytes);
    let parsed = text.lines().enumerate().filter_map(|(index, line)| {
        allowed_signers::parse_line(line).transpose().map(|entry| (index + 1, entry))
    });
    Ok(parsed.collect())
}
