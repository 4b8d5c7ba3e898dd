//! RFC 4254, and OpenSSH's PROTOCOL §2.

use wire::{Reader, Writer};

use crate::channel::open::{ChannelOpen, OpenFailure};
use crate::error::Error;
use crate::message::{decode, table};

pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// SSH_MSG_CHANNEL_OPEN.
pub struct Open {
    /// What is to be opened.
    pub kind: ChannelOpen,
    /// The sender's number for the channel.
    pub sender_channel: u32,
    /// What the sender takes before an adjust.
    pub initial_window_size: u32,
    /// What the sender takes in one packet.
    pub maximum_packet_size: u32,
}

impl Open {
    /// SSH_MSG_CHANNEL_OPEN.
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = vec![table::CHANNEL_OPEN];
        payload.put_string(self.kind.type_name().as_bytes());
        payload.put_u32(self.sender_channel);
        payload.put_u32(self.initial_window_size);
        payload.put_u32(self.maximum_packet_size);
        match &self.kind {
            ChannelOpen::Session | ChannelOpen::AgentForward => {}
            ChannelOpen::DirectTcpip { host, port, originator_address, originator_port }
            | ChannelOpen::ForwardedTcpip {
                connected_address: host,
                connected_port: port,
                originator_address,
                originator_port,
            } => {
                payload.put_string(host.as_bytes());
                payload.put_u32(*port);
                payload.put_string(originator_address.as_bytes());
                payload.put_u32(*originator_port);
            }
            ChannelOpen::DirectStreamlocal { path } => {
                payload.put_string(path.as_bytes());
                payload.put_string(b"");
                payload.put_u32(0);
            }
            ChannelOpen::ForwardedStreamlocal { path } => {
                payload.put_string(path.as_bytes());
                payload.put_string(b"");
            }
            ChannelOpen::X11 { originator_address, originator_port } => {
                payload.put_string(originator_address.as_bytes());
                payload.put_u32(*originator_port);
            }
            ChannelOpen::Tun { mode, unit } => {
                payload.put_u32(*mode);
                payload.put_u32(*unit);
            }
            ChannelOpen::Other { data, .. } => payload.put_bytes(data),
        }
        payload
    }

    /// SSH_MSG_CHANNEL_OPEN.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        decode(payload, |reader| {
            let name = lossy(reader.string()?);
            let sender_channel = reader.u32()?;
            let initial_window_size = reader.u32()?;
            let maximum_packet_size = reader.u32()?;
            let kind = open_fields(name, reader)?;
            Ok(Self { kind, sender_channel, initial_window_size, maximum_packet_size })
        })
    }
}

fn open_fields(name: String, reader: &mut Reader<'_>) -> Result<ChannelOpen, wire::Error> {
    Ok(match name.as_str() {
        "session" => {
            // RFC 4254 §6.1 has no fields; peers that send some are let be.
            reader.bytes(reader.rest().len())?;
            ChannelOpen::Session
        }
        "auth-agent@openssh.com" | "agent-connect" => ChannelOpen::AgentForward,
        "direct-tcpip" => ChannelOpen::DirectTcpip {
            host: lossy(reader.string()?),
            port: reader.u32()?,
            originator_address: lossy(reader.string()?),
            originator_port: reader.u32()?,
        },
        "forwarded-tcpip" => ChannelOpen::ForwardedTcpip {
            connected_address: lossy(reader.string()?),
            connected_port: reader.u32()?,
            originator_address: lossy(reader.string()?),
            originator_port: reader.u32()?,
        },
        "direct-streamlocal@openssh.com" => {
            let path = lossy(reader.string()?);
            reader.string()?;
            reader.u32()?;
            ChannelOpen::DirectStreamlocal { path }
        }
        "forwarded-streamlocal@openssh.com" => {
            let path = lossy(reader.string()?);
            reader.string()?;
            ChannelOpen::ForwardedStreamlocal { path }
        }
        "x11" => ChannelOpen::X11 {
            originator_address: lossy(reader.string()?),
            originator_port: reader.u32()?,
        },
        "tun@openssh.com" => ChannelOpen::Tun { mode: reader.u32()?, unit: reader.u32()? },
        _ => {
            let data = reader.bytes(reader.rest().len())?.to_vec();
            ChannelOpen::Other { name, data }
        }
    })
}

/// SSH_MSG_CHANNEL_OPEN_CONFIRMATION.
pub struct OpenConfirmation {
    /// The receiver's number for the channel.
    pub recipient_channel: u32,
    /// The sender's number for it.
    pub sender_channel: u32,
    /// What the sender takes before an adjust.
    pub initial_window_size: u32,
    /// What the sender takes in one packet.
    pub maximum_packet_size: u32,
}

impl OpenConfirmation {
    /// SSH_MSG_CHANNEL_OPEN_CONFIRMATION.
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = vec![table::CHANNEL_OPEN_CONFIRMATION];
        payload.put_u32(self.recipient_channel);
        payload.put_u32(self.sender_channel);
        payload.put_u32(self.initial_window_size);
        payload.put_u32(self.maximum_packet_size);
        payload
    }

    /// SSH_MSG_CHANNEL_OPEN_CONFIRMATION.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        decode(payload, |reader| {
            let confirmation = Self {
                recipient_channel: reader.u32()?,
                sender_channel: reader.u32()?,
                initial_window_size: reader.u32()?,
                maximum_packet_size: reader.u32()?,
            };
            reader.bytes(reader.rest().len())?;
            Ok(confirmation)
        })
    }
}

/// SSH_MSG_CHANNEL_OPEN_FAILURE.
pub fn encode_open_failure(
    recipient_channel: u32,
    reason: OpenFailure,
    description: &str,
) -> Vec<u8> {
    let mut payload = vec![table::CHANNEL_OPEN_FAILURE];
    payload.put_u32(recipient_channel);
    payload.put_u32(reason.code());
    payload.put_string(description.as_bytes());
    payload.put_string(b"");
    payload
}

/// SSH_MSG_CHANNEL_OPEN_FAILURE.
///
/// # Errors
/// When it is malformed.
pub fn decode_open_failure(payload: &[u8]) -> Result<(u32, OpenFailure, String), Error> {
    decode(payload, |reader| {
        let channel = reader.u32()?;
        let reason = OpenFailure::from_code(reader.u32()?);
        let description = lossy(reader.string()?);
        if !reader.is_empty() {
            reader.string()?;
        }
        Ok((channel, reason, description))
    })
}

/// A message that is a number and a channel: EOF, CLOSE, SUCCESS, FAILURE.
pub fn encode_channel(number: u8, recipient_channel: u32) -> Vec<u8> {
    let mut payload = vec![number];
    payload.put_u32(recipient_channel);
    payload
}

/// See [`encode_channel`].
///
/// # Errors
/// When it is malformed.
pub fn decode_channel(payload: &[u8]) -> Result<u32, Error> {
    decode(payload, wire::Reader::u32)
}

/// SSH_MSG_CHANNEL_WINDOW_ADJUST.
pub fn encode_window_adjust(recipient_channel: u32, bytes_to_add: u32) -> Vec<u8> {
    let mut payload = encode_channel(table::CHANNEL_WINDOW_ADJUST, recipient_channel);
    payload.put_u32(bytes_to_add);
    payload
}

/// SSH_MSG_CHANNEL_WINDOW_ADJUST.
///
/// # Errors
/// When it is malformed.
pub fn decode_window_adjust(payload: &[u8]) -> Result<(u32, u32), Error> {
    decode(payload, |reader| Ok((reader.u32()?, reader.u32()?)))
}
