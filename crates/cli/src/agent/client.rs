//! One connection to the agent: its half of a message, its unread answer, its state.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use keys::agent::take_frame;
use zeroize::Zeroizing;

use super::bindings::Bindings;
use super::clock::Moment;

/// What a client waits for, besides its own bytes.
pub enum Stage {
    /// Its next message is read and answered.
    Open,
    /// The user's consent, or hardware.
    Asking,
    /// Its message is tried again at that moment.
    TryAgainAt(Moment),
    /// It gets this answer at that moment.
    AnswerAt(Moment, Zeroizing<Vec<u8>>),
}

/// One connection.
pub struct Client {
    /// Never given to another connection.
    pub number: u64,
    pub stream: UnixStream,
    pub bindings: Bindings,
    pub stage: Stage,
    /// When it last moved a byte.
    pub moved: Moment,
    /// It has sent a whole message once.
    pub is_proven: bool,
    input: Zeroizing<Vec<u8>>,
    output: Zeroizing<Vec<u8>>,
    sent: usize,
}

impl Client {
    pub fn new(number: u64, stream: UnixStream, now: Moment) -> Self {
        Client {
            number,
            stream,
            bindings: Bindings::default(),
            stage: Stage::Open,
            moved: now,
            is_proven: false,
            input: Zeroizing::new(Vec::new()),
            output: Zeroizing::new(Vec::new()),
            sent: 0,
        }
    }

    /// Bytes that it makes the agent keep.
    pub fn buffered(&self) -> usize {
        self.input.capacity() + self.output.capacity()
    }

    /// An answer is not sent yet.
    pub fn wants_to_write(&self) -> bool {
        self.sent < self.output.len()
    }

    /// More of its bytes are of use now: no message is whole, and it has read its answers.
    pub fn wants_to_read(&self) -> bool {
        matches!(self.stage, Stage::Open) && !self.wants_to_write() && !self.has_message()
    }

    /// A message can be answered now.
    pub fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Open) && !self.wants_to_write() && self.has_message()
    }

    fn has_message(&self) -> bool {
        !matches!(take_frame(&self.input), Ok(None))
    }

    /// The first message, without its length.
    ///
    /// # Errors
    /// Its length makes no sense.
    pub fn message(&self) -> Result<Zeroizing<Vec<u8>>, keys::Error> {
        let message = take_frame(&self.input)?.map_or(&[][..], |(message, _)| message);
        Ok(Zeroizing::new(message.to_vec()))
    }

    /// Reads once. False when it has gone.
    ///
    /// # Errors
    /// It has gone in another way.
    pub fn read(&mut self, chunk: &mut [u8], now: Moment) -> io::Result<bool> {
        match self.stream.read(chunk) {
            Ok(0) => Ok(false),
            Ok(count) => {
                append(&mut self.input, chunk.get(..count).unwrap_or_default());
                self.moved = now;
                Ok(true)
            }
            Err(error) => later(error).map(|()| true),
        }
    }

    /// Takes the answer to the first message, which is done with.
    pub fn answer(&mut self, answer: Zeroizing<Vec<u8>>) {
        let taken = take_frame(&self.input).ok().flatten().map_or(0, |(_, taken)| taken);
        // What follows goes to a new place; dropping the old one wipes the message.
        let rest = self.input.get(taken..).unwrap_or_default().to_vec();
        self.input = Zeroizing::new(rest);
        self.output = answer;
        self.sent = 0;
        self.stage = Stage::Open;
        self.is_proven = true;
    }

    /// Writes what fits.
    ///
    /// # Errors
    /// It has gone.
    pub fn write(&mut self, now: Moment) -> io::Result<()> {
        while self.wants_to_write() {
            match self.stream.write(self.output.get(self.sent..).unwrap_or_default()) {
                Ok(count) => {
                    self.sent += count;
                    self.moved = now;
                }
                Err(error) => return later(error),
            }
        }
        self.output = Zeroizing::new(Vec::new());
        self.sent = 0;
        Ok(())
    }
}

/// Grows by copying, so that the old place is wiped and not given back with a key in it.
fn append(buffer: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    if buffer.capacity() - buffer.len() < bytes.len() {
        let mut larger = Zeroizing::new(Vec::with_capacity((buffer.len() + bytes.len()) * 2));
        larger.extend_from_slice(buffer);
        *buffer = larger;
    }
    buffer.extend_from_slice(bytes);
}

fn later(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(()),
        _ => Err(error),
    }
}
