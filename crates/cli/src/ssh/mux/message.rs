//! The messages of connection sharing. OpenSSH's PROTOCOL.mux, version 4.
//!
//! A message is a length, a number and fields in SSH's encoding. Descriptors do not belong to it:
//! each comes with one byte of its own behind the message that announces it.

use std::path::PathBuf;

use config::{Connect, Direction, Forward, Listen};
use wire::{Reader, Writer};

/// The version both sides have to speak.
pub const VERSION: u32 = 4;
/// Larger messages are nobody's; OpenSSH's channels take as much.
pub const MESSAGE_BYTES: usize = 256 * 1024;
/// More variables are ignored, as OpenSSH does.
const VARIABLES: usize = 4096;
/// The extension by which a master says that it answers [`Request::Information`].
pub const INFORMATION: &str = "info";

const HELLO: u32 = 0x0000_0001;
const NEW_SESSION: u32 = 0x1000_0002;
const ALIVE_CHECK: u32 = 0x1000_0004;
const TERMINATE: u32 = 0x1000_0005;
const OPEN_FORWARD: u32 = 0x1000_0006;
const CLOSE_FORWARD: u32 = 0x1000_0007;
const NEW_STDIO_FORWARD: u32 = 0x1000_0008;
const STOP_LISTENING: u32 = 0x1000_0009;
const PROXY: u32 = 0x1000_000f;
const EXT_INFO: u32 = 0x2000_0001;
const OK: u32 = 0x8000_0001;
const PERMISSION_DENIED: u32 = 0x8000_0002;
const FAILURE: u32 = 0x8000_0003;
const EXIT_MESSAGE: u32 = 0x8000_0004;
const ALIVE: u32 = 0x8000_0005;
const SESSION_OPENED: u32 = 0x8000_0006;
const REMOTE_PORT: u32 = 0x8000_0007;
const TTY_ALLOC_FAIL: u32 = 0x8000_0008;
const PROXY_BEGINS: u32 = 0x8000_000f;
const EXT_INFO_ANSWER: u32 = 0x9000_0001;

/// A port number that says: the host is a socket's path.
const SOCKET_PORT: u32 = u32::MAX - 1;
/// No escape character.
const NO_ESCAPE: u32 = u32::MAX;

/// Bytes that are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl From<wire::Error> for Malformed {
    fn from(_: wire::Error) -> Self {
        Malformed
    }
}

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// The first message of each side: the version, and names and values of extensions.
    Hello(u32, Vec<(String, Vec<u8>)>),
    /// A program on the server; three descriptors follow.
    Session(NewSession),
    /// A connection on standard input and output; two descriptors follow.
    Stdio(Connect),
    /// Is somebody there?
    Alive,
    /// End everything.
    Terminate,
    /// One more forward.
    Open(Direction, Forward),
    /// One less.
    Close(Direction, Forward),
    /// Take no more clients.
    Stop,
    /// Go on with SSH's own messages.
    Proxy,
    /// Text about the connection.
    Information(String),
    /// Something of another version.
    Unknown(u32),
}

/// The program a client wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewSession {
    /// With a terminal.
    pub terminal: bool,
    /// With X11 forwarding.
    pub x11: bool,
    /// With the agent.
    pub agent: bool,
    /// The command is a subsystem's name.
    pub subsystem: bool,
    /// The escape character.
    pub escape: Option<u8>,
    /// The terminal's type.
    pub term: String,
    /// The command; empty for a shell.
    pub command: Vec<u8>,
    /// Names and values.
    pub environment: Vec<(String, String)>,
}

/// What a master says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// As the client's.
    Hello(u32, Vec<(String, Vec<u8>)>),
    /// Done. This and all that answer carry the request's number.
    Ok(u32),
    /// The user does not want it.
    Denied(u32, String),
    /// It did not work.
    Failure(u32, String),
    /// The master's process.
    Alive(u32, u32),
    /// The session has this number.
    Opened(u32, u32),
    /// The server chose this port.
    Port(u32, u32),
    /// SSH's own messages follow.
    Proxy(u32),
    /// The text asked for.
    Information(u32, String),
    /// The program of a session ended.
    Exit(u32, u32),
    /// A session has no terminal.
    NoTerminal(u32),
    /// Something of another version.
    Unknown(u32),
}

impl Request {
    /// The message with its length.
    pub fn encode(&self, id: u32) -> Vec<u8> {
        let mut body = Vec::new();
        let head = |body: &mut Vec<u8>, number: u32| {
            body.put_u32(number);
            body.put_u32(id);
        };
        match self {
            Request::Hello(version, extensions) => put_hello(&mut body, *version, extensions),
            Request::Session(session) => {
                head(&mut body, NEW_SESSION);
                session.put(&mut body);
            }
            Request::Stdio(target) => {
                head(&mut body, NEW_STDIO_FORWARD);
                body.put_string(b"");
                put_connect(&mut body, target);
            }
            Request::Alive => head(&mut body, ALIVE_CHECK),
            Request::Terminate => head(&mut body, TERMINATE),
            Request::Open(direction, forward) => {
                head(&mut body, OPEN_FORWARD);
                put_forward(&mut body, *direction, forward);
            }
            Request::Close(direction, forward) => {
                head(&mut body, CLOSE_FORWARD);
                put_forward(&mut body, *direction, forward);
            }
            Request::Stop => head(&mut body, STOP_LISTENING),
            Request::Proxy => head(&mut body, PROXY),
            Request::Information(what) => {
                head(&mut body, EXT_INFO);
                body.put_string(what.as_bytes());
            }
            Request::Unknown(number) => head(&mut body, *number),
        }
        framed(&body)
    }

    /// Reads a message without its length: the request's number and it.
    ///
    /// # Errors
    /// It is not one.
    pub fn decode(body: &[u8]) -> Result<(u32, Self), Malformed> {
        let mut reader = Reader::new(body);
        let number = reader.u32()?;
        if number == HELLO {
            let (version, extensions) = hello(&mut reader)?;
            return Ok((0, Request::Hello(version, extensions)));
        }
        let id = reader.u32()?;
        let request = match number {
            NEW_SESSION => Request::Session(NewSession::take(&mut reader)?),
            NEW_STDIO_FORWARD => {
                reader.string()?;
                let host = reader.text()?;
                let port = reader.u32()?;
                Request::Stdio(connect(host, port).ok_or(Malformed)?)
            }
            ALIVE_CHECK => Request::Alive,
            TERMINATE => Request::Terminate,
            OPEN_FORWARD | CLOSE_FORWARD => match forward(&mut reader)? {
                None => Request::Unknown(number),
                Some((direction, forward)) if number == OPEN_FORWARD => {
                    Request::Open(direction, forward)
                }
                Some((direction, forward)) => Request::Close(direction, forward),
            },
            STOP_LISTENING => Request::Stop,
            PROXY => Request::Proxy,
            EXT_INFO => Request::Information(reader.text()?.to_owned()),
            other => Request::Unknown(other),
        };
        Ok((id, request))
    }

    /// How many descriptors follow.
    pub fn descriptors(&self) -> usize {
        match self {
            Request::Session(_) => 3,
            Request::Stdio(_) => 2,
            _ => 0,
        }
    }
}

impl NewSession {
    fn put(&self, body: &mut Vec<u8>) {
        body.put_string(b"");
        for flag in [self.terminal, self.x11, self.agent, self.subsystem] {
            body.put_u32(u32::from(flag));
        }
        body.put_u32(self.escape.map_or(NO_ESCAPE, u32::from));
        body.put_string(self.term.as_bytes());
        body.put_string(&self.command);
        for (name, value) in &self.environment {
            body.put_string(format!("{name}={value}").as_bytes());
        }
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.string()?;
        let mut session = NewSession {
            terminal: reader.u32()? != 0,
            x11: reader.u32()? != 0,
            agent: reader.u32()? != 0,
            subsystem: reader.u32()? != 0,
            escape: u8::try_from(reader.u32()?).ok(),
            term: reader.text()?.to_owned(),
            command: reader.string()?.to_vec(),
            environment: Vec::new(),
        };
        while !reader.is_empty() {
            let variable = String::from_utf8_lossy(reader.string()?);
            if let Some((name, value)) = variable.split_once('=')
                && session.environment.len() < VARIABLES
            {
                session.environment.push((name.to_owned(), value.to_owned()));
            }
        }
        Ok(session)
    }
}

impl Answer {
    /// The message with its length.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        match self {
            Answer::Hello(version, extensions) => put_hello(&mut body, *version, extensions),
            Answer::Ok(id) => put_numbers(&mut body, &[OK, *id]),
            Answer::Denied(id, reason) => {
                put_numbers(&mut body, &[PERMISSION_DENIED, *id]);
                body.put_string(reason.as_bytes());
            }
            Answer::Failure(id, reason) => {
                put_numbers(&mut body, &[FAILURE, *id]);
                body.put_string(reason.as_bytes());
            }
            Answer::Alive(id, process) => put_numbers(&mut body, &[ALIVE, *id, *process]),
            Answer::Opened(id, session) => put_numbers(&mut body, &[SESSION_OPENED, *id, *session]),
            Answer::Port(id, port) => put_numbers(&mut body, &[REMOTE_PORT, *id, *port]),
            Answer::Proxy(id) => put_numbers(&mut body, &[PROXY_BEGINS, *id]),
            Answer::Information(id, text) => {
                put_numbers(&mut body, &[EXT_INFO_ANSWER, *id]);
                body.put_string(text.as_bytes());
            }
            Answer::Exit(session, status) => {
                put_numbers(&mut body, &[EXIT_MESSAGE, *session, *status])
            }
            Answer::NoTerminal(session) => put_numbers(&mut body, &[TTY_ALLOC_FAIL, *session]),
            Answer::Unknown(number) => put_numbers(&mut body, &[*number]),
        }
        framed(&body)
    }

    /// Reads a message without its length.
    ///
    /// # Errors
    /// It is not one.
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let number = reader.u32()?;
        if number == HELLO {
            let (version, extensions) = hello(&mut reader)?;
            return Ok(Answer::Hello(version, extensions));
        }
        Ok(match number {
            OK => Answer::Ok(reader.u32()?),
            PERMISSION_DENIED => Answer::Denied(reader.u32()?, text(&mut reader)?),
            FAILURE => Answer::Failure(reader.u32()?, text(&mut reader)?),
            ALIVE => Answer::Alive(reader.u32()?, reader.u32()?),
            SESSION_OPENED => Answer::Opened(reader.u32()?, reader.u32()?),
            REMOTE_PORT => Answer::Port(reader.u32()?, reader.u32()?),
            PROXY_BEGINS => Answer::Proxy(reader.u32()?),
            EXT_INFO_ANSWER => Answer::Information(reader.u32()?, text(&mut reader)?),
            EXIT_MESSAGE => Answer::Exit(reader.u32()?, reader.u32()?),
            TTY_ALLOC_FAIL => Answer::NoTerminal(reader.u32()?),
            other => Answer::Unknown(other),
        })
    }
}

fn put_numbers(body: &mut Vec<u8>, numbers: &[u32]) {
    for number in numbers {
        body.put_u32(*number);
    }
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(body.len() + 4);
    message.put_string(body);
    message
}

fn text(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    Ok(String::from_utf8_lossy(reader.string()?).into_owned())
}

fn put_hello(body: &mut Vec<u8>, version: u32, extensions: &[(String, Vec<u8>)]) {
    body.put_u32(HELLO);
    body.put_u32(version);
    for (name, value) in extensions {
        body.put_string(name.as_bytes());
        body.put_string(value);
    }
}

type Hello = (u32, Vec<(String, Vec<u8>)>);

fn hello(reader: &mut Reader<'_>) -> Result<Hello, Malformed> {
    let version = reader.u32()?;
    let mut extensions = Vec::new();
    while !reader.is_empty() {
        extensions.push((text(reader)?, reader.string()?.to_vec()));
    }
    Ok((version, extensions))
}

fn put_forward(body: &mut Vec<u8>, direction: Direction, forward: &Forward) {
    body.put_u32(match direction {
        Direction::Local => 1,
        Direction::Remote => 2,
        Direction::Dynamic => 3,
    });
    match &forward.listen {
        Listen::Tcp { address, port } => {
            let address = match address.as_deref() {
                None => "",
                Some("") => "*",
                Some(address) => address,
            };
            body.put_string(address.as_bytes());
            body.put_u32((*port).into());
        }
        Listen::Socket(path) => put_socket(body, path),
    }
    put_connect(body, &forward.connect);
}

fn put_connect(body: &mut Vec<u8>, connect: &Connect) {
    match connect {
        Connect::Tcp { host, port } => {
            body.put_string(host.as_bytes());
            body.put_u32((*port).into());
        }
        Connect::Socket(path) => put_socket(body, path),
        Connect::Dynamic => {
            body.put_string(b"socks");
            body.put_u32(0);
        }
    }
}

fn put_socket(body: &mut Vec<u8>, path: &std::path::Path) {
    use std::os::unix::ffi::OsStrExt;
    body.put_string(path.as_os_str().as_bytes());
    body.put_u32(SOCKET_PORT);
}

/// Nothing when it is whole but makes no sense.
fn forward(reader: &mut Reader<'_>) -> Result<Option<(Direction, Forward)>, Malformed> {
    let direction = match reader.u32()? {
        1 => Some(Direction::Local),
        2 => Some(Direction::Remote),
        3 => Some(Direction::Dynamic),
        _ => None,
    };
    let (listen_host, listen_port) = (reader.text()?, reader.u32()?);
    let (host, port) = (reader.text()?, reader.u32()?);
    let Some(direction) = direction else { return Ok(None) };
    let listen = if listen_port == SOCKET_PORT {
        Listen::Socket(PathBuf::from(listen_host))
    } else {
        let port = u16::try_from(listen_port).map_err(|_| Malformed)?;
        let address = (!listen_host.is_empty()).then(|| listen_host.to_owned());
        Listen::Tcp { address, port }
    };
    let connect = match direction {
        Direction::Dynamic => Some(Connect::Dynamic),
        Direction::Remote if port == 0 => Some(Connect::Dynamic),
        _ => connect(host, port),
    };
    let chosen = matches!(listen, Listen::Tcp { port: 0, .. });
    let makes_sense = match direction {
        Direction::Dynamic => !chosen && matches!(listen, Listen::Tcp { .. }),
        Direction::Local => !chosen,
        Direction::Remote => true,
    };
    Ok(connect.filter(|_| makes_sense).map(|connect| (direction, Forward { listen, connect })))
}

fn connect(host: &str, port: u32) -> Option<Connect> {
    if host.is_empty() {
        return None;
    }
    if port == SOCKET_PORT {
        return Some(Connect::Socket(PathBuf::from(host)));
    }
    let port = u16::try_from(port).ok().filter(|port| *port > 0)?;
    Some(Connect::Tcp { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both_ways(request: &Request) {
        let message = request.encode(7);
        let (length, body) = message.split_first_chunk::<4>().expect("length");
        assert_eq!(u32::from_be_bytes(*length) as usize, body.len());
        let id = if matches!(request, Request::Hello(..)) { 0 } else { 7 };
        assert_eq!(Request::decode(body), Ok((id, request.clone())));
        // Every cut is noticed, but between variables and extensions, which just are fewer then.
        for cut in 0..body.len() {
            let _ = Request::decode(&body[..cut]);
        }
    }

    #[test]
    fn requests() {
        both_ways(&Request::Hello(4, vec![("info".to_owned(), b"0".to_vec())]));
        both_ways(&Request::Session(NewSession {
            terminal: true,
            escape: Some(b'~'),
            term: "xterm".to_owned(),
            command: b"ls\xff".to_vec(),
            environment: vec![("A".to_owned(), "b=c".to_owned())],
            ..NewSession::default()
        }));
        for text in ["1:h:2", "*:1:h:2", "/s:/t", "a:1:/t"] {
            let forward = config::parse_forward(text, Direction::Local).expect("forward");
            both_ways(&Request::Open(Direction::Local, forward.clone()));
            both_ways(&Request::Close(Direction::Remote, forward));
        }
        let socks = config::parse_forward("8080", Direction::Dynamic).expect("forward");
        both_ways(&Request::Open(Direction::Dynamic, socks.clone()));
        both_ways(&Request::Open(Direction::Remote, socks));
        both_ways(&Request::Stdio(Connect::Tcp { host: "h".to_owned(), port: 22 }));
        for plain in [Request::Alive, Request::Terminate, Request::Stop, Request::Proxy] {
            both_ways(&plain);
        }
        both_ways(&Request::Information("channels".to_owned()));
    }

    #[test]
    fn forwards_that_make_no_sense() {
        let mut body = Vec::new();
        let parts = |body: &mut Vec<u8>, kind, from: (&str, u32), to: (&str, u32)| {
            body.clear();
            for number in [OPEN_FORWARD, 1, kind] {
                body.put_u32(number);
            }
            for (host, port) in [from, to] {
                body.put_string(host.as_bytes());
                body.put_u32(port);
            }
        };
        for (kind, from, to) in [
            (4, ("", 1), ("h", 2)),
            (1, ("", 0), ("h", 2)),
            (1, ("", 1), ("", 2)),
            (1, ("", 1), ("h", 0)),
            (3, ("/s", SOCKET_PORT), ("socks", 0)),
        ] {
            parts(&mut body, kind, from, to);
            assert_eq!(Request::decode(&body), Ok((1, Request::Unknown(OPEN_FORWARD))), "{from:?}");
        }
        parts(&mut body, 1, ("", 65536), ("h", 2));
        assert!(Request::decode(&body).is_err());
    }

    #[test]
    fn answers() {
        for answer in [
            Answer::Hello(4, vec![]),
            Answer::Ok(1),
            Answer::Denied(1, "no".to_owned()),
            Answer::Failure(2, "why".to_owned()),
            Answer::Alive(3, 99),
            Answer::Opened(4, 2),
            Answer::Port(5, 4022),
            Answer::Proxy(6),
            Answer::Information(7, "text".to_owned()),
            Answer::Exit(2, 255),
            Answer::NoTerminal(2),
            Answer::Unknown(0x8000_00ff),
        ] {
            let message = answer.encode();
            assert_eq!(Answer::decode(&message[4..]), Ok(answer));
        }
    }
}
