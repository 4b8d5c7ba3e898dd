//! `-A`: makes the host keys that a server lacks.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use keys::{KeyKind, PrivateKey};

use super::{Failure, Options, public_path, save};
use crate::files;
use crate::text::reason;

/// The types a server has keys of, and the words for them.
const KINDS: &[(KeyKind, &str, &str)] = &[
    (KeyKind::Rsa, "RSA", "rsa"),
    (KeyKind::Ecdsa, "ECDSA", "ecdsa"),
    (KeyKind::Ed25519, "ED25519", "ed25519"),
];

/// Where a server looks for them.
const FOLDER: &str = "/etc/ssh";

/// Makes what is missing; what is there stays.
pub fn run(options: &Options) -> Result<ExitCode, Failure> {
    let comment = options.comment.clone().unwrap_or_else(super::default_comment);
    let mut made_one = false;
    for (kind, label, name) in KINDS {
        let path = host_key_path(options.file.as_deref(), name);
        match fs::metadata(&path) {
            // An empty file is what a full disk has left of an earlier try.
            Ok(metadata) if metadata.len() > 0 => continue,
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                eprintln!("Could not stat {}: {}", path.display(), reason(&source));
                continue;
            }
            _ => {}
        }
        if !made_one {
            print!("ssh-keygen: generating new host keys: ");
            made_one = true;
        }
        print!("{label} ");
        // Making an RSA key takes a while.
        let _ = io::stdout().flush();
        let key = PrivateKey::generate(*kind, None, &comment)
            .map_err(|problem| format!("the key cannot be made: {problem}"))?;
        let passphrase = options.new_passphrase.as_ref().map_or("", |new| new.as_str());
        let text = save::private_text(options, &key, passphrase, None)?;
        let written =
            files::make_private_folder(&path).and_then(|_| save::new_private(&path, &text));
        if let Err(source) = written {
            eprintln!("Unable to save private key to {}: {}", path.display(), reason(&source));
            continue;
        }
        save::public(&public_path(&path), key.public(), &comment)?;
    }
    if made_one {
        println!();
    }
    Ok(ExitCode::SUCCESS)
}

/// `-f` is put in front of the path as it is.
fn host_key_path(prefix: Option<&Path>, name: &str) -> PathBuf {
    let mut path = prefix.map_or_else(OsString::new, |prefix| prefix.as_os_str().to_owned());
    path.push(format!("{FOLDER}/ssh_host_{name}_key"));
    path.into()
}
