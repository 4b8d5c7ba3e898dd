//! The client's end of a connection.

use std::time::Instant;

use keys::{PublicKey, VerifyOptions};
use wire::{Reader, Writer};
use zeroize::Zeroizing;

use crate::channel::request::GlobalRequest;
use crate::channels::GlobalAsked;
use crate::config::Config;
use crate::connection::Connection;
use crate::error::{Error, Misbehaved, Misuse};
use crate::event::{AuthAttempt, ChannelId, Event, HostKeyAsk, SignAsk, SignPurpose};
use crate::kex::client::ClientExchange;
use crate::kex::{Exchange, ext_info};
use crate::limits;
use crate::message::request;
use crate::message::table::Phase;
use crate::role::{Client, Guess, Role, Side};
use crate::userauth::client::{self as userauth, ClientAuth};

/// The server's request that tells its host keys. OpenSSH's PROTOCOL §2.5.
const HOST_KEYS: &str = "hostkeys-00@openssh.com";
/// Asks the server to prove that it holds some of them.
pub(crate) const HOST_KEYS_PROVE: &str = "hostkeys-prove-00@openssh.com";

/// What only a client keeps.
#[derive(Default)]
pub struct ClientState {
    pub(crate) host_key: Option<PublicKey>,
    /// Over the first exchange hash.
    pub(crate) host_key_signature: Vec<u8>,
    pub(crate) group: Option<GroupExchange>,
    pub(crate) kex_sent: Option<Instant>,
    pub(crate) service_requested: bool,
    pub(crate) auth: ClientAuth,
    pub(crate) methods: Vec<String>,
    ready: Ready,
    early: Option<Early>,
    proofs: Option<Vec<PublicKey>>,
}

/// What a group exchange came to. RFC 4419 §3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupExchange {
    /// The least size asked for, in bits.
    pub min: u32,
    /// The size asked for.
    pub n: u32,
    /// The largest size asked for.
    pub max: u32,
    /// The size of the server's group.
    pub bits: u32,
    /// How many bits of our share are ones.
    pub bits_set: u32,
}

/// Whether [`Event::Ready`] has come.
#[derive(Default, PartialEq, Eq)]
enum Ready {
    #[default]
    No,
    /// As soon as nothing more is in the input: EXT_INFO comes with NEWKEYS.
    WhenDrained,
    Said,
}

/// Channels opened before authentication has finished.
struct Early {
    guessed_remote: u32,
    /// What was sent, to be sent again if it came too early.
    messages: Vec<Vec<u8>>,
    bytes: usize,
    /// Authentication failed since: the server did not take them.
    lost: bool,
}

impl ClientState {
    /// The host key that a request binds to.
    pub(crate) fn host_key_blob(&self, host_bound: bool) -> Option<&[u8]> {
        self.host_key.as_ref().filter(|_| host_bound).map(PublicKey::blob)
    }

    /// Early messages that were sent until now were not taken.
    pub(crate) fn early_failed(&mut self) {
        if let Some(early) = &mut self.early {
            early.lost |= !early.messages.is_empty();
        }
    }
}

impl Connection<Client> {
    /// The client's end of a new connection.
    ///
    /// # Errors
    /// [`Misuse`] when `config` names something unknown.
    pub fn new(config: Config, now: Instant) -> Result<Self, Error> {
        Self::start(config, now, ClientState::default())
    }

    /// The end of one who shares another's connection: the user is in, and only
    /// the connection protocol is spoken, unencrypted. OpenSSH's PROTOCOL.mux §9.
    ///
    /// # Errors
    /// [`Misuse`] when `config` names something unknown.
    pub fn bare(config: Config, now: Instant) -> Result<Self, Error> {
        Self::start_bare(config, now, ClientState::default())
    }

    /// Says whether the key is the server's. If not, the connection ends.
    ///
    /// # Errors
    /// [`Misuse`] when nothing was asked.
    pub fn answer_host_key(&mut self, _ask: HostKeyAsk, accept: bool) -> Result<(), Error> {
        if accept {
            return crate::kex::client::host_key_accepted(self);
        }
        self.refuse(Error::HostKeyRefused);
        Ok(())
    }

    /// Tries to authenticate, from [`Event::Ready`] on, one attempt at a time.
    ///
    /// # Errors
    /// [`Misuse`] at another time.
    pub fn authenticate(&mut self, user: &str, attempt: AuthAttempt) -> Result<(), Error> {
        userauth::authenticate(self, user, attempt)
    }

    /// Gives the whole signature blob, or `None` if there is none: that
    /// attempt has then failed, and the server hears nothing of it.
    ///
    /// # Errors
    /// [`Misuse`] when nothing was asked.
    pub fn answer_sign(&mut self, ask: SignAsk, signature: Option<Vec<u8>>) -> Result<(), Error> {
        if ask.purpose != SignPurpose::Authentication {
            return Err(Misuse::OutOfTurn("a signature").into());
        }
        userauth::signed(self, signature)
    }

    /// Answers [`Event::InfoRequest`].
    ///
    /// # Errors
    /// [`Misuse`] when nothing was asked.
    pub fn answer_info(&mut self, responses: Vec<Zeroizing<String>>) -> Result<(), Error> {
        userauth::answer_info(self, &responses)
    }

    /// The server's host key, once accepted.
    pub fn host_key(&self) -> Option<&PublicKey> {
        self.role.host_key.as_ref()
    }

    /// The host key's signature over the session id, which tells an agent
    /// whom it signs for (`session-bind@openssh.com`).
    pub fn host_key_signature(&self) -> &[u8] {
        &self.role.host_key_signature
    }

    /// The last group exchange, if there was one.
    pub fn group_exchange(&self) -> Option<GroupExchange> {
        self.role.group
    }

    /// What the server told in `server-sig-algs`. RFC 8308 §3.1.
    pub fn server_sig_algs(&self) -> Option<&str> {
        let value = self.extensions.iter().find(|(name, _)| name == ext_info::SERVER_SIG_ALGS);
        value.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// Lets one channel be opened and its requests be sent before
    /// authentication has finished, for a server known to take them and to
    /// number its first channel so. If the attempt fails they are sent again after a later
    /// one succeeds. Without effect where compression is to begin between.
    pub fn allow_early_channels(&mut self, guessed_remote: u32) {
        let plain = self.chosen.is_some_and(|chosen| !chosen.client_to_server.zlib);
        if plain && self.phase < Phase::Connection && self.role.early.is_none() {
            let messages = Vec::new();
            self.role.early = Some(Early { guessed_remote, messages, bytes: 0, lost: false });
        }
    }

    /// Asks the server to prove that it holds these keys;
    /// [`Event::HostKeysProved`] tells which it does.
    ///
    /// # Errors
    /// [`Misuse`] before authentication, or when a question is open already.
    pub fn request_host_key_proofs(&mut self, keys: Vec<PublicKey>) -> Result<(), Error> {
        if self.phase != Phase::Connection || self.role.proofs.is_some() {
            return Err(Misuse::OutOfTurn("a request for proofs").into());
        }
        let mut data = Vec::new();
        for key in &keys {
            data.put_string(key.blob());
        }
        self.role.proofs = Some(keys);
        self.globals.asked.push_back(GlobalAsked { role: true, sent: self.now });
        let request = GlobalRequest::Other { name: HOST_KEYS_PROVE.to_owned(), data };
        self.send_message(&request::encode_global(&request, true))
    }

    /// Success: what was sent too early goes again.
    pub(crate) fn authenticated(&mut self) -> Result<(), Error> {
        let Some(early) = &mut self.role.early else { return Ok(()) };
        if !std::mem::take(&mut early.lost) {
            return Ok(());
        }
        for payload in std::mem::take(&mut early.messages) {
            self.send_message(&payload)?;
        }
        Ok(())
    }
}

impl Role for Client {
    const SIDE: Side = Side::Client;
    type State = ClientState;
    type Exchange = ClientExchange;

    fn guess(connection: &Connection<Self>) -> Result<Option<Guess>, Error> {
        crate::kex::client::guess(connection)
    }

    fn begin_exchange(
        connection: &mut Connection<Self>,
        exchange: Exchange,
        guess: Option<Box<dyn crypto::kex::Started>>,
    ) -> Result<(), Error> {
        crate::kex::client::begin(connection, exchange, guess)
    }

    fn handle_kex(connection: &mut Connection<Self>, payload: &[u8]) -> Result<(), Error> {
        crate::kex::client::handle(connection, payload)
    }

    fn sent_first_new_keys(connection: &mut Connection<Self>) -> Result<(), Error> {
        let server_takes_it = connection.remote_proposal().is_some_and(|p| {
            p.kex_algorithms.iter().any(|name| name == crate::kex::negotiate::EXT_INFO_SERVER)
        });
        if server_takes_it {
            connection.send_now(&ext_info::of_client())?;
        }
        Ok(())
    }

    fn received_new_keys(connection: &mut Connection<Self>, first: bool) -> Result<(), Error> {
        if first {
            connection.role.ready = Ready::WhenDrained;
        }
        Ok(())
    }

    fn input_drained(connection: &mut Connection<Self>) -> bool {
        if connection.role.ready != Ready::WhenDrained {
            return false;
        }
        connection.role.ready = Ready::Said;
        connection.events.push_back(Event::Ready);
        true
    }

    fn handle_service(connection: &mut Connection<Self>, payload: &[u8]) -> Result<(), Error> {
        userauth::handle_service(connection, payload)
    }

    fn handle_userauth(connection: &mut Connection<Self>, payload: &[u8]) -> Result<(), Error> {
        userauth::handle(connection, payload)
    }

    fn handle_global(
        connection: &mut Connection<Self>,
        name: &str,
        data: &[u8],
        want_reply: bool,
    ) -> Result<bool, Error> {
        if name != HOST_KEYS || want_reply {
            return Ok(false);
        }
        let mut reader = Reader::new(data);
        let mut keys = Vec::new();
        while !reader.is_empty() && keys.len() < limits::HOST_KEYS {
            // Keys of types that are not known here are no mistake.
            let Ok(blob) = reader.string() else { return Ok(true) };
            keys.extend(PublicKey::from_blob(blob).ok());
        }
        connection.events.push_back(Event::HostKeys(keys));
        Ok(true)
    }

    fn answered_global(
        connection: &mut Connection<Self>,
        success: bool,
        data: &[u8],
    ) -> Result<(), Error> {
        let keys = connection.role.proofs.take().unwrap_or_default();
        let mut proved = Vec::new();
        let mut reader = Reader::new(data);
        if success {
            for key in keys {
                let Ok(signature) = reader.string() else { break };
                let proof = proof_data(connection.session_id().unwrap_or_default(), &key);
                // An RSA key proves itself by either SHA-2 signature.
                let algorithms =
                    key.signature_algorithms().iter().filter(|name| **name != "ssh-rsa");
                let mut algorithms = algorithms.copied();
                let any = VerifyOptions::ANY;
                if algorithms.any(|name| key.verify(name, &proof, signature, &any).is_ok()) {
                    proved.push(key);
                }
            }
        }
        connection.events.push_back(Event::HostKeysProved(proved));
        Ok(())
    }

    fn early_channel(connection: &Connection<Self>) -> Option<u32> {
        connection.role.early.as_ref().map(|early| early.guessed_remote)
    }

    fn keep_early(connection: &mut Connection<Self>, payload: &[u8]) -> Result<(), Error> {
        let early = connection.role.early.as_mut().ok_or(Misuse::OutOfTurn("a channel"))?;
        early.bytes += payload.len();
        if early.bytes > limits::EARLY_BYTES {
            return Err(Misuse::TooLarge("what is sent before authentication").into());
        }
        early.messages.push(payload.to_vec());
        Ok(())
    }

    fn opened_early(
        connection: &mut Connection<Self>,
        _channel: ChannelId,
        guess: u32,
        remote: u32,
    ) -> Result<(), Error> {
        connection.role.early = None;
        // Requests went to a number that is not this channel's. A server that
        // numbers its channels otherwise was not the one that was known.
        if guess == remote { Ok(()) } else { Err(Misbehaved::UnknownChannel(remote).into()) }
    }
}

/// What a proof signs. OpenSSH's PROTOCOL §2.5.
pub(crate) fn proof_data(session_id: &[u8], key: &PublicKey) -> Vec<u8> {
    let mut data = Vec::new();
    data.put_string(HOST_KEYS_PROVE.as_bytes());
    data.put_string(session_id);
    data.put_string(key.blob());
    data
}
