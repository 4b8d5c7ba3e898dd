//! Hash functions and HMAC (RFC 2104).

use std::fmt;

use aws_lc_rs::{digest, hmac};
use zeroize::ZeroizeOnDrop;

use crate::{constant_time, sys};

/// The hash functions that SSH names somewhere.
///
/// MD5 and SHA-1 are here for fingerprints, hashed host names, old key files
/// and peers that are named by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    /// RFC 1321. Only for fingerprints and old key files.
    Md5,
    /// FIPS 180-4. Only for hashed host names and old peers.
    Sha1,
    /// FIPS 180-4.
    Sha256,
    /// FIPS 180-4.
    Sha384,
    /// FIPS 180-4.
    Sha512,
}

impl HashAlgorithm {
    /// The name as people write it: `MD5`, `SHA256`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha384 => "SHA384",
            Self::Sha512 => "SHA512",
        }
    }

    /// The length of a digest in bytes.
    pub fn output_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The digest of all `parts`, one after the other.
    pub fn digest(self, parts: &[&[u8]]) -> Digest {
        let Some(algorithm) = self.library() else {
            return Digest::new(&sys::md5(parts));
        };
        let mut context = digest::Context::new(algorithm);
        for part in parts {
            context.update(part);
        }
        Digest::new(context.finish().as_ref())
    }

    /// A digest of what comes piece by piece. `None` for MD5, which is only for small things.
    pub fn hasher(self) -> Option<Hasher> {
        self.library().map(|algorithm| Hasher { context: digest::Context::new(algorithm) })
    }

    /// `None` for MD5, which the safe interface leaves out.
    fn library(self) -> Option<&'static digest::Algorithm> {
        match self {
            Self::Md5 => None,
            Self::Sha1 => Some(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            Self::Sha256 => Some(&digest::SHA256),
            Self::Sha384 => Some(&digest::SHA384),
            Self::Sha512 => Some(&digest::SHA512),
        }
    }

    fn library_hmac(self) -> Option<hmac::Algorithm> {
        match self {
            Self::Md5 => None,
            Self::Sha1 => Some(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            Self::Sha256 => Some(hmac::HMAC_SHA256),
            Self::Sha384 => Some(hmac::HMAC_SHA384),
            Self::Sha512 => Some(hmac::HMAC_SHA512),
        }
    }
}

/// A digest in the making.
pub struct Hasher {
    context: digest::Context,
}

impl Hasher {
    /// Adds to what is hashed.
    pub fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// The digest of all that was added.
    pub fn finish(self) -> Digest {
        Digest::new(self.context.finish().as_ref())
    }
}

/// A digest of up to 64 bytes, compared in constant time and wiped on drop, as
/// some digests are keys.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Digest {
    bytes: [u8; 64],
    len: usize,
}

impl Digest {
    fn new(digest: &[u8]) -> Self {
        let mut bytes = [0; 64];
        bytes[..digest.len()].copy_from_slice(digest);
        Self { bytes, len: digest.len() }
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        constant_time::equal(self.as_ref(), other.as_ref())
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest of {} bytes", self.len)
    }
}

/// HMAC over all `parts`, one after the other. RFC 2104.
pub fn hmac(hash: HashAlgorithm, key: &[u8], parts: &[&[u8]]) -> Digest {
    let Some(algorithm) = hash.library_hmac() else {
        return hmac_md5(key, parts);
    };
    let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
    for part in parts {
        context.update(part);
    }
    Digest::new(context.sign().as_ref())
}

fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> Digest {
    const BLOCK_LEN: usize = 64;
    let mut padded = zeroize::Zeroizing::new([0; BLOCK_LEN]);
    if key.len() > BLOCK_LEN {
        padded[..16].copy_from_slice(&sys::md5(&[key]));
    } else {
        padded[..key.len()].copy_from_slice(key);
    }
    let inner_key = zeroize::Zeroizing::new(padded.map(|byte| byte ^ 0x36));
    let outer_key = zeroize::Zeroizing::new(padded.map(|byte| byte ^ 0x5c));
    let mut inner = vec![&inner_key[..]];
    inner.extend_from_slice(parts);
    let inner = sys::md5(&inner);
    Digest::new(&sys::md5(&[&outer_key[..], &inner]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::hex;

    #[test]
    fn digests_of_abc() {
        for (hash, expected) in [
            (HashAlgorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (HashAlgorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                HashAlgorithm::Sha256,
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                HashAlgorithm::Sha384,
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
                 8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                HashAlgorithm::Sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ] {
            assert_eq!(hash.digest(&[b"a", b"", b"bc"]).as_ref(), hex(expected), "{hash:?}");
            assert_eq!(hash.output_len(), hex(expected).len());
        }
    }

    /// RFC 4231 §4.2, §4.3, §4.7 and RFC 2202 §2, §3.
    #[test]
    fn hmac_of_rfc_4231_and_2202() {
        let (jefe, what) = (b"Jefe", [&b"what do ya want "[..], b"for nothing?"]);
        for (hash, expected) in [
            (HashAlgorithm::Md5, "750c783e6ab0b503eaa86e310a5db738"),
            (HashAlgorithm::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (
                HashAlgorithm::Sha256,
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                HashAlgorithm::Sha384,
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e\
                 8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (
                HashAlgorithm::Sha512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                 9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ] {
            assert_eq!(hmac(hash, jefe, &what).as_ref(), hex(expected), "{hash:?}");
        }
        assert_eq!(
            hmac(HashAlgorithm::Sha256, &[0x0b; 20], &[b"Hi There"]).as_ref(),
            hex("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
        );
        let long_key = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(
            hmac(HashAlgorithm::Sha256, &[0xaa; 131], &[long_key]).as_ref(),
            hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
        );
        assert_eq!(
            hmac(HashAlgorithm::Md5, &[0xaa; 80], &[long_key]).as_ref(),
            hex("6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd")
        );
    }

    #[test]
    fn digests_print_no_contents() {
        let digest = HashAlgorithm::Sha256.digest(&[]);
        assert_eq!(format!("{digest:?}"), "Digest of 32 bytes");
    }
}
