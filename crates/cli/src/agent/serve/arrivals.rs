//! Who is let in, and who has to go for it.

use std::io;

use super::{Loop, not_now};
use crate::agent::client::Client;
use crate::agent::clock::Moment;
use crate::agent::limits;
use crate::messages::error;

impl Loop {
    pub(super) fn accept(&mut self, now: Moment) -> io::Result<()> {
        for _ in 0..limits::ACCEPTS {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(source) => {
                    not_now(&source);
                    return Ok(());
                }
            };
            let own = rustix::process::geteuid().as_raw();
            match crate::sys::peer_uid(&stream) {
                Ok(uid) if uid == own || uid == 0 => {}
                Ok(uid) => {
                    error!("uid mismatch: peer euid {uid} != uid {own}");
                    continue;
                }
                Err(source) => {
                    error!("getpeereid failed: {}", crate::text::reason(&source));
                    continue;
                }
            }
            stream.set_nonblocking(true)?;
            if self.clients.len() >= self.clients_max {
                self.let_one_go();
            }
            self.next_number += 1;
            self.clients.push(Client::new(self.next_number, stream, now));
        }
        Ok(())
    }

    /// Makes room: whoever has never asked anything goes first, then whoever was quiet longest.
    fn let_one_go(&mut self) {
        let clients = self.clients.iter().enumerate();
        let idle = clients.min_by_key(|(_, client)| (client.is_proven, client.moved));
        if let Some(index) = idle.map(|(index, _)| index) {
            error!("too many connections; the one that was quiet for the longest time is closed");
            self.clients.swap_remove(index);
        }
    }

    /// Keeps memory within its limit: whoever keeps it busy and has not moved longest goes.
    pub(super) fn shed(&mut self) {
        let mut buffered: usize = self.clients.iter().map(Client::buffered).sum();
        while buffered > limits::BUFFERED_BYTES {
            let holding = self.clients.iter().enumerate().filter(|(_, one)| one.buffered() > 0);
            let Some((index, _)) = holding.min_by_key(|(_, one)| one.moved) else { return };
            error!(
                "unfinished messages take too much memory; the oldest one's connection is closed"
            );
            buffered -= self.clients.swap_remove(index).buffered();
        }
    }
}
