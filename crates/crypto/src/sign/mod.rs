//! Raw signatures over raw key material: Ed25519 (RFC 8032), ECDSA (RFC 5656)
//! and RSA PKCS#1 v1.5 (RFC 8332). How keys and signatures are encoded is not
//! known here.

mod ecdsa;
mod rsa;
mod secret;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

pub use ecdsa::{Curve, check_point, verify_ecdsa};
pub use rsa::verify_rsa;
pub use secret::{PublicParts, RawSignature, SecretKey, SecretParts};

use crate::Error;

/// Checks an Ed25519 signature. RFC 8032 §5.1.7.
///
/// # Errors
/// [`Error::InvalidKey`] when `public` is not of 32 bytes, and
/// [`Error::InvalidSignature`].
pub fn verify_ed25519(public: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Error> {
    if public.len() != 32 {
        return Err(Error::InvalidKey);
    }
    UnparsedPublicKey::new(&ED25519, public)
        .verify(message, signature)
        .map_err(|_| Error::InvalidSignature)
}

#[cfg(test)]
mod tests;
