//! The types of host keys that can be asked for.

/// One type: one connection, because a server shows one key in each.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its short name, which `-t` takes in any case.
    short: &'static str,
    /// Names of the key's types, which `-t` takes too.
    names: &'static [&'static str],
    /// What a server is asked for.
    plain: &'static [&'static str],
    /// What it is asked for with `-c`.
    certified: &'static [&'static str],
}

/// Every type, in the order of the connections. All are asked for by default.
pub static KINDS: [Kind; 5] = [
    Kind {
        short: "RSA",
        names: &["ssh-rsa", "rsa-sha2-256", "rsa-sha2-512"],
        plain: &["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"],
        certified: &[
            "rsa-sha2-512-cert-v01@openssh.com",
            "rsa-sha2-256-cert-v01@openssh.com",
            "ssh-rsa-cert-v01@openssh.com",
        ],
    },
    Kind {
        short: "ECDSA",
        names: &["ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"],
        plain: &["ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"],
        certified: &[
            "ecdsa-sha2-nistp256-cert-v01@openssh.com",
            "ecdsa-sha2-nistp384-cert-v01@openssh.com",
            "ecdsa-sha2-nistp521-cert-v01@openssh.com",
        ],
    },
    Kind {
        short: "ED25519",
        names: &["ssh-ed25519"],
        plain: &["ssh-ed25519"],
        certified: &["ssh-ed25519-cert-v01@openssh.com"],
    },
    Kind {
        short: "ECDSA-SK",
        names: &["sk-ecdsa-sha2-nistp256@openssh.com"],
        plain: &["sk-ecdsa-sha2-nistp256@openssh.com"],
        certified: &["sk-ecdsa-sha2-nistp256-cert-v01@openssh.com"],
    },
    Kind {
        short: "ED25519-SK",
        names: &["sk-ssh-ed25519@openssh.com"],
        plain: &["sk-ssh-ed25519@openssh.com"],
        certified: &["sk-ssh-ed25519-cert-v01@openssh.com"],
    },
];

/// Names of DSA, which this program cannot check. Others have left it too.
const DSA: [&str; 2] = ["ssh-dss", "dsa"];

/// What a word of `-t` means.
#[derive(Debug, PartialEq, Eq)]
pub enum Named {
    /// A type, by its place in [`KINDS`].
    Kind(usize),
    /// DSA.
    Dsa,
    /// Nothing.
    Unknown,
}

/// Looks a word of `-t` up.
pub fn named(word: &str) -> Named {
    let found = KINDS
        .iter()
        .position(|kind| kind.short.eq_ignore_ascii_case(word) || kind.names.contains(&word));
    match found {
        Some(index) => Named::Kind(index),
        None if DSA.iter().any(|name| name.eq_ignore_ascii_case(word)) => Named::Dsa,
        None => Named::Unknown,
    }
}

impl Kind {
    /// The host key algorithms to offer.
    pub fn algorithms(&self, certificates: bool) -> Vec<String> {
        let names = if certificates { self.certified } else { self.plain };
        names.iter().map(|name| (*name).to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types() {
        assert_eq!(named("ed25519"), Named::Kind(2));
        assert_eq!(named("ssh-ed25519"), Named::Kind(2));
        assert_eq!(named("SSH-ED25519"), Named::Unknown);
        assert_eq!(named("ecdsa-sha2-nistp521"), Named::Kind(1));
        assert_eq!(named("DSA"), Named::Dsa);
        assert_eq!(named("ssh-rsa-cert-v01@openssh.com"), Named::Unknown);
    }

    #[test]
    fn every_algorithm_is_known() {
        for kind in &KINDS {
            for name in kind.plain.iter().chain(kind.certified) {
                assert!(keys::algorithms::lookup(name).is_some(), "{name}");
            }
        }
    }
}
