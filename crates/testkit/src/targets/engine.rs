//! The protocol engine against a peer that says anything: in the clear, where
//! everybody can speak to it, and under keys, before and after the login.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use keys::{KeyKind, PrivateKey};
use proto::{
    AuthAnswer, AuthAttempt, AuthMethod, ChannelOpen, ChannelRequest, ClientConnection, Config,
    Connection, Event, OpenFailure, Prompt, Role, ServerConnection,
};
use wire::Writer;
use zeroize::Zeroizing;

use super::rogue::{self, Voice, clear_packet};

/// More events than any input can make; beyond it the engine is in a loop.
const EVENTS: usize = 100_000;

fn host_key() -> &'static PrivateKey {
    static KEY: OnceLock<PrivateKey> = OnceLock::new();
    KEY.get_or_init(|| {
        PrivateKey::generate(KeyKind::Ed25519, None, "fuzz")
            .unwrap_or_else(|error| panic!("no host key: {error}"))
    })
}

/// Takes choices from the input's first bytes, then 0 for ever.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl<'a> Choices<'a> {
    fn split(data: &'a [u8]) -> (Self, &'a [u8]) {
        let (choices, rest) = data.split_at(data.len().min(8));
        (Self(choices.iter()), rest)
    }

    fn next(&mut self) -> u8 {
        self.0.next().copied().unwrap_or(0)
    }
}

/// The input's messages: each with its length before it.
fn messages(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (message, after) = after.split_at(length);
        rest = after;
        Some(message)
    })
}

fn join(messages: &[&[u8]]) -> Vec<u8> {
    // Eight choices first.
    let mut seed = vec![0, 1, 2, 3, 4, 5, 6, 7];
    for message in messages {
        seed.extend_from_slice(&(message.len() as u16).to_be_bytes());
        seed.extend_from_slice(message);
    }
    seed
}

/// One engine, its clock, and how the application answers.
struct Driven<'a, R: Role> {
    connection: Connection<R>,
    now: Instant,
    choices: Choices<'a>,
    answer: fn(&mut Connection<R>, Instant, &mut Choices<'_>) -> bool,
}

impl<R: Role> Driven<'_, R> {
    /// Passes `bytes` on in pieces and gives back what the engine sends.
    fn talk(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut sent = Vec::new();
        self.settle(&mut sent);
        while !bytes.is_empty() {
            let piece = match self.choices.next() {
                0 => usize::MAX,
                small => usize::from(small),
            };
            let room = self.connection.input_room();
            let count = room.len().min(bytes.len()).min(piece);
            if count == 0 {
                break;
            }
            room[..count].copy_from_slice(&bytes[..count]);
            self.connection.handle_input(count);
            bytes = &bytes[count..];
            self.settle(&mut sent);
        }
        sent
    }

    fn settle(&mut self, sent: &mut Vec<u8>) {
        for turn in 0.. {
            assert!(turn < EVENTS, "the engine makes events without end");
            let more = (self.answer)(&mut self.connection, self.now, &mut self.choices);
            let out = self.connection.poll_transmit();
            let count = out.len();
            sent.extend_from_slice(out);
            self.connection.transmitted(count);
            if !more && count == 0 {
                break;
            }
        }
    }

    /// Lets time pass and the peer go away.
    fn end(mut self) {
        let mut sent = Vec::new();
        self.now += Duration::from_secs(3600);
        self.connection.handle_timeout(self.now);
        self.settle(&mut sent);
        self.connection.release_buffers();
        self.connection.handle_end_of_input();
        self.settle(&mut sent);
    }
}

fn server(choices: Choices<'_>) -> Option<Driven<'_, proto::Server>> {
    let now = Instant::now();
    let keys = vec![host_key().public().clone()];
    Some(Driven {
        connection: ServerConnection::new(Config::server(), keys, now).ok()?,
        now,
        choices,
        answer: answer_as_server,
    })
}

fn client(choices: Choices<'_>) -> Option<Driven<'_, proto::Client>> {
    let now = Instant::now();
    Some(Driven {
        connection: ClientConnection::new(Config::client(), now).ok()?,
        now,
        choices,
        answer: answer_as_client,
    })
}

fn answer_as_server(
    connection: &mut ServerConnection,
    now: Instant,
    choices: &mut Choices<'_>,
) -> bool {
    let Some(event) = connection.poll_event(now) else {
        return false;
    };
    // An answer may come too late, after the connection failed: never mind.
    match event {
        Event::SignExchange(ask) | Event::SignProof(ask) => {
            let signature = host_key().sign(ask.algorithm(), ask.data()).ok();
            let _ = connection.answer_sign(ask, signature);
        }
        Event::Authenticate(request) => {
            let methods = vec!["publickey".to_owned(), "password".to_owned()];
            let refuse =
                |partial_success| AuthAnswer::Reject { methods: methods.clone(), partial_success };
            let asks_about_key =
                matches!(request.method, AuthMethod::PublicKey { signed: None, .. });
            let answer = match choices.next() % 8 {
                0 | 1 => AuthAnswer::Accept,
                2 if asks_about_key => AuthAnswer::PublicKeyOk,
                3 => refuse(true),
                4 => AuthAnswer::InfoRequest {
                    name: "name".to_owned(),
                    instruction: String::new(),
                    prompts: vec![Prompt { text: "Word: ".to_owned(), echo: false }],
                },
                5 => AuthAnswer::PasswordChange { prompt: "A new one: ".to_owned() },
                _ => refuse(false),
            };
            let _ = connection.answer_auth(answer);
        }
        other => {
            let plain = Plain::from(other);
            return common(connection, plain);
        }
    }
    true
}

fn answer_as_client(
    connection: &mut ClientConnection,
    now: Instant,
    choices: &mut Choices<'_>,
) -> bool {
    let Some(event) = connection.poll_event(now) else {
        return false;
    };
    match event {
        Event::CheckHostKey(ask) => {
            let _ = connection.answer_host_key(ask, true);
        }
        Event::SignAuth(ask) => {
            let signature = host_key().sign(ask.algorithm(), ask.data()).ok();
            let _ = connection.answer_sign(ask, signature);
        }
        Event::Ready | Event::AuthFailed { .. } | Event::PublicKeyOk { .. } => {
            let algorithm = "ssh-ed25519".to_owned();
            let key = host_key().public().clone();
            let password = Zeroizing::new("password".to_owned());
            let attempt = match choices.next() % 6 {
                0 => AuthAttempt::None,
                1 => AuthAttempt::PublicKeyQuery { algorithm, key },
                2 => AuthAttempt::PublicKey { algorithm, key },
                3 => AuthAttempt::Password { password, new_password: None },
                _ => AuthAttempt::KeyboardInteractive { submethods: String::new() },
            };
            let _ = connection.authenticate("root", attempt);
        }
        Event::PasswordChange { .. } => {
            let attempt = AuthAttempt::Password {
                password: Zeroizing::new("password".to_owned()),
                new_password: Some(Zeroizing::new("another".to_owned())),
            };
            let _ = connection.authenticate("root", attempt);
        }
        Event::InfoRequest { prompts, .. } => {
            let answers = prompts.iter().map(|_| Zeroizing::new("answer".to_owned()));
            let _ = connection.answer_info(answers.collect());
        }
        Event::Authenticated => {
            if let Ok(channel) = connection.open_channel(ChannelOpen::Session) {
                let command = b"true".to_vec();
                let _ = connection.request(channel, ChannelRequest::Exec { command }, true);
            }
        }
        Event::HostKeys(keys) => {
            let _ = connection.request_host_key_proofs(keys);
        }
        other => {
            let plain = Plain::from(other);
            return common(connection, plain);
        }
    }
    true
}

/// An event without its borrow of the connection.
enum Plain {
    Nothing,
    Asked(proto::ChannelAsk),
    Data(proto::ChannelId, usize),
    Eof(proto::ChannelId),
    Requested(proto::ChannelId, bool),
    Global(bool),
}

impl From<Event<'_>> for Plain {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::ChannelAsked(ask) => Self::Asked(ask),
            Event::Data { channel, data, .. } => Self::Data(channel, data.len()),
            Event::Eof { channel } => Self::Eof(channel),
            Event::ChannelRequested { channel, want_reply, .. } => {
                Self::Requested(channel, want_reply)
            }
            Event::GlobalRequested { want_reply, .. } => Self::Global(want_reply),
            Event::Ended(error) => {
                assert!(!error.to_string().is_empty());
                Self::Nothing
            }
            _ => Self::Nothing,
        }
    }
}

fn common<R: Role>(connection: &mut Connection<R>, event: Plain) -> bool {
    match event {
        Plain::Nothing => {}
        Plain::Asked(ask) => {
            if matches!(ask.open(), ChannelOpen::Session) {
                let _ = connection.accept_channel(ask);
            } else {
                let reason = OpenFailure::AdministrativelyProhibited;
                let _ = connection.refuse_channel(ask, reason, "no");
            }
        }
        Plain::Data(channel, count) => {
            let _ = connection.consumed(channel, count);
        }
        Plain::Eof(channel) => {
            let _ = connection.send_eof(channel);
            let _ = connection.close(channel);
        }
        Plain::Requested(channel, want_reply) => {
            if want_reply {
                let _ = connection.reply(channel, true);
            }
        }
        Plain::Global(want_reply) => {
            if want_reply {
                let _ = connection.reply_global(false, b"");
            }
        }
    }
    true
}

/// In the clear: the choices say whether the ident is right and whether the
/// rest is taken as it is or as the payloads of well-formed packets.
fn clear_stream(choices: &mut Choices<'_>, rest: &[u8]) -> Vec<u8> {
    let shape = choices.next();
    let mut bytes = Vec::new();
    if !shape.is_multiple_of(4) {
        bytes.extend_from_slice(b"SSH-2.0-Fuzz\r\n");
    }
    if shape.is_multiple_of(2) {
        bytes.extend_from_slice(rest);
    } else {
        for message in messages(rest) {
            bytes.extend(clear_packet(message));
        }
    }
    bytes
}

/// The server before keys.
pub fn server_clear(data: &[u8]) {
    let (mut choices, rest) = Choices::split(data);
    let bytes = clear_stream(&mut choices, rest);
    if let Some(mut server) = server(choices) {
        server.talk(&bytes);
        server.end();
    }
}

/// The client before keys.
pub fn client_clear(data: &[u8]) {
    let (mut choices, rest) = Choices::split(data);
    let bytes = clear_stream(&mut choices, rest);
    if let Some(mut client) = client(choices) {
        client.talk(&bytes);
        client.end();
    }
}

/// Says every message, with what the engine sends in between thrown away.
fn speak<R: Role>(driven: &mut Driven<'_, R>, voice: &mut Voice, rest: &[u8]) {
    for message in messages(rest) {
        if !message.is_empty() {
            driven.talk(&voice.say(message));
        }
    }
}

/// The server with keys: the service request, the login, and channels.
pub fn server_login(data: &[u8]) {
    let (choices, rest) = Choices::split(data);
    let Some(mut driven) = server(Choices([].iter())) else {
        return;
    };
    let voice = rogue::as_client(|bytes| driven.talk(bytes));
    let Some(mut voice) = voice else {
        panic!("a well-behaved key exchange failed");
    };
    driven.choices = choices;
    speak(&mut driven, &mut voice, rest);
    driven.end();
}

/// The client with keys.
pub fn client_login(data: &[u8]) {
    let (choices, rest) = Choices::split(data);
    let Some(mut driven) = client(Choices([].iter())) else {
        return;
    };
    let voice = rogue::as_server(host_key(), |bytes| driven.talk(bytes));
    let Some(mut voice) = voice else {
        panic!("a well-behaved key exchange failed");
    };
    driven.choices = choices;
    speak(&mut driven, &mut voice, rest);
    driven.end();
}

/// A KEXINIT and the start of an exchange, as packets and as a stream.
pub fn server_clear_seeds() -> Vec<Vec<u8>> {
    let mut init = vec![30];
    init.put_string(&[9; 32]);
    let kexinit = rogue::kexinit();
    let mut packets = join(&[&kexinit, &init, &[21]]);
    packets[0] = 1;
    let mut stream = b"\x00\0\0\0\0\0\0\0SSH-2.0-Rogue\r\n".to_vec();
    stream.extend(clear_packet(&kexinit));
    stream.extend(clear_packet(&init));
    vec![packets, stream]
}

/// The server's side of the same.
pub fn client_clear_seeds() -> Vec<Vec<u8>> {
    let mut reply = vec![31];
    reply.put_string(host_key().public().blob());
    reply.put_string(&[9; 32]);
    reply.put_string(&host_key().sign("ssh-ed25519", b"no hash").unwrap_or_default());
    let kexinit = rogue::kexinit();
    let mut packets = join(&[&kexinit, &reply, &[21]]);
    packets[0] = 1;
    let mut stream = b"\x00\0\0\0\0\0\0\0Hello.\r\nSSH-2.0-Rogue\r\n".to_vec();
    stream.extend(clear_packet(&kexinit));
    stream.extend(clear_packet(&reply));
    vec![packets, stream]
}

fn message(number: u8, strings: &[&[u8]], tail: &[u8]) -> Vec<u8> {
    let mut message = vec![number];
    for string in strings {
        message.put_string(string);
    }
    message.extend_from_slice(tail);
    message
}

/// A login by each method, then a session.
pub fn server_login_seeds() -> Vec<Vec<u8>> {
    let service = message(5, &[b"ssh-userauth"], &[]);
    let user =
        |method: &[u8], tail: &[u8]| message(50, &[b"root", b"ssh-connection", method], tail);
    let mut key = vec![0];
    key.put_string(b"ssh-ed25519");
    key.put_string(host_key().public().blob());
    let mut password = vec![0];
    password.put_string(b"secret");
    let open = message(90, &[b"session"], &[0, 0, 0, 0, 0, 32, 0, 0, 0, 0, 128, 0]);
    let mut exec = vec![98, 0, 0, 0, 0];
    exec.put_string(b"exec");
    exec.push(1);
    exec.put_string(b"true");
    let mut data = vec![94, 0, 0, 0, 0];
    data.put_string(b"input");
    let eof = [96, 0, 0, 0, 0];
    let close = [97, 0, 0, 0, 0];
    let global = message(80, &[b"tcpip-forward"], &[1, 0, 0, 0, 0, 0, 0, 0, 0]);
    let questions = user(b"keyboard-interactive", &[0; 8]);
    let mut answers = vec![61, 0, 0, 0, 1];
    answers.put_string(b"answer");
    let mut asking = join(&[&service, &questions, &answers]);
    // The third choice from the end of the set-up is what the login gets.
    asking[..8].fill(4);
    vec![
        join(&[&service, &user(b"none", &[]), &open, &exec, &data, &eof, &close]),
        join(&[&service, &user(b"publickey", &key), &open, &exec]),
        join(&[&service, &user(b"password", &password), &global, &open]),
        asking,
    ]
}

/// What a server answers to logins and sessions.
pub fn client_login_seeds() -> Vec<Vec<u8>> {
    let service = message(6, &[b"ssh-userauth"], &[]);
    let failure = message(51, &[b"publickey,password,keyboard-interactive"], &[0]);
    let success = [52];
    let banner = message(53, &[b"Welcome\r\n", b""], &[]);
    let mut questions = message(60, &[b"name", b"instruction", b""], &[0, 0, 0, 1]);
    questions.put_string(b"Word: ");
    questions.push(0);
    let confirm = [91, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0, 0, 0, 128, 0];
    let mut data = vec![94, 0, 0, 0, 0];
    data.put_string(b"output");
    let mut exit = vec![98, 0, 0, 0, 0];
    exit.put_string(b"exit-status");
    exit.extend_from_slice(&[0, 0, 0, 0, 3]);
    let close = [97, 0, 0, 0, 0];
    let mut host_keys = message(80, &[b"hostkeys-00@openssh.com"], &[0]);
    host_keys.put_string(host_key().public().blob());
    vec![
        join(&[&service, &banner, &success, &confirm, &[99, 0, 0, 0, 0], &data, &exit, &close]),
        join(&[&service, &failure, &questions, &success, &host_keys, &confirm]),
        join(&[&service, &failure, &failure, &failure]),
    ]
}
