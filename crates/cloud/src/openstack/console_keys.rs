//! Host keys out of a console log: cloud-init prints them at a server's first boot, between two
//! lines that say so.

use keys::{FingerprintHash, PublicKey};

const BEGIN: &str = "-----BEGIN SSH HOST KEY KEYS-----";
const END: &str = "-----END SSH HOST KEY KEYS-----";
/// A server has one of each kind.
const KEYS_MAX: usize = 16;

/// A key's line (type and base64) and its fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Printed {
    pub(super) public_key: String,
    pub(super) fingerprint_sha256: String,
}

/// The keys of the last whole block; empty while there is none.
pub(super) fn last_block(log: &str) -> Vec<Printed> {
    let mut found = Vec::new();
    let mut open: Option<Vec<Printed>> = None;
    for line in log.lines() {
        if line.contains(BEGIN) {
            open = Some(Vec::new());
        } else if line.contains(END) {
            if let Some(keys) = open.take().filter(|keys| !keys.is_empty()) {
                found = keys;
            }
        } else if let Some(keys) = &mut open
            && keys.len() < KEYS_MAX
            && let Some(key) = key_in(line)
        {
            keys.push(key);
        }
    }
    found
}

/// A key somewhere in a line: a system's log may put its own words before it.
fn key_in(line: &str) -> Option<Printed> {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.windows(2).find_map(|pair| {
        let (key, _) = PublicKey::from_line(&pair.join(" ")).ok()?;
        Some(Printed {
            public_key: pair.join(" "),
            fingerprint_sha256: key.fingerprint(FingerprintHash::Sha256),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILzGUay2BeHdvy8NHBrrDTAvetPXlxBEC9hHgv9P/20f";
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGUqffKn2+VyWQ8534ZurD+d54nmdaQMWXM3V/CNE2Aw";

    #[test]
    fn the_last_whole_block() {
        let log = format!(
            "[    1.0] boot\r\n{BEGIN}\r\n{OTHER} root@a\r\n{END}\r\n\
             [   12.3] cloud-init[512]: {BEGIN}\r\n[   12.3] cloud-init[512]: {KEY} root@b\r\n\
             nonsense\r\n{END}\r\nlogin: {BEGIN}\n{OTHER}\n"
        );
        let keys = last_block(&log);
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].public_key, KEY);
        assert!(keys[0].fingerprint_sha256.starts_with("SHA256:"));
    }

    #[test]
    fn nothing_yet_and_too_much() {
        assert!(last_block("").is_empty());
        assert!(last_block(&format!("{BEGIN}\n{KEY}\n")).is_empty());
        assert!(last_block(&format!("{BEGIN}\n{END}\n")).is_empty());
        let many = format!("{BEGIN}\n{}{END}\n", format!("{KEY}\n").repeat(100));
        assert_eq!(last_block(&many).len(), KEYS_MAX);
    }
}
