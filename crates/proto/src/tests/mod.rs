//! Behaviour of two engines joined in memory.

mod authentication;
mod channels;
mod exchange;
mod refusals;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use keys::{KeyKind, PrivateKey};

use crate::channel::open::ChannelOpen;
use crate::channel::request::{ChannelRequest, GlobalRequest};
use crate::config::Config;
use crate::error::Error;
use crate::event::{AuthAnswer, AuthAttempt, AuthMethod, ChannelId, Event, Stream};
use crate::role::Role;
use crate::{ClientConnection, Connection, ServerConnection};

/// What one end has seen.
#[derive(Default)]
struct Seen {
    log: Vec<String>,
    data: Vec<u8>,
    stderr: Vec<u8>,
    end: Option<Error>,
    /// Do not pass data on: the window stays shut.
    hold_data: bool,
}

/// Is told whether the bytes go to the server.
type Tamper = Box<dyn FnMut(bool, &mut Vec<u8>)>;

/// A client and a server, a fake clock, and bytes that arrive in odd pieces.
struct Pair {
    client: ClientConnection,
    server: ServerConnection,
    client_seen: Seen,
    server_seen: Seen,
    host_key: PrivateKey,
    user_key: PrivateKey,
    now: Instant,
    pieces: VecDeque<usize>,
    password: &'static str,
    /// What the client tries next.
    attempts: VecDeque<AuthAttempt>,
    /// Bytes that went each way, before they are delivered.
    tamper: Option<Tamper>,
}

fn key(kind: KeyKind) -> PrivateKey {
    key_of(kind, None)
}

fn key_of(kind: KeyKind, bits: Option<u32>) -> PrivateKey {
    PrivateKey::generate(kind, bits, "test").unwrap()
}

impl Pair {
    fn new() -> Self {
        Self::with(Config::client(), Config::server())
    }

    fn with(client: Config, server: Config) -> Self {
        Self::with_host_key(client, server, key(KeyKind::Ed25519))
    }

    fn with_host_key(client: Config, server: Config, host_key: PrivateKey) -> Self {
        let now = Instant::now();
        let host_keys = vec![host_key.public().clone()];
        Self {
            client: ClientConnection::new(client, now).unwrap(),
            server: ServerConnection::new(server, host_keys, now).unwrap(),
            client_seen: Seen::default(),
            server_seen: Seen::default(),
            host_key,
            user_key: key(KeyKind::Ed25519),
            now,
            pieces: VecDeque::from([1, 7, 64, 3, 1000, 5, 40_000, 2, 16]),
            password: "",
            attempts: VecDeque::new(),
            tamper: None,
        }
    }

    /// Logged in by key.
    fn authenticated() -> Self {
        Self::new().log_in()
    }

    fn log_in(mut self) -> Self {
        let key = self.user_key.public().clone();
        let algorithm = key.algorithm().to_owned();
        self.attempts.push_back(AuthAttempt::PublicKey { algorithm, key });
        self.run();
        assert!(self.client.is_authenticated(), "{:?}", self.client_seen.log);
        self
    }

    /// Logged in, with a session channel open.
    fn with_session() -> (Self, ChannelId) {
        let mut pair = Self::authenticated();
        let channel = pair.open();
        (pair, channel)
    }

    fn open(&mut self) -> ChannelId {
        let channel = self.client.open_channel(ChannelOpen::Session).unwrap();
        self.run();
        channel
    }

    /// Runs until neither side has anything to say.
    fn run(&mut self) {
        loop {
            self.handle_client_events();
            self.handle_server_events();
            let mut moved = self.deliver(true);
            moved |= self.deliver(false);
            if !moved {
                break;
            }
        }
        self.handle_client_events();
        self.handle_server_events();
    }

    fn deliver(&mut self, to_server: bool) -> bool {
        let piece = self.pieces[0];
        self.pieces.rotate_left(1);
        let mut bytes = if to_server { take(&mut self.client) } else { take(&mut self.server) };
        if bytes.is_empty() {
            return false;
        }
        if let Some(tamper) = &mut self.tamper {
            tamper(to_server, &mut bytes);
        }
        for chunk in bytes.chunks(piece.max(bytes.len() / 64)) {
            let mut rest = chunk;
            while !rest.is_empty() {
                let taken = if to_server {
                    give(&mut self.server, rest)
                } else {
                    give(&mut self.client, rest)
                };
                rest = &rest[taken..];
                if to_server {
                    self.handle_server_events();
                } else {
                    self.handle_client_events();
                }
                let ended = if to_server { self.server.is_ended() } else { self.client.is_ended() };
                if taken == 0 && ended {
                    break;
                }
            }
        }
        true
    }

    fn handle_client_events(&mut self) {
        loop {
            let Some(event) = self.client.poll_event(self.now) else { break };
            self.client_seen.log.push(describe(&event));
            match event {
                Event::Data { channel, stream, data } => {
                    let length = data.len();
                    keep(&mut self.client_seen, stream, data);
                    if !self.client_seen.hold_data {
                        self.client.consumed(channel, length).unwrap();
                    }
                }
                Event::CheckHostKey(ask) => {
                    let accept = ask.key() == self.host_key.public();
                    self.client.answer_host_key(ask, accept).unwrap();
                }
                Event::Ready | Event::AuthFailed { .. } => self.try_next(),
                Event::PublicKeyOk { algorithm, .. } => {
                    let key = self.user_key.public().clone();
                    self.client
                        .authenticate("user", AuthAttempt::PublicKey { algorithm, key })
                        .unwrap();
                }
                Event::SignAuth(ask) => {
                    let signature = self.user_key.sign(ask.algorithm(), ask.data()).unwrap();
                    self.client.answer_sign(ask, Some(signature)).unwrap();
                }
                Event::InfoRequest { prompts, .. } => {
                    let answers = prompts.iter().map(|_| self.password.to_owned().into()).collect();
                    self.client.answer_info(answers).unwrap();
                }
                Event::ChannelAsked(ask) => {
                    self.client.accept_channel(ask).unwrap();
                }
                Event::HostKeys(keys) => self.client.request_host_key_proofs(keys).unwrap(),
                Event::Ended(error) => self.client_seen.end = Some(error),
                _ => {}
            }
        }
    }

    fn try_next(&mut self) {
        if let Some(attempt) = self.attempts.pop_front() {
            self.client.authenticate("user", attempt).unwrap();
        }
    }

    fn handle_server_events(&mut self) {
        loop {
            let Some(event) = self.server.poll_event(self.now) else { break };
            self.server_seen.log.push(describe(&event));
            match event {
                Event::Data { channel, stream, data } => {
                    let length = data.len();
                    keep(&mut self.server_seen, stream, data);
                    if !self.server_seen.hold_data {
                        self.server.consumed(channel, length).unwrap();
                    }
                }
                Event::SignExchange(ask) | Event::SignProof(ask) => {
                    let signature = self.host_key.sign(ask.algorithm(), ask.data()).unwrap();
                    self.server.answer_sign(ask, Some(signature)).unwrap();
                }
                Event::Authenticate(request) => {
                    let answer = judge(&self.user_key, &request.method);
                    self.server.answer_auth(answer).unwrap();
                }
                Event::ChannelAsked(ask) => {
                    self.server.accept_channel(ask).unwrap();
                }
                Event::ChannelRequested { channel, want_reply: true, request } => {
                    let success =
                        matches!(request, ChannelRequest::Exec { .. } | ChannelRequest::Shell);
                    self.server.reply(channel, success).unwrap();
                }
                Event::GlobalRequested { want_reply: true, request } => {
                    let success = matches!(request, GlobalRequest::TcpipForward { .. });
                    self.server.reply_global(success, b"").unwrap();
                }
                Event::Ended(error) => self.server_seen.end = Some(error),
                _ => {}
            }
        }
    }

    /// Sends all of `data` from the client, as the window allows.
    fn send_all(&mut self, channel: ChannelId, data: &[u8]) {
        let mut sent = 0;
        while sent < data.len() {
            let fill = |room: &mut [u8]| {
                let length = room.len().min(data.len() - sent);
                room[..length].copy_from_slice(&data[sent..sent + length]);
                Ok::<_, ()>(length)
            };
            let filled = self.client.send(channel, Stream::Data, fill).unwrap().unwrap();
            sent += filled;
            if filled == 0 {
                let before = self.server_seen.data.len();
                self.run();
                assert!(self.client.room(channel) > 0, "stuck after {before} bytes");
            }
        }
        self.run();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        self.run();
    }

    /// Sends a payload from the client as it is.
    fn inject(&mut self, payload: &[u8]) {
        self.client.send_now(payload).unwrap();
        self.run();
    }
}

/// By the user's key; by the password "right"; by anything else not.
fn judge(user_key: &PrivateKey, method: &AuthMethod) -> AuthAnswer {
    let methods = vec!["publickey".to_owned(), "password".to_owned()];
    let reject = AuthAnswer::Reject { methods, partial_success: false };
    match method {
        AuthMethod::PublicKey { key, signed: None, .. } if key == user_key.public() => {
            AuthAnswer::PublicKeyOk
        }
        AuthMethod::PublicKey { algorithm, key, signed: Some(signed), .. } => {
            let options = keys::VerifyOptions::default();
            let right = key.verify(algorithm, &signed.data, &signed.signature, &options).is_ok();
            if right && key == user_key.public() { AuthAnswer::Accept } else { reject }
        }
        AuthMethod::Password { password, .. } if password.as_str() == "right" => AuthAnswer::Accept,
        AuthMethod::KeyboardInteractive { .. } => AuthAnswer::InfoRequest {
            name: String::new(),
            instruction: String::new(),
            prompts: vec![crate::Prompt { text: "Password: ".to_owned(), echo: false }],
        },
        AuthMethod::InfoResponse { responses }
            if responses.len() == 1 && responses[0].as_str() == "right" =>
        {
            AuthAnswer::Accept
        }
        _ => reject,
    }
}

fn keep(seen: &mut Seen, stream: Stream, data: crate::Data<'_>) {
    let data = data.to_vec();
    match stream {
        Stream::Data => seen.data.extend_from_slice(&data),
        Stream::Stderr => seen.stderr.extend_from_slice(&data),
    }
}

/// An event's name, without what it holds.
fn describe(event: &Event<'_>) -> String {
    let text = format!("{event:?}");
    let end = text.find([' ', '(', '{']).unwrap_or(text.len());
    text[..end].to_owned()
}

fn take<R: Role>(connection: &mut Connection<R>) -> Vec<u8> {
    let bytes = connection.poll_transmit().to_vec();
    connection.transmitted(bytes.len());
    bytes
}

fn give<R: Role>(connection: &mut Connection<R>, bytes: &[u8]) -> usize {
    let room = connection.input_room();
    let length = room.len().min(bytes.len());
    room[..length].copy_from_slice(&bytes[..length]);
    connection.handle_input(length);
    length
}

fn end_of(server: &Seen) -> &Error {
    server.end.as_ref().unwrap_or_else(|| panic!("still there: {:?}", server.log))
}
