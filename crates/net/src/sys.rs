//! The only unsafe code of this crate: signal handlers, `getifaddrs`, `TCP_INFO`, tunnel
//! devices and waiting for a process on macOS, which no safe crate of ours offers.

use std::ffi::CStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

#[cfg(not(target_vendor = "apple"))]
use libc::__errno_location as errno_location;
#[cfg(target_vendor = "apple")]
use libc::__error as errno_location;

/// Where the handler writes the numbers of signals.
static SIGNAL_PIPE: AtomicI32 = AtomicI32::new(-1);

extern "C" fn note_signal(number: libc::c_int) {
    let fd = SIGNAL_PIPE.load(Ordering::Relaxed);
    let byte = [number.to_le_bytes()[0]];
    // SAFETY: only async-signal-safe functions are called: `write`, of one
    // byte that lives until it returns, and errno's location. The descriptor
    // is never closed once it is stored. errno is put back, as the
    // interrupted code may be about to read it.
    unsafe {
        let errno = errno_location();
        let saved = *errno;
        // A full pipe holds a byte to wake the reader already.
        let _ = libc::write(fd, byte.as_ptr().cast(), 1);
        *errno = saved;
    }
}

/// Makes the given end of a pipe the one that handlers write to; only the
/// first call in a process does. It must be non-blocking.
pub(crate) fn set_signal_pipe(writer: OwnedFd) -> io::Result<()> {
    let fd = writer.into_raw_fd();
    if SIGNAL_PIPE.compare_exchange(-1, fd, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
        return Ok(());
    }
    // SAFETY: the descriptor was given to us and stored nowhere.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Installs the handler that writes to the pipe.
pub(crate) fn catch_signal(number: libc::c_int) -> io::Result<()> {
    // SAFETY: a zeroed sigaction is valid: no flags, an empty mask on every
    // libc we build for. The handler has the signature that a handler without
    // SA_SIGINFO must have, and is async-signal-safe.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = note_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(number, &raw const action, std::ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether a signal is ignored, as `nohup` leaves it.
pub(crate) fn is_ignored(number: libc::c_int) -> bool {
    // SAFETY: with no new action, sigaction only writes the old one, to a
    // place that holds one.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(number, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

/// The addresses of a network interface.
pub(crate) fn interface_addresses(name: &str) -> io::Result<Vec<SocketAddr>> {
    let mut first: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: getifaddrs writes a list, which is freed below.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut addresses = Vec::new();
    let mut next = first;
    // SAFETY: the list is valid and not changed until freeifaddrs; each node's
    // name is a C string, and a node's address, where there is one, has at
    // least the size that its family says.
    unsafe {
        while let Some(entry) = next.as_ref() {
            next = entry.ifa_next;
            if entry.ifa_addr.is_null()
                || CStr::from_ptr(entry.ifa_name).to_bytes() != name.as_bytes()
            {
                continue;
            }
            match libc::c_int::from((*entry.ifa_addr).sa_family) {
                libc::AF_INET => {
                    let inet = entry.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned();
                    let ip = Ipv4Addr::from(u32::from_be(inet.sin_addr.s_addr));
                    addresses.push(SocketAddr::new(IpAddr::V4(ip), 0));
                }
                libc::AF_INET6 => {
                    let inet6 = entry.ifa_addr.cast::<libc::sockaddr_in6>().read_unaligned();
                    let ip = Ipv6Addr::from(inet6.sin6_addr.s6_addr);
                    addresses.push(SocketAddrV6::new(ip, 0, 0, inet6.sin6_scope_id).into());
                }
                _ => {}
            }
        }
        libc::freeifaddrs(first);
    }
    Ok(addresses)
}

/// How often in a row TCP has sent its oldest bytes anew; `None` for what is not TCP.
#[cfg(target_os = "linux")]
pub(crate) fn retransmissions(socket: &impl AsFd) -> Option<u8> {
    use std::os::fd::AsRawFd;
    // `struct tcp_info` begins with bytes: state, state of congestion, retransmissions.
    let mut info = [0_u8; 8];
    let mut length = libc::socklen_t::try_from(info.len()).unwrap_or_default();
    // SAFETY: the descriptor is open; the system writes at most `length` bytes, which is the
    // size of the array, and the length itself, both of which live until it returns.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    (result == 0 && length >= 3).then_some(info[2])
}

/// Other systems tell it otherwise.
#[cfg(not(target_os = "linux"))]
pub(crate) fn retransmissions(_socket: &impl AsFd) -> Option<u8> {
    None
}

/// Opens a tunnel device, for frames or for packets, without anything in front of them.
/// Also gives the interface's name.
#[cfg(target_os = "linux")]
pub(crate) fn open_tunnel(frames: bool, unit: Option<u32>) -> io::Result<(OwnedFd, String)> {
    use std::os::fd::AsRawFd;
    let device = std::fs::File::options().read(true).write(true).open("/dev/net/tun")?;
    let (kind, prefix) = if frames { (libc::IFF_TAP, "tap") } else { (libc::IFF_TUN, "tun") };
    // With %d the system picks the number.
    let name = unit.map_or_else(|| format!("{prefix}%d"), |unit| format!("{prefix}{unit}"));
    // SAFETY: a zeroed ifreq is valid: an empty name and no flags.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let (_, room) = request.ifr_name.split_last_mut().ok_or(io::ErrorKind::InvalidInput)?;
    if name.len() > room.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (place, byte) in room.iter_mut().zip(name.bytes()) {
        *place = byte.cast_signed();
    }
    let flags = kind | libc::IFF_NO_PI;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).unwrap_or_default();
    // SAFETY: the descriptor is open, and TUNSETIFF reads and writes one ifreq, which lives
    // until it returns.
    if unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let name: Vec<u8> =
        request.ifr_name.iter().take_while(|byte| **byte != 0).map(|b| b.cast_unsigned()).collect();
    Ok((device.into(), String::from_utf8_lossy(&name).into_owned()))
}

/// A queue that is readable once a child has ended; `None` when it has already.
#[cfg(not(target_os = "linux"))]
pub(crate) fn exit_queue(pid: rustix::process::Pid) -> rustix::io::Result<Option<OwnedFd>> {
    use std::os::fd::AsRawFd;
    // SAFETY: takes nothing.
    let number = unsafe { libc::kqueue() };
    if number < 0 {
        return Err(last_errno());
    }
    // SAFETY: just made, and nobody else's.
    let queue = unsafe { OwnedFd::from_raw_fd(number) };
    let event = libc::kevent {
        ident: pid.as_raw_nonzero().get().unsigned_abs() as libc::uintptr_t,
        filter: libc::EVFILT_PROC,
        flags: libc::EV_ADD | libc::EV_ONESHOT,
        fflags: libc::NOTE_EXIT,
        data: 0,
        udata: std::ptr::null_mut(),
    };
    // SAFETY: one event is read, which lives until the call returns; none is written.
    let added = unsafe {
        let nothing = std::ptr::null_mut();
        libc::kevent(queue.as_raw_fd(), &raw const event, 1, nothing, 0, std::ptr::null())
    };
    if added == 0 {
        return Ok(Some(queue));
    }
    match last_errno() {
        // It waits to be reaped, being our child.
        rustix::io::Errno::SRCH => Ok(None),
        errno => Err(errno),
    }
}

/// Which user is at the other end of a Unix socket.
#[cfg(not(target_os = "linux"))]
pub(crate) fn peer_uid(
    socket: std::os::fd::BorrowedFd<'_>,
) -> rustix::io::Result<rustix::process::Uid> {
    use std::os::fd::AsRawFd;
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: the descriptor is open while it is borrowed; both results are valid for writes.
    match unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut uid, &raw mut gid) } {
        0 => Ok(rustix::process::Uid::from_raw(uid)),
        _ => Err(last_errno()),
    }
}

#[cfg(not(target_os = "linux"))]
fn last_errno() -> rustix::io::Errno {
    rustix::io::Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(rustix::io::Errno::IO)
}

/// Other systems have other devices.
#[cfg(not(target_os = "linux"))]
pub(crate) fn open_tunnel(_frames: bool, _unit: Option<u32>) -> io::Result<(OwnedFd, String)> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The name of an address; nothing when it has none.
pub(crate) fn name_of_address(address: &SocketAddr) -> Option<String> {
    let mut name = [0_u8; 1025];
    let look_up = |raw: *const libc::sockaddr, length: usize, name: &mut [u8]| {
        let length = libc::socklen_t::try_from(length).unwrap_or(0);
        let room = libc::socklen_t::try_from(name.len()).unwrap_or(0);
        // SAFETY: `raw` points to a socket address of that length, `name` has that room, and no
        // service is asked for.
        unsafe {
            libc::getnameinfo(
                raw,
                length,
                name.as_mut_ptr().cast(),
                room,
                std::ptr::null_mut(),
                0,
                libc::NI_NAMEREQD,
            )
        }
    };
    let result = match address {
        SocketAddr::V4(v4) => {
            // SAFETY: a zeroed sockaddr_in is valid.
            let mut raw: libc::sockaddr_in = unsafe { std::mem::zeroed() };
            raw.sin_family = libc::sa_family_t::try_from(libc::AF_INET).ok()?;
            raw.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
            look_up((&raw const raw).cast(), size_of_val(&raw), &mut name)
        }
        SocketAddr::V6(v6) => {
            // SAFETY: a zeroed sockaddr_in6 is valid.
            let mut raw: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
            raw.sin6_family = libc::sa_family_t::try_from(libc::AF_INET6).ok()?;
            raw.sin6_addr.s6_addr = v6.ip().octets();
            raw.sin6_scope_id = v6.scope_id();
            look_up((&raw const raw).cast(), size_of_val(&raw), &mut name)
        }
    };
    if result != 0 {
        return None;
    }
    let name = CStr::from_bytes_until_nul(&name).ok()?.to_str().ok()?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_has_its_address() {
        let addresses =
            interface_addresses(if cfg!(target_os = "linux") { "lo" } else { "lo0" }).unwrap();
        assert!(addresses.iter().all(|address| address.ip().is_loopback()));
        assert!(interface_addresses("no such interface").unwrap().is_empty());
    }
}
