//! New descriptors that programs started from here do not get, on every Unix.
//!
//! Linux marks them close-on-exec as it makes them. macOS has no calls for that: there the mark is set right
//! afterwards, as Rust's own library does it, and a program that another thread starts in between inherits them.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Result;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType};
use rustix::process::{Pid, Uid};

#[cfg(not(target_os = "linux"))]
use marked as system;

/// For `recvmsg`: descriptors that come with a message are close-on-exec. See [`received`].
pub const RECEIVE: RecvFlags = system::RECEIVE;

/// For `send`: no SIGPIPE. macOS has no such flag; Rust programs ignore the signal.
pub const NO_SIGNAL: SendFlags = system::NO_SIGNAL;

/// The two ends of a pipe: what reads and what writes.
///
/// # Errors
/// Those of the system, as for the others here.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    system::pipe(false)
}

/// A pipe neither end of which waits.
///
/// # Errors
/// See [`pipe`].
pub fn nonblocking_pipe() -> Result<(OwnedFd, OwnedFd)> {
    system::pipe(true)
}

/// Asks for more room in a pipe. Where that is refused or unknown the usual size must do.
pub fn enlarge_pipe(pipe: impl AsFd, bytes: usize) {
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, bytes);
    #[cfg(not(target_os = "linux"))]
    let _ = (pipe, bytes);
}

/// A socket.
///
/// # Errors
/// See [`pipe`].
pub fn socket(family: AddressFamily, kind: SocketType) -> Result<OwnedFd> {
    system::socket(family, kind, false)
}

/// A socket that does not wait.
///
/// # Errors
/// See [`pipe`].
pub fn nonblocking_socket(family: AddressFamily, kind: SocketType) -> Result<OwnedFd> {
    system::socket(family, kind, true)
}

/// Two Unix sockets, connected to each other.
///
/// # Errors
/// See [`pipe`].
pub fn socket_pair(kind: SocketType) -> Result<(OwnedFd, OwnedFd)> {
    system::socket_pair(kind)
}

/// The next connection to a listening socket. Reading it waits, also where the listening one does not.
///
/// # Errors
/// See [`pipe`].
pub fn accept(listener: impl AsFd) -> Result<OwnedFd> {
    system::accept(listener.as_fd())
}

/// Marks a descriptor that came with a message, where [`RECEIVE`] could not ask for it.
///
/// # Errors
/// See [`pipe`].
pub fn received(descriptor: OwnedFd) -> Result<OwnedFd> {
    system::received(descriptor)
}

/// A descriptor that is readable once a child process has ended. The child stays to be waited for.
///
/// # Errors
/// See [`pipe`].
pub fn process(pid: Pid) -> Result<OwnedFd> {
    system::process(pid)
}

/// Which user is at the other end of a Unix socket.
///
/// # Errors
/// See [`pipe`].
pub fn user_of(socket: impl AsFd) -> Result<Uid> {
    system::user_of(socket.as_fd())
}

#[cfg(target_os = "linux")]
mod system {
    use std::os::fd::{BorrowedFd, OwnedFd};

    use rustix::io::Result;
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
    use rustix::pipe::PipeFlags;
    use rustix::process::{Pid, PidfdFlags, Uid};

    pub(super) const RECEIVE: RecvFlags = RecvFlags::CMSG_CLOEXEC;
    pub(super) const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;

    pub(super) fn pipe(nonblocking: bool) -> Result<(OwnedFd, OwnedFd)> {
        let waiting = if nonblocking { PipeFlags::NONBLOCK } else { PipeFlags::empty() };
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC | waiting)
    }

    pub(super) fn socket(
        family: AddressFamily,
        kind: SocketType,
        nonblocking: bool,
    ) -> Result<OwnedFd> {
        let waiting = if nonblocking { SocketFlags::NONBLOCK } else { SocketFlags::empty() };
        rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC | waiting, None)
    }

    pub(super) fn socket_pair(kind: SocketType) -> Result<(OwnedFd, OwnedFd)> {
        rustix::net::socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
    }

    pub(super) fn accept(listener: BorrowedFd<'_>) -> Result<OwnedFd> {
        rustix::net::accept_with(listener, SocketFlags::CLOEXEC)
    }

    #[expect(clippy::unnecessary_wraps, reason = "others have to ask for it")]
    pub(super) fn received(descriptor: OwnedFd) -> Result<OwnedFd> {
        Ok(descriptor)
    }

    pub(super) fn process(pid: Pid) -> Result<OwnedFd> {
        rustix::process::pidfd_open(pid, PidfdFlags::empty())
    }

    pub(super) fn user_of(socket: BorrowedFd<'_>) -> Result<Uid> {
        Ok(rustix::net::sockopt::socket_peercred(socket)?.uid)
    }
}

/// Systems whose descriptors are marked afterwards; on Linux only its tests are of use.
#[cfg(any(not(target_os = "linux"), test))]
#[cfg_attr(target_os = "linux", expect(dead_code, reason = "Linux has better calls"))]
mod marked {
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

    use rustix::fs::OFlags;
    use rustix::io::{FdFlags, Result};
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

    pub(super) const RECEIVE: RecvFlags = RecvFlags::empty();
    pub(super) const NO_SIGNAL: SendFlags = SendFlags::empty();

    pub(super) fn pipe(nonblocking: bool) -> Result<(OwnedFd, OwnedFd)> {
        let (reader, writer) = rustix::pipe::pipe()?;
        Ok((mark(reader, nonblocking)?, mark(writer, nonblocking)?))
    }

    pub(super) fn socket(
        family: AddressFamily,
        kind: SocketType,
        nonblocking: bool,
    ) -> Result<OwnedFd> {
        mark(rustix::net::socket(family, kind, None)?, nonblocking)
    }

    pub(super) fn socket_pair(kind: SocketType) -> Result<(OwnedFd, OwnedFd)> {
        let flags = SocketFlags::empty();
        let (a, b) = rustix::net::socketpair(AddressFamily::UNIX, kind, flags, None)?;
        Ok((mark(a, false)?, mark(b, false)?))
    }

    pub(super) fn accept(listener: BorrowedFd<'_>) -> Result<OwnedFd> {
        // BSD's new socket does not wait if the listening one does not.
        mark(rustix::net::accept(listener)?, false)
    }

    pub(super) fn received(descriptor: OwnedFd) -> Result<OwnedFd> {
        rustix::io::fcntl_setfd(&descriptor, FdFlags::CLOEXEC)?;
        Ok(descriptor)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn process(pid: rustix::process::Pid) -> Result<OwnedFd> {
        if let Some(queue) = crate::sys::exit_queue(pid)? {
            return received(queue);
        }
        // It has ended already. A pipe that nobody writes to is readable, too.
        pipe(false).map(|(reader, _writer)| reader)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn user_of(socket: BorrowedFd<'_>) -> Result<rustix::process::Uid> {
        crate::sys::peer_uid(socket)
    }

    fn mark(descriptor: OwnedFd, nonblocking: bool) -> Result<OwnedFd> {
        let flags = rustix::fs::fcntl_getfl(descriptor.as_fd())?;
        let wanted = if nonblocking { flags | OFlags::NONBLOCK } else { flags - OFlags::NONBLOCK };
        if wanted != flags {
            rustix::fs::fcntl_setfl(&descriptor, wanted)?;
        }
        received(descriptor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::{OFlags, fcntl_getfl};
    use rustix::io::{FdFlags, fcntl_getfd};

    fn is_marked(descriptor: &OwnedFd) -> bool {
        fcntl_getfd(descriptor).unwrap().contains(FdFlags::CLOEXEC)
    }

    fn waits(descriptor: &OwnedFd) -> bool {
        !fcntl_getfl(descriptor).unwrap().contains(OFlags::NONBLOCK)
    }

    #[test]
    fn every_descriptor_is_closed_on_exec() {
        for nonblocking in [false, true] {
            let kind = SocketType::STREAM;
            let pipes = [marked::pipe(nonblocking).unwrap(), system::pipe(nonblocking).unwrap()];
            let mut made: Vec<OwnedFd> = pipes.into_iter().flat_map(<[_; 2]>::from).collect();
            made.push(marked::socket(AddressFamily::INET, kind, nonblocking).unwrap());
            made.push(system::socket(AddressFamily::INET, kind, nonblocking).unwrap());
            assert!(made.iter().all(|fd| is_marked(fd) && waits(fd) != nonblocking));
        }
        let pairs = [marked::socket_pair(SocketType::STREAM), socket_pair(SocketType::STREAM)];
        assert!(pairs.into_iter().map(Result::unwrap).all(|(a, b)| is_marked(&a) && is_marked(&b)));
    }

    #[test]
    fn an_accepted_socket_waits() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        for accept in [marked::accept, system::accept] {
            let _client = std::net::TcpStream::connect(address).unwrap();
            let accepted = accept(listener.as_fd()).unwrap();
            assert!(is_marked(&accepted) && waits(&accepted));
        }
    }

    #[test]
    fn the_end_of_a_process_is_seen_also_afterwards() {
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", "read line"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
        let before = process(pid).unwrap();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        assert_eq!(poll(&mut [PollFd::new(&before, PollFlags::IN)], Some(&now)).unwrap(), 0);
        drop(child.stdin.take());
        poll(&mut [PollFd::new(&before, PollFlags::IN)], None).unwrap();
        let after = process(pid).unwrap();
        poll(&mut [PollFd::new(&after, PollFlags::IN)], None).unwrap();
        assert!(child.wait().is_ok());
    }
}
