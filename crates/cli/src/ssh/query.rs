//! `ssh -Q`: what this program can do, from the tables it does it by.

use crypto::tables;

/// The lists that have a name of their own, in the order that `-Q help` prints them.
const NAMES: &[&str] = &[
    "cipher",
    "cipher-auth",
    "compression",
    "kex",
    "key",
    "key-ca-sign",
    "key-cert",
    "key-plain",
    "key-sig",
    "mac",
    "protocol-version",
    "sig",
];

/// The lists that `-Q` knows by a name of their own.
pub fn names() -> Vec<&'static str> {
    NAMES.to_vec()
}

/// The answer to `-Q what`, or nothing for an unknown question.
pub fn answer(what: &str) -> Option<Vec<&'static str>> {
    let ciphers = || tables::CIPHERS.iter().map(|row| row.algorithm);
    // Matched without regard to capitals, as keywords are.
    match what.to_ascii_lowercase().as_str() {
        "cipher" | "ciphers" => Some(ciphers().map(|cipher| cipher.name).collect()),
        "cipher-auth" => {
            Some(ciphers().filter(|cipher| cipher.is_aead()).map(|cipher| cipher.name).collect())
        }
        "mac" | "macs" => Some(tables::MACS.iter().map(|row| row.algorithm.name).collect()),
        "kex" | "kexalgorithms" => Some(tables::KEY_EXCHANGES.iter().map(|row| row.name).collect()),
        "compression" => Some(vec!["none", "zlib@openssh.com"]),
        "protocol-version" => Some(vec!["2"]),
        "help" => Some(NAMES.to_vec()),
        _ => keys::algorithms::query(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_an_answer() {
        for name in NAMES.iter().chain(&["KexAlgorithms", "HostKeyAlgorithms", "ciphers", "help"]) {
            assert!(!answer(name).unwrap().is_empty(), "{name}");
        }
        assert_eq!(answer("nonsense"), None);
    }
}
