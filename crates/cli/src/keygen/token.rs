//! Keys in PKCS#11 tokens: `-D`.

use std::ffi::OsStr;
use std::process::ExitCode;

use keys::PublicKey;
use zeroize::Zeroizing;

use super::{Failure, Options, convert};
use crate::hardware::card::Card;
use crate::messages::{Level, level};
use crate::ui::clean;
use crate::ui::prompt::{self, Place};

/// `-D LIBRARY`: prints the public keys of its tokens; `-l` their fingerprints, `-e` in another
/// format.
pub fn list(options: &Options, library: &OsStr) -> Result<ExitCode, Failure> {
    let card = open(library)?;
    for key in &card.keys {
        if options.fingerprint {
            println!(
                "{} {} {} (PKCS11 key)",
                key.public.bits(),
                key.public.fingerprint(options.hash),
                key.public.type_label()
            );
            if options.verbose > 0 && level() >= Level::Verbose {
                println!("{}", key.public.randomart(options.hash));
            }
        } else if options.export {
            print!("{}", convert::exported(options, &key.public)?);
        } else {
            println!("{}", key.public.to_line(&clean::visible(&key.label)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The library's tokens, where they hold any key.
fn open(library: &OsStr) -> Result<Card, Failure> {
    let card = Card::open(&library.to_string_lossy(), ask)
        .map_err(|why| format!("cannot read public key from pkcs11: {why}"))?;
    if card.keys.is_empty() {
        return Err("cannot read public key from pkcs11: there is none".into());
    }
    Ok(card)
}

/// The tokens of a library that hold this key.
pub fn with_key(library: &OsStr, key: &PublicKey) -> Result<Card, Failure> {
    let card = open(library)?;
    if card.keys.iter().any(|held| held.public == *key) {
        Ok(card)
    } else {
        Err(format!("no PKCS#11 key found in {}", library.to_string_lossy()).into())
    }
}

/// Asks for a token's PIN.
pub fn ask(token: &str) -> Option<Zeroizing<String>> {
    let question = format!("Enter PIN for '{}': ", clean::visible(token));
    prompt::secret(&question, Place::StandardInput)
}
