//! A client's end of the socket: one request, one answer, with deadlines and signals.

use std::io::{self, IoSlice, Read as _, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use net::signals::{Signal, Signals};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage};

use super::message::{Answer, INFORMATION, MESSAGE_BYTES, Request, VERSION};
use super::socket;
use crate::messages::{debug, debug2, error};

/// A master that has not greeted by then is as good as dead. None has to think about a greeting.
pub const GREETING: Duration = Duration::from_secs(5);
/// How soon to try again when its queue is full.
const QUEUE_PAUSE: Duration = Duration::from_millis(10);

/// A talk with a master.
pub struct Control {
    stream: UnixStream,
    input: Vec<u8>,
    last_id: u32,
    /// The master's process.
    pub process: u32,
    /// It answers [`Request::Information`].
    pub has_information: bool,
}

/// What came.
pub enum Heard {
    /// A message.
    Answer(Answer),
    /// The master hung up.
    End,
    /// Signals that were caught.
    Signals(Vec<Signal>),
}

/// What one look at the socket brought.
enum Read {
    Something,
    Nothing,
    End,
}

impl Control {
    /// Connects, exchanges greetings and asks who is there, which needs nobody's consent and so goes
    /// with the greeting. A request that does something waits until the master is known to live: one
    /// that wakes up later would carry it out for a client who has long done so itself.
    ///
    /// # Errors
    /// As [`socket::connect`]; `TimedOut`: somebody is there and says nothing.
    pub fn open(path: &Path, patience: Duration) -> io::Result<Self> {
        let deadline = Instant::now() + patience;
        let stream = loop {
            match socket::connect(path) {
                Err(full) if full.kind() == io::ErrorKind::WouldBlock => {
                    if Instant::now() >= deadline {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    std::thread::sleep(QUEUE_PAUSE);
                }
                other => break other?,
            }
        };
        let (input, process) = (Vec::new(), 0);
        let mut control = Control { stream, input, last_id: 1, process, has_information: false };
        let mut words = Request::Hello(VERSION, Vec::new()).encode(0);
        words.extend(Request::Alive.encode(0));
        control.write(&words)?;
        match control.answer_by(deadline)? {
            Answer::Hello(VERSION, extensions) => {
                debug2!("mux_client_hello_exchange: master version {VERSION}");
                control.has_information = extensions.iter().any(|(name, _)| name == INFORMATION);
            }
            Answer::Hello(version, _) => {
                error!("Unsupported multiplexing protocol version {version} (expected {VERSION})");
                return Err(io::ErrorKind::InvalidData.into());
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        let Answer::Alive(0, process) = control.answer_by(deadline)? else {
            error!("mux_client_request_session: master alive request failed");
            return Err(io::ErrorKind::InvalidData.into());
        };
        Ok(Control { process, ..control })
    }

    fn answer_by(&mut self, deadline: Instant) -> io::Result<Answer> {
        loop {
            if let Some(answer) = self.parse()? {
                return Ok(answer);
            }
            match self.read()? {
                Read::Something => {}
                Read::Nothing if wait(&[self.stream.as_fd()], PollFlags::IN, Some(deadline))? => {}
                Read::Nothing => return Err(io::ErrorKind::TimedOut.into()),
                Read::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// Sends a request with its descriptors; gives its number.
    ///
    /// # Errors
    /// The master is gone.
    pub fn ask(&mut self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> io::Result<u32> {
        let id = self.last_id;
        self.last_id = id.wrapping_add(1);
        self.write(&request.encode(id))?;
        for descriptor in descriptors {
            self.pass(*descriptor)?;
        }
        Ok(id)
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The master is gone, or answers something else.
    pub fn exchange(
        &mut self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<Answer> {
        let id = self.ask(request, descriptors)?;
        let Heard::Answer(answer) = self.hear(None)? else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let of = match &answer {
            Answer::Ok(of)
            | Answer::Denied(of, _)
            | Answer::Failure(of, _)
            | Answer::Alive(of, _)
            | Answer::Opened(of, _)
            | Answer::Port(of, _)
            | Answer::Proxy(of)
            | Answer::Information(of, _) => Some(*of),
            _ => None,
        };
        if of == Some(id) {
            return Ok(answer);
        }
        error!("out of sequence reply: my id {id} theirs {of:?}");
        Err(io::ErrorKind::InvalidData.into())
    }

    /// Waits for a message, the end, or signals.
    ///
    /// # Errors
    /// Those of the socket, and what is no message.
    pub fn hear(&mut self, mut signals: Option<&mut Signals>) -> io::Result<Heard> {
        loop {
            if let Some(answer) = self.parse()? {
                return Ok(Heard::Answer(answer));
            }
            match self.read()? {
                Read::Something => continue,
                Read::End => return Ok(Heard::End),
                Read::Nothing => {}
            }
            let Some(signals) = &mut signals else {
                wait(&[self.stream.as_fd()], PollFlags::IN, None)?;
                continue;
            };
            wait(&[self.stream.as_fd(), signals.as_fd()], PollFlags::IN, None)?;
            let caught = signals.pending();
            if !caught.is_empty() {
                return Ok(Heard::Signals(caught));
            }
        }
    }

    /// The socket, for another protocol.
    pub fn into_stream(self) -> UnixStream {
        self.stream
    }

    fn parse(&mut self) -> io::Result<Option<Answer>> {
        let Some(length) = self.input.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > MESSAGE_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let Some(body) = self.input.get(4..4 + length) else { return Ok(None) };
        let answer = Answer::decode(body).map_err(|_| io::ErrorKind::InvalidData)?;
        self.input.drain(..4 + length);
        Ok(Some(answer))
    }

    /// Reads what is there, no more than the message that comes.
    fn read(&mut self) -> io::Result<Read> {
        let wanted = match self.input.first_chunk::<4>() {
            None => 4 - self.input.len(),
            Some(length) => 4 + u32::from_be_bytes(*length) as usize - self.input.len(),
        };
        let mut room = [0; 4096];
        let wanted = wanted.min(room.len());
        match self.stream.read(room.get_mut(..wanted).unwrap_or_default()) {
            Ok(0) => Ok(Read::End),
            Ok(count) => {
                self.input.extend(room.iter().take(count));
                Ok(Read::Something)
            }
            Err(source) => match source.kind() {
                io::ErrorKind::Interrupted => Ok(Read::Something),
                io::ErrorKind::WouldBlock => Ok(Read::Nothing),
                io::ErrorKind::ConnectionReset => Ok(Read::End),
                _ => Err(source),
            },
        }
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(source) if source.kind() == io::ErrorKind::WouldBlock => {
                    self.wait_for_room()?;
                }
                Err(source) => return Err(source),
            }
        }
        Ok(())
    }

    fn wait_for_room(&self) -> io::Result<()> {
        wait(&[self.stream.as_fd()], PollFlags::OUT, None).map(|_| ())
    }

    /// Passes one descriptor with the byte that it needs.
    fn pass(&mut self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        let descriptors = [descriptor];
        loop {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            let byte = [IoSlice::new(&[0])];
            let flags = net::open::NO_SIGNAL;
            match rustix::net::sendmsg(&self.stream, &byte, &mut control, flags) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait_for_room()?,
                // Too many descriptors are under way to the master.
                Err(Errno::TOOMANYREFS) => std::thread::sleep(QUEUE_PAUSE),
                Err(source) => {
                    debug!("passing a descriptor: {}", crate::text::reason(&source.into()));
                    return Err(source.into());
                }
            }
        }
    }
}

/// Waits until one of them is ready; false when the deadline came first.
fn wait(
    descriptors: &[BorrowedFd<'_>],
    wanted: PollFlags,
    deadline: Option<Instant>,
) -> io::Result<bool> {
    let mut polled: Vec<PollFd<'_>> =
        descriptors.iter().map(|one| PollFd::new(one, wanted)).collect();
    loop {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match rustix::event::poll(&mut polled, left.as_ref()) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(source) => return Err(source.into()),
        }
    }
}
