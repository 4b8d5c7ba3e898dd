//! The system's libfido2: security keys on USB (and NFC). Loaded at run time, and only in the
//! helper process; see `fido.h` of libfido2 1.5 and later for what each function does.

use std::ffi::{CStr, CString, c_char, c_int};
use std::marker::{PhantomData, PhantomPinned};
use std::ptr;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

/// The names under which systems have it.
#[cfg(not(target_os = "macos"))]
const NAMES: [&str; 2] = ["libfido2.so.1", "libfido2.so"];
#[cfg(target_os = "macos")]
const NAMES: [&str; 3] =
    ["libfido2.1.dylib", "/opt/homebrew/lib/libfido2.1.dylib", "/usr/local/lib/libfido2.1.dylib"];

/// Devices looked at, as in OpenSSH.
const DEVICES_MAX: usize = 8;
/// Most bytes taken of one thing that the library gives.
const BYTES_MAX: usize = 64 * 1024;

/// What the library calls these algorithms (RFC 9053).
pub const COSE_ES256: c_int = -7;
/// Ed25519.
pub const COSE_EDDSA: c_int = -8;

/// No error.
pub const OK: c_int = 0;
/// It cannot make keys of that type.
pub const UNSUPPORTED_ALGORITHM: c_int = 0x26;
/// The user, or the device, said no.
pub const OPERATION_DENIED: c_int = 0x27;
/// It does not know an option.
pub const UNSUPPORTED_OPTION: c_int = 0x2b;
/// It has no such key.
pub const NO_CREDENTIALS: c_int = 0x2e;
/// The PIN is wrong.
pub const PIN_INVALID: c_int = 0x31;
/// The PIN is needed.
pub const PIN_REQUIRED: c_int = 0x36;
/// A device of U2F has the key and waits for a touch.
pub const USER_PRESENCE_REQUIRED: c_int = -8;

/// Values of `fido_opt_t`.
const OPTION_OMIT: c_int = 0;
const OPTION_FALSE: c_int = 1;
const OPTION_TRUE: c_int = 2;

/// `credProtect` (CTAP 2.1 §12.1).
pub const PROTECT_WITH_ID: c_int = 2;
/// Only to a user who was verified.
pub const PROTECT_VERIFIED: c_int = 3;

/// A type of the library's, of which only it knows the insides.
macro_rules! opaque {
    ($($name:ident)*) => { $(
        #[repr(C)]
        struct $name {
            _bytes: [u8; 0],
            _marker: PhantomData<(*mut u8, PhantomPinned)>,
        }
    )* };
}
opaque! { RawDevice RawInfo RawCredential RawAssertion RawRps RawRks }

/// The functions that are used, by their names in the library.
macro_rules! functions {
    ($($name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        struct Functions { $($name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)* }

        impl Functions {
            /// # Safety
            /// The library is libfido2.
            unsafe fn find(library: &Library) -> Result<Self, String> {
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

/// The library.
pub struct Fido {
    functions: Functions,
    // Its code, for as long as the functions are called.
    _library: Library,
}

/// Why something did not work: one of the library's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub c_int);

/// A device that is open.
pub struct Device<'a> {
    fido: &'a Fido,
    raw: *mut RawDevice,
    /// The system's name for it.
    pub path: CString,
}

/// A key to be made, and then what was made.
pub struct Credential<'a> {
    fido: &'a Fido,
    raw: *mut RawCredential,
}

/// A signature to be made, and then what was made.
pub struct Assertion<'a> {
    fido: &'a Fido,
    raw: *mut RawAssertion,
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

fn check(code: c_int) -> Result<(), Code> {
    if code == OK { Ok(()) } else { Err(Code(code)) }
}

fn pointer(text: Option<&CStr>) -> *const c_char {
    text.map_or(ptr::null(), CStr::as_ptr)
}

fn option(value: Option<bool>) -> c_int {
    match value {
        None => OPTION_OMIT,
        Some(false) => OPTION_FALSE,
        Some(true) => OPTION_TRUE,
    }
}

/// # Safety
/// Null, or valid for reads of that many bytes.
unsafe fn bytes(start: *const u8, length: usize) -> Vec<u8> {
    if start.is_null() {
        return Vec::new();
    }
    // SAFETY: the caller vouches for pointer and length; fewer bytes are valid, too.
    unsafe { std::slice::from_raw_parts(start, length.min(BYTES_MAX)) }.to_vec()
}

/// # Safety
/// Null, or a C string.
unsafe fn text_of(start: *const c_char) -> Option<CString> {
    // SAFETY: the caller vouches for the pointer.
    (!start.is_null()).then(|| unsafe { CStr::from_ptr(start) }.to_owned())
}

impl Fido {
    /// Loads the library.
    ///
    /// # Errors
    /// The loader's words for the name that it should have.
    pub fn load() -> Result<Self, String> {
        let mut problem = None;
        for name in NAMES {
            // SAFETY: the library's initialisers run in this process, which exists to run them.
            match unsafe { Library::open(Some(name), RTLD_NOW | RTLD_LOCAL) } {
                Ok(library) => {
                    // SAFETY: a library of this name is libfido2.
                    let functions = unsafe { Functions::find(&library) }?;
                    // SAFETY: 0 asks for no debugging; called once before anything else.
                    unsafe { (functions.fido_init)(0) };
                    return Ok(Fido { functions, _library: library });
                }
                Err(why) => problem = problem.or(Some(why.to_string())),
            }
        }
        Err(problem.unwrap_or_default())
    }

    /// The library's words for a number.
    pub fn reason(&self, code: Code) -> String {
        // SAFETY: it gives a C string of its own for every number.
        let text = unsafe { text_of((self.functions.fido_strerr)(code.0)) };
        text.map_or_else(|| code.0.to_string(), |text| text.to_string_lossy().into_owned())
    }

    /// The devices that can be opened, and how many there are in all.
    pub fn devices(&self) -> (Vec<Device<'_>>, usize) {
        let functions = &self.functions;
        let mut found = 0;
        let mut paths = Vec::new();
        // SAFETY: the list is made for `DEVICES_MAX` entries, filled with at most as many, only
        // those are looked at, and it is freed with the size that it was made with.
        unsafe {
            let mut list = (functions.fido_dev_info_new)(DEVICES_MAX);
            if list.is_null() {
                return (Vec::new(), 0);
            }
            if (functions.fido_dev_info_manifest)(list, DEVICES_MAX, &raw mut found) != OK {
                found = 0;
            }
            for index in 0..found.min(DEVICES_MAX) {
                let info = (functions.fido_dev_info_ptr)(list, index);
                if !info.is_null() {
                    paths.extend(text_of((functions.fido_dev_info_path)(info)));
                }
            }
            (functions.fido_dev_info_free)(&raw mut list, DEVICES_MAX);
        }
        (paths.iter().filter_map(|path| self.open(path).ok()).collect(), found)
    }

    /// Opens a device by the system's name for it.
    ///
    /// # Errors
    /// The library's.
    pub fn open(&self, path: &CStr) -> Result<Device<'_>, Code> {
        // SAFETY: takes nothing, gives null or a device that is ours to free.
        let raw = unsafe { (self.functions.fido_dev_new)() };
        if raw.is_null() {
            return Err(Code(-9));
        }
        let device = Device { fido: self, raw, path: path.to_owned() };
        // SAFETY: the device is ours and not open yet; `path` is a C string. Dropping a device
        // that failed to open closes it, which is a harmless error.
        check(unsafe { (self.functions.fido_dev_open)(raw, path.as_ptr()) })?;
        Ok(device)
    }

    /// An empty credential.
    ///
    /// # Errors
    /// There is no memory.
    pub fn credential(&self) -> Result<Credential<'_>, Code> {
        // SAFETY: takes nothing, gives null or a credential that is ours to free.
        let raw = unsafe { (self.functions.fido_cred_new)() };
        if raw.is_null() { Err(Code(-9)) } else { Ok(Credential { fido: self, raw }) }
    }

    /// A signature to be made over a hash.
    ///
    /// # Errors
    /// The library's.
    pub fn assertion(&self, application: &CStr, hash: &[u8]) -> Result<Assertion<'_>, Code> {
        let functions = &self.functions;
        // SAFETY: takes nothing, gives null or an assertion that is ours to free.
        let raw = unsafe { (functions.fido_assert_new)() };
        if raw.is_null() {
            return Err(Code(-9));
        }
        let assertion = Assertion { fido: self, raw };
        // SAFETY: the assertion is valid; the library copies what the pointers point to.
        unsafe {
            check((functions.fido_assert_set_clientdata_hash)(raw, hash.as_ptr(), hash.len()))?;
            check((functions.fido_assert_set_rp)(raw, application.as_ptr()))?;
        }
        Ok(assertion)
    }
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

impl Drop for Device<'_> {
    fn drop(&mut self) {
        // SAFETY: the device is ours and used no more; free sets the pointer to null.
        unsafe {
            (self.fido.functions.fido_dev_close)(self.raw);
            (self.fido.functions.fido_dev_free)(&raw mut self.raw);
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
