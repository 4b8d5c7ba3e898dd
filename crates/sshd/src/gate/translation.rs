//! What the client asks of a session, as the session is asked.

use proto::ChannelRequest;

use crate::requests::{Bytes, Run, SecretBytes, ToSession, WindowSize};

/// Nothing for what no session does.
pub(super) fn session_request(channel: u32, request: ChannelRequest) -> Option<ToSession> {
    let size = |columns, rows, width_pixels, height_pixels| WindowSize {
        columns,
        rows,
        width_pixels,
        height_pixels,
    };
    Some(match request {
        ChannelRequest::PtyReq { term, columns, rows, width_pixels, height_pixels, modes } => {
            ToSession::Pty {
                channel,
                term,
                size: size(columns, rows, width_pixels, height_pixels),
                modes: Bytes(modes),
            }
        }
        ChannelRequest::Env { name, value } => {
            ToSession::Env { channel, name, value: Bytes(value) }
        }
        ChannelRequest::Shell => ToSession::Run { channel, what: Run::Shell },
        ChannelRequest::Exec { command } => {
            ToSession::Run { channel, what: Run::Exec { command: Bytes(command) } }
        }
        ChannelRequest::Subsystem { name } => {
            ToSession::Run { channel, what: Run::Subsystem { name } }
        }
        ChannelRequest::WindowChange { columns, rows, width_pixels, height_pixels } => {
            ToSession::WindowChange {
                channel,
                size: size(columns, rows, width_pixels, height_pixels),
            }
        }
        ChannelRequest::Signal { name } => ToSession::Signal { channel, name },
        ChannelRequest::Break { .. } => ToSession::Break { channel },
        ChannelRequest::AuthAgent => ToSession::AgentForward { channel },
        ChannelRequest::X11Req { single_connection, protocol, cookie, screen } => ToSession::X11 {
            channel,
            single_connection,
            protocol,
            cookie: SecretBytes(cookie.into_bytes().into()),
            screen,
        },
        _ => return None,
    })
}
