//! A security key that is open.

use std::ffi::{CStr, CString, c_int};

use super::functions::RawDevice;
use super::objects::{Assertion, Credential};
use super::{Code, Fido, OK, bytes, check, pointer, text_of};

/// A device that is open.
pub struct Device<'a> {
    pub(super) fido: &'a Fido,
    pub(super) raw: *mut RawDevice,
    /// The system's name for it.
    pub path: CString,
}

/// A key that a device keeps.
pub struct Kept {
    /// The relying party.
    pub application: String,
    /// Of COSE.
    pub kind: c_int,
    /// The key itself, as the library has it.
    pub public_key: Vec<u8>,
    /// By which the device finds the private half.
    pub id: Vec<u8>,
    /// Whose it is.
    pub user: Vec<u8>,
    /// Its protection.
    pub protection: c_int,
}

impl Device<'_> {
    /// Whether it speaks CTAP2.
    pub fn is_fido2(&self) -> bool {
        // SAFETY: the device is open.
        unsafe { (self.fido.functions.fido_dev_is_fido2)(self.raw) }
    }

    /// Whether it can tell its user by itself, by a finger for instance.
    pub fn verifies_user(&self) -> bool {
        // SAFETY: the device is open.
        unsafe { (self.fido.functions.fido_dev_has_uv)(self.raw) }
    }

    /// Whether it can protect keys.
    pub fn protects(&self) -> bool {
        // SAFETY: the device is open.
        unsafe { (self.fido.functions.fido_dev_supports_cred_prot)(self.raw) }
    }

    /// Starts waiting for a touch.
    ///
    /// # Errors
    /// The library's.
    pub fn begin_touch(&self) -> Result<(), Code> {
        // SAFETY: the device is open.
        check(unsafe { (self.fido.functions.fido_dev_get_touch_begin)(self.raw) })
    }

    /// Whether it was touched; waits so long.
    ///
    /// # Errors
    /// The library's.
    pub fn is_touched(&self, milliseconds: c_int) -> Result<bool, Code> {
        let mut touched = 0;
        // SAFETY: the device is open, `touched` valid for writes.
        check(unsafe {
            (self.fido.functions.fido_dev_get_touch_status)(
                self.raw,
                &raw mut touched,
                milliseconds,
            )
        })?;
        Ok(touched != 0)
    }

    /// Ends what it waits for.
    pub fn cancel(&self) {
        // SAFETY: the device is open. Nothing to cancel is no harm.
        unsafe { (self.fido.functions.fido_dev_cancel)(self.raw) };
    }

    /// Makes a key.
    ///
    /// # Errors
    /// The library's.
    pub fn make(&self, credential: &Credential<'_>, pin: Option<&CStr>) -> Result<(), Code> {
        // SAFETY: both are valid and ours; the PIN is null or a C string.
        check(unsafe {
            (self.fido.functions.fido_dev_make_cred)(self.raw, credential.raw, pointer(pin))
        })
    }

    /// Signs.
    ///
    /// # Errors
    /// The library's.
    pub fn sign(&self, assertion: &Assertion<'_>, pin: Option<&CStr>) -> Result<(), Code> {
        // SAFETY: both are valid and ours; the PIN is null or a C string.
        check(unsafe {
            (self.fido.functions.fido_dev_get_assert)(self.raw, assertion.raw, pointer(pin))
        })
    }

    /// The relying parties that the device keeps keys for.
    ///
    /// # Errors
    /// The library's.
    pub fn applications(&self, pin: &CStr) -> Result<Vec<CString>, Code> {
        let functions = &self.fido.functions;
        // SAFETY: the list is valid until it is freed; the library copies its names in, and they
        // are looked at only below its count.
        unsafe {
            let mut list = (functions.fido_credman_rp_new)();
            if list.is_null() {
                return Err(Code(-9));
            }
            let code = (functions.fido_credman_get_dev_rp)(self.raw, list, pin.as_ptr());
            let mut names = Vec::new();
            if code == OK {
                for index in 0..(functions.fido_credman_rp_count)(list) {
                    names.extend(text_of((functions.fido_credman_rp_id)(list, index)));
                }
            }
            (functions.fido_credman_rp_free)(&raw mut list);
            check(code).map(|()| names)
        }
    }

    /// The keys that it keeps for one of them.
    ///
    /// # Errors
    /// The library's.
    pub fn kept(&self, application: &CStr, pin: &CStr) -> Result<Vec<Kept>, Code> {
        let functions = &self.fido.functions;
        // SAFETY: as in `applications`; the keys belong to the list, and all is copied out of
        // them before it is freed.
        unsafe {
            let mut list = (functions.fido_credman_rk_new)();
            if list.is_null() {
                return Err(Code(-9));
            }
            let code = (functions.fido_credman_get_dev_rk)(
                self.raw,
                application.as_ptr(),
                list,
                pin.as_ptr(),
            );
            let mut keys = Vec::new();
            if code == OK {
                for index in 0..(functions.fido_credman_rk_count)(list) {
                    let key = (functions.fido_credman_rk)(list, index);
                    if key.is_null() {
                        continue;
                    }
                    keys.push(Kept {
                        application: application.to_string_lossy().into_owned(),
                        kind: (functions.fido_cred_type)(key),
                        public_key: bytes(
                            (functions.fido_cred_pubkey_ptr)(key),
                            (functions.fido_cred_pubkey_len)(key),
                        ),
                        id: bytes(
                            (functions.fido_cred_id_ptr)(key),
                            (functions.fido_cred_id_len)(key),
                        ),
                        user: bytes(
                            (functions.fido_cred_user_id_ptr)(key),
                            (functions.fido_cred_user_id_len)(key),
                        ),
                        protection: (functions.fido_cred_prot)(key),
                    });
                }
            }
            (functions.fido_credman_rk_free)(&raw mut list);
            check(code).map(|()| keys)
        }
    }
}

impl Drop for Device<'_> {
    fn drop(&mut self) {
        // SAFETY: the device is ours and used no more; free sets the pointer to null.
        unsafe {
            (self.fido.functions.fido_dev_close)(self.raw);
            (self.fido.functions.fido_dev_free)(&raw mut self.raw);
        }
    }
}
