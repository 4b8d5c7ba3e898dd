//! Messages with descriptors between the server's processes, over a pair of local sockets.
//!
//! What is inside the bytes is no business of this module. The sockets are of the kind that keeps messages apart
//! (`SOCK_SEQPACKET`), so a message arrives whole, with its descriptors, or not at all.

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The most descriptors in one message.
pub const DESCRIPTORS_MAX: usize = 8;

/// The longest message. A local socket's buffer holds several of these.
pub const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// Two connected sockets, close-on-exec.
///
/// # Errors
/// When there are no more descriptors.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    #[cfg(not(target_os = "macos"))]
    let (kind, flags) = (SocketType::SEQPACKET, SocketFlags::CLOEXEC);
    // Which has no such sockets between processes; its datagrams are reliable locally.
    #[cfg(target_os = "macos")]
    let (kind, flags) = (SocketType::DGRAM, SocketFlags::empty());
    Ok(rustix::net::socketpair(AddressFamily::UNIX, kind, flags, None)?)
}

/// Sends one message with descriptors. Blocks while the other side is behind, unless the socket is non-blocking.
///
/// # Errors
/// When the message is empty or over a limit, or the other side is gone.
pub fn send(socket: impl AsFd, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    if message.is_empty()
        || message.len() > MESSAGE_BYTES_MAX
        || descriptors.len() > DESCRIPTORS_MAX
    {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "message out of bounds"));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors"));
    }
    let sent = loop {
        let message = [IoSlice::new(message)];
        match rustix::net::sendmsg(&socket, &message, &mut control, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            sent => break sent?,
        }
    };
    if sent == message.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Receives one message into `room`: its length, and its descriptors, which are close-on-exec. A length of zero means
/// that the other side is gone.
///
/// # Errors
/// When the message did not fit, bytes or descriptors; or as the socket says, [`io::ErrorKind::WouldBlock`] included.
pub fn receive(socket: impl AsFd, room: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut room = [IoSliceMut::new(&mut *room)];
        match rustix::net::recvmsg(&socket, &mut room, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            received => break received?,
        }
    };
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            descriptors.extend(passed);
        }
    }
    // CTRUNC is also how the kernel says that this process may not hold any more descriptors.
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "message out of bounds"));
    }
    Ok((received.bytes, descriptors))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn messages_stay_apart_and_carry_descriptors() {
        let (one, other) = pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        send(&one, b"first", &[writer.as_fd()]).unwrap();
        send(&one, b"second", &[]).unwrap();
        drop((one, writer));
        let mut room = [0; 64];
        let (length, mut descriptors) = receive(&other, &mut room).unwrap();
        assert_eq!((&room[..length], descriptors.len()), (&b"first"[..], 1));
        let mut passed = std::fs::File::from(descriptors.remove(0));
        passed.write_all(b"x").unwrap();
        drop(passed);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
        let (length, descriptors) = receive(&other, &mut room).unwrap();
        assert_eq!((&room[..length], descriptors.len()), (&b"second"[..], 0));
        assert_eq!(receive(&other, &mut room).unwrap().0, 0);
    }

    #[test]
    fn bounds() {
        let (one, other) = pair().unwrap();
        assert!(send(&one, b"", &[]).is_err());
        assert!(send(&one, &vec![0; MESSAGE_BYTES_MAX + 1], &[]).is_err());
        assert!(send(&one, b"x", &[one.as_fd(); DESCRIPTORS_MAX + 1]).is_err());
        send(&one, &vec![7; MESSAGE_BYTES_MAX], &[one.as_fd(); DESCRIPTORS_MAX]).unwrap();
        let mut room = vec![0; MESSAGE_BYTES_MAX];
        let (length, descriptors) = receive(&other, &mut room).unwrap();
        assert_eq!((length, descriptors.len()), (MESSAGE_BYTES_MAX, DESCRIPTORS_MAX));
        send(&one, b"too long", &[]).unwrap();
        assert!(receive(&other, &mut room[..3]).is_err());
        drop(other);
        assert!(send(&one, b"x", &[]).is_err());
    }
}
