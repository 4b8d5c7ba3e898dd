//! Socket options that no safe library has.

use std::io;
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType};

use crate::visit::PathState;

/// `TCP_INFO`: the path's largest packet and what is not acknowledged.
#[cfg(target_os = "linux")]
pub fn path_state(socket: BorrowedFd<'_>) -> Option<PathState> {
    let mut info = mem::MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = libc::socklen_t::try_from(mem::size_of::<libc::tcp_info>()).ok()?;
    // SAFETY: the descriptor is open for the call; `info` is writable for `length` bytes, which is
    // its size, and the kernel writes no more than that.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return None;
    }
    // SAFETY: all fields are integers, for which the zeroes it was made of are values, whether or
    // not the kernel wrote them all.
    let info = unsafe { info.assume_init() };
    Some(PathState {
        mtu: info.tcpi_pmtu,
        unacknowledged: info.tcpi_unacked,
        retransmits: u32::from(info.tcpi_retransmits),
    })
}

/// Other systems do not tell.
#[cfg(not(target_os = "linux"))]
pub fn path_state(_socket: BorrowedFd<'_>) -> Option<PathState> {
    None
}

/// Connects with `TCP_MAXSEG`, which has to be set before.
pub fn connect_with_segments(
    address: SocketAddr,
    bytes: u16,
    timeout: Duration,
) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = net::open::nonblocking_socket(family, SocketType::STREAM)?;
    set_segment(socket.as_fd(), bytes)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let limit = Timespec::try_from(timeout).map_err(|_| io::Error::from(Errno::INVAL))?;
    let mut polled = [PollFd::new(&socket, PollFlags::OUT)];
    if poll(&mut polled, Some(&limit))? == 0 {
        return Err(Errno::TIMEDOUT.into());
    }
    rustix::net::sockopt::socket_error(&socket)??;
    Ok(TcpStream::from(socket))
}

fn set_segment(socket: BorrowedFd<'_>, bytes: u16) -> io::Result<()> {
    let value = libc::c_int::from(bytes);
    let length = libc::socklen_t::try_from(mem::size_of::<libc::c_int>())
        .map_err(|_| io::Error::from(Errno::INVAL))?;
    // SAFETY: the descriptor is open for the call, and `value` is readable for `length` bytes,
    // which is its size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_MAXSEG,
            (&raw const value).cast(),
            length,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
