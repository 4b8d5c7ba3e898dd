//! Accounts and groups through the C library, so that every name service counts.

use std::ffi::{CStr, CString, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// The largest answer taken from the name service, so that a broken one cannot take all memory.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The most groups of one user that are looked at; the kernel's own limit for a process (`NGROUPS_MAX`).
const GROUPS_MAX: usize = 65_536;

/// One line of the account database (passwd(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswdEntry {
    /// The log-in name as the database writes it.
    pub name: CString,
    /// The user's number.
    pub uid: u32,
    /// The number of the user's primary group.
    pub gid: u32,
    /// The comment field.
    pub gecos: OsString,
    /// The home directory.
    pub home: PathBuf,
    /// The log-in shell; may be empty, which means `/bin/sh`.
    pub shell: PathBuf,
}

/// One line of the shadow file (shadow(5)); -1 stands for an empty field.
pub struct ShadowEntry {
    /// The password's hash, or what marks that there is none.
    pub hash: Zeroizing<Vec<u8>>,
    /// Day of the last change, counted from 1970; 0 demands a change at the next login.
    pub last_change_day: i64,
    /// Days after which the password must be changed.
    pub max_days: i64,
    /// Days of warning before that.
    pub warn_days: i64,
    /// The day on which the account ends, counted from 1970.
    pub expire_day: i64,
}

/// Looks an account up by its name. `None` when there is no such account.
///
/// # Errors
/// What the name service reports, other than the account's absence.
pub fn passwd_by_name(name: &CStr) -> io::Result<Option<PasswdEntry>> {
    passwd(|entry, buffer, result| {
        // SAFETY: `name` is NUL-terminated, `entry` and `result` are valid for writes, and the length
        // given is that of `buffer`, which outlives the use of the entry in `passwd`.
        unsafe {
            libc::getpwnam_r(name.as_ptr(), entry, buffer.as_mut_ptr().cast(), buffer.len(), result)
        }
    })
}

/// Looks an account up by its number.
///
/// # Errors
/// As [`passwd_by_name`].
pub fn passwd_by_uid(uid: u32) -> io::Result<Option<PasswdEntry>> {
    passwd(|entry, buffer, result| {
        // SAFETY: as in `passwd_by_name`; the number needs nothing.
        unsafe { libc::getpwuid_r(uid, entry, buffer.as_mut_ptr().cast(), buffer.len(), result) }
    })
}

/// All groups of a user, the primary one `gid` included.
///
/// # Errors
/// When the user has more groups than a process can hold.
pub fn groups_of(name: &CStr, gid: u32) -> io::Result<Vec<u32>> {
    // The element type differs between systems: gid_t on Linux, int on macOS.
    let mut groups = vec![gid as _; 64];
    loop {
        let mut count = groups.len() as libc::c_int;
        // SAFETY: `name` is NUL-terminated; `groups` has room for `count` elements, which is its length;
        // the function writes at most that many and leaves the wanted number in `count`.
        let outcome = unsafe {
            libc::getgrouplist(name.as_ptr(), gid as _, groups.as_mut_ptr(), &raw mut count)
        };
        let wanted = usize::try_from(count).unwrap_or(0);
        if outcome >= 0 {
            groups.truncate(wanted);
            #[allow(clippy::unnecessary_cast, reason = "the element is an int on macOS")]
            return Ok(groups.into_iter().map(|group| group as u32).collect());
        }
        if groups.len() >= GROUPS_MAX {
            return Err(io::Error::other("the user is in too many groups"));
        }
        let larger = wanted.max(groups.len().saturating_mul(2)).min(GROUPS_MAX);
        groups.resize(larger, gid as _);
    }
}

/// The name of a group.
///
/// # Errors
/// What the name service reports, other than the group's absence.
pub fn group_name(gid: u32) -> io::Result<Option<CString>> {
    group(|entry, buffer, result| {
        // SAFETY: as in `passwd_by_name`; the number needs nothing.
        unsafe { libc::getgrgid_r(gid, entry, buffer.as_mut_ptr().cast(), buffer.len(), result) }
    })
    .map(|found| found.map(|(name, _)| name))
}

/// The number of a group.
///
/// # Errors
/// What the name service reports, other than the group's absence.
pub fn group_number(name: &CStr) -> io::Result<Option<u32>> {
    group(|entry, buffer, result| {
        // SAFETY: as in `passwd_by_name`.
        unsafe {
            libc::getgrnam_r(name.as_ptr(), entry, buffer.as_mut_ptr().cast(), buffer.len(), result)
        }
    })
    .map(|found| found.map(|(_, gid)| gid))
}

/// The shadow line of an account; needs to be root. `None` when there is no line.
///
/// # Errors
/// When the shadow file may not be read, or this system has none.
#[cfg(all(target_os = "linux", not(target_env = "musl")))]
pub fn shadow_by_name(name: &CStr) -> io::Result<Option<ShadowEntry>> {
    with_buffer(|buffer| {
        let mut entry = MaybeUninit::<libc::spwd>::zeroed();
        let mut result: *mut libc::spwd = std::ptr::null_mut();
        // SAFETY: as in `passwd_by_name`.
        let code = unsafe {
            libc::getspnam_r(
                name.as_ptr(),
                entry.as_mut_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &raw mut result,
            )
        };
        found(code, result, |entry| {
            // SAFETY: `found` calls this only with the entry that the function has filled; its
            // password points to a NUL-terminated string inside `buffer`, which is alive.
            let hash = unsafe { bytes_at(entry.sp_pwdp) };
            Some(ShadowEntry {
                hash: Zeroizing::new(hash),
                last_change_day: i64::from(entry.sp_lstchg),
                max_days: i64::from(entry.sp_max),
                warn_days: i64::from(entry.sp_warn),
                expire_day: i64::from(entry.sp_expire),
            })
        })
    })
}

/// The shadow line of an account: this system has no shadow file that a program may ask for.
///
/// # Errors
/// Always.
#[cfg(not(all(target_os = "linux", not(target_env = "musl"))))]
pub fn shadow_by_name(_name: &CStr) -> io::Result<Option<ShadowEntry>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no shadow file"))
}

/// The paths that a shell pattern stands for, in order; none when nothing matches.
///
/// # Errors
/// When a directory cannot be read or memory runs out.
pub fn glob(pattern: &CStr) -> io::Result<Vec<PathBuf>> {
    let mut list = MaybeUninit::<libc::glob_t>::zeroed();
    // SAFETY: `pattern` is NUL-terminated, no callback is given, and an all-zero glob_t is what the
    // function expects to fill.
    let code = unsafe { libc::glob(pattern.as_ptr(), 0, None, list.as_mut_ptr()) };
    // SAFETY: zeroed at first and since then only written by the function, so it is initialised.
    let mut list = unsafe { list.assume_init() };
    let mut paths = Vec::new();
    if code == 0 {
        for index in 0..list.gl_pathc as usize {
            // SAFETY: after success gl_pathv holds gl_pathc pointers to NUL-terminated strings.
            let path = unsafe { bytes_at(*list.gl_pathv.add(index)) };
            paths.push(PathBuf::from(OsString::from_vec(path)));
        }
    }
    // SAFETY: the list was initialised by `glob` and is freed once.
    unsafe { libc::globfree(&raw mut list) };
    match code {
        0 | libc::GLOB_NOMATCH => Ok(paths),
        _ => Err(io::Error::other("the pattern could not be expanded")),
    }
}

fn passwd(
    ask: impl Fn(*mut libc::passwd, &mut [u8], *mut *mut libc::passwd) -> libc::c_int,
) -> io::Result<Option<PasswdEntry>> {
    with_buffer(|buffer| {
        let mut entry = MaybeUninit::<libc::passwd>::zeroed();
        let mut result: *mut libc::passwd = std::ptr::null_mut();
        let code = ask(entry.as_mut_ptr(), buffer, &raw mut result);
        found(code, result, |entry| {
            // SAFETY: `found` calls this only with an entry that the function has filled; its strings
            // are NUL-terminated and inside `buffer`, which is alive.
            let text = |field| unsafe { bytes_at(field) };
            Some(PasswdEntry {
                name: CString::new(text(entry.pw_name)).ok()?,
                uid: entry.pw_uid,
                gid: entry.pw_gid,
                gecos: OsString::from_vec(text(entry.pw_gecos)),
                home: PathBuf::from(OsString::from_vec(text(entry.pw_dir))),
                shell: PathBuf::from(OsString::from_vec(text(entry.pw_shell))),
            })
        })
    })
}

fn group(
    ask: impl Fn(*mut libc::group, &mut [u8], *mut *mut libc::group) -> libc::c_int,
) -> io::Result<Option<(CString, u32)>> {
    with_buffer(|buffer| {
        let mut entry = MaybeUninit::<libc::group>::zeroed();
        let mut result: *mut libc::group = std::ptr::null_mut();
        let code = ask(entry.as_mut_ptr(), buffer, &raw mut result);
        found(code, result, |entry| {
            // SAFETY: as in `passwd`.
            let name = unsafe { bytes_at(entry.gr_name) };
            Some((CString::new(name).ok()?, entry.gr_gid))
        })
    })
}

/// What one of the `_r` functions said: the entry, its absence, or an error number.
fn found<E, T>(
    code: libc::c_int,
    entry: *const E,
    read: impl FnOnce(&E) -> Option<T>,
) -> io::Result<Option<T>> {
    // SAFETY: these functions set the result pointer to null or to the caller's entry after filling it.
    match unsafe { entry.as_ref() } {
        Some(entry) if code == 0 => Ok(read(entry)),
        // POSIX leaves open how absence is told; these are the values in use.
        _ => match code {
            0 | libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM => Ok(None),
            code => Err(io::Error::from_raw_os_error(code)),
        },
    }
}

/// Runs a lookup with a buffer that grows while the answer does not fit. The buffer is wiped: a shadow line
/// may have been in it.
fn with_buffer<T>(mut lookup: impl FnMut(&mut [u8]) -> io::Result<T>) -> io::Result<T> {
    let mut size = 2048;
    loop {
        let mut buffer = Zeroizing::new(vec![0u8; size]);
        match lookup(&mut buffer) {
            Err(error) if error.raw_os_error() == Some(libc::ERANGE) && size < ANSWER_BYTES_MAX => {
                size *= 4;
            }
            outcome => return outcome,
        }
    }
}

/// Copies a C string; empty for null.
///
/// # Safety
/// `text` is null or points to a NUL-terminated string.
unsafe fn bytes_at(text: *const libc::c_char) -> Vec<u8> {
    if text.is_null() {
        return Vec::new();
    }
    // SAFETY: not null, and the caller vouches for the rest.
    unsafe { CStr::from_ptr(text) }.to_bytes().to_vec()
}
