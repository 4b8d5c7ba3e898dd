//! Public keys, stored by user and region.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// What a key pair holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    /// An SSH public key.
    Ssh,
    /// An X.509 certificate: stored and listed for OpenStack's clients, of no use to SSH.
    X509,
}

/// A stored public key. It belongs to a user in a region, as OpenStack has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPair {
    /// Unique in the store (OpenStack shows a number for key pairs).
    pub id: i64,
    /// The region it is stored in.
    pub region: String,
    /// The user it belongs to.
    pub user_id: String,
    /// Unique for a user in a region; 1 to 255 characters.
    pub name: String,
    /// What it is.
    pub kind: KeyType,
    /// One line: type, base64, comment; or the PEM of a certificate.
    pub public_key: String,
    /// MD5 in hexadecimal with colons, as OpenStack's API shows it.
    pub fingerprint_md5: String,
    /// `SHA256:...`; empty for a certificate.
    pub fingerprint_sha256: String,
    /// When it was stored.
    pub created_at: OffsetDateTime,
    /// When a server was last made with it.
    pub last_used_at: Option<OffsetDateTime>,
}

impl KeyPair {
    /// What tells this key from others: SHA-256 of a key, MD5 of a certificate.
    pub fn fingerprint(&self) -> &str {
        if self.fingerprint_sha256.is_empty() {
            &self.fingerprint_md5
        } else {
            &self.fingerprint_sha256
        }
    }

    /// What a search looks in, in small letters.
    pub fn found_by(&self) -> String {
        let words = [&self.name, &self.fingerprint_sha256, &self.fingerprint_md5, &self.public_key];
        words.map(|word| word.to_lowercase()).join("\n")
    }
}

/// A key pair to store. The public key has been checked by the caller's own rules before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKeyPair {
    /// See [`KeyPair::name`].
    pub name: String,
    /// See [`KeyPair::kind`].
    pub kind: KeyType,
    /// See [`KeyPair::public_key`].
    pub public_key: String,
}
