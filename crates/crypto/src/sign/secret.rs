//! Secret keys: made, taken from their parts, and used.

use std::fmt;

use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use wire::Mpint;
use zeroize::Zeroizing;

use super::{Curve, check_point, ecdsa, rsa};
use crate::hash::HashAlgorithm;
use crate::sys::{Rsa, RsaNumbers};
use crate::{Error, random};

/// A key that signs. Wiped on drop; prints nothing of itself.
pub enum SecretKey {
    /// RFC 8709.
    Ed25519(Ed25519Secret),
    /// RFC 5656.
    Ecdsa(EcdsaSecret),
    /// RFC 8332.
    Rsa(RsaSecret),
}

/// An Ed25519 key.
pub struct Ed25519Secret {
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; 32]>,
}

/// An ECDSA key.
pub struct EcdsaSecret {
    curve: Curve,
    pair: EcdsaKeyPair,
    scalar: Zeroizing<Vec<u8>>,
}

/// An RSA key.
pub struct RsaSecret {
    key: Rsa,
    public: (Vec<u8>, Vec<u8>),
}

/// The public half of a [`SecretKey`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicParts {
    /// The 32 bytes of RFC 8032 §5.1.5.
    Ed25519([u8; 32]),
    /// An uncompressed point.
    Ecdsa {
        /// The curve it is on.
        curve: Curve,
        /// SEC 1 §2.3.3, beginning with 4.
        point: Vec<u8>,
    },
    /// Magnitudes without leading zeros.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The public exponent.
        e: Vec<u8>,
    },
}

/// The secret half, for writing key files; magnitudes without leading zeros.
pub enum SecretParts {
    /// The seed of RFC 8032 §5.1.5.
    Ed25519(Zeroizing<[u8; 32]>),
    /// The scalar.
    Ecdsa(Zeroizing<Vec<u8>>),
    /// RFC 8017 §3.2.
    Rsa {
        /// The private exponent.
        d: Zeroizing<Vec<u8>>,
        /// The inverse of q modulo p.
        iqmp: Zeroizing<Vec<u8>>,
        /// The first prime.
        p: Zeroizing<Vec<u8>>,
        /// The second prime.
        q: Zeroizing<Vec<u8>>,
    },
}

/// A signature before it is encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawSignature {
    /// Ed25519 and RSA.
    Bytes(Vec<u8>),
    /// ECDSA: magnitudes without leading zeros.
    Ecdsa {
        /// The first half.
        r: Vec<u8>,
        /// The second half.
        s: Vec<u8>,
    },
}

impl SecretKey {
    /// A new Ed25519 key.
    ///
    /// # Errors
    /// [`Error::Internal`] when the library fails.
    pub fn generate_ed25519() -> Result<Self, Error> {
        let mut seed = Zeroizing::new([0; 32]);
        random::fill(&mut *seed);
        Self::ed25519_from_seed(&seed)
    }

    /// A new ECDSA key.
    ///
    /// # Errors
    /// [`Error::Internal`] when the library fails.
    pub fn generate_ecdsa(curve: Curve) -> Result<Self, Error> {
        let pair = EcdsaKeyPair::generate(curve.signing()).map_err(|_| Error::Internal)?;
        let scalar: EcPrivateKeyBin<'_> =
            pair.private_key().as_be_bytes().map_err(|_| Error::Internal)?;
        let scalar = Zeroizing::new(scalar.as_ref().to_vec());
        Ok(Self::Ecdsa(EcdsaSecret { curve, pair, scalar }))
    }

    /// A new RSA key with the exponent 65537. Sizes that are no multiple of 128
    /// are rounded up to one, as the library makes no others.
    ///
    /// # Errors
    /// [`Error::BadLength`] outside 1024 to 16384 bits, [`Error::Internal`] when
    /// the library fails.
    pub fn generate_rsa(bits: u32) -> Result<Self, Error> {
        if !rsa::MODULUS_BITS.contains(&bits) {
            return Err(Error::BadLength);
        }
        Self::from_rsa(Rsa::generate(bits.next_multiple_of(128))?)
    }

    /// The Ed25519 key of a seed.
    ///
    /// # Errors
    /// [`Error::Internal`] when the library fails: every seed is a key.
    pub fn ed25519_from_seed(seed: &[u8; 32]) -> Result<Self, Error> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| Error::Internal)?;
        Ok(Self::Ed25519(Ed25519Secret { pair, seed: Zeroizing::new(*seed) }))
    }

    /// An ECDSA key from a scalar's magnitude and the uncompressed point.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] when the scalar is out of range or the point is not
    /// the scalar's.
    pub fn ecdsa_from_scalar(curve: Curve, scalar: &[u8], point: &[u8]) -> Result<Self, Error> {
        check_point(curve, point)?;
        let mut padded = Zeroizing::new(vec![0; curve.field_len()]);
        ecdsa::pad(scalar, &mut padded).map_err(|_| Error::InvalidKey)?;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(curve.signing(), &padded, point)
            .map_err(|_| Error::InvalidKey)?;
        Ok(Self::Ecdsa(EcdsaSecret { curve, pair, scalar: padded }))
    }

    /// An ECDSA key from a scalar's magnitude alone; the point is computed.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] when the scalar is out of range.
    pub fn ecdsa_from_scalar_alone(curve: Curve, scalar: &[u8]) -> Result<Self, Error> {
        let mut padded = Zeroizing::new(vec![0; curve.field_len()]);
        ecdsa::pad(scalar, &mut padded).map_err(|_| Error::InvalidKey)?;
        let pair = EcdsaKeyPair::from_private_key_der(curve.signing(), &sec1(curve, &padded))
            .map_err(|_| Error::InvalidKey)?;
        Ok(Self::Ecdsa(EcdsaSecret { curve, pair, scalar: padded }))
    }

    /// An RSA key from the magnitudes that OpenSSH keeps.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] when they are out of range or do not fit each other.
    /// That p and q are prime is not tested.
    #[expect(clippy::many_single_char_names, reason = "the names of RFC 8017 §3.2")]
    pub fn rsa_from_parts(
        n: &[u8],
        e: &[u8],
        d: &[u8],
        iqmp: &[u8],
        p: &[u8],
        q: &[u8],
    ) -> Result<Self, Error> {
        rsa::check_public(n, e)?;
        let modulus_bits = rsa::bits(n);
        if [d, iqmp, p, q].into_iter().any(|number| rsa::bits(number) > modulus_bits) {
            return Err(Error::InvalidKey);
        }
        Self::from_rsa(Rsa::private(&RsaNumbers { n, e, d, iqmp, p, q })?)
    }

    fn from_rsa(key: Rsa) -> Result<Self, Error> {
        let public = (key.n()?.to_bytes().to_vec(), key.e()?.to_bytes().to_vec());
        Ok(Self::Rsa(RsaSecret { key, public }))
    }

    /// The public half.
    pub fn public(&self) -> PublicParts {
        match self {
            Self::Ed25519(secret) => {
                let mut public = [0; 32];
                public.copy_from_slice(secret.pair.public_key().as_ref());
                PublicParts::Ed25519(public)
            }
            Self::Ecdsa(secret) => PublicParts::Ecdsa {
                curve: secret.curve,
                point: secret.pair.public_key().as_ref().to_vec(),
            },
            Self::Rsa(secret) => {
                let (n, e) = secret.public.clone();
                PublicParts::Rsa { n, e }
            }
        }
    }

    /// The secret half, for writing a key file.
    ///
    /// # Errors
    /// [`Error::Internal`] when the library fails.
    pub fn parts(&self) -> Result<SecretParts, Error> {
        Ok(match self {
            Self::Ed25519(secret) => SecretParts::Ed25519(secret.seed.clone()),
            Self::Ecdsa(secret) => {
                let scalar = Mpint::from_magnitude(&secret.scalar).magnitude();
                SecretParts::Ecdsa(Zeroizing::new(scalar.to_vec()))
            }
            Self::Rsa(secret) => SecretParts::Rsa {
                d: secret.key.d()?.to_bytes(),
                iqmp: secret.key.iqmp()?.to_bytes(),
                p: secret.key.p()?.to_bytes(),
                q: secret.key.q()?.to_bytes(),
            },
        })
    }

    /// Signs `message`. `hash` is for RSA; Ed25519 and ECDSA have their own.
    ///
    /// # Errors
    /// [`Error::Internal`] when the library fails.
    pub fn sign(&self, hash: HashAlgorithm, message: &[u8]) -> Result<RawSignature, Error> {
        match self {
            Self::Ed25519(secret) => {
                let signature = secret.pair.try_sign(message).map_err(|_| Error::Internal)?;
                Ok(RawSignature::Bytes(signature.as_ref().to_vec()))
            }
            Self::Ecdsa(secret) => {
                let signature =
                    secret.pair.sign(&SystemRandom::new(), message).map_err(|_| Error::Internal)?;
                let (r, s) = signature
                    .as_ref()
                    .split_at_checked(secret.curve.field_len())
                    .ok_or(Error::Internal)?;
                let [r, s] = [r, s].map(|half| Mpint::from_magnitude(half).magnitude().to_vec());
                Ok(RawSignature::Ecdsa { r, s })
            }
            Self::Rsa(secret) => secret.key.sign(hash, message).map(RawSignature::Bytes),
        }
    }
}

/// The shortest EC key of RFC 5915: version, scalar and curve. No length in it exceeds 127.
fn sec1(curve: Curve, scalar: &[u8]) -> Zeroizing<Vec<u8>> {
    let curve: &[u8] = match curve {
        Curve::NistP256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
        Curve::NistP384 => &[0x2b, 0x81, 4, 0, 0x22],
        Curve::NistP521 => &[0x2b, 0x81, 4, 0, 0x23],
    };
    let inner = 3 + 2 + scalar.len() + 4 + curve.len();
    let mut der = Zeroizing::new(Vec::with_capacity(2 + inner));
    der.extend_from_slice(&[0x30, inner as u8, 2, 1, 1, 4, scalar.len() as u8]);
    der.extend_from_slice(scalar);
    der.extend_from_slice(&[0xa0, curve.len() as u8 + 2, 6, curve.len() as u8]);
    der.extend_from_slice(curve);
    der
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ed25519(_) => "SecretKey::Ed25519",
            Self::Ecdsa(_) => "SecretKey::Ecdsa",
            Self::Rsa(_) => "SecretKey::Rsa",
        })
    }
}
