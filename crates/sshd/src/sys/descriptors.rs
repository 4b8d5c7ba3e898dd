//! Descriptors: those that a process was started with and does not know, and how one closes.

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};

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

/// Binds a socket to a routing domain, which Linux has as a device (a VRF, or any other).
///
/// # Errors
/// What the kernel reports, and that there are none outside Linux.
#[cfg(target_os = "linux")]
pub fn bind_to_domain(socket: impl AsFd, name: &str) -> io::Result<()> {
    let length = libc::socklen_t::try_from(name.len()).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: the descriptor is open, and the kernel reads so many bytes of the name and no more.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BINDTODEVICE,
            name.as_ptr().cast(),
            length,
        )
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The same where there are none.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn bind_to_domain(_socket: impl AsFd, _name: &str) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no routing domains"))
}

/// The routing domain that a socket is in; empty for the usual one.
#[cfg(target_os = "linux")]
pub fn domain_of(socket: impl AsFd) -> String {
    let mut name = [0_u8; libc::IFNAMSIZ];
    let mut length = libc::IFNAMSIZ as libc::socklen_t;
    // SAFETY: the descriptor is open; the kernel writes at most `length` bytes, which is the room of
    // `name`, and leaves there how many it wrote.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BINDTODEVICE,
            name.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    let written = name.get(..usize::try_from(length).unwrap_or(0)).filter(|_| outcome == 0);
    let text = written.and_then(|bytes| bytes.split(|byte| *byte == 0).next()).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// The same where there are none.
#[cfg(not(target_os = "linux"))]
pub fn domain_of(_socket: impl AsFd) -> String {
    String::new()
}
