//! Tunnel devices, whose packets go through channels.

use std::os::fd::OwnedFd;

use net::tunnel::{Mode, Tunnel};
use net::{Link, UserToken};
use proto::{ChannelId, Server};

use super::{FIRST_TUNNEL, Gate};

impl Gate {
    /// A tunnel device's packets go through the channel from now on.
    pub(super) fn join_tunnel(
        &mut self,
        link: &mut Link<Server>,
        channel: ChannelId,
        mode: Mode,
        descriptors: Vec<OwnedFd>,
    ) {
        let Some(device) = descriptors.into_iter().next() else {
            return self.fail(link, &"descriptors are missing");
        };
        let token = UserToken(self.next_tunnel);
        self.next_tunnel = self.next_tunnel.wrapping_add(1).max(FIRST_TUNNEL);
        match Tunnel::join(link, device, mode, channel, token) {
            Ok(tunnel) => self.tunnels.push(tunnel),
            Err(error) => {
                log::error!("channel {}: {error}", channel.0);
                self.close(link, channel);
            }
        }
    }

    /// Sends what tunnel devices have.
    pub(super) fn pump_tunnels(&mut self, link: &mut Link<Server>) {
        let mut gone = Vec::new();
        for tunnel in &mut self.tunnels {
            if let Err(error) = tunnel.pump(link) {
                log::error!("tunnel device: {error}");
                gone.push(tunnel.channel());
            }
        }
        for channel in gone {
            self.close(link, channel);
        }
    }
}
