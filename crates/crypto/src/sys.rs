//! What the safe interface of the library lacks: big integers, RSA of any size,
//! ciphers that run in place, MD5, and ChaCha20 and Poly1305 on their own.
//!
//! Every unsafe block of this crate is in this file. Pointers from the library
//! live in types that own them alone and free them once.

use std::os::raw::{c_int, c_uint};
use std::ptr::{self, NonNull};

use aws_lc_sys as lc;
use zeroize::{Zeroize, Zeroizing};

use crate::Error;
use crate::hash::HashAlgorithm;

/// The library returns 1 for success.
fn check(result: c_int) -> Result<(), Error> {
    if result == 1 { Ok(()) } else { Err(Error::Internal) }
}

/// A non-negative integer. Wiped on drop.
pub(crate) struct Number(NonNull<lc::BIGNUM>);

// SAFETY: the pointer is owned by this value alone, and a BIGNUM has no ties to
// a thread.
unsafe impl Send for Number {}
// SAFETY: through `&Number` the library is only given `*const BIGNUM`, which it
// does not write to.
unsafe impl Sync for Number {}

impl Drop for Number {
    fn drop(&mut self) {
        // SAFETY: the pointer came from the library, and this is its only owner.
        unsafe { lc::BN_clear_free(self.0.as_ptr()) }
    }
}

impl Number {
    fn new() -> Result<Self, Error> {
        // SAFETY: takes nothing; null, for lack of memory, becomes an error.
        NonNull::new(unsafe { lc::BN_new() }).map(Self).ok_or(Error::Internal)
    }

    /// From a big-endian magnitude; leading zeros do not matter.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        // SAFETY: reads `len` bytes of a live slice; a null `ret` asks for a new
        // number, which the caller owns.
        let number = unsafe { lc::BN_bin2bn(bytes.as_ptr(), bytes.len(), ptr::null_mut()) };
        NonNull::new(number).map(Self).ok_or(Error::Internal)
    }

    fn copy_of(number: *const lc::BIGNUM) -> Result<Self, Error> {
        if number.is_null() {
            return Err(Error::Internal);
        }
        // SAFETY: `number` is not null and, as this file's callers ensure, lives
        // inside an object they borrow; the copy belongs to the caller.
        NonNull::new(unsafe { lc::BN_dup(number) }).map(Self).ok_or(Error::Internal)
    }

    /// The big-endian magnitude without leading zeros.
    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(vec![0; self.bits().div_ceil(8)]);
        // SAFETY: BN_bn2bin writes BN_num_bytes bytes, which is the number of
        // bits in whole bytes, and that is the length of `bytes`.
        unsafe { lc::BN_bn2bin(self.0.as_ptr(), bytes.as_mut_ptr()) };
        bytes
    }

    pub(crate) fn bits(&self) -> usize {
        // SAFETY: only reads the number.
        unsafe { lc::BN_num_bits(self.0.as_ptr()) as usize }
    }

    pub(crate) fn is_odd(&self) -> bool {
        // SAFETY: only reads the number.
        unsafe { lc::BN_is_odd(self.0.as_ptr()) == 1 }
    }

    /// 1 < self < modulus - 1.
    pub(crate) fn is_inside_group(&self, modulus: &Self) -> Result<bool, Error> {
        let last = modulus.minus_one()?;
        // SAFETY: only reads both numbers.
        let ordering = unsafe { lc::BN_cmp(self.0.as_ptr(), last.0.as_ptr()) };
        Ok(self.bits() > 1 && ordering < 0)
    }

    fn minus_one(&self) -> Result<Self, Error> {
        let difference = Self::copy_of(self.0.as_ptr())?;
        // SAFETY: `difference` is a fresh number that nothing else points to.
        check(unsafe { lc::BN_sub_word(difference.0.as_ptr(), 1) })?;
        Ok(difference)
    }

    /// Whether it is prime, as far as `rounds` of Miller and Rabin's test tell.
    pub(crate) fn is_probably_prime(&self, rounds: u16) -> Result<bool, Error> {
        let context = Context::new()?;
        let mut is_prime = 0;
        // SAFETY: `is_prime` is valid for writes, the number is only read, the context is not in
        // use, and a null callback means none.
        check(unsafe {
            lc::BN_primality_test(
                &raw mut is_prime,
                self.0.as_ptr(),
                c_int::from(rounds),
                context.0.as_ptr(),
                1,
                ptr::null_mut(),
            )
        })?;
        Ok(is_prime == 1)
    }

    /// One less; `self` must not be zero.
    pub(crate) fn predecessor(&self) -> Result<Self, Error> {
        self.minus_one()
    }

    pub(crate) fn modulo(&self, modulus: &Self) -> Result<Self, Error> {
        let remainder = Self::new()?;
        let context = Context::new()?;
        // SAFETY: `remainder` is a fresh number that nothing else points to, the
        // others are only read, and the context is not in use.
        check(unsafe {
            lc::BN_nnmod(
                remainder.0.as_ptr(),
                self.0.as_ptr(),
                modulus.0.as_ptr(),
                context.0.as_ptr(),
            )
        })?;
        Ok(remainder)
    }

    /// self ^ exponent mod modulus, in a time that depends on the lengths but
    /// not on the exponent. `modulus` must be odd and self below it, or the
    /// library refuses.
    pub(crate) fn power_secret(&self, exponent: &Self, modulus: &Self) -> Result<Self, Error> {
        let power = Self::new()?;
        let context = Context::new()?;
        // SAFETY: `power` is a fresh number that nothing else points to, the
        // others are only read, the context is not in use, and a null Montgomery
        // context makes the library compute its own.
        check(unsafe {
            lc::BN_mod_exp_mont_consttime(
                power.0.as_ptr(),
                self.0.as_ptr(),
                exponent.0.as_ptr(),
                modulus.0.as_ptr(),
                context.0.as_ptr(),
                ptr::null(),
            )
        })?;
        Ok(power)
    }
}

/// Scratch numbers of the library.
struct Context(NonNull<lc::BN_CTX>);

impl Context {
    fn new() -> Result<Self, Error> {
        // SAFETY: takes nothing; null, for lack of memory, becomes an error.
        NonNull::new(unsafe { lc::BN_CTX_new() }).map(Self).ok_or(Error::Internal)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the pointer came from BN_CTX_new, and this is its only owner.
        unsafe { lc::BN_CTX_free(self.0.as_ptr()) }
    }
}

/// The primes of RFC 3526 §3 to §7.
pub(crate) fn rfc3526_prime(bits: u32) -> Result<Number, Error> {
    let constructor = match bits {
        2048 => lc::BN_get_rfc3526_prime_2048,
        3072 => lc::BN_get_rfc3526_prime_3072,
        4096 => lc::BN_get_rfc3526_prime_4096,
        6144 => lc::BN_get_rfc3526_prime_6144,
        8192 => lc::BN_get_rfc3526_prime_8192,
        _ => return Err(Error::Unsupported("a group of this size")),
    };
    // SAFETY: a null `ret` asks for a new number, which the caller owns.
    NonNull::new(unsafe { constructor(ptr::null_mut()) }).map(Number).ok_or(Error::Internal)
}

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

/// A block cipher in a mode of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockCipher {
    Aes128Ctr,
    Aes192Ctr,
    Aes256Ctr,
    Aes128Cbc,
    Aes192Cbc,
    Aes256Cbc,
    TripleDesCbc,
}

impl BlockCipher {
    fn library(self) -> *const lc::EVP_CIPHER {
        // SAFETY: these return pointers to constants and take nothing.
        unsafe {
            match self {
                Self::Aes128Ctr => lc::EVP_aes_128_ctr(),
                Self::Aes192Ctr => lc::EVP_aes_192_ctr(),
                Self::Aes256Ctr => lc::EVP_aes_256_ctr(),
                Self::Aes128Cbc => lc::EVP_aes_128_cbc(),
                Self::Aes192Cbc => lc::EVP_aes_192_cbc(),
                Self::Aes256Cbc => lc::EVP_aes_256_cbc(),
                Self::TripleDesCbc => lc::EVP_des_ede3_cbc(),
            }
        }
    }

    fn key_len(self) -> usize {
        match self {
            Self::Aes128Ctr | Self::Aes128Cbc => 16,
            Self::Aes192Ctr | Self::Aes192Cbc | Self::TripleDesCbc => 24,
            Self::Aes256Ctr | Self::Aes256Cbc => 32,
        }
    }

    pub(crate) fn block_len(self) -> usize {
        if self == Self::TripleDesCbc { 8 } else { 16 }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Encrypt,
    Decrypt,
}

/// A running cipher: the counter or the last block carries on from one call to
/// the next.
pub(crate) struct CipherContext {
    context: NonNull<lc::EVP_CIPHER_CTX>,
    block_len: usize,
}

// SAFETY: the pointer is owned by this value alone, and the context has no ties
// to a thread.
unsafe impl Send for CipherContext {}

impl Drop for CipherContext {
    fn drop(&mut self) {
        // SAFETY: the pointer came from EVP_CIPHER_CTX_new, and this is its only
        // owner. Freeing wipes the key.
        unsafe { lc::EVP_CIPHER_CTX_free(self.context.as_ptr()) }
    }
}

impl CipherContext {
    pub(crate) fn new(
        cipher: BlockCipher,
        key: &[u8],
        iv: &[u8],
        direction: Direction,
    ) -> Result<Self, Error> {
        if key.len() != cipher.key_len() || iv.len() != cipher.block_len() {
            return Err(Error::BadLength);
        }
        // SAFETY: takes nothing; null, for lack of memory, becomes an error.
        let context = NonNull::new(unsafe { lc::EVP_CIPHER_CTX_new() }).ok_or(Error::Internal)?;
        let context = Self { context, block_len: cipher.block_len() };
        // SAFETY: the library reads as many bytes of key and IV as the cipher has,
        // which were compared with the slices' lengths above. Without padding the
        // context keeps no partial block back.
        unsafe {
            check(lc::EVP_CipherInit_ex(
                context.context.as_ptr(),
                cipher.library(),
                ptr::null_mut(),
                key.as_ptr(),
                iv.as_ptr(),
                c_int::from(direction == Direction::Encrypt),
            ))?;
            check(lc::EVP_CIPHER_CTX_set_padding(context.context.as_ptr(), 0))?;
        }
        Ok(context)
    }

    /// Encrypts or decrypts whole blocks in place.
    pub(crate) fn apply(&mut self, data: &mut [u8]) -> Result<(), Error> {
        if !data.len().is_multiple_of(self.block_len) {
            return Err(Error::BadLength);
        }
        let len = c_int::try_from(data.len()).map_err(|_| Error::BadLength)?;
        if len == 0 {
            return Ok(());
        }
        let mut written: c_int = 0;
        let data = data.as_mut_ptr();
        // SAFETY: the library reads and writes `len` bytes of the one slice, which
        // it allows to be the same memory. As only whole blocks were ever given
        // and padding is off, it holds no bytes of earlier calls to write too.
        check(unsafe {
            lc::EVP_CipherUpdate(self.context.as_ptr(), data, &raw mut written, data, len)
        })?;
        if written == len { Ok(()) } else { Err(Error::Internal) }
    }
}

/// MD5 of all parts, one after the other. RFC 1321.
pub(crate) fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut state = lc::MD5_CTX { h: [0; 4], Nl: 0, Nh: 0, data: [0; 64], num: 0 };
    let mut digest = [0; 16];
    // SAFETY: the state is initialised before use, each part is read within its
    // length, and the digest has the 16 bytes that are written. These functions
    // cannot fail.
    unsafe {
        lc::MD5_Init(&raw mut state);
        for part in parts {
            lc::MD5_Update(&raw mut state, part.as_ptr().cast(), part.len());
        }
        lc::MD5_Final(digest.as_mut_ptr(), &raw mut state);
    }
    state.data.zeroize();
    state.h.zeroize();
    digest
}

/// Adds the ChaCha20 key stream from block `counter` on. RFC 8439 §2.4.
pub(crate) fn chacha20(key: &[u8; 32], nonce: &[u8; 12], counter: u32, data: &mut [u8]) {
    let len = data.len();
    let data = data.as_mut_ptr();
    // SAFETY: reads 32 bytes of key and 12 of nonce, as their types say, and reads
    // and writes `len` bytes of the one slice, which may be the same memory.
    unsafe { lc::CRYPTO_chacha_20(data, data, len, key.as_ptr(), nonce.as_ptr(), counter) }
}

/// A state as the library wants it: 512 bytes, aligned to 64.
#[repr(C, align(64))]
struct Poly1305State(lc::poly1305_state);

/// The one-time authenticator of RFC 8439 §2.5.
pub(crate) fn poly1305(key: &[u8; 32], message: &[u8]) -> [u8; 16] {
    let mut state = Poly1305State([0; 512]);
    let mut tag = [0; 16];
    // SAFETY: the state is of the library's type and aligned, and initialised
    // first; key and tag have the 32 and 16 bytes that are read and written; the
    // message is read within its length.
    unsafe {
        lc::CRYPTO_poly1305_init(&raw mut state.0, key.as_ptr());
        lc::CRYPTO_poly1305_update(&raw mut state.0, message.as_ptr(), message.len());
        lc::CRYPTO_poly1305_finish(&raw mut state.0, tag.as_mut_ptr());
    }
    state.0.zeroize();
    tag
}
