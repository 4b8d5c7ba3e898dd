//! The `known_hosts` file: which keys hosts have. sshd(8), "SSH_KNOWN_HOSTS
//! FILE FORMAT".

use std::sync::Arc;

use crypto::hash::{HashAlgorithm, hmac};

use crate::error::Error;
use crate::public::PublicKey;
use crate::{base64, limits, pattern};

mod edit;

pub use edit::{Edit, append, hash_names, remove_host, remove_keys, replace_host};

/// What a hashed name begins with.
const HASH_MARK: &str = "|1|";
/// Salt and hash of a hashed name both have the size of SHA-1.
const HASH_BYTES: usize = 20;

/// A host as `known_hosts` names it: lower case, `host` on port 22 and
/// `[host]:port` on any other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostName {
    text: String,
}

impl HostName {
    /// From a name or address, and a port.
    pub fn new(host: &str, port: u16) -> Self {
        let host = host.to_ascii_lowercase();
        let text = if port == 22 { host } else { format!("[{host}]:{port}") };
        Self { text }
    }

    /// From what somebody wrote who knows the form, as in `ssh-keygen -R`.
    pub fn from_text(text: &str) -> Self {
        Self { text: text.to_ascii_lowercase() }
    }

    /// The form itself.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Display for HostName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// What stands in front of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Marker {
    /// `@cert-authority`: the key signs host certificates.
    CertAuthority,
    /// `@revoked`: the key must not be accepted.
    Revoked,
}

impl Marker {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Marker::CertAuthority => "@cert-authority",
            Marker::Revoked => "@revoked",
        }
    }
}

/// One line with a key.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The file it is in, as [`KnownHosts::add`] was told.
    pub source: Arc<str>,
    /// Its line, counted from 1.
    pub line: usize,
    /// The marker in front of it.
    pub marker: Option<Marker>,
    /// The names: patterns separated by commas, or one hash.
    pub names: String,
    /// The key.
    pub key: PublicKey,
    /// The rest of the line.
    pub comment: String,
}

impl Entry {
    /// Whether the line is about `host`.
    pub fn matches(&self, host: &HostName) -> bool {
        names_match(&self.names, host)
    }

    /// Whether the name is hidden behind a hash.
    pub fn is_hashed(&self) -> bool {
        self.names.starts_with('|')
    }
}

/// One line that says nothing, and why.
#[derive(Debug, Clone)]
pub struct BadLine {
    /// The file it is in.
    pub source: Arc<str>,
    /// Its line, counted from 1.
    pub line: usize,
    /// What is wrong with it; [`Error::UnknownType`] is no reason to worry.
    pub error: Error,
}

/// The lines of one or several files.
#[derive(Debug, Clone, Default)]
pub struct KnownHosts {
    entries: Vec<Entry>,
    bad_lines: Vec<BadLine>,
}

/// What is known about a key that a host shows.
#[derive(Debug)]
pub enum Verdict<'a> {
    /// The key, or the CA of its certificate, is revoked.
    Revoked(&'a Entry),
    /// The host has this key.
    Known(&'a Entry),
    /// The certificate's CA may speak for the host. Whether the certificate
    /// itself is good is still to be checked.
    CertAuthority(&'a Entry),
    /// The host has other keys of this type.
    Changed(Vec<&'a Entry>),
    /// The host has keys, but none of this type.
    OtherTypes(Vec<&'a Entry>),
    /// Nothing is known about the host.
    Unknown,
}

impl KnownHosts {
    /// Reads one file. `source` is its name, for messages.
    pub fn parse(text: &str, source: &str) -> Self {
        let mut known = Self::default();
        known.add(text, source);
        known
    }

    /// Reads another file behind those read before.
    pub fn add(&mut self, text: &str, source: &str) {
        let source: Arc<str> = source.into();
        for (index, text) in text.lines().enumerate() {
            let line = index + 1;
            match parse_line(text) {
                Ok(None) => {}
                Ok(Some(Line { marker, names, key, comment })) => self.entries.push(Entry {
                    source: source.clone(),
                    line,
                    marker,
                    names: names.to_owned(),
                    key,
                    comment,
                }),
                Err(error) => {
                    self.bad_lines.push(BadLine { source: source.clone(), line, error });
                }
            }
        }
    }

    /// Every line with a key, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Every line that was skipped, in order.
    pub fn bad_lines(&self) -> &[BadLine] {
        &self.bad_lines
    }

    /// The lines about `host`, in order, whatever their marker.
    pub fn lookup(&self, host: &HostName) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.matches(host))
    }

    /// What is known about `key` as the key of `host`. A certificate whose CA
    /// is not trusted for the host counts as its plain key.
    pub fn judge(&self, host: &HostName, key: &PublicKey) -> Verdict<'_> {
        let entries: Vec<_> = self.lookup(host).collect();
        let ca = key.certificate().map(|certificate| &certificate.signature_key);
        let plain = key.plain();
        let find = |marker: Option<Marker>, wanted: &PublicKey| {
            entries.iter().copied().find(|entry| entry.marker == marker && entry.key == *wanted)
        };
        for wanted in [Some(&plain), ca].into_iter().flatten() {
            if let Some(entry) = find(Some(Marker::Revoked), wanted) {
                return Verdict::Revoked(entry);
            }
        }
        if let Some(entry) = ca.and_then(|ca| find(Some(Marker::CertAuthority), ca)) {
            return Verdict::CertAuthority(entry);
        }
        if let Some(entry) = find(None, &plain) {
            return Verdict::Known(entry);
        }
        let (same_type, others): (Vec<_>, Vec<_>) = entries
            .iter()
            .copied()
            .filter(|entry| entry.marker.is_none())
            .partition(|entry| entry.key.key_type() == plain.key_type());
        if !same_type.is_empty() {
            Verdict::Changed(same_type)
        } else if !others.is_empty() {
            Verdict::OtherTypes(others)
        } else {
            Verdict::Unknown
        }
    }
}

/// New lines for a key, with their line ends: one with all names, or one for
/// each hashed name.
pub fn new_lines(hosts: &[HostName], key: &PublicKey, comment: &str, hashed: bool) -> String {
    let key = key.plain().to_line(comment);
    if hashed {
        return hosts
            .iter()
            .fold(String::new(), |lines, host| lines + &hash_host(host) + " " + &key + "\n");
    }
    let names: Vec<_> = hosts.iter().map(HostName::as_str).collect();
    format!("{} {key}\n", names.join(","))
}

/// The name behind a new random salt, so that the file does not tell which
/// hosts somebody knows.
pub fn hash_host(host: &HostName) -> String {
    let mut salt = [0; HASH_BYTES];
    crypto::random::fill(&mut salt);
    hash_with(&salt, host)
}

fn hash_with(salt: &[u8], host: &HostName) -> String {
    let hash = hmac(HashAlgorithm::Sha1, salt, &[host.as_str().as_bytes()]);
    format!("{HASH_MARK}{}|{}", base64::encode(salt), base64::encode(hash.as_ref()))
}

/// The parts of one line with a key.
struct Line<'a> {
    marker: Option<Marker>,
    names: &'a str,
    key: PublicKey,
    comment: String,
}

fn parse_line(text: &str) -> Result<Option<Line<'_>>, Error> {
    let Some((marker, names, rest)) = split_line(text)? else {
        return Ok(None);
    };
    if names.starts_with('|') {
        salt_of(names).ok_or(Error::BadLine("the hashed name is malformed"))?;
    }
    let (key, comment) = PublicKey::from_line(rest)?;
    if key.certificate().is_some() {
        return Err(Error::BadLine("a certificate stands where a key should be"));
    }
    Ok(Some(Line { marker, names, key, comment }))
}

/// Marker, names, and what follows.
type Fields<'a> = (Option<Marker>, &'a str, &'a str);

/// `None` for comments and blank lines.
fn split_line(text: &str) -> Result<Option<Fields<'_>>, Error> {
    let blank = [' ', '\t'];
    let text = text.trim_matches([' ', '\t', '\r']);
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    if text.len() > limits::LINE_BYTES {
        return Err(Error::TooLarge("line"));
    }
    let mut rest = text;
    let mut marker = None;
    if text.starts_with('@') {
        let (word, behind) = text.split_once(blank).ok_or(Error::NoKey)?;
        marker = [Marker::CertAuthority, Marker::Revoked]
            .into_iter()
            .find(|marker| marker.name() == word);
        if marker.is_none() {
            return Err(Error::BadLine("an unknown marker"));
        }
        rest = behind.trim_start_matches(blank);
    }
    let (names, rest) = rest.split_once(blank).ok_or(Error::NoKey)?;
    Ok(Some((marker, names, rest)))
}

fn names_match(names: &str, host: &HostName) -> bool {
    if names.starts_with('|') {
        return salt_of(names).is_some_and(|salt| hash_with(&salt, host) == names);
    }
    pattern::matches_list(&names.to_ascii_lowercase(), host.as_str()) == Some(true)
}

/// The salt of a well-formed hashed name.
fn salt_of(names: &str) -> Option<Vec<u8>> {
    let (salt, hash) = names.strip_prefix(HASH_MARK)?.split_once('|')?;
    let salt = base64::decode(salt.as_bytes())?;
    let hash = base64::decode(hash.as_bytes())?;
    (salt.len() == HASH_BYTES && hash.len() == HASH_BYTES).then_some(salt)
}

#[cfg(test)]
mod tests;
