//! The private fields of a key as openssh-key-v1 files and agent requests
//! hold them. RFC 9987 §3.2, PROTOCOL.u2f, PROTOCOL.certkeys.

use crypto::sign::{SecretKey, SecretParts};
use wire::{Reader, Writer};
use zeroize::Zeroizing;

use crate::algorithms::KeyType;
use crate::error::{Error, PrivateKeyError};
use crate::public::{self, KeyData, PublicKey};

/// What makes a key private.
pub(crate) enum Secret {
    /// The numbers are here.
    Software(SecretKey),
    /// The numbers are in hardware.
    Hardware(SecurityKey),
}

/// How a security key finds its own private half again. PROTOCOL.u2f.
#[derive(Clone, PartialEq, Eq)]
pub struct SecurityKey {
    /// What the key asks of its user, such as a touch (1).
    pub flags: u8,
    /// Opaque to all but the hardware.
    pub key_handle: Zeroizing<Vec<u8>>,
    /// Of no meaning yet.
    pub reserved: Vec<u8>,
}

/// Reads type, public and private fields, and checks that they belong
/// together.
pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<(PublicKey, Secret), PrivateKeyError> {
    let (key_type, is_certificate) = public::key_type(reader.string()?)?;
    let certificate = if is_certificate {
        let certificate = PublicKey::from_blob(reader.string()?)?;
        if certificate.certificate().is_none() || certificate.key_type() != key_type {
            return Err(PrivateKeyError::Mismatch);
        }
        Some(certificate)
    } else {
        None
    };
    let (public, secret) = match key_type {
        KeyType::Ed25519 => decode_ed25519(reader)?,
        KeyType::EcdsaNistP256 | KeyType::EcdsaNistP384 | KeyType::EcdsaNistP521 => {
            decode_ecdsa(key_type, certificate.as_ref(), reader)?
        }
        KeyType::Rsa => decode_rsa(certificate.as_ref(), reader)?,
        KeyType::SkEd25519 | KeyType::SkEcdsa => {
            decode_security_key(key_type, certificate.as_ref(), reader)?
        }
    };
    match certificate {
        Some(certificate) if certificate.plain() != public => Err(PrivateKeyError::Mismatch),
        Some(certificate) => Ok((certificate, secret)),
        None => Ok((public, secret)),
    }
}

fn decode_ed25519(reader: &mut Reader<'_>) -> Result<(PublicKey, Secret), PrivateKeyError> {
    let public: [u8; 32] =
        reader.string()?.try_into().map_err(|_| PrivateKeyError::Damaged("public key length"))?;
    // The seed, and the public key once more.
    let (seed, again) = reader
        .string()?
        .split_first_chunk::<32>()
        .ok_or(PrivateKeyError::Damaged("private key length"))?;
    let secret = SecretKey::ed25519_from_seed(seed)?;
    let derived = PublicKey::from_parts(secret.public())?;
    let matches = matches!(derived.data(), KeyData::Ed25519 { public: own } if *own == public);
    if !matches || again != public {
        return Err(PrivateKeyError::Mismatch);
    }
    Ok((derived, Secret::Software(secret)))
}

fn decode_ecdsa(
    key_type: KeyType,
    certificate: Option<&PublicKey>,
    reader: &mut Reader<'_>,
) -> Result<(PublicKey, Secret), PrivateKeyError> {
    let data = match certificate {
        Some(certificate) => certificate.data().clone(),
        None => KeyData::decode(key_type, reader)?,
    };
    let scalar = reader.mpint()?;
    let KeyData::Ecdsa { curve, point } = &data else {
        return Err(PrivateKeyError::Mismatch);
    };
    let secret = SecretKey::ecdsa_from_scalar(*curve, scalar.magnitude(), point)
        .map_err(|_| PrivateKeyError::Mismatch)?;
    Ok((PublicKey::from_data(data)?, Secret::Software(secret)))
}

fn decode_rsa(
    certificate: Option<&PublicKey>,
    reader: &mut Reader<'_>,
) -> Result<(PublicKey, Secret), PrivateKeyError> {
    let data = if let Some(certificate) = certificate {
        certificate.data().clone()
    } else {
        let n = reader.mpint()?.magnitude().to_vec();
        let e = reader.mpint()?.magnitude().to_vec();
        KeyData::Rsa { e, n }
    };
    let (d, iqmp, p, q) = (reader.mpint()?, reader.mpint()?, reader.mpint()?, reader.mpint()?);
    let public = PublicKey::from_data(data)?;
    let KeyData::Rsa { e, n } = public.data() else {
        return Err(PrivateKeyError::Mismatch);
    };
    let secret = SecretKey::rsa_from_parts(
        n,
        e,
        d.magnitude(),
        iqmp.magnitude(),
        p.magnitude(),
        q.magnitude(),
    )
    .map_err(|_| PrivateKeyError::Mismatch)?;
    Ok((public, Secret::Software(secret)))
}

fn decode_security_key(
    key_type: KeyType,
    certificate: Option<&PublicKey>,
    reader: &mut Reader<'_>,
) -> Result<(PublicKey, Secret), PrivateKeyError> {
    let data = match certificate {
        None => KeyData::decode(key_type, reader)?,
        Some(certificate) => {
            // Ed25519 repeats its public key beside the certificate, ECDSA
            // does not; the application is repeated by both.
            if let KeyData::SkEd25519 { public, .. } = certificate.data()
                && reader.string()? != public
            {
                return Err(PrivateKeyError::Mismatch);
            }
            let (KeyData::SkEd25519 { application, .. } | KeyData::SkEcdsa { application, .. }) =
                certificate.data()
            else {
                return Err(PrivateKeyError::Mismatch);
            };
            if reader.string()? != application {
                return Err(PrivateKeyError::Mismatch);
            }
            certificate.data().clone()
        }
    };
    let secret = SecurityKey {
        flags: reader.u8()?,
        key_handle: Zeroizing::new(reader.string()?.to_vec()),
        reserved: reader.string()?.to_vec(),
    };
    Ok((PublicKey::from_data(data)?, Secret::Hardware(secret)))
}

/// Writes what [`decode`] reads. The buffer is as long as it will be from the
/// start, so that no copies stay behind when it grows.
pub(crate) fn encode(public: &PublicKey, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut out = Zeroizing::new(Vec::with_capacity(public.blob().len() * 4 + 1024));
    out.put_string(public.algorithm().as_bytes());
    let is_certificate = public.certificate().is_some();
    if is_certificate {
        out.put_string(public.blob());
    }
    match (public.data(), secret) {
        (KeyData::Ed25519 { public }, Secret::Software(secret)) => {
            let SecretParts::Ed25519(seed) = secret.parts()? else {
                return Err(Error::InvalidKey("the private half is of another type"));
            };
            out.put_string(public);
            out.put_u32(64);
            out.put_bytes(seed.as_ref());
            out.put_bytes(public);
        }
        (data @ KeyData::Ecdsa { .. }, Secret::Software(secret)) => {
            let SecretParts::Ecdsa(scalar) = secret.parts()? else {
                return Err(Error::InvalidKey("the private half is of another type"));
            };
            if !is_certificate {
                data.encode(&mut out);
            }
            out.put_mpint(&scalar);
        }
        (KeyData::Rsa { e, n }, Secret::Software(secret)) => {
            let SecretParts::Rsa { d, iqmp, p, q } = secret.parts()? else {
                return Err(Error::InvalidKey("the private half is of another type"));
            };
            if !is_certificate {
                out.put_mpint(n);
                out.put_mpint(e);
            }
            out.put_mpint(&d);
            out.put_mpint(&iqmp);
            out.put_mpint(&p);
            out.put_mpint(&q);
        }
        (data, Secret::Hardware(secret)) => {
            match data {
                KeyData::SkEd25519 { public, application } if is_certificate => {
                    out.put_string(public);
                    out.put_string(application);
                }
                KeyData::SkEcdsa { application, .. } if is_certificate => {
                    out.put_string(application);
                }
                _ => data.encode(&mut out),
            }
            out.put_u8(secret.flags);
            out.put_string(&secret.key_handle);
            out.put_string(&secret.reserved);
        }
        (_, Secret::Software(_)) => {
            return Err(Error::InvalidKey("the private half is of another type"));
        }
    }
    Ok(out)
}
