use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::Shutdown;

use crate::limits;

/// What reads, writes and ends a descriptor differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A pipe: a short read means that it is empty.
    Pipe,
    /// A terminal, the master of one or another device: reads are short for
    /// other reasons, and EIO is how a master says that the last slave was
    /// closed.
    Terminal,
    /// A socket: writing ends with `shutdown`, reading may go on.
    Socket,
    /// A regular file: epoll refuses it, it never blocks.
    File,
}

impl Kind {
    /// Whether a read gives all there is or fills the room.
    fn is_stream(self) -> bool {
        matches!(self, Self::Pipe | Self::Socket)
    }
}

/// A descriptor that never blocks the loop.
#[derive(Debug)]
pub(crate) struct Descriptor {
    fd: OwnedFd,
    kind: Kind,
    /// Flags to put back on a description that is shared with our parent.
    restore: Option<OFlags>,
}

/// What one reading gave.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Read {
    pub(crate) count: usize,
    /// Nothing is left until the descriptor is readable again.
    pub(crate) empty: bool,
    /// There will never be more.
    pub(crate) ended: bool,
}

impl Descriptor {
    /// Of a descriptor whose open file description is ours alone.
    pub(crate) fn owned(fd: OwnedFd, kind: Kind) -> Self {
        Self { fd, kind, restore: None }
    }

    /// Like [`Descriptor::owned`], asking the kernel what it is.
    pub(crate) fn probe(fd: OwnedFd) -> io::Result<Self> {
        let kind = kind_of(fd.as_fd())?;
        Ok(Self::owned(fd, kind))
    }

    /// A descriptor for the same file as one that was inherited and is shared
    /// with the process that started us, such as the shell's terminal.
    ///
    /// O_NONBLOCK belongs to the open file description, so setting it would
    /// also set it for the parent, which may then fail with EAGAIN. Terminals
    /// and pipes are therefore opened anew through `/proc/self/fd`, on macOS
    /// terminals by their name; where that is refused (no `/proc`, the terminal
    /// of another user) the flag is set and put back when the descriptor is
    /// dropped. Sockets get the latter.
    pub(crate) fn inherited(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let kind = kind_of(fd)?;
        if kind == Kind::File {
            return Ok(Self::owned(duplicate(fd)?, kind));
        }
        if kind != Kind::Socket
            && let Some(opened) = reopen(fd)
        {
            return Ok(Self::owned(opened, kind));
        }
        let flags = rustix::fs::fcntl_getfl(fd)?;
        let restore = (!flags.contains(OFlags::NONBLOCK)).then_some(flags);
        Ok(Self { fd: duplicate(fd)?, kind, restore })
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Makes reads and writes return instead of waiting.
    pub(crate) fn set_nonblocking(&self) -> io::Result<()> {
        if self.kind != Kind::File {
            let flags = rustix::fs::fcntl_getfl(&self.fd)?;
            if !flags.contains(OFlags::NONBLOCK) {
                rustix::fs::fcntl_setfl(&self.fd, flags | OFlags::NONBLOCK)?;
            }
        }
        Ok(())
    }

    /// Reads into `room`; `closed` says that the other side has hung up, so
    /// that a short read is no sign of emptiness.
    pub(crate) fn read(&self, room: &mut [u8], closed: bool) -> Read {
        let mut read = Read::default();
        while let Some(rest) = room.get_mut(read.count..).filter(|rest| !rest.is_empty()) {
            let wanted = rest.len();
            match rustix::io::read(&self.fd, rest) {
                Ok(0) => read.ended = true,
                Ok(count) => {
                    read.count += count;
                    // One more read would only say "nothing", or that it
                    // ended, which is told anyway. A file's end is left to the
                    // next turn.
                    read.empty = count < wanted && !closed && self.kind.is_stream();
                    if self.kind == Kind::Terminal || (closed && self.kind.is_stream()) {
                        continue;
                    }
                }
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => read.empty = true,
                Err(error) => {
                    if !(self.kind == Kind::Terminal && error == Errno::IO) {
                        log::debug!("reading an endpoint: {error}");
                    }
                    read.ended = true;
                }
            }
            break;
        }
        read
    }

    /// Like [`Descriptor::read`], into several places by one call. Terminals
    /// fill the first only, as they give little at a time.
    pub(crate) fn read_vectored(&self, rooms: &mut [IoSliceMut<'_>], closed: bool) -> Read {
        if self.kind == Kind::Terminal {
            let first = rooms.first_mut();
            return first.map(|room| self.read(room, closed)).unwrap_or_default();
        }
        let wanted: usize = rooms.iter().map(|room| room.len()).sum();
        loop {
            match rustix::io::readv(&self.fd, rooms) {
                Ok(0) => return Read { ended: true, ..Read::default() },
                Ok(count) => {
                    let empty = count < wanted && !closed && self.kind.is_stream();
                    return Read { count, empty, ended: false };
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Read { empty: true, ..Read::default() },
                Err(error) => {
                    log::debug!("reading an endpoint: {error}");
                    return Read { ended: true, ..Read::default() };
                }
            }
        }
    }

    /// Writes what the descriptor takes now.
    ///
    /// # Errors
    /// What `write` says, but `AGAIN`, which is the second value: full.
    pub(crate) fn write(&self, mut pieces: &mut [IoSlice<'_>]) -> Result<(usize, bool), Errno> {
        let mut written = 0;
        IoSlice::advance_slices(&mut pieces, 0);
        while !pieces.is_empty() {
            match rustix::io::writev(&self.fd, pieces) {
                Ok(0) | Err(Errno::AGAIN) => return Ok((written, true)),
                Ok(count) => {
                    written += count;
                    IoSlice::advance_slices(&mut pieces, count);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((written, false))
    }

    /// Tells the other side that nothing more will be written, where closing
    /// our end does not say it.
    pub(crate) fn end_writing(&self) {
        if self.kind == Kind::Socket {
            // Refused only when the peer is gone already.
            let _ = rustix::net::shutdown(&self.fd, Shutdown::Write);
        }
    }

    /// Tells the other side that nothing more will be read.
    pub(crate) fn end_reading(&self) {
        if self.kind == Kind::Socket {
            let _ = rustix::net::shutdown(&self.fd, Shutdown::Read);
        }
    }

    /// Lets a busy pipe hold more, so that both sides run longer at a time.
    pub(crate) fn enlarge(&self) {
        if self.kind == Kind::Pipe {
            // Refused where the user has many large pipes; slower then.
            crate::open::enlarge_pipe(&self.fd, limits::PIPE_BYTES);
        }
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        if let Some(flags) = self.restore {
            let _ = rustix::fs::fcntl_setfl(&self.fd, flags);
        }
    }
}

fn kind_of(fd: BorrowedFd<'_>) -> io::Result<Kind> {
    let stat = rustix::fs::fstat(fd)?;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Socket => Kind::Socket,
        FileType::Fifo => Kind::Pipe,
        FileType::CharacterDevice => Kind::Terminal,
        _ => Kind::File,
    })
}

fn duplicate(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(fd, 3)?)
}

fn reopen(fd: BorrowedFd<'_>) -> Option<OwnedFd> {
    let mode = rustix::fs::fcntl_getfl(fd).ok()? & OFlags::ACCMODE;
    let path = path_of(fd)?;
    let flags = mode | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    // Another descriptor may have taken the number, or /proc be no /proc.
    let (ours, theirs) = (rustix::fs::fstat(&opened).ok()?, rustix::fs::fstat(fd).ok()?);
    let same = ours.st_dev == theirs.st_dev
        && ours.st_ino == theirs.st_ino
        && ours.st_rdev == theirs.st_rdev;
    same.then_some(opened)
}

#[cfg(target_os = "linux")]
fn path_of(fd: BorrowedFd<'_>) -> Option<std::ffi::CString> {
    use std::os::fd::AsRawFd;
    std::ffi::CString::new(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok()
}

// What /dev/fd opens shares the description.
#[cfg(not(target_os = "linux"))]
fn path_of(fd: BorrowedFd<'_>) -> Option<std::ffi::CString> {
    rustix::termios::ttyname(fd, Vec::new()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inherited_pipe_stays_blocking_for_its_owner() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let ours = Descriptor::inherited(reader.as_fd()).unwrap();
        ours.set_nonblocking().unwrap();
        assert!(!rustix::fs::fcntl_getfl(&reader).unwrap().contains(OFlags::NONBLOCK));
        let mut room = [0; 8];
        assert!(ours.read(&mut room, false).empty);
        rustix::io::write(&writer, b"abc").unwrap();
        assert_eq!(ours.read(&mut room, false).count, 3);
    }

    #[test]
    fn an_inherited_socket_gets_its_flags_back() {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let descriptor = Descriptor::inherited(ours.as_fd()).unwrap();
        descriptor.set_nonblocking().unwrap();
        assert!(rustix::fs::fcntl_getfl(&ours).unwrap().contains(OFlags::NONBLOCK));
        drop(descriptor);
        assert!(!rustix::fs::fcntl_getfl(&ours).unwrap().contains(OFlags::NONBLOCK));
    }

    #[test]
    fn reading_sees_the_end() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&writer, b"last").unwrap();
        drop(writer);
        let descriptor = Descriptor::probe(reader).unwrap();
        assert_eq!(descriptor.kind(), Kind::Pipe);
        let mut room = [0; 16];
        let read = descriptor.read(&mut room, true);
        assert_eq!((read.count, read.ended), (4, true));
    }

    #[test]
    fn the_null_device_has_ended() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let descriptor = Descriptor::probe(null.into()).unwrap();
        assert!(descriptor.read(&mut [0; 4], false).ended);
    }
}
