//! `-w`: packets of a network interface here go through one on the server. OpenSSH's PROTOCOL §2.3.

use config::ClientConfig;
use net::tunnel::{self, Mode};
use net::{Link, UserToken};
use proto::{ChannelId, ChannelOpen, Client};

use super::{Open, Tokens};
use crate::messages::{debug, error};
use crate::text::reason;

/// The tunnel of one connection.
#[derive(Default)]
pub enum Tunnel {
    #[default]
    None,
    /// The server has to open its end.
    Opening(std::os::fd::OwnedFd, Mode, ChannelId),
    Open(tunnel::Tunnel),
}

impl Tunnel {
    /// Opens the device and asks the server for the other end. Whether that went well.
    pub fn start(&mut self, link: &mut Link<Client>, config: &ClientConfig) -> bool {
        let mode = match *config.tunnel {
            config::Tunnel::No => return true,
            config::Tunnel::PointToPoint => Mode::PointToPoint,
            config::Tunnel::Ethernet => Mode::Ethernet,
        };
        let (local, remote) = *config.tunnel_device;
        debug!("Requesting tun unit {} in mode {}", shown(local), mode.code());
        let (device, name) = match tunnel::open(mode, local) {
            Ok(opened) => opened,
            Err(source) => {
                error!("Tunnel device open failed: {}", reason(&source));
                return false;
            }
        };
        debug!("Tunnel forwarding using interface {name}");
        let unit = remote.unwrap_or(tunnel::ANY_UNIT);
        match link.connection_mut().open_channel(ChannelOpen::Tun { mode: mode.code(), unit }) {
            Ok(channel) => {
                *self = Tunnel::Opening(device, mode, channel);
                true
            }
            Err(problem) => {
                error!("tun@openssh.com: {problem}");
                false
            }
        }
    }

    /// Whether the server has not answered.
    pub fn is_opening(&self) -> bool {
        matches!(self, Tunnel::Opening(..))
    }

    /// The server has opened a channel. Whether it is this one.
    pub fn opened(
        &mut self,
        link: &mut Link<Client>,
        channel: ChannelId,
        tokens: &mut Tokens,
        open: &mut Open,
    ) -> bool {
        match std::mem::take(self) {
            Tunnel::Opening(device, mode, ours) if ours == channel => {
                match tunnel::Tunnel::join(link, device, mode, channel, tokens.next()) {
                    Ok(joined) => {
                        debug!("channel {}: tunnel open", channel.0);
                        open.0.insert(channel, "tun@openssh.com".to_owned());
                        *self = Tunnel::Open(joined);
                    }
                    Err(source) => {
                        error!("tunnel: {}", reason(&source));
                        close(link, channel);
                    }
                }
                true
            }
            other => {
                *self = other;
                false
            }
        }
    }

    /// The server did not open a channel. Whether it is this one.
    pub fn refused(&mut self, channel: ChannelId, why: &str) -> bool {
        if !matches!(self, Tunnel::Opening(_, _, ours) if *ours == channel) {
            return false;
        }
        *self = Tunnel::None;
        error!("Tunnel forwarding failed: {why}");
        true
    }

    /// The device can be read. Whether it is this one.
    pub fn ready(&mut self, token: UserToken) -> bool {
        let Tunnel::Open(tunnel) = self else { return false };
        let is_ours = tunnel.token() == token;
        if is_ours {
            tunnel.ready();
        }
        is_ours
    }

    /// Packets from the server. Whether they are for this one.
    pub fn data(&self, link: &mut Link<Client>, channel: ChannelId, data: &[u8]) -> bool {
        let Tunnel::Open(tunnel) = self else { return false };
        let is_ours = tunnel.channel() == channel;
        if is_ours {
            tunnel.receive(link, data);
        }
        is_ours
    }

    /// Sends what the device has.
    pub fn turn(&mut self, link: &mut Link<Client>) {
        if let Tunnel::Open(tunnel) = self
            && let Err(source) = tunnel.pump(link)
        {
            error!("tunnel: {}", reason(&source));
            close(link, tunnel.channel());
        }
    }

    /// A channel is gone.
    pub fn closed(&mut self, link: &mut Link<Client>, channel: ChannelId) {
        match std::mem::take(self) {
            Tunnel::Open(tunnel) if tunnel.channel() == channel => tunnel.leave(link),
            other => *self = other,
        }
    }
}

fn shown(unit: Option<u32>) -> String {
    unit.map_or_else(|| "any".to_owned(), |unit| unit.to_string())
}

fn close(link: &mut Link<Client>, channel: ChannelId) {
    // Refused only when it is closed already.
    let _ = link.connection_mut().close(channel);
}
