//! What a host took last time, so that the next login needs fewer round trips.
//!
//! The file lies beside `known_hosts` (`known_hosts.keyway`) and is as private. It holds only
//! hints: whatever stands in it is tried, and when the host does not take it any more, the login
//! goes its plain way. No trust is in it; a host key is only ever trusted by `known_hosts`.
//!
//! One line for each user and host:
//!
//! ```text
//! me@[host]:2222 ident=OpenSSH_9.2p1 kex=curve25519-sha256 host-key=ssh-ed25519 key=SHA256:... sign=ssh-ed25519 early seen=SHA256:...,20500,20512
//! ```
//!
//! With `HashKnownHosts` the name is `|salt|hash`, so that the file does not tell where one goes.

mod sightings;

use std::path::{Path, PathBuf};

use crypto::hash::{HashAlgorithm, hmac};

pub use self::sightings::{Sightings, today};
use crate::files;
use crate::messages::debug;
use crate::text::hex;

/// Hosts remembered; the one longest unused is forgotten first.
const HOSTS_MAX: usize = 1000;

/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What is known about one host and user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remembered {
    /// The server's software.
    pub ident: Option<String>,
    /// The key exchange that both sides like best.
    pub kex: Option<String>,
    /// The host key algorithm that the server lists first.
    pub host_key: Option<String>,
    /// Fingerprint of the key that was accepted.
    pub key: Option<String>,
    /// The algorithm it signed with.
    pub sign: Option<String>,
    /// Whether messages for channels may be sent before authentication is over.
    pub early: bool,
    /// An idle connection was lost after so many seconds.
    pub idle: Option<u64>,
    /// The day, counted from 1970, on which marked packets (`IPQoS`) did not arrive.
    pub unmarked: Option<u64>,
    /// The host keys.
    pub sightings: Sightings,
}

/// The file, for one host and user.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    name: String,
    hash_names: bool,
    /// All lines of the file but ours.
    others: Vec<String>,
    /// What the file says about this host.
    pub remembered: Option<Remembered>,
}

impl Memory {
    /// Reads what there is for `user` at `host` (in the form of known_hosts).
    ///
    /// An unreadable file is an empty one: nothing depends on it.
    pub fn load(known_hosts: &Path, user: &str, host: &str, hash_names: bool) -> Memory {
        let mut path = known_hosts.as_os_str().to_owned();
        path.push(".keyway");
        let path = PathBuf::from(path);
        let bytes = files::read_limited(&path, FILE_BYTES_MAX).unwrap_or_default();
        Memory::from_text(path, &String::from_utf8_lossy(&bytes), user, host, hash_names)
    }

    fn from_text(path: PathBuf, text: &str, user: &str, host: &str, hash_names: bool) -> Memory {
        let name = format!("{user}@{host}");
        let mut memory = Memory { path, name, hash_names, others: Vec::new(), remembered: None };
        for line in text.lines() {
            match line.split_once(' ') {
                Some((name, rest)) if memory.is_ours(name) => {
                    memory.remembered = Some(Remembered::read(rest));
                }
                _ => memory.others.push(line.to_owned()),
            }
        }
        memory
    }

    /// Remembers one thing more.
    pub fn note(&mut self, change: impl FnOnce(&mut Remembered)) {
        let mut remembered = self.remembered.clone().unwrap_or_default();
        change(&mut remembered);
        self.store(remembered);
    }

    /// Remembers something else than before; nothing is written when it is the same.
    pub fn store(&mut self, remembered: Remembered) {
        if self.remembered.as_ref() == Some(&remembered) {
            return;
        }
        let Some(text) = self.text(&remembered) else { return };
        match files::replace(&self.path, text.as_bytes(), 0o600) {
            Ok(()) => self.remembered = Some(remembered),
            // A login must not fail, or say anything, because of a hint.
            Err(source) => debug!("cannot write {}: {source}", self.path.display()),
        }
    }

    fn text(&self, remembered: &Remembered) -> Option<String> {
        if self.name.contains(char::is_whitespace) {
            return None;
        }
        let kept = self.others.len().saturating_sub(HOSTS_MAX - 1);
        let mut text = String::new();
        for line in self.others.iter().skip(kept) {
            text.push_str(line);
            text.push('\n');
        }
        let name = if self.hash_names { hashed(&self.name) } else { self.name.clone() };
        text.extend([name.as_str(), &remembered.fields(), "\n"]);
        Some(text)
    }

    fn is_ours(&self, name: &str) -> bool {
        let Some(fields) = name.strip_prefix('|') else { return name == self.name };
        fields.split_once('|').is_some_and(|(salt, hash)| hash == digest(salt, &self.name))
    }
}

impl Remembered {
    fn read(fields: &str) -> Remembered {
        let mut remembered = Remembered::default();
        for field in fields.split_whitespace() {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            let value = (!value.is_empty()).then(|| value.to_owned());
            match name {
                "ident" => remembered.ident = value,
                "kex" => remembered.kex = value,
                "host-key" => remembered.host_key = value,
                "key" => remembered.key = value,
                "sign" => remembered.sign = value,
                "early" => remembered.early = true,
                "idle" => remembered.idle = value.and_then(|value| value.parse().ok()),
                "unmarked" => remembered.unmarked = value.and_then(|value| value.parse().ok()),
                "seen" => remembered.sightings.read(value.as_deref().unwrap_or_default()),
                // Written by a later version.
                _ => {}
            }
        }
        remembered
    }

    fn fields(&self) -> String {
        let mut text = String::new();
        for (name, value) in [
            ("ident", &self.ident),
            ("kex", &self.kex),
            ("host-key", &self.host_key),
            ("key", &self.key),
            ("sign", &self.sign),
        ] {
            // Some values come from the server; only what stays one field is kept.
            if let Some(value) = value
                && value.len() <= 256
                && value.bytes().all(|byte| byte.is_ascii_graphic())
            {
                text.extend([" ", name, "=", value]);
            }
        }
        if self.early {
            text.push_str(" early");
        }
        for (name, number) in [("idle", self.idle), ("unmarked", self.unmarked)] {
            text.extend(number.map(|number| format!(" {name}={number}")));
        }
        self.sightings.write(&mut text);
        text
    }
}

/// Whether a server with this version line takes channel messages that are already on their way
/// while it decides about the user, and numbers its first channel 0.
pub fn takes_early_channels(ident: &str) -> bool {
    let software = ident.strip_prefix("SSH-2.0-").unwrap_or_default();
    if software.starts_with("Keyway_") {
        return true;
    }
    // From 7.0 on, what is unread goes to the process that goes on after authentication.
    software
        .strip_prefix("OpenSSH_")
        .and_then(|version| version.split('.').next())
        .and_then(|major| major.parse::<u32>().ok())
        .is_some_and(|major| major >= 7)
}

fn hashed(name: &str) -> String {
    let mut salt = [0; 16];
    crypto::random::fill(&mut salt);
    let salt = hex(&salt);
    let hash = digest(&salt, name);
    format!("|{salt}|{hash}")
}

fn digest(salt: &str, name: &str) -> String {
    hex(hmac(HashAlgorithm::Sha256, salt.as_bytes(), &[name.as_bytes()]).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(text: &str, hash_names: bool) -> Memory {
        Memory::from_text(PathBuf::from("/nonexistent"), text, "me", "[h]:2222", hash_names)
    }

    fn example() -> Remembered {
        Remembered {
            ident: Some("OpenSSH_9.2p1".to_owned()),
            kex: Some("curve25519-sha256".to_owned()),
            key: Some("SHA256:abc".to_owned()),
            early: true,
            idle: Some(90),
            unmarked: Some(20_500),
            ..Remembered::default()
        }
    }

    #[test]
    fn written_and_read_again() {
        for hash_names in [false, true] {
            let text = memory("you@h early\n", hash_names).text(&example()).unwrap();
            assert_eq!(text.lines().count(), 2);
            assert_eq!(text.contains("me@"), !hash_names);
            let again = memory(&text, hash_names);
            assert_eq!(again.remembered, Some(example()));
            assert_eq!(again.others, ["you@h early"]);
        }
    }

    #[test]
    fn bounded_and_clean() {
        let many = "you@elsewhere early\n".repeat(2000);
        let text = memory(&many, false)
            .text(&Remembered { ident: Some("two words\n".to_owned()), ..Remembered::default() });
        let text = text.unwrap();
        assert_eq!(text.lines().count(), HOSTS_MAX);
        assert_eq!(text.lines().last(), Some("me@[h]:2222"));
    }

    #[test]
    fn who_takes_early_messages() {
        assert!(takes_early_channels("SSH-2.0-OpenSSH_9.2p1 Debian-2"));
        assert!(takes_early_channels("SSH-2.0-Keyway_0.1.0"));
        assert!(!takes_early_channels("SSH-2.0-OpenSSH_6.6"));
        assert!(!takes_early_channels("SSH-2.0-dropbear_2022.83"));
    }
}
