use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use crate::descriptor::{Descriptor, Kind};

/// One descriptor for a channel to read from or write to.
///
/// `pipe`, `pty`, `socket` and `file` make no system call: for a sandboxed
/// process that was told what it receives.
#[derive(Debug)]
pub struct Endpoint {
    pub(crate) descriptor: Arc<Descriptor>,
    pub(crate) filtered: bool,
}

impl Endpoint {
    /// One end of a pipe.
    pub fn pipe(fd: OwnedFd) -> Self {
        Self::of(Descriptor::owned(fd, Kind::Pipe))
    }

    /// The master of a pseudo-terminal.
    pub fn pty(fd: OwnedFd) -> Self {
        Self::of(Descriptor::owned(fd, Kind::Terminal))
    }

    /// A connected stream socket; its writing half is shut down at the end.
    pub fn socket(fd: OwnedFd) -> Self {
        Self::of(Descriptor::owned(fd, Kind::Socket))
    }

    /// A regular file.
    pub fn file(fd: OwnedFd) -> Self {
        Self::of(Descriptor::owned(fd, Kind::File))
    }

    /// Whatever `fstat` says it is. It must be ours alone: it is made
    /// non-blocking.
    ///
    /// # Errors
    /// Those of `fstat`.
    pub fn probe(fd: OwnedFd) -> io::Result<Self> {
        Descriptor::probe(fd).map(Self::of)
    }

    /// The file behind a descriptor that is shared with the process that
    /// started this one, such as standard input. It is opened anew or its
    /// flags are put back on drop, so that the parent never finds it
    /// non-blocking; the given descriptor stays open and is not used again.
    ///
    /// # Errors
    /// Those of `fstat` and `fcntl`.
    pub fn inherited(fd: BorrowedFd<'_>) -> io::Result<Self> {
        Descriptor::inherited(fd).map(Self::of)
    }

    /// Sends what is read through [`Application::input`](crate::Application::input)
    /// instead of straight into packets.
    #[must_use]
    pub fn filtered(mut self) -> Self {
        self.filtered = true;
        self
    }

    fn of(descriptor: Descriptor) -> Self {
        Self { descriptor: Arc::new(descriptor), filtered: false }
    }
}

/// The local ends of one channel; any may be missing.
#[derive(Debug, Default)]
pub struct Endpoints {
    /// Read from, sent as data.
    pub input: Option<Endpoint>,
    /// Data received is written to it.
    pub output: Option<Endpoint>,
    /// Read from, sent as extended data of type stderr. RFC 4254 §5.2.
    pub stderr_input: Option<Endpoint>,
    /// Extended data of type stderr received is written to it.
    pub stderr_output: Option<Endpoint>,
}

impl Endpoints {
    /// One descriptor for both directions: the master of a pty, a socket.
    pub fn duplex(endpoint: Endpoint) -> Self {
        let output = Endpoint { descriptor: Arc::clone(&endpoint.descriptor), filtered: false };
        Self { input: Some(endpoint), output: Some(output), ..Self::default() }
    }
}
