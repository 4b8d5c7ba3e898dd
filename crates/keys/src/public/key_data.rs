//! What each type of key consists of, and its place in a blob. RFC 4253 §6.6, RFC 5656, RFC 8709.

use std::hash::Hash;

use crypto::sign::{self, Curve};
use wire::{Mpint, Reader, Writer};

use crate::algorithms::KeyType;
use crate::error::Error;
use crate::limits;

/// What a public key consists of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyData {
    /// RFC 8709.
    Ed25519 {
        /// The 32 bytes of RFC 8032.
        public: [u8; 32],
    },
    /// RFC 5656 §3.1.
    Ecdsa {
        /// Where the point lies.
        curve: Curve,
        /// Q, uncompressed.
        point: Vec<u8>,
    },
    /// RFC 4253 §6.6; big-endian without leading zeros.
    Rsa {
        /// The public exponent.
        e: Vec<u8>,
        /// The modulus.
        n: Vec<u8>,
    },
    /// PROTOCOL.u2f.
    SkEd25519 {
        /// The 32 bytes of RFC 8032.
        public: [u8; 32],
        /// The relying party, mostly `ssh:`.
        application: Vec<u8>,
    },
    /// PROTOCOL.u2f; always on NIST P-256.
    SkEcdsa {
        /// Q, uncompressed.
        point: Vec<u8>,
        /// The relying party, mostly `ssh:`.
        application: Vec<u8>,
    },
}

impl KeyData {
    /// The kind of key pair.
    pub fn key_type(&self) -> KeyType {
        match self {
            KeyData::Ed25519 { .. } => KeyType::Ed25519,
            KeyData::Ecdsa { curve, .. } => KeyType::ecdsa(*curve),
            KeyData::Rsa { .. } => KeyType::Rsa,
            KeyData::SkEd25519 { .. } => KeyType::SkEd25519,
            KeyData::SkEcdsa { .. } => KeyType::SkEcdsa,
        }
    }

    /// Reads the fields behind the type name, and behind the nonce in a
    /// certificate.
    pub(crate) fn decode(key_type: KeyType, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let data = match key_type {
            KeyType::Ed25519 => KeyData::Ed25519 { public: ed25519_public(reader)? },
            KeyType::SkEd25519 => KeyData::SkEd25519 {
                public: ed25519_public(reader)?,
                application: reader.string()?.to_vec(),
            },
            KeyType::EcdsaNistP256 | KeyType::EcdsaNistP384 | KeyType::EcdsaNistP521 => {
                let (curve, point) = ecdsa_point(key_type, reader)?;
                KeyData::Ecdsa { curve, point }
            }
            KeyType::SkEcdsa => {
                let (_, point) = ecdsa_point(key_type, reader)?;
                KeyData::SkEcdsa { point, application: reader.string()?.to_vec() }
            }
            KeyType::Rsa => KeyData::Rsa {
                e: reader.mpint()?.magnitude().to_vec(),
                n: reader.mpint()?.magnitude().to_vec(),
            },
        };
        data.check()?;
        Ok(data)
    }

    /// Writes the fields behind the type name.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            KeyData::Ed25519 { public } => out.put_string(public),
            KeyData::Ecdsa { curve, point } => {
                out.put_string(curve_name(*curve).as_bytes());
                out.put_string(point);
            }
            KeyData::Rsa { e, n } => {
                out.put_mpint(e);
                out.put_mpint(n);
            }
            KeyData::SkEd25519 { public, application } => {
                out.put_string(public);
                out.put_string(application);
            }
            KeyData::SkEcdsa { point, application } => {
                out.put_string(curve_name(Curve::NistP256).as_bytes());
                out.put_string(point);
                out.put_string(application);
            }
        }
    }

    pub(super) fn blob(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        blob.put_string(self.key_type().algorithm().name.as_bytes());
        self.encode(&mut blob);
        blob
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match self {
            // Any 32 bytes may be an Ed25519 key; a wrong one verifies nothing.
            KeyData::Ed25519 { .. } | KeyData::SkEd25519 { .. } => Ok(()),
            KeyData::Ecdsa { curve, point } => Ok(sign::check_point(*curve, point)?),
            KeyData::SkEcdsa { point, .. } => Ok(sign::check_point(Curve::NistP256, point)?),
            KeyData::Rsa { e, n } => check_rsa(Mpint::from_magnitude(e), Mpint::from_magnitude(n)),
        }
    }
}

pub(crate) fn curve_name(curve: Curve) -> &'static str {
    match curve {
        Curve::NistP256 => "nistp256",
        Curve::NistP384 => "nistp384",
        Curve::NistP521 => "nistp521",
    }
}

fn ed25519_public(reader: &mut Reader<'_>) -> Result<[u8; 32], Error> {
    reader.string()?.try_into().map_err(|_| Error::InvalidKey("an Ed25519 key has 32 bytes"))
}

fn ecdsa_point(key_type: KeyType, reader: &mut Reader<'_>) -> Result<(Curve, Vec<u8>), Error> {
    let curve = key_type.curve().ok_or(Error::InvalidKey("this type has no curve"))?;
    if reader.string()? != curve_name(curve).as_bytes() {
        return Err(Error::InvalidKey("the curve is not the one that the type names"));
    }
    Ok((curve, reader.string()?.to_vec()))
}

fn check_rsa(e: Mpint<'_>, n: Mpint<'_>) -> Result<(), Error> {
    let bits = u32::try_from(n.bits()).unwrap_or(u32::MAX);
    if !(limits::RSA_BITS_MIN..=limits::RSA_BITS_MAX).contains(&bits) {
        return Err(Error::RsaBits(bits));
    }
    let is_odd = |number: Mpint<'_>| number.magnitude().last().is_some_and(|byte| byte & 1 == 1);
    if !is_odd(n) {
        return Err(Error::InvalidKey("the RSA modulus is even"));
    }
    if e.bits() < 2 || e.bits() > limits::RSA_EXPONENT_BITS_MAX || !is_odd(e) {
        return Err(Error::InvalidKey("the RSA exponent is not an odd number of 3 or more"));
    }
    Ok(())
}
