//! What keys in hardware need besides the hardware: public halves out of what a device says, and
//! signature blobs around what it signs. PROTOCOL.u2f, PKCS#11 3.0 §2.

use crypto::hash::HashAlgorithm;
use crypto::sign::Curve;
use wire::Writer;

use crate::algorithms::{self, KeyType};
use crate::der::{self, Der};
use crate::error::{Error, PrivateKeyError, printable};
use crate::pkcs;
use crate::public::{KeyData, PublicKey};

/// What a security key answers to a request for a signature. PROTOCOL.u2f.
pub struct RawSkSignature<'a> {
    /// Ed25519: the whole signature. ECDSA: r.
    pub r: &'a [u8],
    /// ECDSA: s.
    pub s: &'a [u8],
    /// What was asked of the user.
    pub flags: u8,
    /// How often the device has signed.
    pub counter: u32,
}

impl RawSkSignature<'_> {
    /// The whole signature blob for a key of that type.
    ///
    /// # Errors
    /// [`Error::BadSignature`] for numbers that cannot be a signature, and
    /// [`Error::SecurityKeySigning`] for keys that are in no security key.
    pub fn blob(&self, key_type: KeyType) -> Result<Vec<u8>, Error> {
        let raw = match key_type {
            KeyType::SkEd25519 if self.r.len() == 64 && self.s.is_empty() => self.r.to_vec(),
            KeyType::SkEcdsa => {
                let mut fields = Vec::with_capacity(80);
                for number in [self.r, self.s] {
                    if number.is_empty() || number.len() > 33 {
                        return Err(Error::BadSignature);
                    }
                    fields.put_mpint(number);
                }
                fields
            }
            KeyType::SkEd25519 => return Err(Error::BadSignature),
            _ => return Err(Error::SecurityKeySigning),
        };
        let mut blob = Vec::with_capacity(160);
        blob.put_string(key_type.algorithm().name.as_bytes());
        blob.put_string(&raw);
        blob.put_u8(self.flags);
        blob.put_u32(self.counter);
        Ok(blob)
    }
}

/// r and s of an ECDSA signature as FIDO devices write it: two numbers in DER (SEC 1, C.5).
///
/// # Errors
/// [`PrivateKeyError`] for anything else.
pub fn ecdsa_numbers(signature: &[u8]) -> Result<(Vec<u8>, Vec<u8>), PrivateKeyError> {
    let mut outer = Der::new(signature);
    let mut fields = outer.sequence()?;
    outer.finish()?;
    let numbers = (fields.integer()?.to_vec(), fields.integer()?.to_vec());
    fields.finish()?;
    Ok(numbers)
}

/// What a PKCS#11 token is given to sign, where it does no more than the arithmetic.
#[derive(Debug, PartialEq, Eq)]
pub enum TokenInput {
    /// `CKM_RSA_PKCS`: the hash with its name around (RFC 8017 §9.2).
    Rsa(Vec<u8>),
    /// `CKM_ECDSA`: the hash.
    Ecdsa(Vec<u8>),
    /// `CKM_EDDSA`: the message.
    EdDsa(Vec<u8>),
}

impl TokenInput {
    /// What a token must get so that its answer is a signature of `message` under `algorithm`.
    ///
    /// # Errors
    /// [`Error::AlgorithmMismatch`] when the key cannot sign under that name.
    pub fn new(key: &PublicKey, algorithm: &str, message: &[u8]) -> Result<Self, Error> {
        let row = row(key, algorithm)?;
        let hash = row.hash.digest(&[message]);
        match key.key_type() {
            KeyType::Rsa => {
                let name = digest_name(row.hash).ok_or_else(|| mismatch(key, algorithm))?;
                let mut info = name.to_vec();
                info.extend_from_slice(hash.as_ref());
                Ok(Self::Rsa(info))
            }
            KeyType::EcdsaNistP256 | KeyType::EcdsaNistP384 | KeyType::EcdsaNistP521 => {
                Ok(Self::Ecdsa(hash.as_ref().to_vec()))
            }
            KeyType::Ed25519 => Ok(Self::EdDsa(message.to_vec())),
            KeyType::SkEd25519 | KeyType::SkEcdsa => Err(mismatch(key, algorithm)),
        }
    }
}

/// The signature blob around what a token has answered to a [`TokenInput`].
///
/// # Errors
/// [`Error::BadSignature`] for an answer of the wrong length.
pub fn token_signature(key: &PublicKey, algorithm: &str, raw: &[u8]) -> Result<Vec<u8>, Error> {
    let row = row(key, algorithm)?;
    let raw = match key.data() {
        // Some tokens leave leading zeros out.
        KeyData::Rsa { n, .. } if !raw.is_empty() && raw.len() <= n.len() => {
            let mut padded = vec![0; n.len() - raw.len()];
            padded.extend_from_slice(raw);
            padded
        }
        KeyData::Ecdsa { .. } if !raw.is_empty() && raw.len().is_multiple_of(2) => {
            let (r, s) = raw.split_at(raw.len() / 2);
            let mut fields = Vec::with_capacity(raw.len() + 10);
            fields.put_mpint(r);
            fields.put_mpint(s);
            fields
        }
        KeyData::Ed25519 { .. } if raw.len() == 64 => raw.to_vec(),
        _ => return Err(Error::BadSignature),
    };
    let mut blob = Vec::with_capacity(raw.len() + row.signature_name.len() + 8);
    blob.put_string(row.signature_name.as_bytes());
    blob.put_string(&raw);
    Ok(blob)
}

/// A public key from a token's `CKA_EC_PARAMS` and `CKA_EC_POINT`. Tokens disagree on whether
/// the point is wrapped in an OCTET STRING, and on how Edwards curves are named.
///
/// # Errors
/// [`PrivateKeyError`] for curves that SSH does not have and for points that are none.
pub fn key_of_token_point(parameters: &[u8], point: &[u8]) -> Result<PublicKey, PrivateKeyError> {
    let point = unwrapped(point);
    if EDWARDS.contains(&parameters) {
        let public = point.try_into().map_err(|_| PrivateKeyError::Damaged("public key length"))?;
        return Ok(PublicKey::from_data(KeyData::Ed25519 { public })?);
    }
    let curve: Curve = pkcs::curve(&mut Der::new(parameters))?;
    Ok(PublicKey::from_data(KeyData::Ecdsa { curve, point: point.to_vec() })?)
}

/// How tokens name the curve of Ed25519: by its OID (RFC 8410), by GnuPG's, as text.
const EDWARDS: [&[u8]; 3] = [
    &[0x06, 0x03, 0x2b, 0x65, 0x70],
    &[0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01],
    b"\x13\x0cedwards25519",
];

fn unwrapped(point: &[u8]) -> &[u8] {
    let string = |tag| {
        let mut der = Der::new(point);
        der.take(tag).ok().filter(|_| der.is_empty())
    };
    string(der::OCTET_STRING)
        .or_else(|| string(der::BIT_STRING).and_then(|bits| bits.strip_prefix(&[0])))
        .unwrap_or(point)
}

fn row(key: &PublicKey, algorithm: &str) -> Result<&'static algorithms::SignatureAlgorithm, Error> {
    algorithms::lookup(algorithm)
        .filter(|row| row.key_type == key.key_type())
        .ok_or_else(|| mismatch(key, algorithm))
}

fn mismatch(key: &PublicKey, algorithm: &str) -> Error {
    Error::AlgorithmMismatch { algorithm: printable(algorithm.as_bytes()), key: key.algorithm() }
}

/// What stands in front of a hash in an RSA signature: its DER DigestInfo. RFC 8017 §9.2, note 1.
fn digest_name(hash: HashAlgorithm) -> Option<&'static [u8]> {
    match hash {
        HashAlgorithm::Sha1 => {
            Some(b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14")
        }
        HashAlgorithm::Sha256 => {
            Some(b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20")
        }
        HashAlgorithm::Sha512 => {
            Some(b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyKind, PrivateKey, VerifyOptions};
    use wire::Reader;

    /// r and s of a software key's signature, each as wide as the curve.
    fn halves(signature: &[u8], width: usize) -> Vec<u8> {
        let mut reader = Reader::new(signature);
        reader.string().unwrap();
        let mut fields = Reader::new(reader.string().unwrap());
        let mut raw = Vec::new();
        for _ in 0..2 {
            let number = fields.mpint().unwrap().magnitude().to_vec();
            raw.extend(std::iter::repeat_n(0, width - number.len()));
            raw.extend(number);
        }
        raw
    }

    #[test]
    fn raw_signatures_become_blobs() {
        for (kind, bits, width) in [
            (KeyKind::Ecdsa, Some(256), 32),
            (KeyKind::Ecdsa, Some(384), 48),
            (KeyKind::Ecdsa, Some(521), 66),
            (KeyKind::Ed25519, None, 0),
            (KeyKind::Rsa, Some(2048), 0),
        ] {
            let key = PrivateKey::generate(kind, bits, "").unwrap();
            let algorithm = key.public().signature_algorithms()[0];
            let signature = key.sign(algorithm, b"message").unwrap();
            let raw = match width {
                0 => {
                    let mut reader = Reader::new(&signature);
                    reader.string().unwrap();
                    reader.string().unwrap().to_vec()
                }
                width => halves(&signature, width),
            };
            let blob = token_signature(key.public(), algorithm, &raw).unwrap();
            let options = VerifyOptions::default();
            key.public().verify(algorithm, b"message", &blob, &options).unwrap();
            assert!(token_signature(key.public(), algorithm, b"").is_err());
            assert!(TokenInput::new(key.public(), "ssh-dss", b"").is_err());
        }
    }

    #[test]
    fn points_of_tokens() {
        let p256 = PrivateKey::generate(KeyKind::Ecdsa, None, "").unwrap();
        let KeyData::Ecdsa { point, .. } = p256.public().data() else { panic!("a point") };
        let parameters = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
        let wrapped = [&[4, point.len() as u8], &point[..]].concat();
        for point in [&wrapped[..], point] {
            assert_eq!(&key_of_token_point(parameters, point).unwrap(), p256.public());
        }
        let edwards = PrivateKey::generate(KeyKind::Ed25519, None, "").unwrap();
        let KeyData::Ed25519 { public } = edwards.public().data() else { panic!("a key") };
        for parameters in EDWARDS {
            for head in [&[][..], &[4, 32], &[3, 33, 0]] {
                let point = [head, public].concat();
                assert_eq!(&key_of_token_point(parameters, &point).unwrap(), edwards.public());
            }
        }
        assert!(key_of_token_point(b"\x06\x01\x00", point).is_err());
        assert!(key_of_token_point(EDWARDS[0], b"short").is_err());
    }

    #[test]
    fn security_key_answers() {
        let raw = RawSkSignature { r: &[1; 64], s: &[], flags: 1, counter: 2 };
        assert!(raw.blob(KeyType::SkEd25519).is_ok());
        assert!(raw.blob(KeyType::SkEcdsa).is_err());
        assert!(raw.blob(KeyType::Ed25519).is_err());
        let raw = RawSkSignature { r: &[0, 1], s: &[0x80; 32], ..raw };
        assert!(raw.blob(KeyType::SkEcdsa).is_ok());
        assert!(raw.blob(KeyType::SkEd25519).is_err());
    }
}
