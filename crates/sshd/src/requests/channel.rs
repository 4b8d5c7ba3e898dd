//! Carries requests, and descriptors beside them, from process to process.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use wire::Reader;
use zeroize::Zeroizing;

use super::encoding::Field;
#[cfg(not(target_os = "linux"))]
use super::framed as carrier;
#[cfg(target_os = "linux")]
use super::whole as carrier;

/// The most bytes of one request. A packet of a peer holds less than 256 KiB,
/// of which far less is ever passed on in one piece.
pub(crate) const MESSAGE_BYTES: usize = 128 * 1024;
/// The most descriptors beside one request: input, output and errors.
pub(crate) const MESSAGE_DESCRIPTORS: usize = 4;

/// Why requests cannot go on. There is no way back from any of these.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The other process sent what does not parse.
    #[error("a malformed request between the server's processes: {0}")]
    Malformed(#[from] wire::Error),
    /// A message is larger than [`MESSAGE_BYTES`], or has too many descriptors.
    #[error("a request between the server's processes is too large")]
    TooLarge,
    /// The other process has not taken what it was sent before.
    #[error("it does not keep up with the requests of the client")]
    Full,
    /// The other process is gone.
    #[error("the other process of the connection has gone")]
    Gone,
    /// A request came that is not allowed now.
    #[error("unexpected request between the server's processes: {0}")]
    OutOfTurn(&'static str),
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::PIPE | Errno::CONNRESET => Error::Gone,
            Errno::AGAIN => Error::Full,
            other => Error::Io(other.into()),
        }
    }
}

/// One end of a pair of connected sockets; each message arrives whole.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: OwnedFd,
}

impl Channel {
    /// Two ends. Neither survives an `exec` unless it is made to.
    pub(crate) fn pair() -> Result<(Channel, Channel), Error> {
        let (a, b) = carrier::pair()?;
        Ok((Channel { socket: a }, Channel { socket: b }))
    }

    /// The end that somebody passed to us.
    pub(crate) fn from_descriptor(socket: OwnedFd) -> Channel {
        Channel { socket }
    }

    /// The descriptor, to pass it on.
    pub(crate) fn into_descriptor(self) -> OwnedFd {
        self.socket
    }

    /// Sends one message, waiting for room.
    pub(crate) fn send(
        &self,
        message: &impl Field,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), Error> {
        self.send_with(message, descriptors, net::open::NO_SIGNAL)
    }

    /// Sends one message if there is room.
    pub(crate) fn try_send(&self, message: &impl Field) -> Result<(), Error> {
        self.send_with(message, &[], net::open::NO_SIGNAL | SendFlags::DONTWAIT)
    }

    /// Waits until there may be room to send, or something to receive. Whether there is.
    pub(crate) fn wait(&self, time: Duration) -> Result<bool, Error> {
        let mut waited = [PollFd::new(&self.socket, PollFlags::IN | PollFlags::OUT)];
        let time = Timespec::try_from(time).map_err(io::Error::other)?;
        match rustix::event::poll(&mut waited, Some(&time)) {
            Ok(ready) => Ok(ready > 0),
            // Whoever waits looks at the clock himself.
            Err(Errno::INTR) => Ok(true),
            Err(errno) => Err(errno.into()),
        }
    }

    fn send_with(
        &self,
        message: &impl Field,
        descriptors: &[BorrowedFd<'_>],
        flags: SendFlags,
    ) -> Result<(), Error> {
        // Many messages hold something that must not stay in memory.
        let mut bytes = Zeroizing::new(Vec::with_capacity(512));
        message.put(&mut bytes);
        if bytes.len() > MESSAGE_BYTES || descriptors.len() > MESSAGE_DESCRIPTORS {
            return Err(Error::TooLarge);
        }
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(Error::TooLarge);
        }
        carrier::send(self.socket.as_fd(), &bytes, &mut control, flags)
    }

    /// Receives one message, waiting for it.
    pub(crate) fn receive<T: Field>(&self) -> Result<(T, Vec<OwnedFd>), Error> {
        self.receive_with(RecvFlags::empty())?.ok_or(Error::Gone)
    }

    /// Receives one message if there is one.
    pub(crate) fn try_receive<T: Field>(&self) -> Result<Option<(T, Vec<OwnedFd>)>, Error> {
        self.receive_with(RecvFlags::DONTWAIT)
    }

    /// Sends a request and waits for its answer.
    pub(crate) fn ask<A: Field>(&self, question: &impl Field) -> Result<(A, Vec<OwnedFd>), Error> {
        self.send(question, &[])?;
        self.receive()
    }

    fn receive_with<T: Field>(&self, flags: RecvFlags) -> Result<Option<(T, Vec<OwnedFd>)>, Error> {
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let Some(bytes) = carrier::receive(self.socket.as_fd(), &mut control, flags)? else {
            return Ok(None);
        };
        let mut descriptors = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(passed) = message {
                for descriptor in passed {
                    descriptors.push(net::open::received(descriptor)?);
                }
            }
        }
        let mut reader = Reader::new(&bytes);
        let message = T::take(&mut reader)?;
        reader.finish()?;
        Ok(Some((message, descriptors)))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
