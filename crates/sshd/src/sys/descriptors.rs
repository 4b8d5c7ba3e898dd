//! Descriptors: those that a process was started with and does not know, and how one closes.

use std::io;
use std::os::fd::{IntoRawFd, OwnedFd};

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

/// Closes a descriptor and says how that went: some file systems tell only now of what could not be written.
///
/// # Errors
/// What the kernel reports; the descriptor is closed all the same.
pub fn close(descriptor: OwnedFd) -> io::Result<()> {
    let number = descriptor.into_raw_fd();
    // SAFETY: the number was owned and its owner gave it up in the line above; nobody else closes it.
    match unsafe { libc::close(number) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
