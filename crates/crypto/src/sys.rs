//! What the safe interface of the library lacks: big integers, RSA of any size,
//! ciphers that run in place, MD5, and ChaCha20 and Poly1305 on their own.
//!
//! Every unsafe block of this crate is in this file and those below it. Pointers from the library
//! live in types that own them alone and free them once.

mod ciphers;
mod number;
mod rsa;

use std::os::raw::c_int;

use crate::Error;

pub(crate) use self::ciphers::{BlockCipher, CipherContext, Direction, chacha20, md5, poly1305};
pub(crate) use self::number::{Number, rfc3526_prime};
pub(crate) use self::rsa::{Rsa, RsaNumbers};

/// The library returns 1 for success.
fn check(result: c_int) -> Result<(), Error> {
    if result == 1 { Ok(()) } else { Err(Error::Internal) }
}
