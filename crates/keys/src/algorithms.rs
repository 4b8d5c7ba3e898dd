//! The one table of key types and of signature algorithms.

use crypto::hash::HashAlgorithm;
use crypto::sign::Curve;

/// What kind of key pair it is, whether or not in a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// `ssh-ed25519`, RFC 8709.
    Ed25519,
    /// `ecdsa-sha2-nistp256`, RFC 5656.
    EcdsaNistP256,
    /// `ecdsa-sha2-nistp384`, RFC 5656.
    EcdsaNistP384,
    /// `ecdsa-sha2-nistp521`, RFC 5656.
    EcdsaNistP521,
    /// `sk-ssh-ed25519@openssh.com`, PROTOCOL.u2f.
    SkEd25519,
    /// `sk-ecdsa-sha2-nistp256@openssh.com`, PROTOCOL.u2f.
    SkEcdsa,
    /// `ssh-rsa`, RFC 4253 §6.6.
    Rsa,
}

impl KeyType {
    /// The type's row in [`KEY_ALGORITHMS`].
    pub fn algorithm(self) -> &'static KeyAlgorithm {
        match self {
            KeyType::Ed25519 => &ED25519,
            KeyType::EcdsaNistP256 => &ECDSA_NISTP256,
            KeyType::EcdsaNistP384 => &ECDSA_NISTP384,
            KeyType::EcdsaNistP521 => &ECDSA_NISTP521,
            KeyType::SkEd25519 => &SK_ED25519,
            KeyType::SkEcdsa => &SK_ECDSA,
            KeyType::Rsa => &RSA,
        }
    }

    /// The curve of plain ECDSA keys and of `sk-ecdsa`.
    pub fn curve(self) -> Option<Curve> {
        match self {
            KeyType::EcdsaNistP256 | KeyType::SkEcdsa => Some(Curve::NistP256),
            KeyType::EcdsaNistP384 => Some(Curve::NistP384),
            KeyType::EcdsaNistP521 => Some(Curve::NistP521),
            KeyType::Ed25519 | KeyType::SkEd25519 | KeyType::Rsa => None,
        }
    }

    /// The plain ECDSA type on `curve`.
    pub fn ecdsa(curve: Curve) -> Self {
        match curve {
            Curve::NistP256 => KeyType::EcdsaNistP256,
            Curve::NistP384 => KeyType::EcdsaNistP384,
            Curve::NistP521 => KeyType::EcdsaNistP521,
        }
    }

    /// Whether the private half lives in a security key.
    pub fn is_security_key(self) -> bool {
        matches!(self, KeyType::SkEd25519 | KeyType::SkEcdsa)
    }
}

/// The names of one key type.
#[derive(Debug)]
pub struct KeyAlgorithm {
    /// The type itself.
    pub key_type: KeyType,
    /// The name in a plain key's blob.
    pub name: &'static str,
    /// The name in a certificate's blob.
    pub certificate_name: &'static str,
    /// What `ssh` and `ssh-keygen -l` print.
    pub label: &'static str,
    /// The same for certificates.
    pub certificate_label: &'static str,
}

macro_rules! key_algorithm {
    ($key_type:ident, $name:literal, $certificate_name:literal, $label:literal) => {
        KeyAlgorithm {
            key_type: KeyType::$key_type,
            name: $name,
            certificate_name: $certificate_name,
            label: $label,
            certificate_label: concat!($label, "-CERT"),
        }
    };
}

static ED25519: KeyAlgorithm =
    key_algorithm!(Ed25519, "ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com", "ED25519");
static ECDSA_NISTP256: KeyAlgorithm = key_algorithm!(
    EcdsaNistP256,
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ECDSA"
);
static ECDSA_NISTP384: KeyAlgorithm = key_algorithm!(
    EcdsaNistP384,
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ECDSA"
);
static ECDSA_NISTP521: KeyAlgorithm = key_algorithm!(
    EcdsaNistP521,
    "ecdsa-sha2-nistp521",
    "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "ECDSA"
);
static SK_ED25519: KeyAlgorithm = key_algorithm!(
    SkEd25519,
    "sk-ssh-ed25519@openssh.com",
    "sk-ssh-ed25519-cert-v01@openssh.com",
    "ED25519-SK"
);
static SK_ECDSA: KeyAlgorithm = key_algorithm!(
    SkEcdsa,
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ECDSA-SK"
);
static RSA: KeyAlgorithm = key_algorithm!(Rsa, "ssh-rsa", "ssh-rsa-cert-v01@openssh.com", "RSA");

/// Every key type there is.
pub static KEY_ALGORITHMS: &[&KeyAlgorithm] =
    &[&ED25519, &SK_ED25519, &ECDSA_NISTP256, &ECDSA_NISTP384, &ECDSA_NISTP521, &SK_ECDSA, &RSA];

/// The row that a blob's type name belongs to, and whether the name is that
/// of a certificate.
pub fn key_algorithm(name: &str) -> Option<(&'static KeyAlgorithm, bool)> {
    KEY_ALGORITHMS.iter().find_map(|row| {
        if row.name == name {
            Some((*row, false))
        } else {
            (row.certificate_name == name).then_some((*row, true))
        }
    })
}

/// One name that is negotiated as host key algorithm or named in a public key
/// authentication (RFC 4253 §7.1, RFC 4252 §7, RFC 8332).
#[derive(Debug)]
pub struct SignatureAlgorithm {
    /// The negotiated name.
    pub name: &'static str,
    /// The keys that make such signatures.
    pub key_type: KeyType,
    /// Whether the key is sent as a certificate.
    pub is_certificate: bool,
    /// The name in front of the key's blob.
    pub key_name: &'static str,
    /// The name in front of the signature: the plain sibling's.
    pub signature_name: &'static str,
    /// The hash inside; of no use to Ed25519, which brings its own.
    pub hash: HashAlgorithm,
    /// Whether it is offered and accepted when nothing is configured.
    pub offered: bool,
}

macro_rules! rows {
    ($($name:literal, $key_type:ident, $form:ident, $key_name:literal, $signature_name:literal,
        $hash:ident, $offered:literal;)*) => {
        &[$(SignatureAlgorithm {
            name: $name,
            key_type: KeyType::$key_type,
            is_certificate: rows!(@$form),
            key_name: $key_name,
            signature_name: $signature_name,
            hash: HashAlgorithm::$hash,
            offered: $offered,
        }),*]
    };
    (@certificate) => { true };
    (@plain) => { false };
}

/// In order of preference, certificates first, as OpenSSH has them.
#[rustfmt::skip]
pub static SIGNATURE_ALGORITHMS: &[SignatureAlgorithm] = rows![
    "ssh-ed25519-cert-v01@openssh.com", Ed25519, certificate, "ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519", Sha512, true;
    "ecdsa-sha2-nistp256-cert-v01@openssh.com", EcdsaNistP256, certificate, "ecdsa-sha2-nistp256-cert-v01@openssh.com", "ecdsa-sha2-nistp256", Sha256, true;
    "ecdsa-sha2-nistp384-cert-v01@openssh.com", EcdsaNistP384, certificate, "ecdsa-sha2-nistp384-cert-v01@openssh.com", "ecdsa-sha2-nistp384", Sha384, true;
    "ecdsa-sha2-nistp521-cert-v01@openssh.com", EcdsaNistP521, certificate, "ecdsa-sha2-nistp521-cert-v01@openssh.com", "ecdsa-sha2-nistp521", Sha512, true;
    "sk-ssh-ed25519-cert-v01@openssh.com", SkEd25519, certificate, "sk-ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com", Sha512, true;
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", SkEcdsa, certificate, "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com", Sha256, true;
    "webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", SkEcdsa, certificate, "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", Sha256, true;
    "rsa-sha2-512-cert-v01@openssh.com", Rsa, certificate, "ssh-rsa-cert-v01@openssh.com", "rsa-sha2-512", Sha512, true;
    "rsa-sha2-256-cert-v01@openssh.com", Rsa, certificate, "ssh-rsa-cert-v01@openssh.com", "rsa-sha2-256", Sha256, true;
    "ssh-ed25519", Ed25519, plain, "ssh-ed25519", "ssh-ed25519", Sha512, true;
    "ecdsa-sha2-nistp256", EcdsaNistP256, plain, "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", Sha256, true;
    "ecdsa-sha2-nistp384", EcdsaNistP384, plain, "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", Sha384, true;
    "ecdsa-sha2-nistp521", EcdsaNistP521, plain, "ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521", Sha512, true;
    "sk-ssh-ed25519@openssh.com", SkEd25519, plain, "sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519@openssh.com", Sha512, true;
    "sk-ecdsa-sha2-nistp256@openssh.com", SkEcdsa, plain, "sk-ecdsa-sha2-nistp256@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com", Sha256, true;
    "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", SkEcdsa, plain, "sk-ecdsa-sha2-nistp256@openssh.com", "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", Sha256, true;
    "rsa-sha2-512", Rsa, plain, "ssh-rsa", "rsa-sha2-512", Sha512, true;
    "rsa-sha2-256", Rsa, plain, "ssh-rsa", "rsa-sha2-256", Sha256, true;
    "ssh-rsa-cert-v01@openssh.com", Rsa, certificate, "ssh-rsa-cert-v01@openssh.com", "ssh-rsa", Sha1, false;
    "ssh-rsa", Rsa, plain, "ssh-rsa", "ssh-rsa", Sha1, false;
];

/// The row of a negotiated name.
pub fn lookup(name: &str) -> Option<&'static SignatureAlgorithm> {
    SIGNATURE_ALGORITHMS.iter().find(|row| row.name == name)
}

/// The default of `HostKeyAlgorithms`, `PubkeyAcceptedAlgorithms` and
/// `HostbasedAcceptedAlgorithms`.
pub fn default_signature_algorithms() -> Vec<&'static str> {
    SIGNATURE_ALGORITHMS.iter().filter(|row| row.offered).map(|row| row.name).collect()
}

/// The default of `CASignatureAlgorithms`: no certificates, no SHA-1.
pub fn default_ca_signature_algorithms() -> Vec<&'static str> {
    SIGNATURE_ALGORITHMS
        .iter()
        .filter(|row| row.offered && !row.is_certificate)
        .map(|row| row.name)
        .collect()
}

/// What `ssh -Q` asks for: `key`, `key-plain`, `key-cert`, `key-sig`,
/// `key-ca-sign`, `sig`, or a keyword that takes such a list, in any case.
pub fn query(what: &str) -> Option<Vec<&'static str>> {
    let plain = KEY_ALGORITHMS.iter().map(|row| row.name);
    let certificates = KEY_ALGORITHMS.iter().map(|row| row.certificate_name);
    let signatures = SIGNATURE_ALGORITHMS.iter();
    Some(match what.to_ascii_lowercase().as_str() {
        "key" => KEY_ALGORITHMS.iter().flat_map(|row| [row.name, row.certificate_name]).collect(),
        "key-plain" => plain.collect(),
        "key-cert" => certificates.collect(),
        "key-sig"
        | "hostkeyalgorithms"
        | "pubkeyacceptedalgorithms"
        | "pubkeyacceptedkeytypes"
        | "hostbasedacceptedalgorithms"
        | "hostbasedacceptedkeytypes"
        | "hostbasedkeytypes" => signatures.map(|row| row.name).collect(),
        "sig" | "key-ca-sign" | "casignaturealgorithms" => {
            signatures.filter(|row| !row.is_certificate).map(|row| row.name).collect()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_names_a_known_key_and_a_plain_sibling() {
        for row in SIGNATURE_ALGORITHMS {
            let (key, is_certificate) = key_algorithm(row.key_name).unwrap();
            assert_eq!((key.key_type, is_certificate), (row.key_type, row.is_certificate));
            let sibling = lookup(row.signature_name).unwrap();
            assert!(!sibling.is_certificate, "{}", row.name);
            assert_eq!((sibling.key_type, sibling.hash), (row.key_type, row.hash));
        }
        for row in KEY_ALGORITHMS {
            assert_eq!(row.key_type.algorithm().name, row.name);
        }
    }

    #[test]
    fn sha1_is_known_and_not_offered() {
        assert!(query("sig").unwrap().contains(&"ssh-rsa"));
        assert!(!default_signature_algorithms().contains(&"ssh-rsa"));
        assert_eq!(default_signature_algorithms()[0], "ssh-ed25519-cert-v01@openssh.com");
        assert!(query("cipher").is_none());
    }
}
