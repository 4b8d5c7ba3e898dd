//! When keys are exchanged, and what comes into force with them. RFC 4253 §7.

use super::Connection;
use crate::error::{Error, Misbehaved, Misuse};
use crate::event::Event;
use crate::kex::negotiate::{self, choose, guess_is_right};
use crate::kex::{Exchange, Kex, NextKeys, SentKexInit};
use crate::limits;
use crate::message::kex::Proposal;
use crate::message::table::{self, Phase};
use crate::role::{Role, Side};
use crate::transport::compression::{Compressor, Decompressor};
use crate::transport::rekey::{Limit, Usage};

impl<R: Role> Connection<R> {
    /// Begins a key exchange, unless one runs.
    ///
    /// # Errors
    /// [`Misuse::OutOfTurn`] before authentication: delayed compression begins
    /// with its success, which an exchange would hold back.
    pub fn rekey(&mut self) -> Result<(), Error> {
        if self.phase != Phase::Connection || self.bare {
            return Err(Misuse::OutOfTurn("a rekey").into());
        }
        if matches!(self.kex, Kex::Idle) { self.send_kexinit() } else { Ok(()) }
    }

    pub(crate) fn rekey_if_due(&mut self) -> Result<(), Error> {
        let due = self.limit.is_some_and(|limit| {
            limit.reached(self.sent_usage) || limit.reached(self.received_usage)
        });
        let may = self.phase == Phase::Connection && matches!(self.kex, Kex::Idle);
        if due && may { self.send_kexinit() } else { Ok(()) }
    }

    pub(super) fn send_kexinit(&mut self) -> Result<(), Error> {
        let mut proposal = self.config.proposal(R::SIDE);
        let first = self.session_id.is_none();
        if first {
            let markers = match R::SIDE {
                Side::Client => [negotiate::EXT_INFO_CLIENT, negotiate::STRICT_CLIENT],
                Side::Server => [negotiate::EXT_INFO_SERVER, negotiate::STRICT_SERVER],
            };
            proposal.kex_algorithms.extend(markers.map(str::to_owned));
        }
        let guess = if first { R::guess(self)? } else { None };
        proposal.first_kex_packet_follows = guess.is_some();
        let mut cookie = [0; 16];
        crypto::random::fill(&mut cookie);
        let payload = proposal.encode(cookie);
        self.send_now(&payload)?;
        let mut sent = SentKexInit { proposal, payload, guess: None };
        if let Some((packet, started)) = guess {
            self.send_now(&packet)?;
            sent.guess = Some(started);
        }
        self.kex = Kex::AwaitKexInit(sent);
        Ok(())
    }

    pub(super) fn handle_kexinit(
        &mut self,
        payload: &[u8],
        sequence_number: u32,
    ) -> Result<(), Error> {
        if payload.len() > limits::KEXINIT_BYTES {
            return Err(Misbehaved::KexInitTooLong.into());
        }
        let remote = Proposal::decode(payload)?;
        if matches!(self.kex, Kex::Idle) {
            self.send_kexinit()?;
        }
        let Kex::AwaitKexInit(sent) = std::mem::replace(&mut self.kex, Kex::Idle) else {
            return Err(Misbehaved::OutOfTurn { message: table::KEXINIT }.into());
        };
        if self.session_id.is_none() {
            let marker = match R::SIDE {
                Side::Client => negotiate::STRICT_SERVER,
                Side::Server => negotiate::STRICT_CLIENT,
            };
            self.strict = remote.kex_algorithms.iter().any(|name| name == marker);
            if self.strict && sequence_number != 0 {
                return Err(Misbehaved::KexInitNotFirst.into());
            }
        }
        let chosen = choose(&sent.proposal, &remote, R::SIDE)?;
        self.negotiated = Some(chosen.names(self.strict));
        let ignore_next =
            remote.first_kex_packet_follows && !guess_is_right(&remote, &sent.proposal);
        let guess = sent.guess.filter(|_| guess_is_right(&sent.proposal, &remote));
        let remote_ident = self.remote_ident.clone().unwrap_or_default();
        let local_ident = self.local_ident.clone();
        let mut transcript = crate::kex::exchange_hash::Transcript::default();
        match R::SIDE {
            Side::Client => {
                (transcript.v_c, transcript.v_s) = (local_ident, remote_ident);
                (transcript.i_c, transcript.i_s) = (sent.payload, payload.to_vec());
            }
            Side::Server => {
                (transcript.v_c, transcript.v_s) = (remote_ident, local_ident);
                (transcript.i_c, transcript.i_s) = (payload.to_vec(), sent.payload);
            }
        }
        self.remote_proposal = Some(remote);
        self.events.push_back(Event::Negotiated);
        R::begin_exchange(self, Exchange { chosen, transcript, ignore_next }, guess)
    }

    /// The exchange is agreed on and the host key with it: our NEWKEYS.
    pub(crate) fn send_new_keys(&mut self, mut next: NextKeys) -> Result<(), Error> {
        self.send_now(&[table::NEWKEYS])?;
        if let Some(sealer) = next.sealer.take() {
            self.sender.rekey(sealer, self.strict);
        }
        self.sent_usage = Usage::default();
        let outgoing = match R::SIDE {
            Side::Client => next.chosen.client_to_server,
            Side::Server => next.chosen.server_to_client,
        };
        // RFC 4253 §6.2: each key exchange begins a new compression context.
        let compress = outgoing.zlib && self.phase == Phase::Connection;
        self.compressor = compress.then(Compressor::new);
        let first = self.phase == Phase::FirstKex;
        self.limit = Some(Limit::new(
            outgoing.cipher,
            self.config.rekey_bytes,
            self.config.rekey_after,
            self.now,
        ));
        self.chosen = Some(next.chosen);
        self.kex = Kex::AwaitNewKeys(next);
        if first {
            R::sent_first_new_keys(self)?;
        }
        self.send_held()
    }

    pub(super) fn handle_new_keys(&mut self) -> Result<(), Error> {
        let Kex::AwaitNewKeys(mut next) = std::mem::replace(&mut self.kex, Kex::Idle) else {
            return Err(Misbehaved::OutOfTurn { message: table::NEWKEYS }.into());
        };
        if let Some(opener) = next.opener.take() {
            self.receiver.rekey(opener, self.strict);
        }
        self.received_usage = Usage::default();
        let incoming = match R::SIDE {
            Side::Client => next.chosen.server_to_client,
            Side::Server => next.chosen.client_to_server,
        };
        let compress = incoming.zlib && self.phase == Phase::Connection;
        self.decompressor = compress.then(Decompressor::new);
        self.statistics.key_exchanges += 1;
        let first = self.phase == Phase::FirstKex;
        if first {
            self.phase = Phase::Service;
        }
        self.events.push_back(Event::NewKeys { first });
        R::received_new_keys(self, first)
    }

    /// Authentication has succeeded: delayed compression begins.
    pub(crate) fn enter_connection(&mut self) {
        self.phase = Phase::Connection;
        if let Some(chosen) = &self.chosen {
            let (outgoing, incoming) = match R::SIDE {
                Side::Client => (chosen.client_to_server, chosen.server_to_client),
                Side::Server => (chosen.server_to_client, chosen.client_to_server),
            };
            self.compressor = outgoing.zlib.then(Compressor::new);
            self.decompressor = incoming.zlib.then(Decompressor::new);
        }
        self.events.push_back(Event::Authenticated);
    }
}
