//! The messages of connection sharing. OpenSSH's PROTOCOL.mux, version 4.
//!
//! A message is a length, a number and fields in SSH's encoding. Descriptors do not belong to it:
//! each comes with one byte of its own behind the message that announces it.

mod forwards;
#[cfg(test)]
mod tests;

use config::{Connect, Direction, Forward};
use wire::{Reader, Writer};

use self::forwards::{connect, forward, put_connect, put_forward};

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
                put_numbers(&mut body, &[EXIT_MESSAGE, *session, *status]);
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
