//! ECDSA on the NIST curves. RFC 5656 §3 and §6.2.1.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, ParsedPublicKey,
};
use wire::Mpint;

use crate::Error;
use crate::hash::HashAlgorithm;

/// The curves that RFC 5656 §10.1 requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// `nistp256`
    NistP256,
    /// `nistp384`
    NistP384,
    /// `nistp521`
    NistP521,
}

impl Curve {
    /// The curve's identifier. RFC 5656 §10.1.
    pub fn name(self) -> &'static str {
        match self {
            Self::NistP256 => "nistp256",
            Self::NistP384 => "nistp384",
            Self::NistP521 => "nistp521",
        }
    }

    /// The hash that goes with the curve's size. RFC 5656 §6.2.1.
    pub fn hash(self) -> HashAlgorithm {
        match self {
            Self::NistP256 => HashAlgorithm::Sha256,
            Self::NistP384 => HashAlgorithm::Sha384,
            Self::NistP521 => HashAlgorithm::Sha512,
        }
    }

    /// The length in bytes of a coordinate and of a scalar.
    pub fn field_len(self) -> usize {
        match self {
            Self::NistP256 => 32,
            Self::NistP384 => 48,
            Self::NistP521 => 66,
        }
    }

    fn verification(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::NistP256 => &ECDSA_P256_SHA256_FIXED,
            Self::NistP384 => &ECDSA_P384_SHA384_FIXED,
            Self::NistP521 => &ECDSA_P521_SHA512_FIXED,
        }
    }

    pub(super) fn signing(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Self::NistP256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
            Self::NistP384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
            Self::NistP521 => &ECDSA_P521_SHA512_FIXED_SIGNING,
        }
    }
}

/// Checks that `point` is an uncompressed point on the curve, and not the point
/// at infinity.
///
/// # Errors
/// [`Error::InvalidKey`] otherwise.
pub fn check_point(curve: Curve, point: &[u8]) -> Result<(), Error> {
    parse(curve, point).map(|_| ())
}

/// Checks an ECDSA signature whose halves are given as big-endian magnitudes.
///
/// # Errors
/// [`Error::InvalidKey`] as [`check_point`], and [`Error::InvalidSignature`].
pub fn verify_ecdsa(
    curve: Curve,
    point: &[u8],
    message: &[u8],
    r: &[u8],
    s: &[u8],
) -> Result<(), Error> {
    let key = parse(curve, point)?;
    let len = curve.field_len();
    let mut signature = [0; 2 * 66];
    let signature = &mut signature[..2 * len];
    let (r_room, s_room) = signature.split_at_mut(len);
    pad(r, r_room).map_err(|_| Error::InvalidSignature)?;
    pad(s, s_room).map_err(|_| Error::InvalidSignature)?;
    key.verify_sig(message, signature).map_err(|_| Error::InvalidSignature)
}

/// The library would also take compressed points and whole certificates' keys;
/// RFC 5656 §3.1 has uncompressed points in mind, and one form is enough.
fn parse(curve: Curve, point: &[u8]) -> Result<ParsedPublicKey, Error> {
    if point.len() != 1 + 2 * curve.field_len() || point.first() != Some(&4) {
        return Err(Error::InvalidKey);
    }
    ParsedPublicKey::new(curve.verification(), point).map_err(|_| Error::InvalidKey)
}

/// Right-aligns a magnitude in `room`.
pub(super) fn pad(magnitude: &[u8], room: &mut [u8]) -> Result<(), Error> {
    let magnitude = Mpint::from_magnitude(magnitude).magnitude();
    let start = room.len().checked_sub(magnitude.len()).ok_or(Error::BadLength)?;
    room[..start].fill(0);
    room[start..].copy_from_slice(magnitude);
    Ok(())
}
