//! Public keys in other texts than OpenSSH's line: RFC 4716, PKCS#1 and X.509's
//! SubjectPublicKeyInfo (RFC 5280 §4.1, RFC 5480) in PEM.

use crypto::sign::Curve;
use zeroize::Zeroizing;

use crate::der::{self, Der, integer, value};
use crate::error::{Error, PrivateKeyError};
use crate::pem::{Pem, armour_as, put_lines};
use crate::pkcs::{self, oid};
use crate::pkcs_write::ec_algorithm;
use crate::public::{KeyData, PublicKey};
use crate::{base64, limits};

const BEGIN: &str = "---- BEGIN SSH2 PUBLIC KEY ----";
const END: &str = "---- END SSH2 PUBLIC KEY ----";
/// Characters in a line of OpenSSL's files.
const PEM_WIDTH: usize = 64;

impl PublicKey {
    /// The key as RFC 4716 has it, with lines of `width` characters: OpenSSH writes 70, PuTTY 64.
    /// Quotes and line ends in the comment would not read back and become blanks.
    pub fn to_rfc4716(&self, comment: &str, width: usize) -> String {
        let comment: String = comment
            .chars()
            .map(|c| if matches!(c, '"' | '\n' | '\r' | '\\') { ' ' } else { c })
            .collect();
        let mut text = format!("{BEGIN}\nComment: \"{comment}\"\n");
        put_lines(&mut text, &base64::encode(self.blob()), width.max(1));
        text.push_str(END);
        text.push('\n');
        text
    }

    /// Reads the text of RFC 4716: the key and its comment.
    ///
    /// # Errors
    /// [`Error::NoKey`] when there is no such text, [`Error::BadBase64`], or what is wrong with
    /// the key.
    pub fn from_rfc4716(text: &str) -> Result<(Self, String), Error> {
        if text.len() > limits::LINE_BYTES {
            return Err(Error::TooLarge("key file"));
        }
        let (headers, encoded) = ssh2_body(text, BEGIN)?;
        let blob = base64::decode(encoded.as_bytes()).ok_or(Error::BadBase64)?;
        let comment = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("comment"))
            .map(|(_, value)| value.trim_matches('"').to_owned())
            .unwrap_or_default();
        Ok((Self::from_blob(&blob)?, comment))
    }

    /// `BEGIN PUBLIC KEY`: RSA and ECDSA on the curve's name; Ed25519 by RFC 8410. `None` for
    /// security keys.
    pub fn to_spki(&self) -> Option<String> {
        let (algorithm, bits) = match self.data() {
            KeyData::Rsa { .. } => (
                value(
                    der::SEQUENCE,
                    &[&value(der::OBJECT_IDENTIFIER, &[oid::RSA]), &value(der::NULL, &[])],
                ),
                self.pkcs1()?,
            ),
            KeyData::Ecdsa { curve, point } => {
                (ec_algorithm(*curve), Zeroizing::new(point.clone()))
            }
            KeyData::Ed25519 { public } => (
                value(der::SEQUENCE, &[&value(der::OBJECT_IDENTIFIER, &[oid::ED25519])]),
                Zeroizing::new(public.to_vec()),
            ),
            KeyData::SkEd25519 { .. } | KeyData::SkEcdsa { .. } => return None,
        };
        let bits = value(der::BIT_STRING, &[&[0], &bits]);
        let body = value(der::SEQUENCE, &[&algorithm, &bits]);
        Some(armour_as("PUBLIC KEY", "", &body, PEM_WIDTH).to_string())
    }

    /// `BEGIN RSA PUBLIC KEY`. `None` for other keys than RSA.
    pub fn to_pkcs1(&self) -> Option<String> {
        Some(armour_as("RSA PUBLIC KEY", "", &self.pkcs1()?, PEM_WIDTH).to_string())
    }

    fn pkcs1(&self) -> Option<Zeroizing<Vec<u8>>> {
        let KeyData::Rsa { e, n } = self.data() else { return None };
        Some(value(der::SEQUENCE, &[&integer(n), &integer(e)]))
    }

    /// Reads `BEGIN PUBLIC KEY` or `BEGIN RSA PUBLIC KEY`.
    ///
    /// # Errors
    /// [`PrivateKeyError`] says what is wrong with the file, as for private ones.
    pub fn from_pem(text: &str) -> Result<Self, PrivateKeyError> {
        if text.len() > limits::LINE_BYTES {
            return Err(PrivateKeyError::TooLarge);
        }
        let pem = Pem::parse(text)?;
        match pem.label {
            "RSA PUBLIC KEY" => pkcs1(&pem.body),
            "PUBLIC KEY" => spki(&pem.body),
            _ => Err(PrivateKeyError::Unsupported("it holds no public key")),
        }
    }

    /// The key in an X.509 certificate (RFC 5280 §4.1) in DER, as smart cards hold them. Nothing
    /// of the certificate is checked: it only carries the key.
    ///
    /// # Errors
    /// As [`Self::from_pem`].
    pub fn from_x509(certificate: &[u8]) -> Result<Self, PrivateKeyError> {
        const VERSION: u8 = 0xa0;
        let mut outer = Der::new(certificate);
        let mut signed = outer.sequence()?.sequence()?;
        signed.take_if(VERSION)?;
        signed.take(der::INTEGER)?;
        // Signature algorithm, issuer, validity, subject.
        for _ in 0..4 {
            signed.take(der::SEQUENCE)?;
        }
        let key = signed.take(der::SEQUENCE)?;
        spki(&value(der::SEQUENCE, &[key]))
    }
}

fn pkcs1(body: &[u8]) -> Result<PublicKey, PrivateKeyError> {
    let mut outer = Der::new(body);
    let mut fields = outer.sequence()?;
    outer.finish()?;
    let (n, e) = (fields.integer()?.to_vec(), fields.integer()?.to_vec());
    fields.finish()?;
    Ok(PublicKey::from_data(KeyData::Rsa { e, n })?)
}

fn spki(body: &[u8]) -> Result<PublicKey, PrivateKeyError> {
    let mut outer = Der::new(body);
    let mut fields = outer.sequence()?;
    outer.finish()?;
    let mut algorithm = fields.sequence()?;
    let bits = fields.bit_string()?;
    fields.finish()?;
    let data = match algorithm.take(der::OBJECT_IDENTIFIER)? {
        oid::RSA => return pkcs1(bits),
        oid::EC => {
            let curve: Curve = pkcs::curve(&mut algorithm)?;
            KeyData::Ecdsa { curve, point: bits.to_vec() }
        }
        oid::ED25519 => KeyData::Ed25519 {
            public: bits.try_into().map_err(|_| PrivateKeyError::Damaged("public key length"))?,
        },
        oid::DSA => return Err(Error::Dsa.into()),
        _ => return Err(PrivateKeyError::Unsupported("its algorithm is not known")),
    };
    Ok(PublicKey::from_data(data)?)
}

/// Headers, and the base64 text behind them.
type Ssh2Body<'a> = (Vec<(&'a str, String)>, Zeroizing<String>);

/// Headers and joined base64 text of RFC 4716's armour, which ssh.com's private keys wear too.
/// Line ends are of any kind; a header goes on behind a backslash.
pub(crate) fn ssh2_body<'a>(text: &'a str, begin: &str) -> Result<Ssh2Body<'a>, Error> {
    let mut lines = text.split(['\r', '\n']).map(str::trim_end).filter(|line| !line.is_empty());
    lines.by_ref().find(|line| *line == begin).ok_or(Error::NoKey)?;
    let mut headers: Vec<(&str, String)> = Vec::new();
    let mut encoded = Zeroizing::new(String::with_capacity(text.len()));
    let mut continued = false;
    for line in lines {
        if line.starts_with("---- END ") {
            return Ok((headers, encoded));
        }
        let (line, goes_on) = match line.strip_suffix('\\') {
            Some(line) => (line, true),
            None => (line, false),
        };
        match (line.split_once(": "), headers.last_mut()) {
            (_, Some((_, value))) if continued => value.push_str(line),
            (Some((name, value)), _) if encoded.is_empty() => {
                headers.push((name, value.to_owned()));
            }
            _ => encoded.push_str(line),
        }
        continued = goes_on;
    }
    Err(Error::NoKey)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data;

    #[test]
    fn every_key_reads_back() {
        for line in test_data::PUBLIC_LINES.lines() {
            let (key, comment) = PublicKey::from_line(line).unwrap();
            let text = key.to_rfc4716(&comment, 70);
            assert_eq!(PublicKey::from_rfc4716(&text).unwrap(), (key.clone(), comment));
            let windows = text.replace('\n', "\r\n");
            assert_eq!(PublicKey::from_rfc4716(&windows).unwrap().0, key);
            for text in [key.to_spki(), key.to_pkcs1()].into_iter().flatten() {
                assert_eq!(PublicKey::from_pem(&text).unwrap(), key.plain());
            }
        }
    }

    #[test]
    fn continued_headers_of_rfc_4716() {
        let (key, _) = PublicKey::from_line(test_data::public_line("ed25519")).unwrap();
        let encoded = base64::encode(key.blob());
        let text = format!(
            "{BEGIN}\nComment: \"a long \\\nand: winding comment\"\nx-y: z\n{encoded}\n{END}"
        );
        let (read, comment) = PublicKey::from_rfc4716(&text).unwrap();
        assert_eq!((read, comment.as_str()), (key, "a long and: winding comment"));
        assert!(PublicKey::from_rfc4716("hello").is_err());
        assert!(PublicKey::from_rfc4716(BEGIN).is_err());
    }
}
