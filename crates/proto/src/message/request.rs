//! Requests, of a channel and of the whole connection. RFC 4254 §4, §6.

use wire::Writer;

use crate::channel::request::{ChannelRequest, GlobalRequest};
use crate::error::Error;
use crate::message::connection::lossy;
use crate::message::{decode, table};

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
