//! Post-quantum hybrids: a key encapsulation beside an elliptic curve.
//!
//! The client sends an encapsulation key and a curve share, the server a
//! ciphertext and a curve share, and K is the hash of both secrets as a
//! `string`. draft-ietf-sshm-mlkem-hybrid-kex and
//! draft-ietf-sshm-ntruprime-ssh.

use aws_lc_rs::kem;
use zeroize::Zeroizing;

use super::ecdh::{Curve, Ephemeral};
use super::{Encoding, KeyExchange, Response, SharedSecret, Started};
use crate::hash::HashAlgorithm;
use crate::{Error, random};

pub(crate) static MLKEM768X25519_SHA256: Hybrid = Hybrid {
    name: "mlkem768x25519-sha256",
    hash: HashAlgorithm::Sha256,
    kem: Kem::MlKem768,
    curve: Curve::X25519,
};
pub(crate) static MLKEM768NISTP256_SHA256: Hybrid = Hybrid {
    name: "mlkem768nistp256-sha256",
    hash: HashAlgorithm::Sha256,
    kem: Kem::MlKem768,
    curve: Curve::NistP256,
};
pub(crate) static SNTRUP761X25519_SHA512: Hybrid = Hybrid {
    name: "sntrup761x25519-sha512",
    hash: HashAlgorithm::Sha512,
    kem: Kem::Sntrup761,
    curve: Curve::X25519,
};
pub(crate) static SNTRUP761X25519_SHA512_OPENSSH: Hybrid = Hybrid {
    name: "sntrup761x25519-sha512@openssh.com",
    hash: HashAlgorithm::Sha512,
    kem: Kem::Sntrup761,
    curve: Curve::X25519,
};

/// A key encapsulation and a curve; broken only when both are.
pub(crate) struct Hybrid {
    name: &'static str,
    hash: HashAlgorithm,
    kem: Kem,
    curve: Curve,
}

impl KeyExchange for Hybrid {
    fn name(&self) -> &'static str {
        self.name
    }

    fn hash(&self) -> HashAlgorithm {
        self.hash
    }

    fn share_encoding(&self) -> Encoding {
        Encoding::String
    }

    fn start(&self) -> Result<Box<dyn Started>, Error> {
        let (decapsulation, encapsulation_key) = Decapsulation::generate(self.kem)?;
        let ephemeral = Ephemeral::generate(self.curve)?;
        let share = [&encapsulation_key[..], &ephemeral.share].concat();
        Ok(Box::new(StartedHybrid { hash: self.hash, decapsulation, ephemeral, share }))
    }

    fn respond(&self, client_share: &[u8]) -> Result<Response, Error> {
        let key_len = self.kem.encapsulation_key_len();
        if client_share.len() != key_len + self.curve.share_len() {
            return Err(Error::InvalidShare);
        }
        let (encapsulation_key, client_share) = client_share.split_at(key_len);
        let ephemeral = Ephemeral::generate(self.curve)?;
        let curve_secret = ephemeral.agree(client_share)?;
        let (ciphertext, kem_secret) = self.kem.encapsulate(encapsulation_key)?;
        Ok(Response {
            share: [&ciphertext[..], &ephemeral.share].concat(),
            secret: combine(self.hash, &kem_secret, &curve_secret),
        })
    }
}

struct StartedHybrid {
    hash: HashAlgorithm,
    decapsulation: Decapsulation,
    ephemeral: Ephemeral,
    share: Vec<u8>,
}

impl Started for StartedHybrid {
    fn share(&self) -> &[u8] {
        &self.share
    }

    fn finish(self: Box<Self>, server_share: &[u8]) -> Result<SharedSecret, Error> {
        let ciphertext_len = self.decapsulation.ciphertext_len();
        let (ciphertext, server_share) =
            server_share.split_at_checked(ciphertext_len).ok_or(Error::InvalidShare)?;
        let curve_secret = self.ephemeral.agree(server_share)?;
        let kem_secret = self.decapsulation.decapsulate(ciphertext)?;
        Ok(combine(self.hash, &kem_secret, &curve_secret))
    }
}

fn combine(hash: HashAlgorithm, kem_secret: &[u8], curve_secret: &[u8]) -> SharedSecret {
    SharedSecret::from_string(hash.digest(&[kem_secret, curve_secret]).as_ref())
}

#[derive(Clone, Copy)]
enum Kem {
    /// FIPS 203.
    MlKem768,
    /// Streamlined NTRU Prime.
    Sntrup761,
}

type Secret = Zeroizing<Vec<u8>>;

impl Kem {
    fn encapsulation_key_len(self) -> usize {
        match self {
            Self::MlKem768 => 1184,
            Self::Sntrup761 => sntrup761::PUBLIC_KEY_SIZE,
        }
    }

    fn encapsulate(self, key: &[u8]) -> Result<(Vec<u8>, Secret), Error> {
        match self {
            Self::MlKem768 => {
                let key = kem::EncapsulationKey::new(&kem::ML_KEM_768, key)
                    .map_err(|_| Error::InvalidShare)?;
                let (ciphertext, secret) = key.encapsulate().map_err(|_| Error::InvalidShare)?;
                Ok((ciphertext.as_ref().to_vec(), Zeroizing::new(secret.as_ref().to_vec())))
            }
            Self::Sntrup761 => {
                let key =
                    sntrup761::EncapsulationKey::try_from(key).map_err(|_| Error::InvalidShare)?;
                let (ciphertext, secret) = key.encapsulate_deterministic(*seed());
                Ok((ciphertext.as_ref().to_vec(), Zeroizing::new(secret.as_ref().to_vec())))
            }
        }
    }
}

/// The client's secret of the encapsulation.
enum Decapsulation {
    MlKem768(kem::DecapsulationKey),
    Sntrup761(Box<sntrup761::DecapsulationKey>),
}

impl Decapsulation {
    fn generate(kem: Kem) -> Result<(Self, Vec<u8>), Error> {
        match kem {
            Kem::MlKem768 => {
                let key = kem::DecapsulationKey::generate(&kem::ML_KEM_768)
                    .map_err(|_| Error::Internal)?;
                let public = key
                    .encapsulation_key()
                    .and_then(|public| public.key_bytes())
                    .map_err(|_| Error::Internal)?;
                let public = public.as_ref().to_vec();
                Ok((Self::MlKem768(key), public))
            }
            Kem::Sntrup761 => {
                let (public, key) = sntrup761::generate_key_from_seed(*seed());
                Ok((Self::Sntrup761(Box::new(key)), public.as_ref().to_vec()))
            }
        }
    }

    fn ciphertext_len(&self) -> usize {
        match self {
            Self::MlKem768(_) => 1088,
            Self::Sntrup761(_) => sntrup761::CIPHERTEXT_SIZE,
        }
    }

    fn decapsulate(&self, ciphertext: &[u8]) -> Result<Secret, Error> {
        match self {
            Self::MlKem768(key) => {
                let secret = key.decapsulate(ciphertext.into()).map_err(|_| Error::InvalidShare)?;
                Ok(Zeroizing::new(secret.as_ref().to_vec()))
            }
            Self::Sntrup761(key) => {
                let ciphertext =
                    sntrup761::Ciphertext::try_from(ciphertext).map_err(|_| Error::InvalidShare)?;
                Ok(Zeroizing::new(key.decapsulate(&ciphertext).as_ref().to_vec()))
            }
        }
    }
}

/// The sntrup761 library expands a seed with ChaCha20, so that all randomness
/// comes from one generator.
fn seed() -> Zeroizing<[u8; 32]> {
    let mut seed = Zeroizing::new([0; 32]);
    random::fill(&mut *seed);
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&Hybrid; 4] = [
        &MLKEM768X25519_SHA256,
        &MLKEM768NISTP256_SHA256,
        &SNTRUP761X25519_SHA512,
        &SNTRUP761X25519_SHA512_OPENSSH,
    ];

    /// The drafts state the sizes.
    #[test]
    fn shares_have_the_drafts_sizes() {
        for (hybrid, client, server) in [
            (ALL[0], 1184 + 32, 1088 + 32),
            (ALL[1], 1184 + 65, 1088 + 65),
            (ALL[2], 1158 + 32, 1039 + 32),
        ] {
            let started = hybrid.start().unwrap();
            assert_eq!(started.share().len(), client, "{}", hybrid.name);
            let response = hybrid.respond(started.share()).unwrap();
            assert_eq!(response.share.len(), server, "{}", hybrid.name);
            let secret = started.finish(&response.share).unwrap();
            assert_eq!(secret.encoded(), response.secret.encoded());
            let digest_len = hybrid.hash.output_len();
            assert_eq!(secret.encoded()[..4], (digest_len as u32).to_be_bytes());
            assert_eq!(secret.encoded().len(), 4 + digest_len);
        }
    }

    #[test]
    fn shares_of_other_lengths_are_refused() {
        for hybrid in ALL {
            let started = hybrid.start().unwrap();
            let share = started.share().to_vec();
            let long = [&share[..], &[0]].concat();
            for share in [&[][..], &[0], &share[..share.len() - 1], &share[1..], &long] {
                assert_eq!(hybrid.respond(share).err(), Some(Error::InvalidShare));
            }
            let answer = hybrid.respond(&share).unwrap().share;
            let long = [&answer[..], &[0]].concat();
            for answer in [&[][..], &[0], &answer[..answer.len() - 1], &long] {
                let started = hybrid.start().unwrap();
                assert_eq!(started.finish(answer).err(), Some(Error::InvalidShare));
            }
        }
    }

    /// A ciphertext that was changed gives another secret, not an error: both
    /// encapsulations reject implicitly.
    #[test]
    fn changed_ciphertexts_disagree() {
        for hybrid in ALL {
            let started = hybrid.start().unwrap();
            let mut response = hybrid.respond(started.share()).unwrap();
            response.share[10] ^= 1;
            let secret = started.finish(&response.share).unwrap();
            assert_ne!(secret.encoded(), response.secret.encoded());
        }
    }

    #[test]
    fn a_curve_share_of_low_order_is_refused_behind_a_good_key() {
        for hybrid in [ALL[0], ALL[2]] {
            let mut share = hybrid.start().unwrap().share().to_vec();
            let curve_share = share.len() - 32;
            share[curve_share..].fill(0);
            assert_eq!(hybrid.respond(&share).err(), Some(Error::InvalidShare));
        }
    }

    /// FIPS 203 §7.2: coefficients of the key must be below the modulus.
    #[test]
    fn unreduced_mlkem_keys_are_refused() {
        let mut share = MLKEM768X25519_SHA256.start().unwrap().share().to_vec();
        share[..3].fill(0xff);
        assert_eq!(MLKEM768X25519_SHA256.respond(&share).err(), Some(Error::InvalidShare));
    }
}
