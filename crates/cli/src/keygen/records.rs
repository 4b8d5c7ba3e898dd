//! `-r`: a key's fingerprints as DNS records, RFC 4255.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use keys::PublicKey;

use super::{Failure, Options, load};

/// The number of SSHFP among record types.
const SSHFP: u16 = 44;

/// Prints the records of `-f`, or of the host keys of this machine.
pub fn run(options: &Options, host: &str) -> Result<ExitCode, Failure> {
    let read = |path: &Path| load::public(path).map(|(key, _)| key);
    if let Some(path) = &options.file {
        if !path.exists() {
            return Err(format!("{}: No such file or directory", path.display()).into());
        }
        let key = read(path).map_err(|why| {
            format!("Failed to read v2 public key from \"{}\": {why}.", path.display())
        })?;
        print(options, host, &key);
        return Ok(ExitCode::SUCCESS);
    }
    let mut found = false;
    for name in ["rsa", "ecdsa", "ed25519"] {
        let path = PathBuf::from(format!("/etc/ssh/ssh_host_{name}_key.pub"));
        if let Ok(key) = read(&path) {
            print(options, host, &key);
            found = true;
        }
    }
    if found { Ok(ExitCode::SUCCESS) } else { Err("no keys found.".into()) }
}

fn print(options: &Options, host: &str, key: &PublicKey) {
    let only = options.more.iter().find_map(|option| option.strip_prefix("hashalg="));
    let records = key.sshfp();
    if records.is_empty() {
        eprintln!("export_dns_rr: unsupported algorithm");
    }
    for (algorithm, kind, digest) in records {
        if only.is_some_and(|only| only != if kind == 1 { "sha1" } else { "sha256" }) {
            continue;
        }
        let hex = crate::text::hex(&digest);
        if options.generic_records {
            let length = digest.len() + 2;
            println!("{host} IN TYPE{SSHFP} \\# {length} {algorithm:02x} {kind:02x} {hex}");
        } else {
            println!("{host} IN SSHFP {algorithm} {kind} {hex}");
        }
    }
}
