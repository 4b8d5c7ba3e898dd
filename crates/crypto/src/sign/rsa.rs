//! RSA signatures, PKCS#1 v1.5. RFC 8332 and RFC 8017 §8.2.

use wire::Mpint;

use crate::Error;
use crate::hash::HashAlgorithm;
use crate::sys::Rsa;

/// The sizes of keys that are taken at all: below, a signature proves little;
/// above, checking one is work that a stranger should not impose.
pub(super) const MODULUS_BITS: std::ops::RangeInclusive<u32> = 1024..=16384;

/// Checks an RSA signature with a public key given as magnitudes.
///
/// Signatures shorter than the modulus are padded on the left, as some peers
/// drop leading zeros; longer ones are refused.
///
/// # Errors
/// [`Error::InvalidKey`] for a modulus outside 1024 to 16384 bits or an exponent
/// that is even, 1 or over 33 bits, and [`Error::InvalidSignature`].
pub fn verify_rsa(
    hash: HashAlgorithm,
    n: &[u8],
    e: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), Error> {
    check_public(n, e)?;
    let key = Rsa::public(n, e)?;
    let missing = key.len().checked_sub(signature.len()).ok_or(Error::InvalidSignature)?;
    if missing == 0 {
        return key.verify(hash, message, signature);
    }
    let padded = [&vec![0; missing][..], signature].concat();
    key.verify(hash, message, &padded)
}

/// Bounds the numbers before the library sees them.
pub(super) fn check_public(n: &[u8], e: &[u8]) -> Result<(), Error> {
    if !MODULUS_BITS.contains(&bits(n)) || bits(e) > 33 {
        return Err(Error::InvalidKey);
    }
    Ok(())
}

pub(super) fn bits(magnitude: &[u8]) -> u32 {
    let magnitude = Mpint::from_magnitude(magnitude).magnitude();
    match magnitude.first() {
        // Beyond a few thousand bytes the exact figure is of no interest.
        Some(first) => {
            u32::try_from(magnitude.len() * 8).unwrap_or(u32::MAX) - first.leading_zeros()
        }
        None => 0,
    }
}
