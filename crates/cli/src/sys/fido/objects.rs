//! What is asked of a security key, and what it answers.

use std::ffi::{CStr, c_int};
use std::ptr;

use super::functions::{RawAssertion, RawCredential};
use super::{Code, Fido, bytes, check, option};

/// A key to be made, and then what was made.
pub struct Credential<'a> {
    pub(super) fido: &'a Fido,
    pub(super) raw: *mut RawCredential,
}

/// A signature to be made, and then what was made.
pub struct Assertion<'a> {
    pub(super) fido: &'a Fido,
    pub(super) raw: *mut RawAssertion,
}

/// What a key is to be.
pub struct Wish<'a> {
    /// Of COSE.
    pub kind: c_int,
    /// The hash of the challenge.
    pub hash: &'a [u8],
    /// The relying party.
    pub application: &'a CStr,
    /// Whose it is.
    pub user: &'a [u8],
    /// Kept by the device.
    pub resident: bool,
    /// The device is to verify its user by itself.
    pub verify: bool,
    /// Its protection.
    pub protection: Option<c_int>,
}

impl Credential<'_> {
    /// Says what is to be made.
    ///
    /// # Errors
    /// The library's.
    pub fn wish(&self, wish: &Wish<'_>) -> Result<(), Code> {
        const NAME: &CStr = c"openssh";
        let (functions, raw) = (&self.fido.functions, self.raw);
        // SAFETY: the credential is valid; the library copies what the pointers point to, and
        // null stands for no name and no icon.
        unsafe {
            check((functions.fido_cred_set_type)(raw, wish.kind))?;
            check((functions.fido_cred_set_clientdata_hash)(
                raw,
                wish.hash.as_ptr(),
                wish.hash.len(),
            ))?;
            check((functions.fido_cred_set_rk)(raw, option(wish.resident.then_some(true))))?;
            check((functions.fido_cred_set_uv)(raw, option(wish.verify.then_some(true))))?;
            check((functions.fido_cred_set_user)(
                raw,
                wish.user.as_ptr(),
                wish.user.len(),
                NAME.as_ptr(),
                NAME.as_ptr(),
                ptr::null(),
            ))?;
            check((functions.fido_cred_set_rp)(raw, wish.application.as_ptr(), ptr::null()))?;
            if let Some(protection) = wish.protection {
                check((functions.fido_cred_set_prot)(raw, protection))?;
            }
        }
        Ok(())
    }

    /// Checks the device's own signature over what it made.
    ///
    /// # Errors
    /// The library's.
    pub fn verify(&self) -> Result<(), Code> {
        let functions = &self.fido.functions;
        // SAFETY: the credential is valid.
        check(unsafe {
            if (functions.fido_cred_x5c_ptr)(self.raw).is_null() {
                (functions.fido_cred_verify_self)(self.raw)
            } else {
                (functions.fido_cred_verify)(self.raw)
            }
        })
    }

    /// One of its parts.
    fn part(
        &self,
        start: unsafe extern "C" fn(*const RawCredential) -> *const u8,
        length: unsafe extern "C" fn(*const RawCredential) -> usize,
    ) -> Vec<u8> {
        // SAFETY: the credential is valid, and the two functions belong together.
        unsafe { bytes(start(self.raw), length(self.raw)) }
    }

    /// x and y, or the Ed25519 key.
    pub fn public_key(&self) -> Vec<u8> {
        let functions = &self.fido.functions;
        self.part(functions.fido_cred_pubkey_ptr, functions.fido_cred_pubkey_len)
    }

    /// By which the device finds the private half.
    pub fn id(&self) -> Vec<u8> {
        let functions = &self.fido.functions;
        self.part(functions.fido_cred_id_ptr, functions.fido_cred_id_len)
    }

    /// The attestation's signature.
    pub fn signature(&self) -> Vec<u8> {
        let functions = &self.fido.functions;
        self.part(functions.fido_cred_sig_ptr, functions.fido_cred_sig_len)
    }

    /// Whose signature that is.
    pub fn certificate(&self) -> Vec<u8> {
        let functions = &self.fido.functions;
        self.part(functions.fido_cred_x5c_ptr, functions.fido_cred_x5c_len)
    }

    /// What it is over.
    pub fn authenticator_data(&self) -> Vec<u8> {
        let functions = &self.fido.functions;
        self.part(functions.fido_cred_authdata_ptr, functions.fido_cred_authdata_len)
    }
}

impl Assertion<'_> {
    /// Only with this key, and whether by a touch and by a user whom the device knows.
    ///
    /// # Errors
    /// The library's.
    pub fn with(&self, key_handle: &[u8], touch: bool, verify: bool) -> Result<(), Code> {
        let (functions, raw) = (&self.fido.functions, self.raw);
        // SAFETY: the assertion is valid; the library copies what the pointer points to.
        unsafe {
            if !key_handle.is_empty() {
                check((functions.fido_assert_allow_cred)(
                    raw,
                    key_handle.as_ptr(),
                    key_handle.len(),
                ))?;
            }
            check((functions.fido_assert_set_up)(raw, option(Some(touch))))?;
            check((functions.fido_assert_set_uv)(raw, option(verify.then_some(true))))
        }
    }

    /// What was asked of the user, how often the device has signed, and the signature.
    pub fn signature(&self) -> (u8, u32, Vec<u8>) {
        let (functions, raw) = (&self.fido.functions, self.raw);
        // SAFETY: the assertion is valid; for an index it does not have the library gives null
        // and zeros.
        unsafe {
            (
                (functions.fido_assert_flags)(raw, 0),
                (functions.fido_assert_sigcount)(raw, 0),
                bytes(
                    (functions.fido_assert_sig_ptr)(raw, 0),
                    (functions.fido_assert_sig_len)(raw, 0),
                ),
            )
        }
    }

    /// Whose keys have answered.
    pub fn users(&self) -> Vec<Vec<u8>> {
        let (functions, raw) = (&self.fido.functions, self.raw);
        // SAFETY: the assertion is valid, and the index below its count.
        unsafe {
            (0..(functions.fido_assert_count)(raw))
                .map(|index| {
                    bytes(
                        (functions.fido_assert_user_id_ptr)(raw, index),
                        (functions.fido_assert_user_id_len)(raw, index),
                    )
                })
                .collect()
        }
    }
}

impl Drop for Credential<'_> {
    fn drop(&mut self) {
        // SAFETY: the credential is ours and used no more.
        unsafe { (self.fido.functions.fido_cred_free)(&raw mut self.raw) };
    }
}

impl Drop for Assertion<'_> {
    fn drop(&mut self) {
        // SAFETY: the assertion is ours and used no more.
        unsafe { (self.fido.functions.fido_assert_free)(&raw mut self.raw) };
    }
}
