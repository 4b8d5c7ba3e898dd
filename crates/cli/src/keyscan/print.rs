//! What comes out: lines for known_hosts, or DNS records.

use std::io::{self, Write};

use keys::PublicKey;
use keys::known_hosts::{HostName, hash_host};

use super::options::Options;
use crate::messages::error;
use crate::ui::clean;

/// A host has said what software it runs.
pub fn software(options: &Options, name: &str, ident: &str) {
    if options.quiet {
        return;
    }
    let mark = if options.dns_records { ';' } else { '#' };
    eprintln!("{mark} {}:{} {}", clean::visible(name), options.port, clean::visible(ident));
}

/// A host has proved that it has this key.
///
/// # Errors
/// Standard output takes no more.
pub fn key(options: &Options, names: &str, key: &PublicKey) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if options.certificates || (!options.hash_names && options.port == 22) {
        one(&mut out, options, names, key)?;
    } else {
        for name in names.split(',') {
            one(&mut out, options, name, key)?;
        }
    }
    out.flush()
}

fn one(out: &mut impl Write, options: &Options, name: &str, key: &PublicKey) -> io::Result<()> {
    if options.dns_records {
        return records(out, options, name, key);
    }
    let line = key.to_line("");
    if options.certificates {
        return writeln!(out, "{line}");
    }
    let host = HostName::new(name, options.port);
    if options.hash_names {
        writeln!(out, "{} {line}", hash_host(&host))
    } else {
        writeln!(out, "{host} {line}")
    }
}

fn records(out: &mut impl Write, options: &Options, name: &str, key: &PublicKey) -> io::Result<()> {
    let records = key.sshfp();
    if records.is_empty() {
        error!("export_dns_rr: unsupported algorithm");
    }
    for (algorithm, kind, digest) in records {
        if options.record_hash.is_none_or(|wanted| wanted == kind) {
            writeln!(out, "{name} IN SSHFP {algorithm} {kind} {}", crate::text::hex(&digest))?;
        }
    }
    Ok(())
}
