//! Tunnel devices (`ssh -w`): network packets through a channel. OpenSSH's PROTOCOL §2.3.
//!
//! Each packet is one message of channel data, so it must be read and sent whole.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use proto::{ChannelId, Role, Stream};
use rustix::io::Errno;

use crate::{Interest, Link, UserToken, limits, sys};

/// In a request to open: whichever unit is free.
pub const ANY_UNIT: u32 = 0x7fff_ffff;
/// No unit has a higher number.
pub const UNIT_MAX: u32 = ANY_UNIT - 1;
/// In front of a packet: which protocol it is of. OpenBSD's numbers.
const FAMILY_INET: u32 = 2;
const FAMILY_INET6: u32 = 24;
/// What the device says in the first half byte.
const IP_VERSION_4: u8 = 4;
const IP_VERSION_6: u8 = 6;
/// The family's bytes.
const FAMILY_BYTES: usize = 4;

/// What goes through a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// IP packets.
    PointToPoint,
    /// Ethernet frames.
    Ethernet,
}

impl Mode {
    /// As it stands in messages.
    pub fn code(self) -> u32 {
        match self {
            Mode::PointToPoint => 1,
            Mode::Ethernet => 2,
        }
    }

    /// Read from a message.
    pub fn from_code(code: u32) -> Option<Self> {
        [Mode::PointToPoint, Mode::Ethernet].into_iter().find(|mode| mode.code() == code)
    }
}

/// Opens a device, the next free one without a number. Also gives the interface's name.
///
/// # Errors
/// There is no such device, it is in use, or this user may not have it.
pub fn open(mode: Mode, unit: Option<u32>) -> io::Result<(OwnedFd, String)> {
    if unit.is_some_and(|unit| unit > UNIT_MAX) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let (device, name) = sys::open_tunnel(mode == Mode::Ethernet, unit)?;
    rustix::io::ioctl_fionbio(&device, true)?;
    Ok((device, name))
}

/// A device that is joined to a channel.
#[derive(Debug)]
pub struct Tunnel {
    device: OwnedFd,
    mode: Mode,
    channel: ChannelId,
    token: UserToken,
    /// There may be packets to read.
    is_ready: bool,
}

impl Tunnel {
    /// Joins them; the application is told of `token` when there are packets.
    ///
    /// # Errors
    /// The device cannot be waited for.
    pub fn join<R: Role>(
        link: &mut Link<R>,
        device: OwnedFd,
        mode: Mode,
        channel: ChannelId,
        token: UserToken,
    ) -> io::Result<Self> {
        link.watch(device.as_fd(), token, Interest::Readable)?;
        link.keep_messages_whole(channel, true);
        Ok(Tunnel { device, mode, channel, token, is_ready: true })
    }

    /// Its channel.
    pub fn channel(&self) -> ChannelId {
        self.channel
    }

    /// What [`Self::join`] was given.
    pub fn token(&self) -> UserToken {
        self.token
    }

    /// The device can be read.
    pub fn ready(&mut self) {
        self.is_ready = true;
    }

    /// Sends what the device has and there is room for. To be called once a turn.
    ///
    /// # Errors
    /// The device is gone.
    pub fn pump<R: Role>(&mut self, link: &mut Link<R>) -> io::Result<()> {
        while self.is_ready {
            let connection = link.connection_mut();
            if connection.room(self.channel) < limits::TUNNEL_PACKET_BYTES {
                // Its turn comes again once there is room.
                return Ok(());
            }
            let (device, mode) = (&self.device, self.mode);
            let sent = connection.send(self.channel, Stream::Data, |slot| {
                let slot = slot.get_mut(..limits::TUNNEL_PACKET_BYTES).unwrap_or_default();
                read_packet(device, mode, slot)
            });
            match sent {
                Ok(Err(Errno::AGAIN)) => self.is_ready = false,
                Ok(Ok(_) | Err(Errno::INTR)) => {}
                Ok(Err(errno)) => return Err(errno.into()),
                // The channel is closed.
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Gives the device one packet, which came as one message. What it does not take is lost, as on any network.
    pub fn receive<R: Role>(&self, link: &mut Link<R>, data: &[u8]) {
        let packet = match self.mode {
            Mode::PointToPoint => data.get(FAMILY_BYTES..).unwrap_or_default(),
            Mode::Ethernet => data,
        };
        if !packet.is_empty()
            && let Err(errno) = rustix::io::write(&self.device, packet)
        {
            log::debug!("tunnel: a packet of {} bytes is lost: {errno}", packet.len());
        }
        // Refused only when it is closed already.
        let _ = link.connection_mut().consumed(self.channel, data.len());
    }

    /// Forgets the device.
    pub fn leave<R: Role>(self, link: &mut Link<R>) {
        link.unwatch(self.token);
        link.keep_messages_whole(self.channel, false);
    }
}

impl AsFd for Tunnel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

/// Reads one packet, behind its family where that is told.
fn read_packet(device: &OwnedFd, mode: Mode, slot: &mut [u8]) -> Result<usize, Errno> {
    if mode == Mode::Ethernet {
        return rustix::io::read(device, slot);
    }
    let Some((head, room)) = slot.split_first_chunk_mut::<FAMILY_BYTES>() else { return Ok(0) };
    let count = rustix::io::read(device, &mut *room)?;
    let family = match room.first().map(|byte| byte >> 4) {
        Some(IP_VERSION_4) => FAMILY_INET,
        Some(IP_VERSION_6) => FAMILY_INET6,
        // Nothing that the other end could pass on.
        _ => return Ok(0),
    };
    *head = family.to_be_bytes();
    Ok(if count == 0 { 0 } else { FAMILY_BYTES + count })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_stand_behind_their_family() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let mut slot = [0; 64];
        for (packet, family) in [(&[0x45, 1, 2][..], 2u8), (&[0x60, 3][..], 24)] {
            rustix::io::write(&writer, packet).unwrap();
            let count = read_packet(&reader, Mode::PointToPoint, &mut slot).unwrap();
            assert_eq!(&slot[..count], [&[0, 0, 0, family], packet].concat());
        }
        rustix::io::write(&writer, b"frame").unwrap();
        assert_eq!(read_packet(&reader, Mode::Ethernet, &mut slot), Ok(5));
        rustix::io::write(&writer, &[0x10, 0]).unwrap();
        assert_eq!(read_packet(&reader, Mode::PointToPoint, &mut slot), Ok(0));
    }

    #[test]
    fn modes_have_numbers() {
        assert_eq!(Mode::from_code(Mode::Ethernet.code()), Some(Mode::Ethernet));
        assert_eq!(Mode::from_code(1), Some(Mode::PointToPoint));
        assert_eq!(Mode::from_code(3), None);
    }

    #[test]
    fn a_unit_beyond_all_units_is_none() {
        assert!(open(Mode::PointToPoint, Some(ANY_UNIT)).is_err());
    }
}
