//! The C library's log-in records (utmpx) and its local time.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::time::{SystemTime, UNIX_EPOCH};

/// One log-in or log-out as utmp(5) records it.
pub struct LoginRecord<'a> {
    /// `true` at login, `false` at logout.
    pub login: bool,
    /// The process that leads the session.
    pub pid: i32,
    /// The terminal without `/dev/`.
    pub line: &'a str,
    /// Who logs in; empty at logout.
    pub user: &'a str,
    /// Where from: a name or an address.
    pub host: &'a str,
    /// The same as an address, IPv4 in the first word; zero when unknown.
    pub address: [u32; 4],
    /// Seconds since 1970.
    pub seconds: u64,
    /// And the microseconds.
    pub microseconds: u32,
}

/// The record as bytes, as `wtmp` holds them.
#[cfg(target_os = "linux")]
pub fn record_bytes(record: &LoginRecord<'_>) -> Vec<u8> {
    let mut storage = MaybeUninit::<libc::utmpx>::zeroed();
    // SAFETY: utmpx is plain numbers and character arrays, for which all zeros is a value.
    fill(unsafe { storage.assume_init_mut() }, record);
    let size = size_of::<libc::utmpx>();
    // SAFETY: every byte, padding included, was zeroed, and since then only fields were written in
    // place, so all are initialised; the storage lives through the copy.
    unsafe { std::slice::from_raw_parts(storage.as_ptr().cast::<u8>(), size) }.to_vec()
}

/// Puts the record into the table of who is logged in. `false` when the C library could not.
pub fn put_current(record: &LoginRecord<'_>) -> bool {
    let mut storage = MaybeUninit::<libc::utmpx>::zeroed();
    // SAFETY: as in `record_bytes`.
    fill(unsafe { storage.assume_init_mut() }, record);
    // SAFETY: the entry is initialised and lives through the call; the three functions share
    // state inside the C library, which the monitor, a process with one caller, does not race on.
    unsafe {
        libc::setutxent();
        let put = !libc::pututxline(storage.as_ptr()).is_null();
        libc::endutxent();
        put
    }
}

fn fill(entry: &mut libc::utmpx, record: &LoginRecord<'_>) {
    entry.ut_type = if record.login { libc::USER_PROCESS } else { libc::DEAD_PROCESS };
    entry.ut_pid = record.pid;
    copy(&mut entry.ut_line, record.line);
    // The identifier is the end of the line's name, as other programs make it.
    let tail = record.line.len().saturating_sub(entry.ut_id.len());
    copy(&mut entry.ut_id, record.line.get(tail..).unwrap_or(""));
    copy(&mut entry.ut_user, record.user);
    copy(&mut entry.ut_host, record.host);
    #[cfg(target_os = "linux")]
    {
        entry.ut_addr_v6 = record.address.map(u32::cast_signed);
    }
    entry.ut_tv.tv_sec = record.seconds as _;
    entry.ut_tv.tv_usec = record.microseconds as _;
}

fn copy(field: &mut [libc::c_char], text: &str) {
    for (to, from) in field.iter_mut().zip(text.bytes()) {
        *to = from as libc::c_char;
    }
}

/// A moment in local time as `strftime` writes it in `format`; `None` when it has no such form.
pub fn local_time(seconds: i64, format: &str) -> Option<String> {
    let format = CString::new(format).ok()?;
    let parts = local_parts(seconds)?;
    let mut room = [0u8; 128];
    // SAFETY: `room` has the length given, the format is NUL-terminated, `parts` was filled above.
    let written = unsafe {
        libc::strftime(room.as_mut_ptr().cast(), room.len(), format.as_ptr(), &raw const parts)
    };
    let text = room.get(..written)?;
    (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
}

/// How many seconds local time is ahead of UTC now.
pub fn utc_offset_seconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let parts = i64::try_from(now.as_secs()).ok().and_then(local_parts);
    parts.map_or(0, |parts| parts.tm_gmtoff as i64)
}

fn local_parts(seconds: i64) -> Option<libc::tm> {
    let time = seconds as libc::time_t;
    // SAFETY: a struct of numbers and a pointer that may be null: all zeros is a value.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to locals that live through the call.
    let filled = unsafe { libc::localtime_r(&raw const time, &raw mut parts) };
    (!filled.is_null()).then_some(parts)
}
