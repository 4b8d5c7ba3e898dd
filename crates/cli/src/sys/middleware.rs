//! Libraries that speak to security keys by OpenSSH's middleware interface (PROTOCOL.u2f,
//! "Middleware interface"; version 10 of it). Loaded only in the helper process.

use std::ffi::{CStr, CString, c_char, c_int};
use std::path::Path;
use std::ptr;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};
use zeroize::Zeroizing;

/// The version of the interface, whose lower half may be anything.
const VERSION: u32 = 0x000a_0000;
const VERSION_MASK: u32 = 0xffff_0000;

/// Most bytes taken of one thing that a library gives, and most resident keys. Real ones are
/// below a kilobyte, attestations some kilobytes.
const BYTES_MAX: usize = 64 * 1024;
const RESIDENT_MAX: usize = 256;

#[repr(C)]
struct EnrollResponse {
    flags: u8,
    public_key: *mut u8,
    public_key_len: usize,
    key_handle: *mut u8,
    key_handle_len: usize,
    signature: *mut u8,
    signature_len: usize,
    attestation_cert: *mut u8,
    attestation_cert_len: usize,
    authdata: *mut u8,
    authdata_len: usize,
}

#[repr(C)]
struct SignResponse {
    flags: u8,
    counter: u32,
    sig_r: *mut u8,
    sig_r_len: usize,
    sig_s: *mut u8,
    sig_s_len: usize,
}

#[repr(C)]
struct ResidentKey {
    alg: u32,
    slot: usize,
    application: *mut c_char,
    key: EnrollResponse,
    flags: u8,
    user_id: *mut u8,
    user_id_len: usize,
}

#[repr(C)]
struct RawOption {
    name: *mut c_char,
    value: *mut c_char,
    required: u8,
}

type Version = unsafe extern "C" fn() -> u32;
type Enroll = unsafe extern "C" fn(
    u32,
    *const u8,
    usize,
    *const c_char,
    u8,
    *const c_char,
    *mut *mut RawOption,
    *mut *mut EnrollResponse,
) -> c_int;
type Sign = unsafe extern "C" fn(
    u32,
    *const u8,
    usize,
    *const c_char,
    *const u8,
    usize,
    u8,
    *const c_char,
    *mut *mut RawOption,
    *mut *mut SignResponse,
) -> c_int;
type LoadResident = unsafe extern "C" fn(
    *const c_char,
    *mut *mut RawOption,
    *mut *mut *mut ResidentKey,
    *mut usize,
) -> c_int;

/// What a library says of a new or resident key.
#[derive(Debug, Default)]
pub struct Enrolled {
    /// What the key asks of its user.
    pub flags: u8,
    /// The point or the Ed25519 key.
    pub public_key: Vec<u8>,
    /// By which the device finds the private half.
    pub key_handle: Zeroizing<Vec<u8>>,
    /// The attestation's signature.
    pub signature: Vec<u8>,
    /// Whose signature that is.
    pub certificate: Vec<u8>,
    /// What it is over.
    pub authenticator_data: Vec<u8>,
}

/// What a library says for a signature.
#[derive(Debug)]
pub struct Signed {
    /// What was asked of the user.
    pub flags: u8,
    /// How often the device has signed.
    pub counter: u32,
    /// The Ed25519 signature, or r.
    pub r: Vec<u8>,
    /// s.
    pub s: Vec<u8>,
}

/// A key that a device keeps.
#[derive(Debug)]
pub struct Resident {
    /// 0 for ECDSA, 1 for Ed25519.
    pub algorithm: u32,
    /// The relying party.
    pub application: String,
    /// Whose key it is.
    pub user: Vec<u8>,
    /// The key.
    pub key: Enrolled,
}

/// What is asked for beside the key: name, value, and whether the library must know it.
pub type Choice<'a> = (&'a str, &'a str, bool);

/// Why there is no answer.
#[derive(Debug)]
pub enum Problem {
    /// The library cannot be used at all.
    Load(String),
    /// What it answered: one of its negative numbers.
    Refused(i32),
    /// What it gave makes no sense.
    Nonsense(&'static str),
}

/// A library that is loaded.
pub struct Middleware {
    library: Library,
}

impl Middleware {
    /// Loads a library and checks its version.
    ///
    /// # Errors
    /// The loader's, or that it is no such library.
    pub fn load(path: &Path) -> Result<Self, Problem> {
        // SAFETY: the library's initialisers run in this process, which exists to run them: it
        // holds no keys, and nothing of it is used after the library has misbehaved.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
        let library = library.map_err(|why| Problem::Load(why.to_string()))?;
        let middleware = Middleware { library };
        // SAFETY: this is the type of the interface's first function in all its versions.
        let version = unsafe { middleware.symbol::<Version>("sk_api_version") }
            .map_err(|_| Problem::Load("it is not an OpenSSH FIDO library".to_owned()))?;
        // SAFETY: it takes nothing and gives a number.
        let version = unsafe { version() };
        if version & VERSION_MASK != VERSION {
            return Err(Problem::Load(format!(
                "it implements unsupported version 0x{version:08x} (supported: 0x{VERSION:08x})"
            )));
        }
        Ok(middleware)
    }

    /// Makes a key.
    ///
    /// # Errors
    /// The library's.
    pub fn enroll(
        &self,
        algorithm: u32,
        challenge: &[u8],
        application: &CStr,
        flags: u8,
        pin: Option<&CStr>,
        choices: &[Choice<'_>],
    ) -> Result<Enrolled, Problem> {
        // SAFETY: the type that version 10 gives to this function.
        let enroll = unsafe { self.symbol::<Enroll>("sk_enroll") }?;
        let mut options = Options::new(choices)?;
        let mut response: *mut EnrollResponse = ptr::null_mut();
        // SAFETY: every pointer is valid for the length beside it or ends in a zero, lives until
        // the call is over, and `response` is valid for writes.
        let status = unsafe {
            enroll(
                algorithm,
                challenge.as_ptr(),
                challenge.len(),
                application.as_ptr(),
                flags,
                text(pin),
                options.as_mut_ptr(),
                &raw mut response,
            )
        };
        if status != 0 {
            return Err(Problem::Refused(status));
        }
        // SAFETY: on success the library gives null or a response that is ours now. It is never
        // freed: its allocator is not known to be ours, and this process ends soon.
        let response = unsafe { response.as_ref() };
        let response = response.ok_or(Problem::Nonsense("it gave no key"))?;
        // SAFETY: the fields of a response that was given with success are valid or null.
        unsafe { enrolled(response) }
    }

    /// Signs.
    ///
    /// # Errors
    /// The library's.
    #[expect(clippy::too_many_arguments, reason = "the interface has as many")]
    pub fn sign(
        &self,
        algorithm: u32,
        data: &[u8],
        application: &CStr,
        key_handle: &[u8],
        flags: u8,
        pin: Option<&CStr>,
        choices: &[Choice<'_>],
    ) -> Result<Signed, Problem> {
        // SAFETY: the type that version 10 gives to this function.
        let sign = unsafe { self.symbol::<Sign>("sk_sign") }?;
        let mut options = Options::new(choices)?;
        let mut response: *mut SignResponse = ptr::null_mut();
        // SAFETY: as for `enroll`.
        let status = unsafe {
            sign(
                algorithm,
                data.as_ptr(),
                data.len(),
                application.as_ptr(),
                key_handle.as_ptr(),
                key_handle.len(),
                flags,
                text(pin),
                options.as_mut_ptr(),
                &raw mut response,
            )
        };
        if status != 0 {
            return Err(Problem::Refused(status));
        }
        // SAFETY: null or valid, as for `enroll`.
        let response = unsafe { response.as_ref() };
        let response = response.ok_or(Problem::Nonsense("it gave no signature"))?;
        // SAFETY: pointers and lengths of a successful answer belong together.
        let (r, s) = unsafe {
            (bytes(response.sig_r, response.sig_r_len)?, bytes(response.sig_s, response.sig_s_len)?)
        };
        Ok(Signed { flags: response.flags, counter: response.counter, r, s })
    }

    /// Lists the keys that the devices keep.
    ///
    /// # Errors
    /// The library's.
    pub fn resident_keys(
        &self,
        pin: Option<&CStr>,
        choices: &[Choice<'_>],
    ) -> Result<Vec<Resident>, Problem> {
        // SAFETY: the type that version 10 gives to this function.
        let load = unsafe { self.symbol::<LoadResident>("sk_load_resident_keys") }?;
        let mut options = Options::new(choices)?;
        let mut keys: *mut *mut ResidentKey = ptr::null_mut();
        let mut count = 0;
        // SAFETY: as for `enroll`; `keys` and `count` are valid for writes.
        let status =
            unsafe { load(text(pin), options.as_mut_ptr(), &raw mut keys, &raw mut count) };
        if status != 0 {
            return Err(Problem::Refused(status));
        }
        if count > RESIDENT_MAX || (keys.is_null() && count > 0) {
            return Err(Problem::Nonsense("it gave a list of keys that makes no sense"));
        }
        let mut found = Vec::with_capacity(count);
        for index in 0..count {
            // SAFETY: on success `keys` holds `count` pointers, each null or to a key that is
            // ours now.
            let key = unsafe { keys.add(index).read().as_ref() };
            let key = key.ok_or(Problem::Nonsense("it gave a key that is none"))?;
            if key.application.is_null() {
                return Err(Problem::Nonsense("it gave a key without an application"));
            }
            // SAFETY: the application of a key is a C string.
            let application = unsafe { CStr::from_ptr(key.application) };
            // SAFETY: pointers and lengths of a successful answer belong together.
            let (user, mut enrolled) =
                unsafe { (bytes(key.user_id, key.user_id_len)?, enrolled(&key.key)?) };
            enrolled.flags = key.flags;
            found.push(Resident {
                algorithm: key.alg,
                application: application.to_string_lossy().into_owned(),
                user,
                key: enrolled,
            });
        }
        Ok(found)
    }

    /// # Safety
    /// The function of that name has the type `T`.
    unsafe fn symbol<T>(&self, name: &str) -> Result<Symbol<T>, Problem> {
        // SAFETY: the caller vouches for the type; the library lives as long as `self`, and a
        // symbol is used within one call of it.
        unsafe { self.library.get(name.as_bytes()) }
            .map_err(|_| Problem::Load(format!("it has no function {name}")))
    }
}

/// A list of options as the interface takes it: pointers to structures, the last one null.
struct Options {
    pointers: Vec<*mut RawOption>,
    // What the pointers point to.
    _targets: Vec<RawOption>,
    _texts: Vec<CString>,
}

impl Options {
    fn new(choices: &[Choice<'_>]) -> Result<Self, Problem> {
        let (mut texts, mut options) = (Vec::new(), Vec::new());
        for (name, value, required) in choices {
            let text = |text: &str| {
                CString::new(text).map_err(|_| Problem::Nonsense("an option holds a zero byte"))
            };
            let (name, value) = (text(name)?, text(value)?);
            options.push(RawOption {
                name: name.as_ptr().cast_mut(),
                value: value.as_ptr().cast_mut(),
                required: u8::from(*required),
            });
            texts.extend([name, value]);
        }
        // The list is whole and stays where it is.
        let mut pointers: Vec<*mut RawOption> =
            options.iter_mut().map(|option| &raw mut *option).collect();
        if !pointers.is_empty() {
            pointers.push(ptr::null_mut());
        }
        Ok(Options { pointers, _targets: options, _texts: texts })
    }

    fn as_mut_ptr(&mut self) -> *mut *mut RawOption {
        if self.pointers.is_empty() { ptr::null_mut() } else { self.pointers.as_mut_ptr() }
    }
}

fn text(pin: Option<&CStr>) -> *const c_char {
    pin.map_or(ptr::null(), CStr::as_ptr)
}

/// # Safety
/// Pointers and lengths of the response belong together.
unsafe fn enrolled(response: &EnrollResponse) -> Result<Enrolled, Problem> {
    // SAFETY: the caller vouches for each pair.
    unsafe {
        Ok(Enrolled {
            flags: response.flags,
            public_key: bytes(response.public_key, response.public_key_len)?,
            key_handle: Zeroizing::new(bytes(response.key_handle, response.key_handle_len)?),
            signature: bytes(response.signature, response.signature_len)?,
            certificate: bytes(response.attestation_cert, response.attestation_cert_len)?,
            authenticator_data: bytes(response.authdata, response.authdata_len)?,
        })
    }
}

/// # Safety
/// Null, or valid for reads of that many bytes.
unsafe fn bytes(start: *const u8, length: usize) -> Result<Vec<u8>, Problem> {
    if start.is_null() || length == 0 {
        return Ok(Vec::new());
    }
    if length > BYTES_MAX {
        return Err(Problem::Nonsense("it gave more bytes than any key has"));
    }
    // SAFETY: the caller vouches for pointer and length.
    Ok(unsafe { std::slice::from_raw_parts(start, length) }.to_vec())
}
