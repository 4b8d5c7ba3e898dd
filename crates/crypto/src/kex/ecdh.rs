//! Elliptic curve Diffie-Hellman: RFC 8731 and RFC 5656 §4.

use aws_lc_rs::agreement;
use zeroize::Zeroizing;

use super::{Encoding, KeyExchange, Response, SharedSecret, Started};
use crate::Error;
use crate::hash::HashAlgorithm;

pub(crate) static CURVE25519_SHA256: Ecdh =
    Ecdh { name: "curve25519-sha256", curve: Curve::X25519 };
pub(crate) static CURVE25519_SHA256_LIBSSH: Ecdh =
    Ecdh { name: "curve25519-sha256@libssh.org", curve: Curve::X25519 };
pub(crate) static ECDH_NISTP256: Ecdh = Ecdh { name: "ecdh-sha2-nistp256", curve: Curve::NistP256 };
pub(crate) static ECDH_NISTP384: Ecdh = Ecdh { name: "ecdh-sha2-nistp384", curve: Curve::NistP384 };
pub(crate) static ECDH_NISTP521: Ecdh = Ecdh { name: "ecdh-sha2-nistp521", curve: Curve::NistP521 };

/// A key exchange that is one elliptic curve and nothing more.
pub(crate) struct Ecdh {
    name: &'static str,
    curve: Curve,
}

impl KeyExchange for Ecdh {
    fn name(&self) -> &'static str {
        self.name
    }

    fn hash(&self) -> HashAlgorithm {
        match self.curve {
            Curve::X25519 | Curve::NistP256 => HashAlgorithm::Sha256,
            Curve::NistP384 => HashAlgorithm::Sha384,
            Curve::NistP521 => HashAlgorithm::Sha512,
        }
    }

    fn share_encoding(&self) -> Encoding {
        Encoding::String
    }

    fn start(&self) -> Result<Box<dyn Started>, Error> {
        Ok(Box::new(Ephemeral::generate(self.curve)?))
    }

    fn respond(&self, client_share: &[u8]) -> Result<Response, Error> {
        let ephemeral = Ephemeral::generate(self.curve)?;
        let secret = ephemeral.agree(client_share)?;
        Ok(Response { share: ephemeral.share, secret: SharedSecret::from_magnitude(&secret) })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    X25519,
    NistP256,
    NistP384,
    NistP521,
}

impl Curve {
    /// The length of a share: the coordinate of RFC 7748, or an uncompressed
    /// point of SEC 1 §2.3.3.
    pub(super) const fn share_len(self) -> usize {
        match self {
            Self::X25519 => 32,
            Self::NistP256 => 65,
            Self::NistP384 => 97,
            Self::NistP521 => 133,
        }
    }

    fn library(self) -> &'static agreement::Algorithm {
        match self {
            Self::X25519 => &agreement::X25519,
            Self::NistP256 => &agreement::ECDH_P256,
            Self::NistP384 => &agreement::ECDH_P384,
            Self::NistP521 => &agreement::ECDH_P521,
        }
    }
}

/// A secret for one exchange and the share that belongs to it.
pub(super) struct Ephemeral {
    curve: Curve,
    private: agreement::PrivateKey,
    pub(super) share: Vec<u8>,
}

impl Ephemeral {
    pub(super) fn generate(curve: Curve) -> Result<Self, Error> {
        let private =
            agreement::PrivateKey::generate(curve.library()).map_err(|_| Error::Internal)?;
        Self::new(curve, private)
    }

    fn new(curve: Curve, private: agreement::PrivateKey) -> Result<Self, Error> {
        let share = private.compute_public_key().map_err(|_| Error::Internal)?.as_ref().to_vec();
        Ok(Self { curve, private, share })
    }

    /// The shared x coordinate, big-endian for the NIST curves and as RFC 7748
    /// leaves it for X25519.
    ///
    /// The library refuses points off the curve and, as RFC 8731 §3 asks, the
    /// all-zero result; the length check keeps other encodings of points out.
    pub(super) fn agree(&self, share: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        if share.len() != self.curve.share_len() {
            return Err(Error::InvalidShare);
        }
        if self.curve != Curve::X25519 && share.first() != Some(&4) {
            return Err(Error::InvalidShare);
        }
        let peer = agreement::UnparsedPublicKey::new(self.curve.library(), share);
        agreement::agree(&self.private, peer, Error::InvalidShare, |secret| {
            Ok(Zeroizing::new(secret.to_vec()))
        })
    }
}

impl Started for Ephemeral {
    fn share(&self) -> &[u8] {
        &self.share
    }

    fn finish(self: Box<Self>, server_share: &[u8]) -> Result<SharedSecret, Error> {
        Ok(SharedSecret::from_magnitude(&*self.agree(server_share)?))
    }
}
