//! RSA keys of any length, from their numbers and to them.

use std::os::raw::{c_int, c_uint};
use std::ptr::{self, NonNull};

use aws_lc_sys as lc;

use super::{Number, check};
use crate::Error;
use crate::hash::HashAlgorithm;

/// An RSA key, public or private.
pub(crate) struct Rsa(NonNull<lc::RSA>);

// SAFETY: the pointer is owned by this value alone, and an RSA has no ties to a
// thread.
unsafe impl Send for Rsa {}

// SAFETY: after construction only signing, verifying and reading is offered, and
// the library documents those as safe from several threads (its caches are
// guarded by a lock inside the object).
unsafe impl Sync for Rsa {}

impl Drop for Rsa {
    fn drop(&mut self) {
        // SAFETY: the pointer came from the library, and this is its only owner.
        // Freeing wipes the numbers.
        unsafe { lc::RSA_free(self.0.as_ptr()) }
    }
}

/// The numbers of a private key. RFC 8017 §3.2.
pub(crate) struct RsaNumbers<'a> {
    pub(crate) n: &'a [u8],
    pub(crate) e: &'a [u8],
    pub(crate) d: &'a [u8],
    pub(crate) iqmp: &'a [u8],
    pub(crate) p: &'a [u8],
    pub(crate) q: &'a [u8],
}

impl Rsa {
    /// The library refuses an even modulus, an even exponent or 1, and exponents
    /// over 33 bits.
    pub(crate) fn public(n: &[u8], e: &[u8]) -> Result<Self, Error> {
        let (n, e) = (Number::from_bytes(n)?, Number::from_bytes(e)?);
        // SAFETY: the library copies both numbers; the result is the caller's.
        let key = unsafe { lc::RSA_new_public_key(n.0.as_ptr(), e.0.as_ptr()) };
        NonNull::new(key).map(Self).ok_or(Error::InvalidKey)
    }

    /// Checked by the library: n = pq, ed = 1 modulo p-1 and q-1, and iqmp.
    #[expect(clippy::many_single_char_names, reason = "the names of RFC 8017 §3.2")]
    pub(crate) fn private(numbers: &RsaNumbers<'_>) -> Result<Self, Error> {
        let [n, e, d, iqmp, p, q] =
            [numbers.n, numbers.e, numbers.d, numbers.iqmp, numbers.p, numbers.q]
                .map(Number::from_bytes);
        let (n, e, d, iqmp, p, q) = (n?, e?, d?, iqmp?, p?, q?);
        if p.bits() < 2 || q.bits() < 2 {
            return Err(Error::InvalidKey);
        }
        let dmp1 = d.modulo(&p.minus_one()?)?;
        let dmq1 = d.modulo(&q.minus_one()?)?;
        // SAFETY: the library copies all numbers; the result is the caller's.
        let key = unsafe {
            lc::RSA_new_private_key(
                n.0.as_ptr(),
                e.0.as_ptr(),
                d.0.as_ptr(),
                p.0.as_ptr(),
                q.0.as_ptr(),
                dmp1.0.as_ptr(),
                dmq1.0.as_ptr(),
                iqmp.0.as_ptr(),
            )
        };
        NonNull::new(key).map(Self).ok_or(Error::InvalidKey)
    }

    /// A new key with the exponent 65537. The library rounds `bits` down to a
    /// multiple of 128.
    pub(crate) fn generate(bits: u32) -> Result<Self, Error> {
        let bits = c_int::try_from(bits).map_err(|_| Error::BadLength)?;
        let exponent = Number::from_bytes(&[1, 0, 1])?;
        // SAFETY: takes nothing; null, for lack of memory, becomes an error.
        let key = Self(NonNull::new(unsafe { lc::RSA_new() }).ok_or(Error::Internal)?);
        // SAFETY: the key is empty and owned here alone, the exponent is only
        // read, and a null callback means none.
        check(unsafe {
            lc::RSA_generate_key_ex(key.0.as_ptr(), bits, exponent.0.as_ptr(), ptr::null_mut())
        })?;
        Ok(key)
    }

    pub(crate) fn n(&self) -> Result<Number, Error> {
        // SAFETY: only reads the key; the number is copied while it is borrowed.
        Number::copy_of(unsafe { lc::RSA_get0_n(self.0.as_ptr()) })
    }

    pub(crate) fn e(&self) -> Result<Number, Error> {
        // SAFETY: as in `n`.
        Number::copy_of(unsafe { lc::RSA_get0_e(self.0.as_ptr()) })
    }

    pub(crate) fn d(&self) -> Result<Number, Error> {
        // SAFETY: as in `n`.
        Number::copy_of(unsafe { lc::RSA_get0_d(self.0.as_ptr()) })
    }

    pub(crate) fn iqmp(&self) -> Result<Number, Error> {
        // SAFETY: as in `n`.
        Number::copy_of(unsafe { lc::RSA_get0_iqmp(self.0.as_ptr()) })
    }

    pub(crate) fn p(&self) -> Result<Number, Error> {
        // SAFETY: as in `n`.
        Number::copy_of(unsafe { lc::RSA_get0_p(self.0.as_ptr()) })
    }

    pub(crate) fn q(&self) -> Result<Number, Error> {
        // SAFETY: as in `n`.
        Number::copy_of(unsafe { lc::RSA_get0_q(self.0.as_ptr()) })
    }

    /// The length of the modulus and of every signature in bytes.
    pub(crate) fn len(&self) -> usize {
        // SAFETY: only reads the key.
        unsafe { lc::RSA_size(self.0.as_ptr()) as usize }
    }

    /// RSASSA-PKCS1-v1_5, RFC 8017 §8.2.1.
    pub(crate) fn sign(&self, hash: HashAlgorithm, message: &[u8]) -> Result<Vec<u8>, Error> {
        let digest = hash.digest(&[message]);
        let mut signature = vec![0; self.len()];
        let mut len: c_uint = 0;
        // SAFETY: the library reads `digest` within its length and writes at most
        // RSA_size bytes, the length of `signature`. It does not change the key
        // but for caches under its own lock.
        let result = unsafe {
            lc::RSA_sign(
                hash_nid(hash),
                digest.as_ref().as_ptr(),
                digest.as_ref().len(),
                signature.as_mut_ptr(),
                &raw mut len,
                self.0.as_ptr(),
            )
        };
        check(result)?;
        signature.truncate(len as usize);
        Ok(signature)
    }

    /// RSASSA-PKCS1-v1_5, RFC 8017 §8.2.2.
    pub(crate) fn verify(
        &self,
        hash: HashAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Error> {
        let digest = hash.digest(&[message]);
        // SAFETY: the library reads both slices within their lengths. It does not
        // change the key but for caches under its own lock.
        let result = unsafe {
            lc::RSA_verify(
                hash_nid(hash),
                digest.as_ref().as_ptr(),
                digest.as_ref().len(),
                signature.as_ptr(),
                signature.len(),
                self.0.as_ptr(),
            )
        };
        check(result).map_err(|_| Error::InvalidSignature)
    }
}

fn hash_nid(hash: HashAlgorithm) -> c_int {
    match hash {
        HashAlgorithm::Md5 => lc::NID_md5,
        HashAlgorithm::Sha1 => lc::NID_sha1,
        HashAlgorithm::Sha256 => lc::NID_sha256,
        HashAlgorithm::Sha384 => lc::NID_sha384,
        HashAlgorithm::Sha512 => lc::NID_sha512,
    }
}
