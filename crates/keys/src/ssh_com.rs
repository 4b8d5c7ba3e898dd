//! Private keys of the SSH that was sold by ssh.com, for those who still have some: read only, RSA,
//! and not encrypted.

use crypto::sign::SecretKey;
use wire::Reader;
use zeroize::Zeroizing;

use crate::error::{Error, PrivateKeyError};
use crate::private::PrivateKey;
use crate::public_text::ssh2_body;
use crate::{base64, limits};

/// What such a file begins with.
pub(crate) const BEGIN: &str = "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----";
const MAGIC: u32 = 0x3f6f_f9eb;

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
}

#[cfg(test)]
mod tests {
    use crypto::sign::{PublicParts, SecretParts};
    use wire::Writer;

    use super::*;
    use crate::KeyKind;
    use crate::pem::put_lines;

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
        assert!(PrivateKey::from_ssh_com(&text[..text.len() / 2]).is_err());
        let encrypted = PrivateKey::from_ssh_com(&file("3des-cbc", kind).1);
        assert!(matches!(encrypted, Err(PrivateKeyError::UnknownCipher(_))));
        let dsa = PrivateKey::from_ssh_com(&file("none", "dl-modp{sign{dsa-nist-sha1}}").1);
        assert!(matches!(dsa, Err(PrivateKeyError::Key(Error::Dsa))));
    }
}
