//! Arithmetic on large numbers that key files and tables of Diffie-Hellman groups need. Numbers
//! are big-endian magnitudes.

use zeroize::Zeroizing;

use crate::Error;
use crate::sys::Number;

/// Whether `number` is prime, as far as `rounds` of Miller and Rabin's test tell.
///
/// # Errors
/// [`Error::Internal`] when the library fails.
pub fn is_probably_prime(number: &[u8], rounds: u16) -> Result<bool, Error> {
    let number = Number::from_bytes(number)?;
    if number.bits() < 2 {
        return Ok(false);
    }
    number.is_probably_prime(rounds)
}

/// `number` modulo `prime` - 1: the exponent for one prime of an RSA key. RFC 8017 §3.2.
///
/// # Errors
/// [`Error::InvalidKey`] for a `prime` below 3, [`Error::Internal`] when the library fails.
pub fn exponent_for_prime(number: &[u8], prime: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let prime = Number::from_bytes(prime)?;
    if prime.bits() < 2 {
        return Err(Error::InvalidKey);
    }
    Ok(Number::from_bytes(number)?.modulo(&prime.predecessor()?)?.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes_and_remainders() {
        for (number, expected) in
            [(0u32, false), (1, false), (2, true), (3, true), (9, false), (65537, true)]
        {
            assert_eq!(is_probably_prime(&number.to_be_bytes(), 20), Ok(expected), "{number}");
        }
        // 1000 mod 16
        assert_eq!(exponent_for_prime(&[3, 0xe8], &[17]).as_deref(), Ok(&vec![8]));
        assert!(exponent_for_prime(&[5], &[1]).is_err());
    }
}
