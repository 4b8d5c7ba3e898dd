//! Big integers.

use std::os::raw::c_int;
use std::ptr::{self, NonNull};

use aws_lc_sys as lc;
use zeroize::Zeroizing;

use super::check;
use crate::Error;

/// A non-negative integer. Wiped on drop.
pub(crate) struct Number(pub(super) NonNull<lc::BIGNUM>);

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

    pub(super) fn copy_of(number: *const lc::BIGNUM) -> Result<Self, Error> {
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

    pub(super) fn minus_one(&self) -> Result<Self, Error> {
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
