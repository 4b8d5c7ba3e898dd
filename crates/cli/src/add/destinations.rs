//! `-h`: where a key may be used, written by a person, with the hosts' keys from known_hosts.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use keys::agent::{DestinationConstraint, Hop, HopKey};
use keys::known_hosts::{HostName, KnownHosts, Marker};

use super::Failure;
use crate::files;
use crate::messages::debug;
use crate::ssh::paths::expand_tilde;

/// Where host keys are when `-H` does not say.
const DEFAULT_FILES: [&str; 4] = [
    "~/.ssh/known_hosts",
    "~/.ssh/known_hosts2",
    "/etc/ssh/ssh_known_hosts",
    "/etc/ssh/ssh_known_hosts2",
];

/// Largest file of host keys that is read.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Reads every `-h`.
///
/// # Errors
/// One makes no sense, or nothing is known about its host.
pub fn parse(
    texts: &[String],
    host_key_files: &[OsString],
) -> Result<Vec<DestinationConstraint>, Failure> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let known = read(host_key_files);
    let parsed = texts.iter().map(|text| destination(text, &known));
    parsed.collect::<Result<_, _>>().map_err(Failure::Fatal)
}

fn read(host_key_files: &[OsString]) -> KnownHosts {
    let expand = |path: &OsString| match path.to_str() {
        Some(path) => expand_tilde(path),
        None => PathBuf::from(path),
    };
    let paths: Vec<PathBuf> = match host_key_files {
        [] => DEFAULT_FILES.iter().map(|path| expand_tilde(path)).collect(),
        given => given.iter().map(expand).collect(),
    };
    let mut known = KnownHosts::default();
    for path in paths.iter().filter(|path| is_file(path)) {
        match files::read_limited(path, FILE_BYTES_MAX) {
            Ok(bytes) => {
                known.add(&String::from_utf8_lossy(&bytes), &path.display().to_string());
            }
            Err(source) => debug!("{}: {}", path.display(), crate::text::reason(&source)),
        }
    }
    known
}

fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok()
}

/// `[from>]to`, where only the last may name a user.
fn destination(text: &str, known: &KnownHosts) -> Result<DestinationConstraint, String> {
    let Some((from, to)) = text.split_once('>') else {
        return Ok(DestinationConstraint { from: Hop::default(), to: hop(text, known)? });
    };
    let from = hop(from, known)?;
    if !from.user.is_empty() {
        return Err(format!("Invalid key constraint {text}: cannot specify user on 'from' host"));
    }
    Ok(DestinationConstraint { from, to: hop(to, known)? })
}

/// `[user@]host`
fn hop(text: &str, known: &KnownHosts) -> Result<Hop, String> {
    let (user, host) = text.split_once('@').unwrap_or(("", text));
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bare.unwrap_or(host);
    if host.is_empty() {
        return Err(format!("Invalid key destination constraint \"{text}\": names no host"));
    }
    let name = HostName::from_text(host);
    let usable = known.lookup(&name).filter(|entry| entry.marker != Some(Marker::Revoked));
    let keys: Vec<HopKey> = usable
        .map(|entry| HopKey {
            key: entry.key.clone(),
            is_ca: entry.marker == Some(Marker::CertAuthority),
        })
        .collect();
    if keys.is_empty() {
        return Err(format!("No host keys found for destination \"{host}\""));
    }
    Ok(Hop { user: user.to_owned(), host: host.to_owned(), keys })
}

#[cfg(test)]
mod tests {
    use super::*;
    use keys::{KeyKind, PrivateKey};

    #[test]
    fn as_people_write_them() {
        let key = |comment| PrivateKey::generate(KeyKind::Ed25519, None, comment).unwrap();
        let (a, b) = (key("a"), key("b"));
        let text = format!(
            "a {}\n@cert-authority *.example.org {}\n@revoked a {}\n",
            a.public().to_line(""),
            b.public().to_line(""),
            b.public().to_line("")
        );
        let known = KnownHosts::parse(&text, "test");
        let one = destination("root@A", &known).unwrap();
        assert_eq!(
            (one.from, one.to.user.as_str(), one.to.host.as_str()),
            (Hop::default(), "root", "A")
        );
        assert_eq!(one.to.keys, [HopKey { key: a.public().clone(), is_ca: false }]);
        let two = destination("a>me@www.example.org", &known).unwrap();
        assert_eq!(two.from.host, "a");
        assert_eq!(two.to.keys, [HopKey { key: b.public().clone(), is_ca: true }]);
        for bad in ["", "me@", "me@a>a", "nobody.knows", "a>nobody.knows"] {
            assert!(destination(bad, &known).is_err(), "{bad}");
        }
    }
}
