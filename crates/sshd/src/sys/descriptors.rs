//! Descriptors that a process was started with and does not know.

/// Keeps every descriptor from `first` on from programs that are executed later. Whoever started
/// the server may have left some open, and sessions are none of theirs.
pub fn close_on_exec_from(first: u32) {
    #[cfg(target_os = "linux")]
    // SAFETY: with this flag close_range closes nothing, it only marks; kernels without the call
    // report an error, and the marks are a precaution.
    unsafe {
        libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = first;
}
