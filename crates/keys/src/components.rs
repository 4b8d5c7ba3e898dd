//! The numbers that keys consist of, by name.

use crypto::sign::SecretParts;
use wire::Mpint;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::private::PrivateKey;
use crate::public::{KeyData, PublicKey, curve_name};
use crate::secret::Secret;

impl PublicKey {
    /// A line for each number, `name=0x...`, as PuTTY's `puttygen --dump` has them. `None` for
    /// Ed25519, which it takes apart into coordinates, and for security keys.
    pub fn components(&self) -> Option<String> {
        match self.data() {
            KeyData::Rsa { e, n } => Some(format!(
                "key_type=\"RSA\"\npublic_modulus={}\npublic_exponent={}\n",
                *hex(n),
                *hex(e)
            )),
            KeyData::Ecdsa { curve, point } => {
                let half = point.len() / 2;
                let (x, y) = (point.get(1..=half)?, point.get(half + 1..)?);
                Some(format!(
                    "key_type=\"ECDSA\"\ncurve_name=\"{}\"\n\
                     public_affine_x={}\npublic_affine_y={}\n",
                    curve_name(*curve),
                    *hex(x),
                    *hex(y)
                ))
            }
            KeyData::Ed25519 { .. } | KeyData::SkEd25519 { .. } | KeyData::SkEcdsa { .. } => None,
        }
    }
}

impl PrivateKey {
    /// [`PublicKey::components`], and the private numbers behind them.
    ///
    /// # Errors
    /// [`Error::Crypto`] when the key does not give its numbers.
    pub fn components(&self) -> Result<Option<Zeroizing<String>>, Error> {
        let (Some(public), Secret::Software(secret)) = (self.public().components(), self.secret())
        else {
            return Ok(None);
        };
        let mut text = Zeroizing::new(String::with_capacity(16 * 1024));
        text.push_str(&public);
        let mut put = |name: &str, number: &[u8]| {
            for part in [name, "=", &hex(number), "\n"] {
                text.push_str(part);
            }
        };
        match secret.parts()? {
            SecretParts::Rsa { d, iqmp, p, q } => {
                put("private_exponent", &d);
                put("private_p", &p);
                put("private_q", &q);
                put("private_inverse_q_mod_p", &iqmp);
            }
            SecretParts::Ecdsa(scalar) => put("private_exponent", &scalar),
            SecretParts::Ed25519(_) => return Ok(None),
        }
        Ok(Some(text))
    }
}

/// Without leading zeros, but at least one digit.
fn hex(number: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(number.len() * 2 + 3));
    text.push_str("0x");
    let digits = Mpint::from_magnitude(number).magnitude();
    let nibbles = digits.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let mut nibbles = nibbles.skip_while(|nibble| *nibble == 0).peekable();
    if nibbles.peek().is_none() {
        text.push('0');
    }
    text.extend(nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyKind;

    #[test]
    fn numbers_have_no_leading_zeros() {
        assert_eq!(*hex(&[0, 0x0f, 0xa0]), "0xfa0");
        assert_eq!(*hex(&[0, 0]), "0x0");
        let key = PrivateKey::generate(KeyKind::Rsa, Some(1024), "").unwrap();
        let text = key.components().unwrap().unwrap();
        assert!(text.contains("public_exponent=0x10001\n"), "{}", *text);
        let key = PrivateKey::generate(KeyKind::Ed25519, None, "").unwrap();
        assert!(key.components().unwrap().is_none());
    }
}
