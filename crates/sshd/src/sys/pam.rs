//! The PAM library (pam(3)), loaded at run time: a transaction and its conversation, without rules of its own.
//!
//! Numbers and layouts are those of Linux-PAM; OpenPAM has other numbers, so this is for Linux only and
//! [`Handle::start`] says so elsewhere.

use super::library::Library;
use std::ffi::{CStr, CString, OsString, c_char, c_int, c_void};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::OnceLock;
use zeroize::Zeroizing;

/// `PAM_SUCCESS`.
pub const SUCCESS: i32 = 0;
/// `PAM_AUTH_ERR`: the module was not convinced.
pub const AUTH_ERR: i32 = 7;
/// `PAM_USER_UNKNOWN`.
pub const USER_UNKNOWN: i32 = 10;
/// `PAM_MAXTRIES`: no further attempt is welcome.
pub const MAXTRIES: i32 = 11;
/// `PAM_NEW_AUTHTOK_REQD`: the password must be changed first.
pub const NEW_AUTHTOK_REQD: i32 = 12;
/// `PAM_ACCT_EXPIRED`.
pub const ACCT_EXPIRED: i32 = 13;
const BUF_ERR: i32 = 5;
const CONV_ERR: i32 = 19;

/// `PAM_SILENT`.
pub const SILENT: i32 = 0x8000;
/// `PAM_DISALLOW_NULL_AUTHTOK`: an empty password is no password.
pub const DISALLOW_NULL_AUTHTOK: i32 = 1;
/// `PAM_ESTABLISH_CRED`.
pub const ESTABLISH_CRED: i32 = 2;
/// `PAM_DELETE_CRED`.
pub const DELETE_CRED: i32 = 4;
/// `PAM_REINITIALIZE_CRED`.
pub const REINITIALIZE_CRED: i32 = 8;
/// `PAM_CHANGE_EXPIRED_AUTHTOK`.
pub const CHANGE_EXPIRED_AUTHTOK: i32 = 0x20;

/// `PAM_USER`.
pub const ITEM_USER: i32 = 2;
/// `PAM_TTY`.
pub const ITEM_TTY: i32 = 3;
/// `PAM_RHOST`.
pub const ITEM_RHOST: i32 = 4;
/// `PAM_RUSER`.
pub const ITEM_RUSER: i32 = 8;

/// What a module's message is (`PAM_PROMPT_ECHO_OFF` and so on).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A question whose answer is not shown.
    Hidden,
    /// A question whose answer is shown.
    Shown,
    /// An error to show.
    Error,
    /// Words to show.
    Info,
}

/// One message of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub style: Style,
    /// Its text.
    pub text: String,
}

/// Answers a module's messages: one string for each, empty where nothing was asked. `None` breaks off.
pub type Converse = dyn FnMut(&[Message]) -> Option<Vec<Zeroizing<String>>> + Send;

#[repr(C)]
struct RawMessage {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct RawResponse {
    text: *mut c_char,
    code: c_int,
}

type RawConverse =
    extern "C" fn(c_int, *mut *const RawMessage, *mut *mut RawResponse, *mut c_void) -> c_int;

#[repr(C)]
struct RawConversation {
    converse: RawConverse,
    data: *mut c_void,
}

type Start = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    *const RawConversation,
    *mut *mut c_void,
) -> c_int;
type Step = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;
type SetItem = unsafe extern "C" fn(*mut c_void, c_int, *const c_void) -> c_int;
type GetItem = unsafe extern "C" fn(*const c_void, c_int, *mut *const c_void) -> c_int;
type PutEnv = unsafe extern "C" fn(*mut c_void, *const c_char) -> c_int;
type GetEnvList = unsafe extern "C" fn(*mut c_void) -> *mut *mut c_char;
type StrError = unsafe extern "C" fn(*mut c_void, c_int) -> *const c_char;

struct Functions {
    start: Start,
    end: Step,
    authenticate: Step,
    account: Step,
    credentials: Step,
    open_session: Step,
    close_session: Step,
    change_password: Step,
    set_item: SetItem,
    get_item: GetItem,
    put_environment: PutEnv,
    environment_list: GetEnvList,
    error_text: StrError,
    _library: Library,
}

/// A step of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `pam_authenticate`.
    Authenticate,
    /// `pam_acct_mgmt`.
    Account,
    /// `pam_setcred`.
    Credentials,
    /// `pam_open_session`.
    OpenSession,
    /// `pam_close_session`.
    CloseSession,
    /// `pam_chauthtok`.
    ChangePassword,
}

/// A PAM transaction. Ends with the value.
pub struct Handle {
    functions: &'static Functions,
    raw: NonNull<c_void>,
    /// What the library's callback is given; in a box, so that it stays where it is.
    conversation: NonNull<Box<Converse>>,
    last: c_int,
}

// SAFETY: a transaction has no ties to the thread that started it as long as only one uses it at a time, which
// owning it and `&mut self` ensure; the conversation is Send itself.
unsafe impl Send for Handle {}

impl Handle {
    /// `pam_start`.
    ///
    /// # Errors
    /// When the library is not installed or refuses.
    pub fn start(service: &CStr, user: &CStr, converse: Box<Converse>) -> io::Result<Self> {
        let functions = functions()?;
        // SAFETY: Box::into_raw never gives null.
        let conversation = unsafe { NonNull::new_unchecked(Box::into_raw(Box::new(converse))) };
        let callback =
            RawConversation { converse: converse_raw, data: conversation.as_ptr().cast() };
        let mut raw = std::ptr::null_mut();
        // SAFETY: NUL-terminated strings, a conversation that the library copies, and room for the handle.
        let code = unsafe {
            (functions.start)(service.as_ptr(), user.as_ptr(), &raw const callback, &raw mut raw)
        };
        match NonNull::new(raw) {
            Some(raw) if code == SUCCESS => Ok(Self { functions, raw, conversation, last: code }),
            _ => {
                // SAFETY: made above by Box::into_raw, and the library has no handle that would use it.
                drop(unsafe { Box::from_raw(conversation.as_ptr()) });
                Err(io::Error::other(format!("pam_start failed ({code})")))
            }
        }
    }

    /// Puts another conversation in the place of the present one.
    pub fn set_conversation(&mut self, converse: Box<Converse>) {
        // SAFETY: the box is alive until drop, and the library only uses it during `call`, which borrows self.
        unsafe { *self.conversation.as_mut() = converse };
    }

    /// Takes a step; returns PAM's number for how it went.
    pub fn call(&mut self, call: Call, flags: i32) -> i32 {
        let functions = self.functions;
        let step = match call {
            Call::Authenticate => functions.authenticate,
            Call::Account => functions.account,
            Call::Credentials => functions.credentials,
            Call::OpenSession => functions.open_session,
            Call::CloseSession => functions.close_session,
            Call::ChangePassword => functions.change_password,
        };
        // SAFETY: the handle is from pam_start and has not been ended.
        self.last = unsafe { step(self.raw.as_ptr(), flags) };
        self.last
    }

    /// `pam_set_item` for an item that is a string.
    pub fn set_item(&mut self, item: i32, value: &CStr) -> i32 {
        debug_assert!(matches!(item, ITEM_USER | ITEM_TTY | ITEM_RHOST | ITEM_RUSER));
        // SAFETY: for these items the value is a NUL-terminated string, which the library copies.
        unsafe { (self.functions.set_item)(self.raw.as_ptr(), item, value.as_ptr().cast()) }
    }

    /// The user whom the modules let in; they may have changed it.
    pub fn user(&self) -> Option<CString> {
        let mut value: *const c_void = std::ptr::null();
        // SAFETY: valid handle, room for the pointer.
        let code =
            unsafe { (self.functions.get_item)(self.raw.as_ptr(), ITEM_USER, &raw mut value) };
        if code != SUCCESS || value.is_null() {
            return None;
        }
        // SAFETY: PAM_USER is a NUL-terminated string of the handle's, copied at once.
        Some(unsafe { CStr::from_ptr(value.cast()) }.to_owned())
    }

    /// `pam_putenv` with `NAME=value`.
    pub fn put_environment(&mut self, assignment: &CStr) -> i32 {
        // SAFETY: valid handle; the library copies the string.
        unsafe { (self.functions.put_environment)(self.raw.as_ptr(), assignment.as_ptr()) }
    }

    /// `pam_getenvlist`: `NAME=value` strings.
    pub fn environment(&mut self) -> Vec<OsString> {
        // SAFETY: valid handle.
        let list = unsafe { (self.functions.environment_list)(self.raw.as_ptr()) };
        let mut found = Vec::new();
        if list.is_null() {
            return found;
        }
        let mut next = list;
        loop {
            // SAFETY: the list is an array of pointers that ends with null, which ends the loop.
            let text = unsafe { *next };
            if text.is_null() {
                break;
            }
            // SAFETY: a NUL-terminated string allocated by malloc for the caller, freed once, here.
            unsafe {
                found.push(OsString::from_vec(CStr::from_ptr(text).to_bytes().to_vec()));
                libc::free(text.cast());
                next = next.add(1);
            }
        }
        // SAFETY: the array itself was allocated the same way.
        unsafe { libc::free(list.cast()) };
        found
    }

    /// PAM's words for one of its numbers.
    pub fn error_text(&self, code: i32) -> String {
        // SAFETY: valid handle; the text is static or null.
        let text = unsafe { (self.functions.error_text)(self.raw.as_ptr(), code) };
        if text.is_null() {
            return format!("PAM error {code}");
        }
        // SAFETY: not null, NUL-terminated.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: ended once, here; the conversation is freed only after the library let go of it.
        unsafe {
            (self.functions.end)(self.raw.as_ptr(), self.last);
            drop(Box::from_raw(self.conversation.as_ptr()));
        }
    }
}

/// The callback. Nothing here may unwind into C.
extern "C" fn converse_raw(
    count: c_int,
    messages: *mut *const RawMessage,
    responses: *mut *mut RawResponse,
    data: *mut c_void,
) -> c_int {
    // PAM_MAX_NUM_MSG.
    let Ok(count @ 1..=32) = usize::try_from(count) else { return CONV_ERR };
    if messages.is_null() || responses.is_null() || data.is_null() {
        return CONV_ERR;
    }
    let read: Vec<Message> = (0..count)
        .map(|index| {
            // SAFETY: Linux-PAM gives an array of `count` pointers to messages with NUL-terminated texts.
            let (style, text) = unsafe {
                let message = &**messages.add(index);
                let text = if message.text.is_null() { c"" } else { CStr::from_ptr(message.text) };
                (message.style, text)
            };
            let style = match style {
                1 => Style::Hidden,
                2 => Style::Shown,
                3 => Style::Error,
                _ => Style::Info,
            };
            Message { style, text: text.to_string_lossy().into_owned() }
        })
        .collect();
    // SAFETY: `data` is the box of the handle whose step is running; `Handle::call` borrows the handle
    // exclusively, so nobody else uses the box now.
    let converse = unsafe { &mut *data.cast::<Box<Converse>>() };
    let answers = catch_unwind(AssertUnwindSafe(|| converse(&read))).ok().flatten();
    let Some(answers) = answers.filter(|answers| answers.len() == count) else { return CONV_ERR };
    // SAFETY: calloc either fails or gives zeroed room for `count` responses.
    let array = unsafe { libc::calloc(count, size_of::<RawResponse>()) }.cast::<RawResponse>();
    if array.is_null() {
        return BUF_ERR;
    }
    for (index, answer) in answers.iter().enumerate() {
        // A NUL would cut the answer off, and what is before it could be right: such an answer becomes empty.
        let bytes = if answer.as_bytes().contains(&0) { &[] } else { answer.as_bytes() };
        // SAFETY: room for the bytes and a NUL, which calloc has written; the library frees it with free().
        unsafe {
            let text = libc::calloc(bytes.len() + 1, 1).cast::<u8>();
            if !text.is_null() {
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), text, bytes.len());
            }
            (*array.add(index)).text = text.cast();
        }
    }
    // SAFETY: not null, see above; the library takes the array over.
    unsafe { *responses = array };
    SUCCESS
}

/// The library's functions, loaded once.
fn functions() -> io::Result<&'static Functions> {
    static FUNCTIONS: OnceLock<Functions> = OnceLock::new();
    if let Some(functions) = FUNCTIONS.get() {
        return Ok(functions);
    }
    let loaded = load()?;
    Ok(FUNCTIONS.get_or_init(|| loaded))
}

#[cfg(not(target_os = "linux"))]
fn load() -> io::Result<Functions> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "PAM is supported on Linux only"))
}

#[cfg(target_os = "linux")]
fn load() -> io::Result<Functions> {
    use std::mem::transmute;
    let library = Library::open(&[c"libpam.so.0", c"libpam.so"])?;
    let symbol = |name: &CStr| library.symbol(name);
    // SAFETY: each symbol has the signature of its field in Linux-PAM's headers.
    unsafe {
        Ok(Functions {
            start: transmute::<NonNull<c_void>, Start>(symbol(c"pam_start")?),
            end: transmute::<NonNull<c_void>, Step>(symbol(c"pam_end")?),
            authenticate: transmute::<NonNull<c_void>, Step>(symbol(c"pam_authenticate")?),
            account: transmute::<NonNull<c_void>, Step>(symbol(c"pam_acct_mgmt")?),
            credentials: transmute::<NonNull<c_void>, Step>(symbol(c"pam_setcred")?),
            open_session: transmute::<NonNull<c_void>, Step>(symbol(c"pam_open_session")?),
            close_session: transmute::<NonNull<c_void>, Step>(symbol(c"pam_close_session")?),
            change_password: transmute::<NonNull<c_void>, Step>(symbol(c"pam_chauthtok")?),
            set_item: transmute::<NonNull<c_void>, SetItem>(symbol(c"pam_set_item")?),
            get_item: transmute::<NonNull<c_void>, GetItem>(symbol(c"pam_get_item")?),
            put_environment: transmute::<NonNull<c_void>, PutEnv>(symbol(c"pam_putenv")?),
            environment_list: transmute::<NonNull<c_void>, GetEnvList>(symbol(c"pam_getenvlist")?),
            error_text: transmute::<NonNull<c_void>, StrError>(symbol(c"pam_strerror")?),
            _library: library,
        })
    }
}
