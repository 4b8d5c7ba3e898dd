//! What the program and its helper tell each other: a length, a number, fields of RFC 4251.
//!
//! Both ends are the same file, so there are no versions.

mod codec;

use keys::{KeyType, PublicKey};
use zeroize::Zeroizing;

pub use self::codec::take;

/// What the helper is asked to do.
pub enum Request {
    /// Make a key in a security key.
    Enroll(Enroll),
    /// Sign with a security key.
    Sign(Sign),
    /// List the keys that security keys keep.
    Resident {
        /// The library, or `internal`.
        provider: String,
        /// One device of several.
        device: String,
        /// What opens it.
        pin: Option<Zeroizing<String>>,
    },
    /// Load a PKCS#11 library, and list the keys of its tokens.
    Card {
        /// The library.
        library: String,
        /// What opens the tokens; without it only what they show to all is listed.
        pin: Option<Zeroizing<String>>,
    },
    /// Sign with a token's key.
    SignWithCard {
        /// The key's blob.
        key: Vec<u8>,
        /// The name of the signature.
        algorithm: String,
        /// What to sign.
        data: Vec<u8>,
        /// What opens the token, if it was not given with [`Request::Card`].
        pin: Option<Zeroizing<String>>,
    },
}

/// A key to be made.
pub struct Enroll {
    /// The library, or `internal`.
    pub provider: String,
    /// The type of the key.
    pub key_type: KeyType,
    /// One device of several; empty for any.
    pub device: String,
    /// The relying party.
    pub application: String,
    /// Whose key it is; empty for nobody's.
    pub user: String,
    /// What is asked of the key, as in PROTOCOL.u2f.
    pub flags: u8,
    /// What the attestation is to be over.
    pub challenge: Vec<u8>,
    /// What opens the device.
    pub pin: Option<Zeroizing<String>>,
}

/// A signature to be made.
#[derive(Clone)]
pub struct Sign {
    /// The library, or `internal`.
    pub provider: String,
    /// The type of the key.
    pub key_type: KeyType,
    /// The relying party.
    pub application: String,
    /// By which the device finds the key.
    pub key_handle: Zeroizing<Vec<u8>>,
    /// What is asked of the user.
    pub flags: u8,
    /// What to sign.
    pub data: Vec<u8>,
    /// What opens the device.
    pub pin: Option<Zeroizing<String>>,
}

/// What the helper answers.
pub enum Reply {
    /// Nothing came of it.
    Failed(Failure),
    /// A key was made.
    Enrolled(NewKey),
    /// The whole signature blob.
    Signed(Vec<u8>),
    /// Keys that security keys keep.
    Resident(Vec<NewKey>),
    /// Keys of a token.
    Card(Vec<CardKey>),
}

/// A key that is in a security key.
pub struct NewKey {
    /// Its public half.
    pub public: PublicKey,
    /// What it asks of its user.
    pub flags: u8,
    /// By which the device finds the key.
    pub key_handle: Zeroizing<Vec<u8>>,
    /// Whose key it is; of resident keys.
    pub user: Vec<u8>,
    /// What the device says of itself; of new keys.
    pub attestation: Attestation,
}

/// What a device says of itself when it makes a key.
#[derive(Default)]
pub struct Attestation {
    /// Whose signature it is.
    pub certificate: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
    /// What it is over.
    pub authenticator_data: Vec<u8>,
}

/// A key in a token.
#[derive(Debug, Clone)]
pub struct CardKey {
    /// Its public half.
    pub public: PublicKey,
    /// What the token calls it.
    pub label: String,
}

/// Why nothing came of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// What to do about it.
    pub kind: FailureKind,
    /// For the user.
    pub text: String,
}

/// The failures that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Anything else.
    Other,
    /// The PIN is needed, or is wrong.
    Pin,
    /// The device keeps such a key already.
    Exists,
}

impl Failure {
    /// With nothing to be done about it.
    pub fn other(text: impl Into<String>) -> Self {
        Failure { kind: FailureKind::Other, text: text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_read_back() {
        let sign = Sign {
            provider: "p".into(),
            key_type: KeyType::SkEcdsa,
            application: "ssh:".into(),
            key_handle: Zeroizing::new(vec![1, 2]),
            flags: 5,
            data: b"data".to_vec(),
            pin: Some(Zeroizing::new("1234".into())),
        };
        let bytes = Request::Sign(sign).encode();
        let (message, taken) = take(&bytes).unwrap().unwrap();
        assert_eq!(taken, bytes.len());
        let Request::Sign(read) = Request::decode(message).unwrap() else { panic!("a signature") };
        assert_eq!((read.key_type, read.flags), (KeyType::SkEcdsa, 5));
        assert_eq!(read.pin.unwrap().as_str(), "1234");
        assert!(take(&bytes[..taken - 1]).unwrap().is_none());
        assert!(take(&[0xff; 8]).is_err());
        assert!(Request::decode(&message[..message.len() - 1]).is_err());
    }

    #[test]
    fn answers_read_back() {
        let public = keys::PrivateKey::generate(keys::KeyKind::Ed25519, None, "").unwrap();
        let key = CardKey { public: public.public().clone(), label: "label".into() };
        let bytes = Reply::Card(vec![key]).encode();
        let (message, _) = take(&bytes).unwrap().unwrap();
        let Reply::Card(keys) = Reply::decode(message).unwrap() else { panic!("keys") };
        assert_eq!((&keys[0].public, keys[0].label.as_str()), (public.public(), "label"));
        let failed = Reply::Failed(Failure::pin()).encode();
        let (message, _) = take(&failed).unwrap().unwrap();
        assert!(matches!(Reply::decode(message), Ok(Reply::Failed(why)) if why == Failure::pin()));
        assert!(Reply::decode(&[9]).is_err());
    }
}
