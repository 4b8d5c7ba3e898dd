//! The system's libfido2: security keys on USB (and NFC). Loaded at run time, and only in the
//! helper process; see `fido.h` of libfido2 1.5 and later for what each function does.

mod device;
mod functions;
mod objects;

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

pub use self::device::Device;
use self::functions::Functions;
pub use self::objects::{Assertion, Credential, Wish};

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

/// The library.
pub struct Fido {
    functions: Functions,
    // Its code, for as long as the functions are called.
    _library: Library,
}

/// Why something did not work: one of the library's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub c_int);

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
