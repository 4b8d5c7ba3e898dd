//! The server's end of a connection.

use std::collections::VecDeque;
use std::time::Instant;

use keys::PublicKey;
use wire::{Reader, Writer};

use crate::channel::request::GlobalRequest;
use crate::client::{HOST_KEYS_PROVE, proof_data};
use crate::config::Config;
use crate::connection::Connection;
use crate::error::{Error, Misuse};
use crate::event::{AuthAnswer, ChannelId, Event, SignAsk, SignPurpose};
use crate::kex::negotiate::EXT_INFO_CLIENT;
use crate::kex::server::{self as kex, ServerExchange};
use crate::kex::{Exchange, Kex, ext_info};
use crate::limits;
use crate::message::table::Phase;
use crate::message::{transport, userauth};
use crate::role::{Guess, Role, Server, Side};
use crate::userauth::server::ServerAuth;

/// What only a server keeps.
#[derive(Default)]
pub struct ServerState {
    pub(crate) host_keys: Vec<PublicKey>,
    /// The key that signed the first exchange.
    pub(crate) exchange_key: Option<PublicKey>,
    pub(crate) kex_sent: Option<Instant>,
    pub(crate) auth: ServerAuth,
    pub(crate) user: Option<String>,
    proofs: Option<Proofs>,
}

/// Proofs of host keys that are being signed.
struct Proofs {
    waiting: VecDeque<PublicKey>,
    reply: Vec<u8>,
}

impl Connection<Server> {
    /// The server's end of a new connection. Of `config.host_key_algorithms`
    /// those are offered that one of `host_keys`, certificates included, can do.
    ///
    /// # Errors
    /// [`Misuse`] when `config` names something unknown or no key can be used.
    pub fn new(mut config: Config, host_keys: Vec<PublicKey>, now: Instant) -> Result<Self, Error> {
        config.host_key_algorithms.retain(|name| {
            let row = keys::algorithms::lookup(name);
            row.is_some_and(|row| host_keys.iter().any(|key| key.algorithm() == row.key_name))
        });
        Self::start(config, now, ServerState { host_keys, ..ServerState::default() })
    }

    /// The end of one who lets another share a connection: only the connection
    /// protocol is spoken, unencrypted. OpenSSH's PROTOCOL.mux §9.
    ///
    /// # Errors
    /// [`Misuse`] when `config` names something unknown.
    pub fn bare(config: Config, now: Instant) -> Result<Self, Error> {
        Self::start_bare(config, now, ServerState::default())
    }

    /// Gives the whole signature blob. Without one the connection ends, or
    /// the proof fails.
    ///
    /// # Errors
    /// [`Misuse`] when nothing was asked.
    pub fn answer_sign(&mut self, ask: SignAsk, signature: Option<Vec<u8>>) -> Result<(), Error> {
        match ask.purpose {
            SignPurpose::Exchange => {
                let key = ask.key.clone();
                match kex::signed(self, signature) {
                    Err(error @ Error::NoHostKeySignature) => {
                        self.refuse(error);
                        Ok(())
                    }
                    other => {
                        self.role.exchange_key.get_or_insert(key);
                        other
                    }
                }
            }
            SignPurpose::Proof => self.proof_signed(signature),
            SignPurpose::Authentication => Err(Misuse::OutOfTurn("a signature").into()),
        }
    }

    /// Answers [`Event::Authenticate`].
    ///
    /// # Errors
    /// [`Misuse`] when nothing was asked or the answer does not fit.
    pub fn answer_auth(&mut self, answer: AuthAnswer) -> Result<(), Error> {
        crate::userauth::server::answer(self, answer)
    }

    /// Shows the user a text before they are in. RFC 4252 §5.4.
    ///
    /// # Errors
    /// [`Misuse`] outside authentication.
    pub fn send_banner(&mut self, text: &str) -> Result<(), Error> {
        if self.phase != Phase::Authentication {
            return Err(Misuse::OutOfTurn("a banner").into());
        }
        self.send_message(&userauth::encode_banner(text))
    }

    /// Tells the client something that it shows to those who look for a fault. RFC 4253 §11.3.
    ///
    /// # Errors
    /// As for other messages, when a remote that reads nothing has left no room.
    pub fn send_debug(&mut self, text: &str) -> Result<(), Error> {
        self.send_message(&transport::encode_debug(text))
    }

    /// Tells the client all host keys, so that it can learn them. OpenSSH's
    /// PROTOCOL §2.5.
    ///
    /// # Errors
    /// [`Misuse`] before authentication.
    pub fn advertise_host_keys(&mut self) -> Result<(), Error> {
        let mut data = Vec::new();
        for key in self.role.host_keys.iter().filter(|key| key.certificate().is_none()) {
            data.put_string(key.blob());
        }
        let request = GlobalRequest::Other { name: "hostkeys-00@openssh.com".to_owned(), data };
        self.global_request(request, false)
    }

    fn next_proof(&mut self) -> Result<(), Error> {
        let next = self.role.proofs.as_mut().and_then(|proofs| proofs.waiting.pop_front());
        let Some(key) = next else {
            let reply = self.role.proofs.take().map(|proofs| proofs.reply).unwrap_or_default();
            self.waiting = false;
            return self.reply_global(true, &reply);
        };
        let rsa_by_exchange = self.chosen.map(|chosen| chosen.host_key.signature_name);
        let algorithm = match key.algorithm() {
            // As peers verify it: by the exchange's own algorithm if that is RSA.
            "ssh-rsa" => rsa_by_exchange
                .filter(|name| name.starts_with("rsa-sha2-"))
                .unwrap_or("rsa-sha2-512"),
            name => name,
        };
        self.waiting = true;
        let data = proof_data(self.session_id().unwrap_or_default(), &key);
        let algorithm = algorithm.to_owned();
        let purpose = SignPurpose::Proof;
        self.events.push_back(Event::SignProof(SignAsk { purpose, key, algorithm, data }));
        Ok(())
    }

    fn proof_signed(&mut self, signature: Option<Vec<u8>>) -> Result<(), Error> {
        let Some(proofs) = &mut self.role.proofs else {
            return Err(Misuse::OutOfTurn("a signature").into());
        };
        let Some(signature) = signature else {
            self.role.proofs = None;
            self.waiting = false;
            return self.reply_global(false, &[]);
        };
        proofs.reply.put_string(&signature);
        self.next_proof()
    }
}

impl Role for Server {
    const SIDE: Side = Side::Server;
    type State = ServerState;
    type Exchange = ServerExchange;

    fn guess(_connection: &Connection<Self>) -> Result<Option<Guess>, Error> {
        Ok(None)
    }

    fn begin_exchange(
        connection: &mut Connection<Self>,
        exchange: Exchange,
        _guess: Option<Box<dyn crypto::kex::Started>>,
    ) -> Result<(), Error> {
        connection.kex = Kex::Exchange(exchange, ServerExchange::AwaitInit);
        Ok(())
    }

    fn handle_kex(connection: &mut Connection<Self>, payload: &[u8]) -> Result<(), Error> {
        kex::handle(connection, payload)
    }

    fn sent_first_new_keys(connection: &mut Connection<Self>) -> Result<(), Error> {
        let client_takes_it = connection
            .remote_proposal()
            .is_some_and(|p| p.kex_algorithms.iter().any(|name| name == EXT_INFO_CLIENT));
        if client_takes_it {
            let payload = ext_info::of_server(&connection.config);
            connection.send_now(&payload)?;
        }
        Ok(())
    }

    fn received_new_keys(connection: &mut Connection<Self>, _first: bool) -> Result<(), Error> {
        let sent = connection.role.kex_sent.take();
        connection.sample_round_trip(sent);
        Ok(())
    }

    fn input_drained(_connection: &mut Connection<Self>) -> bool {
        false
    }

    fn handle_service(connection: &mut Connection<Self>, payload: &[u8]) -> Result<(), Error> {
        crate::userauth::server::handle_service(connection, payload)
    }

    fn handle_userauth(connection: &mut Connection<Self>, payload: &[u8]) -> Result<(), Error> {
        crate::userauth::server::handle(connection, payload)
    }

    fn handle_global(
        connection: &mut Connection<Self>,
        name: &str,
        data: &[u8],
        want_reply: bool,
    ) -> Result<bool, Error> {
        if name != HOST_KEYS_PROVE || !want_reply {
            return Ok(false);
        }
        // Answers go out in order, so a proof waits for no other request.
        if connection.globals.unanswered != 1 {
            return Ok(false);
        }
        let mut reader = Reader::new(data);
        let mut waiting = VecDeque::new();
        while !reader.is_empty() {
            let held = reader.string().ok().and_then(|blob| {
                connection.role.host_keys.iter().find(|key| key.blob() == blob).cloned()
            });
            let Some(key) = held.filter(|_| waiting.len() < limits::HOST_KEYS) else {
                connection.reply_global(false, &[])?;
                return Ok(true);
            };
            waiting.push_back(key);
        }
        connection.role.proofs = Some(Proofs { waiting, reply: Vec::new() });
        connection.next_proof()?;
        Ok(true)
    }

    fn answered_global(
        _connection: &mut Connection<Self>,
        _success: bool,
        _data: &[u8],
    ) -> Result<(), Error> {
        Ok(())
    }

    fn early_channel(_connection: &Connection<Self>) -> Option<u32> {
        None
    }

    fn keep_early(_connection: &mut Connection<Self>, _payload: &[u8]) -> Result<(), Error> {
        Err(Misuse::OutOfTurn("a channel").into())
    }

    fn opened_early(
        _connection: &mut Connection<Self>,
        _channel: ChannelId,
        _guess: u32,
        _remote: u32,
    ) -> Result<(), Error> {
        Ok(())
    }
}
