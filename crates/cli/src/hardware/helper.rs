//! The process that foreign libraries are loaded into, from both sides.
//!
//! It is this same program, started afresh, so nothing of the caller's memory is in it. It talks
//! over one socket, which is its standard input, and ends when that does.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use zeroize::Zeroizing;

use super::message::{self, Failure, Reply, Request};
use super::security_key::INTERNAL;
use super::{fido, limits, middleware, pkcs11};
use crate::messages::{self, Level};
use crate::text::reason;

/// The word behind the program's name that makes it a helper.
pub const WORD: &str = "hardware-helper";

/// A helper, seen from the program.
pub struct Helper {
    process: Child,
    socket: UnixStream,
    output: Zeroizing<Vec<u8>>,
    sent: usize,
    input: Zeroizing<Vec<u8>>,
}

impl Helper {
    /// Starts one.
    ///
    /// # Errors
    /// The system has no room for it.
    pub fn start() -> Result<Self, Failure> {
        Self::spawn().map_err(|source| {
            Failure::other(format!("the helper cannot be started: {}", reason(&source)))
        })
    }

    fn spawn() -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_nonblocking(true)?;
        let mut command = Command::new(program()?);
        command.arg0("keyway").arg(WORD).arg(level_number(messages::level()).to_string());
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null());
        let process = command.spawn()?;
        Ok(Helper {
            process,
            socket,
            output: Zeroizing::default(),
            sent: 0,
            input: Zeroizing::default(),
        })
    }

    /// Asks for something, without waiting for it. One request at a time.
    pub fn ask(&mut self, request: &Request) {
        self.output = request.encode();
        self.sent = 0;
    }

    /// The socket, and what to wait for on it.
    pub fn interest(&self) -> (BorrowedFd<'_>, PollFlags) {
        let writes = self.sent < self.output.len();
        (self.socket.as_fd(), if writes { PollFlags::OUT } else { PollFlags::IN })
    }

    /// Goes on as far as possible without waiting; the answer, once it is whole, which may be
    /// [`Reply::Failed`].
    ///
    /// # Errors
    /// The helper has gone, or its answer makes no sense.
    pub fn proceed(&mut self) -> Result<Option<Reply>, Failure> {
        let gone = |source: &io::Error| Failure::other(format!("helper: {}", reason(source)));
        while let Some(rest) = self.output.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.socket.write(rest) {
                Ok(count) => self.sent += count,
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(source) if source.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                // What is read says more: an answer, or the end.
                Err(_) => self.sent = self.output.len(),
            }
        }
        self.output = Zeroizing::default();
        self.sent = 0;
        let mut chunk = Zeroizing::new([0; 4096]);
        loop {
            if let Some((message, taken)) = message::take(&self.input)? {
                let reply = Reply::decode(message)?;
                self.input = Zeroizing::new(self.input.get(taken..).unwrap_or_default().to_vec());
                return Ok(Some(reply));
            }
            match self.socket.read(&mut *chunk) {
                Ok(0) => return Err(self.ending()),
                Ok(count) => self.input.extend_from_slice(chunk.get(..count).unwrap_or_default()),
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(source) if source.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(source) => return Err(gone(&source)),
            }
        }
    }

    /// Asks for something, and waits for it.
    ///
    /// # Errors
    /// What the helper says, or that it has gone.
    pub fn call(&mut self, request: &Request) -> Result<Reply, Failure> {
        self.ask(request);
        loop {
            match self.proceed()? {
                Some(Reply::Failed(failure)) => return Err(failure),
                Some(reply) => return Ok(reply),
                None => {}
            }
            let (socket, events) = self.interest();
            match poll(&mut [PollFd::from_borrowed_fd(socket, events)], None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(problem) => return Err(Failure::other(format!("helper: {problem}"))),
            }
        }
    }

    /// It has closed its socket without an answer: the library has ended it.
    fn ending(&mut self) -> Failure {
        let how = match self.process.wait() {
            Ok(status) => status.to_string(),
            Err(source) => reason(&source),
        };
        Failure::other(format!("the library has ended the process it was loaded into ({how})"))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            // It may have ended just now. What it was doing nobody waits for.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// This program, as it runs: its file may have been replaced meanwhile.
#[cfg_attr(target_os = "linux", expect(clippy::unnecessary_wraps, reason = "others may not know"))]
fn program() -> io::Result<OsString> {
    #[cfg(target_os = "linux")]
    return Ok(OsString::from("/proc/self/exe"));
    #[cfg(not(target_os = "linux"))]
    return std::env::current_exe().map(OsString::from);
}

fn level_number(level: Level) -> u8 {
    match level {
        Level::Debug1 => 1,
        Level::Debug2 => 2,
        Level::Debug3 => 3,
        _ => 0,
    }
}

/// The helper itself: `keyway hardware-helper LEVEL`, with a socket as standard input.
pub fn main(words: &[OsString]) -> ExitCode {
    messages::init();
    let level = words.first().and_then(|word| word.to_str()?.parse().ok()).unwrap_or(0);
    messages::set_level(Level::from_verbosity(level));
    crate::sys::close_other_descriptors();
    confine();
    let mut socket = match io::stdin().as_fd().try_clone_to_owned() {
        Ok(socket) => UnixStream::from(socket),
        Err(_) => return ExitCode::FAILURE,
    };
    if rustix::net::sockopt::socket_type(&socket).is_err() {
        eprintln!("keyway {WORD}: this is for keyway's own use");
        return ExitCode::from(2);
    }
    let mut tokens = pkcs11::Tokens::default();
    let mut input = Zeroizing::new(Vec::new());
    let mut chunk = Zeroizing::new(vec![0; 4096]);
    loop {
        match message::take(&input) {
            Err(_) => return ExitCode::FAILURE,
            Ok(Some((message, taken))) => {
                let reply =
                    Request::decode(message).and_then(|request| perform(&mut tokens, request));
                let reply = reply.unwrap_or_else(Reply::Failed).encode();
                input = Zeroizing::new(input.get(taken..).unwrap_or_default().to_vec());
                if reply.len() > limits::MESSAGE_BYTES || socket.write_all(&reply).is_err() {
                    return ExitCode::FAILURE;
                }
            }
            Ok(None) => match socket.read(&mut chunk) {
                Ok(0) => return ExitCode::SUCCESS,
                Ok(count) => input.extend_from_slice(chunk.get(..count).unwrap_or_default()),
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return ExitCode::FAILURE,
            },
        }
    }
}

/// No core dumps with a PIN in them, no more rights than now, and no life after the program's.
fn confine() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // Each is a precaution, and the helper works without it.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, set_parent_process_death_signal};
        let _ = rustix::thread::set_no_new_privs(true);
        let _ = set_parent_process_death_signal(Some(Signal::TERM));
    }
}

fn perform(tokens: &mut pkcs11::Tokens, request: Request) -> Result<Reply, Failure> {
    match request {
        Request::Enroll(enroll) => match internal(&enroll.provider) {
            Some(device) => fido::enroll(&enroll, device),
            None => middleware::enroll(&enroll),
        }
        .map(Reply::Enrolled),
        Request::Sign(sign) => match internal(&sign.provider) {
            Some(device) => fido::sign(&sign, device),
            None => middleware::sign(&sign),
        }
        .map(Reply::Signed),
        Request::Resident { provider, device, pin } => {
            let pin = pin.as_ref().map(|pin| pin.as_str());
            match internal(&provider) {
                Some(given) if device.is_empty() => fido::resident_keys(given, pin),
                Some(_) => fido::resident_keys(&device, pin),
                None => middleware::resident_keys(&provider, &device, pin),
            }
            .map(Reply::Resident)
        }
        Request::Card { library, pin } => tokens.open(&library, pin).map(Reply::Card),
        Request::SignWithCard { key, algorithm, data, pin } => {
            tokens.sign(&key, &algorithm, &data, pin).map(Reply::Signed)
        }
    }
}

/// The device that is named with the system's own library, `internal` or `internal:DEVICE`;
/// empty for any. Nothing when the provider is another library.
fn internal(provider: &str) -> Option<&str> {
    let (name, device) = provider.split_once(':').unwrap_or((provider, ""));
    name.eq_ignore_ascii_case(INTERNAL).then_some(device)
}
