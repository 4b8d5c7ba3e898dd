//! Looking after known_hosts: `-F`, `-H`, `-R`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use keys::known_hosts::{self, Edit, Entry, HostName, KnownHosts, Marker};

use super::{Failure, Options};
use crate::files;
use crate::sys::signals;
use crate::text::reason;
use crate::ui::clean;

/// Largest known_hosts file that is read.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// `-F HOST`: every line about a host.
pub fn find(options: &Options, host: &str) -> Result<ExitCode, Failure> {
    let (path, text) = read(options)?;
    let name = HostName::from_text(host);
    let known = KnownHosts::parse(&text, &path.display().to_string());
    let lines: Vec<&str> = text.lines().collect();
    let mut found = false;
    for entry in known.lookup(&name) {
        found = true;
        if !options.quiet {
            println!("# Host {} found: line {} {}", clean::visible(host), entry.line, note(entry));
        }
        if options.hash_names {
            print_hashed(entry, lines.get(entry.line.saturating_sub(1)).copied());
        } else if options.fingerprint {
            let fingerprint = entry.key.fingerprint(options.hash);
            let line = format!("{host} {} {fingerprint} {}", entry.key.type_label(), entry.comment);
            println!("{}", clean::visible(line.trim_end()));
            if options.verbose > 0 {
                println!("{}", entry.key.randomart(options.hash));
            }
        } else if let Some(line) = lines.get(entry.line.saturating_sub(1)) {
            println!("{}", clean::visible(line.trim()));
        }
    }
    Ok(ExitCode::from(u8::from(!found)))
}

/// With every name behind a hash, where that can be: `-H` beside `-F`.
fn print_hashed(entry: &Entry, line: Option<&str>) {
    if entry.marker.is_some() || entry.names.contains(['|', '*', '?', '!']) {
        println!("{}", clean::visible(line.unwrap_or_default().trim()));
        return;
    }
    let key = entry.key.to_line(&entry.comment);
    for name in entry.names.split(',').filter(|name| !name.is_empty()) {
        let hashed = known_hosts::hash_host(&HostName::from_text(name));
        println!("{hashed} {}", clean::visible(&key));
    }
}

/// Says which lines make no sense. Types of keys that are gone or from the future do.
fn is_damaged(known: &KnownHosts, path: &Path) -> bool {
    let mut damaged = false;
    for bad in known.bad_lines() {
        if !matches!(bad.error, keys::Error::UnknownType(_) | keys::Error::Dsa) {
            eprintln!("{}:{}: invalid line", path.display(), bad.line);
            damaged = true;
        }
    }
    damaged
}

/// A damaged file is left as it is: what its lines mean is not certain.
fn check_whole(path: &Path, text: &str) -> Result<(), Failure> {
    let known = KnownHosts::parse(text, "");
    if is_damaged(&known, path) {
        eprintln!("{} is not a valid known_hosts file.", path.display());
        eprintln!("Not replacing existing known_hosts file because of errors");
        return Err(Failure::Code(1));
    }
    Ok(())
}

fn note(entry: &Entry) -> &'static str {
    match entry.marker {
        Some(Marker::CertAuthority) => "CA",
        Some(Marker::Revoked) => "REVOKED",
        None => "",
    }
}

/// `-R HOST`: forgets a host.
pub fn remove(options: &Options, host: &str) -> Result<ExitCode, Failure> {
    let (path, text) = read(options)?;
    check_whole(&path, &text)?;
    let edit = known_hosts::remove_host(&text, &HostName::from_text(host));
    if edit.lines.is_empty() {
        eprintln!("Host {} not found in {}", clean::visible(host), path.display());
        return Ok(ExitCode::SUCCESS);
    }
    if !options.quiet {
        for line in &edit.lines {
            println!("# Host {} found: line {line}", clean::visible(host));
        }
    }
    save(&path, &text, &edit)?;
    Ok(ExitCode::SUCCESS)
}

/// `-H`: hides every name behind a hash.
pub fn hash(options: &Options) -> Result<ExitCode, Failure> {
    let (path, text) = read(options)?;
    check_whole(&path, &text)?;
    let edit = known_hosts::hash_names(&text);
    if edit.lines.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let old = save(&path, &text, &edit)?;
    eprintln!("WARNING: {} contains unhashed entries", old.display());
    eprintln!("Delete this file to ensure privacy of hostnames");
    Ok(ExitCode::SUCCESS)
}

fn read(options: &Options) -> Result<(PathBuf, String), Failure> {
    let path = match &options.file {
        Some(path) => path.clone(),
        None => crate::ssh::paths::own_account()
            .ok_or("No user exists for this user id.")?
            .home
            .join(".ssh/known_hosts"),
    };
    let bytes = files::read_limited(&path, FILE_BYTES_MAX)
        .map_err(|source| format!("Cannot stat {}: {}", path.display(), reason(&source)))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| format!("{} is not a known_hosts file: it is not text", path.display()))?;
    Ok((path, text))
}

/// Writes the new text and keeps the old one beside it.
fn save(path: &Path, old_text: &str, edit: &Edit) -> Result<PathBuf, Failure> {
    let mut old = path.as_os_str().to_owned();
    old.push(".old");
    let old = PathBuf::from(old);
    let mode = fs::metadata(path)
        .map_or(0o600, |metadata| std::os::unix::fs::MetadataExt::mode(&metadata) & 0o777);
    let failed = |path: &Path, source: &std::io::Error| -> Failure {
        format!("{}: {}", path.display(), reason(source)).into()
    };
    let _held = signals::hold();
    files::replace_as(&old, old_text.as_bytes(), mode).map_err(|source| failed(&old, &source))?;
    files::replace(path, edit.text.as_bytes(), mode).map_err(|source| failed(path, &source))?;
    println!("{} updated.", path.display());
    println!("Original contents retained as {}", old.display());
    Ok(old)
}
