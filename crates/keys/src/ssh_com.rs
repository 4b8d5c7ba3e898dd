//! Private keys of the SSH that was sold by ssh.com, for those who still have some: RSA, and not
//! encrypted.

use crypto::sign::{SecretKey, SecretParts};
use wire::{Mpint, Reader, Writer};
use zeroize::Zeroizing;

use crate::error::{Error, PrivateKeyError};
use crate::pem::put_lines;
use crate::private::PrivateKey;
use crate::public::KeyData;
use crate::public_text::ssh2_body;
use crate::secret::Secret;
use crate::{base64, limits};

/// What such a file begins with.
pub(crate) const BEGIN: &str = "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----";
const MAGIC: u32 = 0x3f6f_f9eb;
/// What it calls RSA.
const KIND: &str = "if-modn{sign{rsa-pkcs1-sha1},encrypt{rsa-pkcs1v2-oaep}}";
const NO_CIPHER: &str = "none";

impl PrivateKey {
    /// Reads a private key of ssh.com's format, whose armour says "encrypted" even when it is not.
    ///
    /// # Errors
    /// [`PrivateKeyError::UnknownCipher`] for one that is encrypted, which only ssh.com's own
    /// tool can undo; the others say what is wrong with the file.
    #[expect(clippy::many_single_char_names, reason = "the names of RFC 8017 §3.2")]
    pub fn from_ssh_com(text: &str) -> Result<Self, PrivateKeyError> {
        if text.len() > limits::PRIVATE_FILE_BYTES {
            return Err(PrivateKeyError::TooLarge);
        }
        let (_, encoded) = ssh2_body(text, BEGIN).map_err(|_| PrivateKeyError::NotAKey)?;
        // Some of these files have a character of padding too many.
        let encoded = match encoded.strip_suffix("===") {
            Some(shorter) if encoded.len() % 4 == 3 => shorter,
            _ => encoded.as_str(),
        };
        let body = base64::decode(encoded.as_bytes())
            .map(Zeroizing::new)
            .ok_or(PrivateKeyError::Damaged("the text is not base64"))?;
        let mut reader = Reader::new(&body);
        if reader.u32()? != MAGIC {
            return Err(PrivateKeyError::Damaged("it has another magic"));
        }
        reader.u32()?; // The length of everything.
        let kind = reader.text()?;
        let cipher = reader.text()?;
        for _ in 0..2 {
            reader.u32()?; // Two more lengths.
        }
        if cipher != "none" {
            return Err(PrivateKeyError::UnknownCipher(cipher.chars().take(64).collect()));
        }
        if kind.contains("dsa") || kind.starts_with("dl-modp") {
            return Err(Error::Dsa.into());
        }
        if !kind.contains("rsa") {
            return Err(PrivateKeyError::Unsupported("its algorithm is not known"));
        }
        let mut number = || -> Result<&[u8], PrivateKeyError> {
            let bits = reader.u32()? as usize;
            Ok(reader.bytes(bits.div_ceil(8))?)
        };
        let (e, d, n) = (number()?, number()?, number()?);
        let (iqmp, q, p) = (number()?, number()?, number()?);
        let secret = SecretKey::rsa_from_parts(n, e, d, iqmp, p, q)
            .map_err(|_| PrivateKeyError::Mismatch)?;
        Ok(Self::from_secret(secret, String::new())?)
    }

    /// Writes such a file, in the clear. `None` for other keys than RSA.
    ///
    /// # Errors
    /// [`Error::Crypto`] when the key does not give its numbers.
    pub fn to_ssh_com(&self) -> Result<Option<Zeroizing<String>>, Error> {
        let (KeyData::Rsa { e, n }, Secret::Software(secret)) =
            (self.public().data(), self.secret())
        else {
            return Ok(None);
        };
        let SecretParts::Rsa { d, iqmp, p, q } = secret.parts()? else { return Ok(None) };
        let numbers = [&e[..], &d, &n[..], &iqmp, &q, &p].map(Mpint::from_magnitude);
        let sizes = numbers.map(|number| 4 + number.bits().div_ceil(8));
        let size = u32::try_from(sizes.iter().sum::<usize>()).unwrap_or(u32::MAX);
        let heads = 4 + 4 + (4 + KIND.len()) + (4 + NO_CIPHER.len()) + 4 + 4;
        let total = size.saturating_add(heads as u32);
        let mut body = Zeroizing::new(Vec::with_capacity(total as usize));
        body.put_u32(MAGIC);
        body.put_u32(total);
        body.put_string(KIND.as_bytes());
        body.put_string(NO_CIPHER.as_bytes());
        body.put_u32(size.saturating_add(4));
        body.put_u32(size);
        for number in numbers {
            body.put_u32(number.bits() as u32);
            let digits = number.magnitude();
            body.put_bytes(digits.strip_prefix(&[0]).unwrap_or(digits));
        }
        let encoded = Zeroizing::new(base64::encode(&body));
        let mut text = Zeroizing::new(String::with_capacity(encoded.len() * 2 + 1024));
        let comment = self.comment().replace(['"', '\n', '\r', '\\'], " ");
        for part in [BEGIN, "\nComment: \"", &comment, "\"\n"] {
            text.push_str(part);
        }
        put_lines(&mut text, &encoded, 70);
        text.push_str("---- END SSH2 ENCRYPTED PRIVATE KEY ----\n");
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests {
    use crypto::sign::PublicParts;

    use super::*;
    use crate::KeyKind;

    fn file(cipher: &str, kind: &str) -> (PrivateKey, String) {
        let key = PrivateKey::generate(KeyKind::Rsa, Some(1024), "").unwrap();
        let pem = key.to_pem(None).unwrap().unwrap();
        let secret = crate::pkcs::parse(&crate::pem::Pem::parse(&pem).unwrap(), None).unwrap();
        let (PublicParts::Rsa { n, e }, Ok(SecretParts::Rsa { d, iqmp, p, q })) =
            (secret.public(), secret.parts())
        else {
            unreachable!()
        };
        let mut body = Vec::new();
        for length in [MAGIC, 0] {
            body.put_u32(length);
        }
        body.put_string(kind.as_bytes());
        body.put_string(cipher.as_bytes());
        body.put_u32(0);
        body.put_u32(0);
        for number in [e.as_slice(), &d, &n, &iqmp, &q, &p] {
            body.put_u32(wire::Mpint::from_magnitude(number).bits() as u32);
            body.put_bytes(number);
        }
        let mut text = format!("{BEGIN}\nSubject: me\nComment: \"a \\\nb\"\n");
        put_lines(&mut text, &base64::encode(&body), 70);
        text.push_str("---- END SSH2 ENCRYPTED PRIVATE KEY ----\n");
        (key, text)
    }

    #[test]
    fn files_that_are_not_encrypted() {
        let kind = "if-modn{sign{rsa-pkcs1-sha1},encrypt{rsa-pkcs1v2-oaep}}";
        let (key, text) = file("none", kind);
        for text in [text.clone(), text.replace('\n', "\r"), text.replace('\n', "\r\n")] {
            let read = PrivateKey::from_ssh_com(&text).unwrap();
            assert_eq!(read.public(), key.public());
        }
        let written = key.to_ssh_com().unwrap().unwrap();
        assert_eq!(PrivateKey::from_ssh_com(&written).unwrap().public(), key.public());
        assert!(PrivateKey::from_ssh_com(&text[..text.len() / 2]).is_err());
        let encrypted = PrivateKey::from_ssh_com(&file("3des-cbc", kind).1);
        assert!(matches!(encrypted, Err(PrivateKeyError::UnknownCipher(_))));
        let dsa = PrivateKey::from_ssh_com(&file("none", "dl-modp{sign{dsa-nist-sha1}}").1);
        assert!(matches!(dsa, Err(PrivateKeyError::Key(Error::Dsa))));
    }
}
