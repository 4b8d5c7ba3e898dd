//! Messages on sockets that keep their borders by themselves.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendFlags, SocketType,
};
use zeroize::Zeroizing;

use super::channel::{Error, MESSAGE_BYTES};

pub(super) fn pair() -> Result<(OwnedFd, OwnedFd), Error> {
    Ok(net::open::socket_pair(SocketType::SEQPACKET)?)
}

pub(super) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    control: &mut SendAncillaryBuffer<'_, '_, '_>,
    flags: SendFlags,
) -> Result<(), Error> {
    rustix::io::retry_on_intr(|| {
        rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], control, flags)
    })?;
    Ok(())
}

/// One message, if there is one.
pub(super) fn receive(
    socket: BorrowedFd<'_>,
    control: &mut RecvAncillaryBuffer<'_>,
    flags: RecvFlags,
) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    // The length first, so that nothing larger than the message is held.
    let peek = flags | RecvFlags::PEEK | RecvFlags::TRUNC;
    let length =
        match rustix::io::retry_on_intr(|| rustix::net::recv(socket, &mut [0; 0][..], peek)) {
            Ok((_, length)) => length,
            Err(Errno::AGAIN) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
    // No message of ours is empty: the other end has closed.
    if length == 0 {
        return Err(Error::Gone);
    }
    if length > MESSAGE_BYTES {
        return Err(Error::TooLarge);
    }
    let mut bytes = Zeroizing::new(vec![0; length]);
    let received = rustix::io::retry_on_intr(|| {
        let flags = flags | net::open::RECEIVE;
        rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], control, flags)
    })?;
    if received.bytes != length
        || received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
    {
        return Err(Error::TooLarge);
    }
    Ok(Some(bytes))
}
