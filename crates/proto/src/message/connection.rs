//! RFC 4254, and OpenSSH's PROTOCOL §2.

use wire::{Reader, Writer};

use crate::channel::open::{ChannelOpen, OpenFailure};
use crate::channel::request::{ChannelRequest, GlobalRequest};
use crate::error::Error;
use crate::message::{decode, table};

fn lossy(bytes: &[u8]) -> String {
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

/// SSH_MSG_CHANNEL_REQUEST.
pub fn encode_request(
    recipient_channel: u32,
    request: &ChannelRequest,
    want_reply: bool,
) -> Vec<u8> {
    let mut payload = vec![table::CHANNEL_REQUEST];
    payload.put_u32(recipient_channel);
    payload.put_string(request.name().as_bytes());
    payload.put_boolean(want_reply);
    let out = &mut payload;
    match request {
        ChannelRequest::Shell
        | ChannelRequest::AuthAgent
        | ChannelRequest::Keepalive
        | ChannelRequest::Eow => {}
        ChannelRequest::PtyReq { term, columns, rows, width_pixels, height_pixels, modes } => {
            out.put_string(term.as_bytes());
            put_size(out, *columns, *rows, *width_pixels, *height_pixels);
            out.put_string(modes);
        }
        ChannelRequest::WindowChange { columns, rows, width_pixels, height_pixels } => {
            put_size(out, *columns, *rows, *width_pixels, *height_pixels);
        }
        ChannelRequest::X11Req { single_connection, protocol, cookie, screen } => {
            out.put_boolean(*single_connection);
            out.put_string(protocol.as_bytes());
            out.put_string(cookie.as_bytes());
            out.put_u32(*screen);
        }
        ChannelRequest::Env { name, value } => {
            out.put_string(name.as_bytes());
            out.put_string(value);
        }
        ChannelRequest::Exec { command } => out.put_string(command),
        ChannelRequest::Subsystem { name } | ChannelRequest::Signal { name } => {
            out.put_string(name.as_bytes());
        }
        ChannelRequest::XonXoff { client_can_do } => out.put_boolean(*client_can_do),
        ChannelRequest::Break { milliseconds } => out.put_u32(*milliseconds),
        ChannelRequest::ExitStatus(status) => out.put_u32(*status),
        ChannelRequest::ExitSignal { name, core_dumped, message } => {
            out.put_string(name.as_bytes());
            out.put_boolean(*core_dumped);
            out.put_string(message.as_bytes());
            out.put_string(b"");
        }
        ChannelRequest::Other { data, .. } => out.put_bytes(data),
    }
    payload
}

fn put_size(out: &mut Vec<u8>, columns: u32, rows: u32, width_pixels: u32, height_pixels: u32) {
    out.put_u32(columns);
    out.put_u32(rows);
    out.put_u32(width_pixels);
    out.put_u32(height_pixels);
}

/// SSH_MSG_CHANNEL_REQUEST: channel, request, `want_reply`.
///
/// # Errors
/// When it is malformed.
pub fn decode_request(payload: &[u8]) -> Result<(u32, ChannelRequest, bool), Error> {
    decode(payload, |reader| {
        let channel = reader.u32()?;
        let name = lossy(reader.string()?);
        let want_reply = reader.boolean()?;
        let request = match name.as_str() {
            "pty-req" => ChannelRequest::PtyReq {
                term: lossy(reader.string()?),
                columns: reader.u32()?,
                rows: reader.u32()?,
                width_pixels: reader.u32()?,
                height_pixels: reader.u32()?,
                modes: reader.string()?.to_vec(),
            },
            "window-change" => ChannelRequest::WindowChange {
                columns: reader.u32()?,
                rows: reader.u32()?,
                width_pixels: reader.u32()?,
                height_pixels: reader.u32()?,
            },
            "x11-req" => ChannelRequest::X11Req {
                single_connection: reader.boolean()?,
                protocol: lossy(reader.string()?),
                cookie: lossy(reader.string()?),
                screen: reader.u32()?,
            },
            "env" => ChannelRequest::Env {
                name: lossy(reader.string()?),
                value: reader.string()?.to_vec(),
            },
            "shell" => ChannelRequest::Shell,
            "exec" => ChannelRequest::Exec { command: reader.string()?.to_vec() },
            "subsystem" => ChannelRequest::Subsystem { name: lossy(reader.string()?) },
            "signal" => ChannelRequest::Signal { name: lossy(reader.string()?) },
            "xon-xoff" => ChannelRequest::XonXoff { client_can_do: reader.boolean()? },
            "break" => ChannelRequest::Break { milliseconds: reader.u32()? },
            "exit-status" => ChannelRequest::ExitStatus(reader.u32()?),
            "exit-signal" => {
                let name = lossy(reader.string()?);
                let core_dumped = reader.boolean()?;
                let message = lossy(reader.string()?);
                reader.string()?;
                ChannelRequest::ExitSignal { name, core_dumped, message }
            }
            "auth-agent-req@openssh.com" | "agent-req" => ChannelRequest::AuthAgent,
            "keepalive@openssh.com" => ChannelRequest::Keepalive,
            "eow@openssh.com" => ChannelRequest::Eow,
            _ => {
                let data = reader.bytes(reader.rest().len())?.to_vec();
                ChannelRequest::Other { name, data }
            }
        };
        Ok((channel, request, want_reply))
    })
}

/// SSH_MSG_GLOBAL_REQUEST.
pub fn encode_global(request: &GlobalRequest, want_reply: bool) -> Vec<u8> {
    let mut payload = vec![table::GLOBAL_REQUEST];
    payload.put_string(request.name().as_bytes());
    payload.put_boolean(want_reply);
    match request {
        GlobalRequest::NoMoreSessions | GlobalRequest::Keepalive => {}
        GlobalRequest::TcpipForward { address, port }
        | GlobalRequest::CancelTcpipForward { address, port } => {
            payload.put_string(address.as_bytes());
            payload.put_u32(*port);
        }
        GlobalRequest::StreamlocalForward { path }
        | GlobalRequest::CancelStreamlocalForward { path } => {
            payload.put_string(path.as_bytes());
        }
        GlobalRequest::Other { data, .. } => payload.put_bytes(data),
    }
    payload
}

/// SSH_MSG_GLOBAL_REQUEST: request, `want_reply`.
///
/// # Errors
/// When it is malformed.
pub fn decode_global(payload: &[u8]) -> Result<(GlobalRequest, bool), Error> {
    decode(payload, |reader| {
        let name = lossy(reader.string()?);
        let want_reply = reader.boolean()?;
        let request = match name.as_str() {
            "tcpip-forward" => GlobalRequest::TcpipForward {
                address: lossy(reader.string()?),
                port: reader.u32()?,
            },
            "cancel-tcpip-forward" => GlobalRequest::CancelTcpipForward {
                address: lossy(reader.string()?),
                port: reader.u32()?,
            },
            "streamlocal-forward@openssh.com" => {
                GlobalRequest::StreamlocalForward { path: lossy(reader.string()?) }
            }
            "cancel-streamlocal-forward@openssh.com" => {
                GlobalRequest::CancelStreamlocalForward { path: lossy(reader.string()?) }
            }
            "no-more-sessions@openssh.com" => GlobalRequest::NoMoreSessions,
            "keepalive@openssh.com" => GlobalRequest::Keepalive,
            _ => {
                let data = reader.bytes(reader.rest().len())?.to_vec();
                GlobalRequest::Other { name, data }
            }
        };
        // Some peers put bytes behind a keep-alive.
        reader.bytes(reader.rest().len())?;
        Ok((request, want_reply))
    })
}

/// SSH_MSG_REQUEST_SUCCESS, with what the request's kind returns.
pub fn encode_global_success(data: &[u8]) -> Vec<u8> {
    let mut payload = vec![table::REQUEST_SUCCESS];
    payload.put_bytes(data);
    payload
}
