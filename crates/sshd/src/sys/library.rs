//! Libraries loaded while the program runs: what is not installed costs nothing and is not needed to build.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::ptr::NonNull;
use zeroize::{Zeroize, Zeroizing};

/// A loaded library. It stays loaded until the process ends, so its functions are good for that long.
pub struct Library {
    handle: NonNull<c_void>,
}

// SAFETY: the handle is only passed to dlsym, which may be called from any thread.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Library {
    /// Loads the first of `names` that is there.
    ///
    /// # Errors
    /// With the loader's words for the last name when none could be loaded.
    pub fn open(names: &[&CStr]) -> io::Result<Self> {
        let mut reason = String::from("no name given");
        for name in names {
            // SAFETY: `name` is NUL-terminated. The libraries asked for are the system's own, whose
            // initialisers may run here.
            let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
            if let Some(handle) = NonNull::new(handle) {
                return Ok(Self { handle });
            }
            reason = loader_error();
        }
        Err(io::Error::new(io::ErrorKind::NotFound, reason))
    }

    /// The address of a symbol.
    ///
    /// # Errors
    /// When the library has no such symbol.
    pub fn symbol(&self, name: &CStr) -> io::Result<NonNull<c_void>> {
        // SAFETY: the handle came from dlopen and was never closed; `name` is NUL-terminated.
        let address = unsafe { libc::dlsym(self.handle.as_ptr(), name.as_ptr()) };
        NonNull::new(address).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, loader_error()))
    }
}

fn loader_error() -> String {
    // SAFETY: dlerror returns null or a NUL-terminated string that lives until the next call in this thread.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return "the library could not be loaded".to_owned();
    }
    // SAFETY: not null, see above.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

type CryptR = unsafe extern "C" fn(*const c_char, *const c_char, *mut c_void) -> *mut c_char;
type GenerateSalt = unsafe extern "C" fn(
    *const c_char,
    libc::c_ulong,
    *const c_char,
    c_int,
    *mut c_char,
    c_int,
) -> *mut c_char;

/// Room for `struct crypt_data`: 32768 bytes in libxcrypt, 131232 in old glibc.
const CRYPT_DATA_BYTES: usize = 256 * 1024;

/// The system's password hashing, from `libcrypt`.
pub struct Crypt {
    hash: CryptR,
    generate_salt: Option<GenerateSalt>,
    _library: Library,
}

impl Crypt {
    /// Loads `libcrypt`.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn load() -> io::Result<Self> {
        let library = Library::open(&[c"libcrypt.so.1", c"libcrypt.so.2", c"libcrypt.so"])?;
        // SAFETY: crypt_r has this signature in every libcrypt (crypt(3)).
        let hash =
            unsafe { std::mem::transmute::<NonNull<c_void>, CryptR>(library.symbol(c"crypt_r")?) };
        let generate_salt = library.symbol(c"crypt_gensalt_rn").ok().map(|address| {
            // SAFETY: crypt_gensalt_rn has this signature in libxcrypt (crypt_gensalt(3)).
            unsafe { std::mem::transmute::<NonNull<c_void>, GenerateSalt>(address) }
        });
        Ok(Self { hash, generate_salt, _library: library })
    }

    /// Hashes a password with the scheme and salt of `setting`, which may be a whole stored hash.
    /// `None` when the setting is not one that this system knows.
    pub fn hash(&self, password: &CStr, setting: &CStr) -> Option<Zeroizing<Vec<u8>>> {
        // u128 for the alignment that any member of the struct may want.
        let mut data = Zeroizing::new(vec![0u128; CRYPT_DATA_BYTES / 16]);
        // SAFETY: both strings are NUL-terminated; `data` is zeroed, as a first use demands, aligned,
        // and larger than struct crypt_data of any known libcrypt.
        let hash =
            unsafe { (self.hash)(password.as_ptr(), setting.as_ptr(), data.as_mut_ptr().cast()) };
        if hash.is_null() {
            return None;
        }
        // SAFETY: not null, so it is a NUL-terminated string inside `data`.
        let hash = Zeroizing::new(unsafe { CStr::from_ptr(hash) }.to_bytes().to_vec());
        // `*0` and `*1` are how libxcrypt says that it failed.
        (!hash.is_empty() && !hash.starts_with(b"*")).then_some(hash)
    }

    /// A fresh setting of the scheme that this system prefers, where the library can say.
    pub fn preferred_setting(&self) -> Option<CString> {
        let generate = self.generate_salt?;
        let mut room = [0u8; 256];
        // SAFETY: a null prefix asks for the preferred scheme, null random bytes for the library's own,
        // and the length given is that of `room`.
        let setting = unsafe {
            generate(
                std::ptr::null(),
                0,
                std::ptr::null(),
                0,
                room.as_mut_ptr().cast(),
                room.len() as c_int,
            )
        };
        if setting.is_null() {
            return None;
        }
        let setting = CStr::from_bytes_until_nul(&room).ok().map(CStr::to_owned);
        room.zeroize();
        setting
    }
}
