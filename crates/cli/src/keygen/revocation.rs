//! Revocation lists: `-k` makes them, `-Q` asks them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use keys::krl::Krl;
use keys::{FingerprintHash, PublicKey, limits};

use super::load::KEYS_FILE_BYTES_MAX;
use super::options::{is_stdin, path_of};
use super::revocation_spec::{Scope, apply};
use super::{Failure, Options, load};
use crate::files;
use crate::sys::{clock, signals};
use crate::text::reason;
use crate::ui::clean::visible;

/// `-k`: makes a list, or adds to one with `-u`.
pub fn make(options: &Options) -> Result<ExitCode, Failure> {
    let path = options.file.as_ref().ok_or("KRL generation requires an output file")?;
    let scope = scope(options)?;
    let mut krl = if options.update {
        if !path.exists() {
            return Err(format!("KRL \"{}\" does not exist", path.display()).into());
        }
        read(path)?
    } else {
        Krl::default()
    };
    if let Some(version) = options.serial {
        krl.version = version;
    }
    krl.generated = clock::now();
    if let Some(comment) = &options.comment {
        krl.comment.clone_from(comment);
    }
    for file in &options.files {
        add_file(options, &mut krl, &scope, &path_of(file.clone()))?;
    }
    let _held = signals::hold();
    files::replace(path, &krl.to_bytes(), 0o644)
        .map_err(|source| format!("write {}: {}", path.display(), reason(&source)))?;
    Ok(ExitCode::SUCCESS)
}

fn scope(options: &Options) -> Result<Scope, Failure> {
    match &options.ca_key {
        None => Ok(Scope::Unknown),
        Some(path) if path.as_os_str().eq_ignore_ascii_case("none") => Ok(Scope::Any),
        Some(path) => {
            let (ca, _) = load::public(path)
                .map_err(|why| format!("Cannot load CA public key {}: {why}", path.display()))?;
            Ok(Scope::Of(Box::new(ca)))
        }
    }
}

fn add_file(options: &Options, krl: &mut Krl, scope: &Scope, path: &Path) -> Result<(), Failure> {
    let shown =
        if is_stdin(path) { "(standard input)".to_owned() } else { path.display().to_string() };
    let bytes = load::bytes(path, KEYS_FILE_BYTES_MAX).map_err(|why| format!("{shown}: {why}"))?;
    if !options.quiet {
        println!("Revoking from {shown}");
    }
    for (index, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
        apply(krl, scope, line).map_err(|why| format!("{shown}:{}: {why}", index + 1))?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Krl, Failure> {
    let bytes = files::read_limited(path, limits::KRL_BYTES as u64)
        .map_err(|source| format!("Unable to load KRL {}: {}", path.display(), reason(&source)))?;
    Krl::from_bytes(&bytes)
        .map_err(|why| format!("Invalid KRL file {}: {why}", path.display()).into())
}

/// `-Q`: whether keys are revoked, and what else with `-l`.
pub fn query(options: &Options) -> Result<ExitCode, Failure> {
    let path = options.file.as_ref().ok_or("KRL checking requires an input file")?;
    let krl = read(path)?;
    if options.fingerprint {
        print(&krl);
    }
    let mut any = false;
    for file in &options.files {
        let path = PathBuf::from(file);
        let (key, comment) = load::public(&path)
            .map_err(|why| format!("Cannot load public key {}: {why}", path.display()))?;
        let revoked = krl.is_revoked(&key);
        any |= revoked;
        let comment =
            if comment.is_empty() { String::new() } else { format!(" ({})", visible(&comment)) };
        println!("{}{comment}: {}", path.display(), if revoked { "REVOKED" } else { "ok" });
    }
    Ok(ExitCode::from(u8::from(any)))
}

fn print(krl: &Krl) {
    println!("# KRL version {}", krl.version);
    println!("# Generated at {}", clock::local(krl.generated, "%Y%m%dT%H%M%S"));
    if !krl.comment.is_empty() {
        println!("# Comment: {}", visible(&krl.comment));
    }
    println!();
    for blob in krl.keys() {
        match PublicKey::from_blob(blob) {
            Ok(key) => {
                let fingerprint = key.fingerprint(FingerprintHash::Sha256);
                println!("hash: {fingerprint} # {}", key.algorithm());
            }
            Err(why) => println!("# a key that cannot be read: {why}"),
        }
    }
    for hash in krl.sha256() {
        println!("hash: SHA256:{}", crate::text::hex(hash));
    }
    for hash in krl.sha1() {
        println!("# hash SHA1:{}", crate::text::hex(hash));
    }
    for authority in krl.authorities() {
        println!();
        match &authority.ca {
            Some(ca) => {
                let fingerprint = ca.fingerprint(FingerprintHash::Sha256);
                println!("# CA key {} {fingerprint}", ca.algorithm());
            }
            None => println!("# Wildcard CA"),
        }
        for (first, last) in authority.serials() {
            if first == last {
                println!("serial: {first}");
            } else {
                println!("serial: {first}-{last}");
            }
        }
        for key_id in authority.key_ids() {
            println!("id: {}", visible(key_id));
        }
    }
}
