//! Old block ciphers, and the halves of ChaCha20-Poly1305; MD5.

use std::os::raw::c_int;
use std::ptr::{self, NonNull};

use aws_lc_sys as lc;
use zeroize::Zeroize;

use super::check;
use crate::Error;

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
