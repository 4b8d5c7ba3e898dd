//! Messages on a stream of bytes, each behind its length: macOS has no Unix sockets that keep the borders of messages.
//!
//! The length and what comes with it are sent by one call; descriptors arrive with its first byte. A message that has
//! begun is waited for, but not for ever, as the other end may have been taken over.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendFlags, SocketType,
};
use zeroize::Zeroizing;

use super::channel::{Error, MESSAGE_BYTES};

const LENGTH_BYTES: usize = 4;
/// How long the rest of a message may take, each time that it stops.
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

pub(super) fn pair() -> Result<(OwnedFd, OwnedFd), Error> {
    Ok(net::open::socket_pair(SocketType::STREAM)?)
}

pub(super) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    control: &mut SendAncillaryBuffer<'_, '_, '_>,
    flags: SendFlags,
) -> Result<(), Error> {
    let length = u32::try_from(bytes.len()).map_err(|_| Error::TooLarge)?.to_be_bytes();
    let pieces = [IoSlice::new(&length), IoSlice::new(bytes)];
    let mut sent =
        rustix::io::retry_on_intr(|| rustix::net::sendmsg(socket, &pieces, control, flags))?;
    while sent < LENGTH_BYTES + bytes.len() {
        let rest = match sent.checked_sub(LENGTH_BYTES) {
            None => length.get(sent..),
            Some(sent) => bytes.get(sent..),
        };
        let flags = net::open::NO_SIGNAL | SendFlags::DONTWAIT;
        match rustix::net::send(socket, rest.unwrap_or_default(), flags) {
            Ok(more) => sent += more,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if wait(socket, PollFlags::OUT)? => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// One message, if one has begun.
pub(super) fn receive(
    socket: BorrowedFd<'_>,
    control: &mut RecvAncillaryBuffer<'_>,
    flags: RecvFlags,
) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    let mut length = [0; LENGTH_BYTES];
    let received = match rustix::io::retry_on_intr(|| {
        let flags = flags | net::open::RECEIVE;
        rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut length)], control, flags)
    }) {
        Ok(received) => received,
        Err(Errno::AGAIN) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    if received.bytes == 0 {
        return Err(Error::Gone);
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(Error::TooLarge);
    }
    fill(socket, length.get_mut(received.bytes..).unwrap_or_default())?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MESSAGE_BYTES {
        return Err(Error::TooLarge);
    }
    let mut bytes = Zeroizing::new(vec![0; length]);
    fill(socket, &mut bytes)?;
    Ok(Some(bytes))
}

fn fill(socket: BorrowedFd<'_>, mut room: &mut [u8]) -> Result<(), Error> {
    while !room.is_empty() {
        match rustix::net::recv(socket, &mut *room, RecvFlags::DONTWAIT) {
            Ok((0, _)) => return Err(Error::Gone),
            Ok((count, _)) => room = room.get_mut(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if wait(socket, PollFlags::IN)? => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn wait(socket: BorrowedFd<'_>, what: PollFlags) -> Result<bool, Error> {
    let mut waited = [PollFd::from_borrowed_fd(socket, what)];
    match rustix::event::poll(&mut waited, Some(&PATIENCE)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{RecvAncillaryMessage, SendAncillaryMessage};
    use std::mem::MaybeUninit;
    use std::os::fd::AsFd;

    fn send_plain(socket: &OwnedFd, bytes: &[u8]) -> Result<(), Error> {
        let mut control = SendAncillaryBuffer::default();
        send(socket.as_fd(), bytes, &mut control, SendFlags::DONTWAIT)
    }

    fn receive_plain(socket: &OwnedFd) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        receive(socket.as_fd(), &mut RecvAncillaryBuffer::default(), RecvFlags::DONTWAIT)
    }

    #[test]
    fn messages_keep_their_borders_and_descriptors() {
        let (a, b) = pair().unwrap();
        assert!(receive_plain(&b).unwrap().is_none());
        send_plain(&a, b"one").unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let passed = [b.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&passed)));
        send(a.as_fd(), b"two", &mut control, SendFlags::empty()).unwrap();

        assert_eq!(receive_plain(&b).unwrap().unwrap().as_slice(), b"one");
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let two = receive(b.as_fd(), &mut control, RecvFlags::DONTWAIT).unwrap().unwrap();
        assert_eq!(two.as_slice(), b"two");
        let came = control.drain().next();
        assert!(matches!(came, Some(RecvAncillaryMessage::ScmRights(_))));
        drop((a, came));
        assert!(matches!(receive_plain(&b), Err(Error::Gone)));
    }

    #[test]
    fn the_largest_message_passes_through_a_small_buffer() {
        let (a, b) = pair().unwrap();
        rustix::net::sockopt::set_socket_send_buffer_size(&a, 4096).unwrap();
        let sender = std::thread::spawn(move || send_plain(&a, &vec![7; MESSAGE_BYTES]));
        let flags = RecvFlags::empty();
        let received = receive(b.as_fd(), &mut RecvAncillaryBuffer::default(), flags).unwrap();
        assert_eq!(received.unwrap().as_slice(), vec![7; MESSAGE_BYTES]);
        sender.join().unwrap().unwrap();
    }

    #[test]
    fn a_length_that_lies_is_refused() {
        let (a, b) = pair().unwrap();
        rustix::io::write(&a, &[0xff; 8]).unwrap();
        assert!(matches!(receive_plain(&b), Err(Error::TooLarge)));
        let (a, b) = pair().unwrap();
        rustix::io::write(&a, &[0, 0, 0, 2, 1]).unwrap();
        drop(a);
        assert!(matches!(receive_plain(&b), Err(Error::Gone)));
    }
}
