//! The functions of libfido2 that are used, with the types that its header gives them.

use std::ffi::{c_char, c_int};
use std::marker::{PhantomData, PhantomPinned};

use libloading::os::unix::Library;

/// A type of the library's, of which only it knows the insides.
macro_rules! opaque {
    ($($name:ident)*) => { $(
        #[repr(C)]
        pub struct $name {
            _bytes: [u8; 0],
            _marker: PhantomData<(*mut u8, PhantomPinned)>,
        }
    )* };
}
opaque! { RawDevice RawInfo RawCredential RawAssertion RawRps RawRks }

/// The functions that are used, by their names in the library.
macro_rules! functions {
    ($($name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// What is called of the library, with the types of its header.
        pub struct Functions { $(pub $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)* }

        impl Functions {
            /// # Safety
            /// The library is libfido2.
            pub unsafe fn find(library: &Library) -> Result<Self, String> {
                // SAFETY: these are the types in libfido2's header.
                unsafe {
                    Ok(Functions { $($name: *library
                        .get(concat!(stringify!($name), "\0").as_bytes())
                        .map_err(|_| format!("it has no {}", stringify!($name)))?,)* })
                }
            }
        }
    };
}

functions! {
    fido_init(c_int);
    fido_strerr(c_int) -> *const c_char;
    fido_dev_info_new(usize) -> *mut RawInfo;
    fido_dev_info_free(*mut *mut RawInfo, usize);
    fido_dev_info_manifest(*mut RawInfo, usize, *mut usize) -> c_int;
    fido_dev_info_ptr(*const RawInfo, usize) -> *const RawInfo;
    fido_dev_info_path(*const RawInfo) -> *const c_char;
    fido_dev_new() -> *mut RawDevice;
    fido_dev_free(*mut *mut RawDevice);
    fido_dev_open(*mut RawDevice, *const c_char) -> c_int;
    fido_dev_close(*mut RawDevice) -> c_int;
    fido_dev_cancel(*mut RawDevice) -> c_int;
    fido_dev_is_fido2(*const RawDevice) -> bool;
    fido_dev_has_uv(*const RawDevice) -> bool;
    fido_dev_supports_cred_prot(*const RawDevice) -> bool;
    fido_dev_get_touch_begin(*mut RawDevice) -> c_int;
    fido_dev_get_touch_status(*mut RawDevice, *mut c_int, c_int) -> c_int;
    fido_dev_make_cred(*mut RawDevice, *mut RawCredential, *const c_char) -> c_int;
    fido_dev_get_assert(*mut RawDevice, *mut RawAssertion, *const c_char) -> c_int;
    fido_cred_new() -> *mut RawCredential;
    fido_cred_free(*mut *mut RawCredential);
    fido_cred_set_type(*mut RawCredential, c_int) -> c_int;
    fido_cred_set_clientdata_hash(*mut RawCredential, *const u8, usize) -> c_int;
    fido_cred_set_rk(*mut RawCredential, c_int) -> c_int;
    fido_cred_set_uv(*mut RawCredential, c_int) -> c_int;
    fido_cred_set_prot(*mut RawCredential, c_int) -> c_int;
    fido_cred_set_rp(*mut RawCredential, *const c_char, *const c_char) -> c_int;
    fido_cred_set_user(*mut RawCredential, *const u8, usize, *const c_char, *const c_char,
        *const c_char) -> c_int;
    fido_cred_verify(*const RawCredential) -> c_int;
    fido_cred_verify_self(*const RawCredential) -> c_int;
    fido_cred_type(*const RawCredential) -> c_int;
    fido_cred_prot(*const RawCredential) -> c_int;
    fido_cred_pubkey_ptr(*const RawCredential) -> *const u8;
    fido_cred_pubkey_len(*const RawCredential) -> usize;
    fido_cred_id_ptr(*const RawCredential) -> *const u8;
    fido_cred_id_len(*const RawCredential) -> usize;
    fido_cred_sig_ptr(*const RawCredential) -> *const u8;
    fido_cred_sig_len(*const RawCredential) -> usize;
    fido_cred_x5c_ptr(*const RawCredential) -> *const u8;
    fido_cred_x5c_len(*const RawCredential) -> usize;
    fido_cred_authdata_ptr(*const RawCredential) -> *const u8;
    fido_cred_authdata_len(*const RawCredential) -> usize;
    fido_cred_user_id_ptr(*const RawCredential) -> *const u8;
    fido_cred_user_id_len(*const RawCredential) -> usize;
    fido_assert_new() -> *mut RawAssertion;
    fido_assert_free(*mut *mut RawAssertion);
    fido_assert_set_clientdata_hash(*mut RawAssertion, *const u8, usize) -> c_int;
    fido_assert_set_rp(*mut RawAssertion, *const c_char) -> c_int;
    fido_assert_set_up(*mut RawAssertion, c_int) -> c_int;
    fido_assert_set_uv(*mut RawAssertion, c_int) -> c_int;
    fido_assert_allow_cred(*mut RawAssertion, *const u8, usize) -> c_int;
    fido_assert_count(*const RawAssertion) -> usize;
    fido_assert_flags(*const RawAssertion, usize) -> u8;
    fido_assert_sigcount(*const RawAssertion, usize) -> u32;
    fido_assert_sig_ptr(*const RawAssertion, usize) -> *const u8;
    fido_assert_sig_len(*const RawAssertion, usize) -> usize;
    fido_assert_user_id_ptr(*const RawAssertion, usize) -> *const u8;
    fido_assert_user_id_len(*const RawAssertion, usize) -> usize;
    fido_credman_rp_new() -> *mut RawRps;
    fido_credman_rp_free(*mut *mut RawRps);
    fido_credman_get_dev_rp(*mut RawDevice, *mut RawRps, *const c_char) -> c_int;
    fido_credman_rp_count(*const RawRps) -> usize;
    fido_credman_rp_id(*const RawRps, usize) -> *const c_char;
    fido_credman_rk_new() -> *mut RawRks;
    fido_credman_rk_free(*mut *mut RawRks);
    fido_credman_get_dev_rk(*mut RawDevice, *const c_char, *mut RawRks, *const c_char) -> c_int;
    fido_credman_rk_count(*const RawRks) -> usize;
    fido_credman_rk(*const RawRks, usize) -> *const RawCredential;
}
