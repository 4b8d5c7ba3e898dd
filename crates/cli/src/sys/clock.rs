//! Local time, which only the C library knows.

use std::ffi::CString;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A moment in local time as `strftime` writes it; empty when it has no such form.
pub fn local(seconds: u64, format: &str) -> String {
    let parts = i64::try_from(seconds).ok().and_then(local_parts);
    parts.map(|parts| written(&parts, format)).unwrap_or_default()
}

/// A moment in UTC as `strftime` writes it; empty when it has no such form.
pub fn utc(seconds: u64, format: &str) -> String {
    let Ok(time) = libc::time_t::try_from(seconds) else { return String::new() };
    // SAFETY: a struct of numbers and a pointer that may be null: all zeros is a value.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to locals that live through the call.
    let filled = unsafe { libc::gmtime_r(&raw const time, &raw mut parts) };
    if filled.is_null() { String::new() } else { written(&parts, format) }
}

/// What somebody wrote, as seconds since 1970: in UTC if it says so, else in local time.
pub fn unix_seconds(time: keys::time::CivilTime) -> u64 {
    let as_utc = time.unix_seconds(0);
    let offset = |seconds: i64| local_parts(seconds).map_or(0, |parts| parts.tm_gmtoff);
    let guess = i64::try_from(as_utc).unwrap_or(i64::MAX);
    // The offset that holds at the time itself, not at the same numbers in UTC.
    time.unix_seconds(offset(guess.saturating_sub(offset(guess))))
}

fn written(parts: &libc::tm, format: &str) -> String {
    let Ok(format) = CString::new(format) else { return String::new() };
    let mut room = [0u8; 128];
    // SAFETY: `room` has the length given, the format is NUL-terminated, `parts` is filled.
    let written =
        unsafe { libc::strftime(room.as_mut_ptr().cast(), room.len(), format.as_ptr(), parts) };
    String::from_utf8_lossy(room.get(..written).unwrap_or_default()).into_owned()
}

fn local_parts(seconds: i64) -> Option<libc::tm> {
    let time = seconds as libc::time_t;
    // SAFETY: a struct of numbers and a pointer that may be null: all zeros is a value.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to locals that live through the call.
    let filled = unsafe { libc::localtime_r(&raw const time, &raw mut parts) };
    (!filled.is_null()).then_some(parts)
}
