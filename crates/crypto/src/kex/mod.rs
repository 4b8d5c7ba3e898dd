//! Key exchange: shares go out, shares come in, a secret remains.
//!
//! Diffie-Hellman and key encapsulation have one shape here. Only
//! [`Group`] exchange (RFC 4419) needs messages of its own, because the server
//! chooses the group.

mod dh;
mod ecdh;
mod hybrid;

pub use dh::Group;
pub(crate) use dh::{DIFFIE_HELLMAN_GROUP1_SHA1, DIFFIE_HELLMAN_GROUP14_SHA1};
pub(crate) use dh::{
    DIFFIE_HELLMAN_GROUP14_SHA256, DIFFIE_HELLMAN_GROUP16_SHA512, DIFFIE_HELLMAN_GROUP18_SHA512,
};
pub(crate) use ecdh::{CURVE25519_SHA256, CURVE25519_SHA256_LIBSSH};
pub(crate) use ecdh::{ECDH_NISTP256, ECDH_NISTP384, ECDH_NISTP521};
pub(crate) use hybrid::{
    MLKEM768NISTP256_SHA256, MLKEM768X25519_SHA256, SNTRUP761X25519_SHA512,
    SNTRUP761X25519_SHA512_OPENSSH,
};

use wire::{Mpint, Writer};
use zeroize::Zeroizing;

use crate::Error;
use crate::hash::HashAlgorithm;

/// How the shares `q_c` and `q_s`, or `e` and `f`, stand in the messages and in
/// the exchange hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As an `mpint`: Diffie-Hellman over integers, RFC 4253 §8.
    Mpint,
    /// As a `string`: elliptic curves and hybrids, RFC 5656 §4.
    String,
}

/// A key exchange of which both sides know everything beforehand.
pub trait KeyExchange: Sync + Send {
    /// The name that is negotiated.
    fn name(&self) -> &'static str;

    /// The hash of the exchange hash and of the key derivation.
    fn hash(&self) -> HashAlgorithm;

    /// How shares are encoded.
    fn share_encoding(&self) -> Encoding;

    /// Makes the client's ephemeral secret and share.
    ///
    /// # Errors
    /// [`Error::Internal`] when the library fails.
    fn start(&self) -> Result<Box<dyn Started>, Error>;

    /// Answers a client's share: the contents of its `string`, or the magnitude
    /// of its `mpint`.
    ///
    /// # Errors
    /// [`Error::InvalidShare`] for a share of the wrong length, off the curve,
    /// out of range, or leading to a secret that everyone knows.
    fn respond(&self, client_share: &[u8]) -> Result<Response, Error>;
}

/// A client's half of a key exchange, waiting for the server's share.
pub trait Started: Send {
    /// The share to send.
    fn share(&self) -> &[u8];

    /// Ends the exchange with the server's share.
    ///
    /// # Errors
    /// [`Error::InvalidShare`] as for [`KeyExchange::respond`].
    fn finish(self: Box<Self>, server_share: &[u8]) -> Result<SharedSecret, Error>;
}

/// The server's half of a key exchange.
pub struct Response {
    /// The share to send.
    pub share: Vec<u8>,
    /// What both sides now know.
    pub secret: SharedSecret,
}

/// The shared secret K. Wiped on drop.
pub struct SharedSecret {
    encoded: Zeroizing<Vec<u8>>,
}

impl SharedSecret {
    /// K as it enters hashes: an `mpint` (RFC 4253 §8) or, for hybrids, a
    /// `string`, with its length field.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    pub(crate) fn from_magnitude(magnitude: &[u8]) -> Self {
        // Room for length and sign, so that growing leaves no copy behind.
        let mut encoded = Zeroizing::new(Vec::with_capacity(magnitude.len() + 5));
        encoded.put_mpint(Mpint::from_magnitude(magnitude).magnitude());
        Self { encoded }
    }

    pub(crate) fn from_string(contents: &[u8]) -> Self {
        let mut encoded = Zeroizing::new(Vec::with_capacity(contents.len() + 4));
        encoded.put_string(contents);
        Self { encoded }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{KEY_EXCHANGES, KexKind};

    #[test]
    fn both_sides_agree() {
        for entry in KEY_EXCHANGES {
            let KexKind::Fixed(exchange) = entry.kind else { continue };
            let started = exchange.start().unwrap();
            let response = exchange.respond(started.share()).unwrap();
            let secret = started.finish(&response.share).unwrap();
            assert_eq!(secret.encoded(), response.secret.encoded(), "{}", entry.name);
            assert!(secret.encoded().len() > 20);
        }
    }

    #[test]
    fn secrets_are_encoded_as_rfc_4251_says() {
        assert_eq!(SharedSecret::from_magnitude(&[0, 0, 0x7f]).encoded(), [0, 0, 0, 1, 0x7f]);
        assert_eq!(SharedSecret::from_magnitude(&[0x80]).encoded(), [0, 0, 0, 2, 0, 0x80]);
        assert_eq!(SharedSecret::from_string(&[0, 0x80]).encoded(), [0, 0, 0, 2, 0, 0x80]);
    }
}
