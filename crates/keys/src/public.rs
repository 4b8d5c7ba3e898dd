mod key_data;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crypto::sign::{Curve, PublicParts};
use wire::{Mpint, Reader};

use crate::algorithms::{self, KeyType};
use crate::certificate::{self, Certificate};
use crate::error::{Error, printable};
use crate::{base64, limits};

pub use self::key_data::KeyData;
pub(crate) use self::key_data::curve_name;

/// A public key: plain, of a security key, or inside a certificate.
///
/// Equal means equal to the byte, so a certificate is never equal to the
/// plain key in it; compare [`PublicKey::plain`] for that.
#[derive(Clone)]
pub struct PublicKey {
    blob: Arc<[u8]>,
    data: KeyData,
    certificate: Option<Box<Certificate>>,
}

impl PublicKey {
    /// Reads a key blob (RFC 4253 §6.6) to its last byte and checks that the
    /// key can be used: point on its curve, RSA numbers within limits, and
    /// for a certificate its fields and its CA's signature.
    ///
    /// # Errors
    /// [`Error`] says what is wrong with it.
    pub fn from_blob(blob: &[u8]) -> Result<Self, Error> {
        if blob.len() > limits::BLOB_BYTES {
            return Err(Error::TooLarge("key blob"));
        }
        let mut reader = Reader::new(blob);
        let name = reader.string()?;
        let (key_type, is_certificate) = key_type(name)?;
        let (data, certificate) = if is_certificate {
            let nonce = reader.string()?;
            let data = KeyData::decode(key_type, &mut reader)?;
            let certificate = certificate::decode(blob, nonce, &mut reader)?;
            (data, Some(Box::new(certificate)))
        } else {
            (KeyData::decode(key_type, &mut reader)?, None)
        };
        reader.finish()?;
        Ok(Self { blob: blob.into(), data, certificate })
    }

    /// From its numbers.
    ///
    /// # Errors
    /// As [`Self::from_blob`].
    pub fn from_data(data: KeyData) -> Result<Self, Error> {
        data.check()?;
        Ok(Self { blob: data.blob().into(), data, certificate: None })
    }

    pub(crate) fn from_parts(parts: PublicParts) -> Result<Self, Error> {
        Self::from_data(match parts {
            PublicParts::Ed25519(public) => KeyData::Ed25519 { public },
            PublicParts::Ecdsa { curve, point } => KeyData::Ecdsa { curve, point },
            PublicParts::Rsa { n, e } => KeyData::Rsa {
                e: Mpint::from_magnitude(&e).magnitude().to_vec(),
                n: Mpint::from_magnitude(&n).magnitude().to_vec(),
            },
        })
    }

    /// The blob as it was received or encoded; the whole certificate when the
    /// key is in one.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// What the plain key consists of.
    pub fn data(&self) -> &KeyData {
        &self.data
    }

    /// The certificate around the key.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_deref()
    }

    /// The kind of key pair.
    pub fn key_type(&self) -> KeyType {
        self.data.key_type()
    }

    /// The name in front of the blob, such as `ssh-rsa` or
    /// `ssh-ed25519-cert-v01@openssh.com`.
    pub fn algorithm(&self) -> &'static str {
        let row = self.key_type().algorithm();
        if self.certificate.is_some() { row.certificate_name } else { row.name }
    }

    /// The key without its certificate.
    #[must_use]
    pub fn plain(&self) -> PublicKey {
        if self.certificate.is_none() {
            return self.clone();
        }
        Self { blob: self.data.blob().into(), data: self.data.clone(), certificate: None }
    }

    /// The type as `ssh` and `ssh-keygen -l` print it, such as `ED25519` or
    /// `RSA-CERT`.
    pub fn type_label(&self) -> &'static str {
        let row = self.key_type().algorithm();
        if self.certificate.is_some() { row.certificate_label } else { row.label }
    }

    /// The size that `ssh-keygen -l` prints.
    pub fn bits(&self) -> u32 {
        match &self.data {
            KeyData::Ecdsa { curve: Curve::NistP384, .. } => 384,
            KeyData::Ecdsa { curve: Curve::NistP521, .. } => 521,
            KeyData::Ecdsa { curve: Curve::NistP256, .. }
            | KeyData::Ed25519 { .. }
            | KeyData::SkEd25519 { .. }
            | KeyData::SkEcdsa { .. } => 256,
            KeyData::Rsa { n, .. } => Mpint::from_magnitude(n).bits() as u32,
        }
    }

    /// The names under which this key can sign, best first; the certificate
    /// forms for a certificate. `ssh-rsa`, which is SHA-1, comes last.
    pub fn signature_algorithms(&self) -> &'static [&'static str] {
        match (self.key_type(), self.certificate.is_some()) {
            (KeyType::Ed25519, false) => &["ssh-ed25519"],
            (KeyType::Ed25519, true) => &["ssh-ed25519-cert-v01@openssh.com"],
            (KeyType::EcdsaNistP256, false) => &["ecdsa-sha2-nistp256"],
            (KeyType::EcdsaNistP256, true) => &["ecdsa-sha2-nistp256-cert-v01@openssh.com"],
            (KeyType::EcdsaNistP384, false) => &["ecdsa-sha2-nistp384"],
            (KeyType::EcdsaNistP384, true) => &["ecdsa-sha2-nistp384-cert-v01@openssh.com"],
            (KeyType::EcdsaNistP521, false) => &["ecdsa-sha2-nistp521"],
            (KeyType::EcdsaNistP521, true) => &["ecdsa-sha2-nistp521-cert-v01@openssh.com"],
            (KeyType::SkEd25519, false) => &["sk-ssh-ed25519@openssh.com"],
            (KeyType::SkEd25519, true) => &["sk-ssh-ed25519-cert-v01@openssh.com"],
            (KeyType::SkEcdsa, false) => &[
                "sk-ecdsa-sha2-nistp256@openssh.com",
                "webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
            ],
            (KeyType::SkEcdsa, true) => &[
                "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
                "webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
            ],
            (KeyType::Rsa, false) => &["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"],
            (KeyType::Rsa, true) => &[
                "rsa-sha2-512-cert-v01@openssh.com",
                "rsa-sha2-256-cert-v01@openssh.com",
                "ssh-rsa-cert-v01@openssh.com",
            ],
        }
    }

    /// The line of a `.pub` file, without its line end. Line ends in the
    /// comment become spaces.
    pub fn to_line(&self, comment: &str) -> String {
        let mut line = format!("{} {}", self.algorithm(), base64::encode(&self.blob));
        if !comment.is_empty() {
            line.push(' ');
            line.extend(comment.chars().map(|c| if c == '\n' || c == '\r' { ' ' } else { c }));
        }
        line
    }

    /// Reads the line of a `.pub` file: type, base64 text, comment.
    ///
    /// # Errors
    /// [`Error::TypeMismatch`] when the type in front is not that of the
    /// blob, [`Error::BadBase64`], [`Error::NoKey`], or as
    /// [`Self::from_blob`].
    pub fn from_line(line: &str) -> Result<(Self, String), Error> {
        if line.len() > limits::LINE_BYTES {
            return Err(Error::TooLarge("line"));
        }
        let blank = [' ', '\t'];
        let line = line.trim_end_matches(['\r', '\n']).trim_start_matches(blank);
        let (stated, rest) = line.split_once(blank).ok_or(Error::NoKey)?;
        // Said before the text is decoded, so that a line of options or of a
        // newer type is recognised for what it is.
        key_type(stated.as_bytes())?;
        let rest = rest.trim_start_matches(blank);
        let (text, comment) = rest.split_once(blank).unwrap_or((rest, ""));
        if text.is_empty() {
            return Err(Error::NoKey);
        }
        let blob = base64::decode(text.as_bytes()).ok_or(Error::BadBase64)?;
        let key = Self::from_blob(&blob)?;
        if key.algorithm() != stated {
            return Err(Error::TypeMismatch {
                stated: printable(stated.as_bytes()),
                actual: key.algorithm(),
            });
        }
        Ok((key, comment.trim_matches(blank).to_owned()))
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.blob == other.blob
    }
}

impl Eq for PublicKey {}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.blob.hash(state);
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({} {})", self.algorithm(), base64::encode(&self.blob))
    }
}

/// The type that a name in front of a blob stands for, and whether it is that
/// of a certificate.
pub(crate) fn key_type(name: &[u8]) -> Result<(KeyType, bool), Error> {
    if name == b"ssh-dss" || name == b"ssh-dss-cert-v01@openssh.com" {
        return Err(Error::Dsa);
    }
    std::str::from_utf8(name)
        .ok()
        .and_then(algorithms::key_algorithm)
        .map(|(row, is_certificate)| (row.key_type, is_certificate))
        .ok_or_else(|| Error::UnknownType(printable(name)))
}

#[cfg(test)]
mod tests {
    use wire::Writer;

    use super::*;
    use crate::test_data;

    #[test]
    fn every_type_reads_and_writes_back() {
        for line in test_data::PUBLIC_LINES.lines() {
            let (key, comment) = PublicKey::from_line(line).unwrap();
            assert_eq!(key.to_line(&comment), line);
            assert_eq!(PublicKey::from_blob(key.blob()).unwrap(), key);
            let plain = PublicKey::from_blob(key.plain().blob()).unwrap();
            assert!(plain.certificate().is_none());
            assert_eq!(plain == key, key.certificate().is_none());
            for name in key.signature_algorithms() {
                let row = algorithms::lookup(name).unwrap();
                assert_eq!(row.key_name, key.algorithm());
            }
        }
    }

    #[test]
    fn a_blob_is_read_to_its_end() {
        for line in test_data::PUBLIC_LINES.lines() {
            let (key, _) = PublicKey::from_line(line).unwrap();
            let mut blob = key.blob().to_vec();
            blob.push(0);
            assert!(PublicKey::from_blob(&blob).is_err());
            for length in 0..key.blob().len() {
                assert!(PublicKey::from_blob(&key.blob()[..length]).is_err());
            }
        }
    }

    #[test]
    fn dsa_is_named() {
        let mut blob = Vec::new();
        blob.put_string(b"ssh-dss");
        assert!(matches!(PublicKey::from_blob(&blob), Err(Error::Dsa)));
    }

    #[test]
    fn a_point_off_the_curve_is_refused() {
        let mut point = vec![4];
        point.extend_from_slice(&[7; 64]);
        assert!(PublicKey::from_data(KeyData::Ecdsa { curve: Curve::NistP256, point }).is_err());
    }

    #[test]
    fn rsa_numbers_have_limits() {
        let rsa = |e: &[u8], n: &[u8]| {
            PublicKey::from_data(KeyData::Rsa { e: e.to_vec(), n: n.to_vec() })
        };
        assert!(rsa(&[1, 0, 1], &[0xff; 128]).is_ok());
        assert!(matches!(rsa(&[1, 0, 1], &[0xff; 127]), Err(Error::RsaBits(1016))));
        assert!(matches!(rsa(&[1, 0, 1], &[0xff; 2049]), Err(Error::RsaBits(16392))));
        assert!(rsa(&[1], &[0xff; 128]).is_err());
        assert!(rsa(&[4], &[0xff; 128]).is_err());
        assert!(rsa(&[3], &[0xfe; 128]).is_err());
        assert!(rsa(&[0xff; 9], &[0xff; 128]).is_err());
    }

    #[test]
    fn lines_say_what_is_wrong_with_them() {
        let line = test_data::PUBLIC_LINES.lines().next().unwrap();
        let (_, rest) = line.split_once(' ').unwrap();
        let read = PublicKey::from_line;
        assert!(matches!(read(&format!("ssh-rsa {rest}")), Err(Error::TypeMismatch { .. })));
        assert!(matches!(read(&format!("ssh-x {rest}")), Err(Error::UnknownType(_))));
        assert!(matches!(read("ssh-ed25519 AAAA*"), Err(Error::BadBase64)));
        assert!(matches!(read("ssh-ed25519"), Err(Error::NoKey)));
        assert!(matches!(read(""), Err(Error::NoKey)));
    }
}
