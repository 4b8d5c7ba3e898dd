//! The system calls that only the C library has. The only `unsafe` of this crate.
#![expect(unsafe_code, reason = "getpwnam_r, getpwuid_r and fork have no safe wrapper")]

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::process::Pid;

pub mod clock;
pub mod fido;
pub mod middleware;
pub mod signals;

/// Longest record of the account database that is read.
const RECORD_BYTES_MAX: usize = 1 << 20;

/// A row of the account database.
#[derive(Debug, Clone)]
pub struct Account {
    /// The login name.
    pub name: String,
    /// The home folder.
    pub home: PathBuf,
}

/// Gives up the rights of the program's owner for good.
///
/// # Errors
/// The system refused.
pub fn give_up_rights() -> io::Result<()> {
    // SAFETY: these calls take numbers and touch no memory of ours; no other thread runs yet.
    let refused = unsafe {
        let (user, group) = (libc::getuid(), libc::getgid());
        libc::setregid(group, group) != 0 || libc::setreuid(user, user) != 0
    };
    if refused { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Looks at a descriptor that whoever started this program let it inherit; nothing when there is
/// none of that number.
pub fn with_inherited<T>(number: u32, look: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
    let number = RawFd::try_from(number).ok().filter(|number| *number > 2)?;
    // SAFETY: fcntl with F_GETFD only looks at a number.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } == -1 {
        return None;
    }
    // SAFETY: the descriptor is open, was inherited, and nothing here closes it.
    Some(look(unsafe { BorrowedFd::borrow_raw(number) }))
}

/// The account of a user number.
pub fn account_by_uid(uid: u32) -> Option<Account> {
    look_up(|record, buffer, found| {
        // SAFETY: `record` and `found` are valid for writes, `buffer` with its length is one
        // allocation; the call writes within them only.
        unsafe { libc::getpwuid_r(uid, record, buffer.as_mut_ptr().cast(), buffer.len(), found) }
    })
}

/// The account of a login name.
pub fn account_by_name(name: &str) -> Option<Account> {
    let name = CString::new(name).ok()?;
    look_up(|record, buffer, found| {
        // SAFETY: as above, and `name` is a C string that outlives the call.
        unsafe {
            libc::getpwnam_r(name.as_ptr(), record, buffer.as_mut_ptr().cast(), buffer.len(), found)
        }
    })
}

fn look_up(
    mut call: impl FnMut(*mut libc::passwd, &mut [u8], *mut *mut libc::passwd) -> libc::c_int,
) -> Option<Account> {
    let mut buffer = vec![0_u8; 4096];
    loop {
        // SAFETY: passwd is a C struct of integers and pointers; all zeros is a valid value.
        let mut record: libc::passwd = unsafe { std::mem::zeroed() };
        let mut found = std::ptr::null_mut();
        match call(&raw mut record, &mut buffer, &raw mut found) {
            0 if found.is_null() => return None,
            0 => {
                return Some(Account {
                    name: text(record.pw_name)?.to_str()?.to_owned(),
                    home: PathBuf::from(text(record.pw_dir)?),
                });
            }
            libc::ERANGE if buffer.len() < RECORD_BYTES_MAX => buffer.resize(buffer.len() * 4, 0),
            _ => return None,
        }
    }
}

/// A field of a record whose buffer is still alive.
fn text<'a>(field: *const libc::c_char) -> Option<&'a OsStr> {
    if field.is_null() {
        return None;
    }
    // SAFETY: getpw*_r succeeded, so the field is a C string inside the caller's buffer; the only
    // caller copies it before the buffer goes away.
    Some(OsStr::from_bytes(unsafe { CStr::from_ptr(field) }.to_bytes()))
}

/// The addresses of this machine's interfaces.
pub fn local_addresses() -> Vec<IpAddr> {
    let mut first: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: `first` is valid for writes; on success it holds a list that is freed below.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Vec::new();
    }
    let mut addresses = Vec::new();
    let mut next = first;
    // SAFETY: `next` is null or a node of the list, which lives until freeifaddrs.
    while let Some(node) = unsafe { next.as_ref() } {
        next = node.ifa_next;
        // SAFETY: `ifa_addr` is null or a socket address of its family's size, in the list.
        addresses.extend(unsafe { address_of(node.ifa_addr) });
    }
    // SAFETY: the list came from getifaddrs and nothing points into it any more.
    unsafe { libc::freeifaddrs(first) };
    addresses
}

/// # Safety
/// Null, or a socket address as large as its family says.
unsafe fn address_of(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: every socket address starts with its family; the caller vouches for the pointer.
    let family = i32::from(unsafe { address.as_ref() }?.sa_family);
    match family {
        libc::AF_INET => {
            // SAFETY: of family AF_INET, so it is a sockaddr_in. It may lie unaligned.
            let inet = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(Ipv4Addr::from(u32::from_be(inet.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: of family AF_INET6, so it is a sockaddr_in6.
            let inet = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(Ipv6Addr::from(inet.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

/// The canonical name of a host, if the name service knows the host.
pub fn canonical_name(host: &str) -> Option<String> {
    let name = CString::new(host).ok()?;
    // SAFETY: addrinfo is a C struct of integers and pointers; all zeros is a valid value.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_flags = libc::AI_CANONNAME;
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut found = std::ptr::null_mut();
    // SAFETY: `name` is a C string, `hints` a valid addrinfo, `found` valid for writes.
    let status = unsafe {
        libc::getaddrinfo(name.as_ptr(), std::ptr::null(), &raw const hints, &raw mut found)
    };
    if status != 0 {
        return None;
    }
    // SAFETY: on success `found` is a list; its first node carries the name, if there is one.
    let canonical = unsafe { found.as_ref() }
        .and_then(|node| text(node.ai_canonname))
        .and_then(|name| Some(name.to_str()?.to_owned()));
    // SAFETY: the list came from getaddrinfo and nothing points into it any more.
    unsafe { libc::freeaddrinfo(found) };
    Some(canonical.unwrap_or_else(|| host.to_owned()))
}

/// Which process came out of [`fork`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fork {
    /// The one that called.
    Parent,
    /// The copy.
    Child,
}

/// Splits the process in two.
///
/// Only to be called where no second thread of ours runs: the child has just the calling one.
///
/// # Errors
/// The system has no room for another process.
pub fn fork() -> io::Result<Fork> {
    Ok(if fork_child()?.is_some() { Fork::Parent } else { Fork::Child })
}

/// The same, and the copy's number for the one that called; nothing in the copy.
///
/// # Errors
/// The system has no room for another process.
pub fn fork_child() -> io::Result<Option<Pid>> {
    // SAFETY: the caller has no other threads, so nothing in the child can wait for a lock that
    // a vanished thread holds.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        child => Ok(Pid::from_raw(child)),
    }
}

/// Leaves the terminal: a session of its own, so that closing the window does not end it.
pub fn leave_terminal() {
    // Fails only for a process group leader, which a fresh child is not.
    let _ = rustix::process::setsid();
}

/// Ends this process without running destructors or flushing anything: what is open now belongs
/// to the other half of a [`fork`].
pub fn leave_at_once(status: i32) -> ! {
    // SAFETY: _exit takes any status and does not return.
    unsafe { libc::_exit(status) }
}

/// Takes over the descriptor that a service manager has put behind the standard ones
/// (`LISTEN_FDS`); nothing when it is not open.
///
/// To be called once, before anything else is opened.
pub fn inherited_descriptor() -> Option<OwnedFd> {
    const FIRST: i32 = 3;
    // SAFETY: F_GETFD takes any number and only looks.
    if unsafe { libc::fcntl(FIRST, libc::F_GETFD) } == -1 {
        return None;
    }
    // SAFETY: the descriptor is open, and by the service manager's protocol it is this process's
    // own: nothing else here has opened anything yet.
    Some(unsafe { OwnedFd::from_raw_fd(FIRST) })
}

/// Closes every descriptor but the standard ones, which are all that a helper has a use for.
///
/// To be called once, before anything else is opened.
pub fn close_other_descriptors() {
    #[cfg(target_os = "linux")]
    // SAFETY: nothing here has opened a descriptor yet, so none that something owns is closed;
    // a kernel without the call closes nothing.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0);
    }
}

/// Closes what the program that started this one left open besides the standard descriptors.
///
/// All that is opened here closes on exec, so what does not came that way.
pub fn close_inherited() {
    let list = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    let Ok(list) = std::fs::read_dir(list) else { return };
    let numbers: Vec<i32> =
        list.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // SAFETY: F_GETFD takes any number and only looks.
        let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
        if flags >= 0 && flags & libc::FD_CLOEXEC == 0 {
            // SAFETY: a descriptor without this flag was opened before this program began, and
            // nothing here has taken it over: it has no owner to close it again.
            unsafe { libc::close(number) };
        }
    }
}

/// Keeps the pages of an address range out of the swap. False where the system does not allow it.
#[cfg(target_os = "linux")]
pub fn lock_pages(start: usize, length: usize) -> bool {
    // SAFETY: mlock changes no memory; a range that is not mapped is an error.
    unsafe { libc::mlock(std::ptr::with_exposed_provenance(start), length) == 0 }
}

/// The user at the other end of a local socket.
///
/// # Errors
/// The system's.
pub fn peer_uid(socket: &UnixStream) -> io::Result<u32> {
    Ok(net::open::user_of(socket)?.as_raw())
}

/// Whether a descriptor is a socket that listens. macOS does not tell; it is taken for one there.
pub fn is_listening(socket: BorrowedFd<'_>) -> bool {
    #[cfg(target_os = "linux")]
    return rustix::net::sockopt::socket_acceptconn(socket).unwrap_or(false);
    #[cfg(not(target_os = "linux"))]
    return rustix::net::sockopt::socket_type(socket).is_ok();
}

/// Permissions out of their number.
pub fn mode(bits: u32) -> rustix::fs::Mode {
    rustix::fs::Mode::from_bits_retain(bits as rustix::fs::RawMode)
}

/// Restores the default effect of SIGPIPE, which Rust's runtime ignores.
///
/// For tools that are used in pipes and should end quietly with the reader.
pub fn default_sigpipe() {
    // SAFETY: SIG_DFL is a valid disposition and no handler of ours is replaced.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}
