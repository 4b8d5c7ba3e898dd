//! One connection to the shim: a request, then a stream.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags};

use super::serve::size;
use crate::embedded::protocol::{
    Answer, Event, FRAME_DATA, FRAME_HEADER, FRAME_RESIZE, LINE_MAX, Request,
};

/// What may wait for a slow reader. A console that prints goes on printing; who does not read it
/// is let go.
const OUTPUT_MAX: usize = 1024 * 1024;
/// When this much waits, a shell's terminal is not read, so its programs wait instead.
const OUTPUT_HIGH: usize = 64 * 1024;
/// Bytes typed that wait for a shell to take them.
const TYPED_MAX: usize = 64 * 1024;
const CHUNK: usize = 16 * 1024;

/// What a connection is for.
pub(super) enum Stage {
    /// Its request has not come yet.
    New,
    /// It hears of events.
    Watch,
    /// It sees the console and types at it.
    Console,
    /// The first process was asked.
    WaitingForShell,
    /// It has a shell's terminal.
    Shell(OwnedFd),
    /// Only what waits is still written.
    Finished,
    /// Nothing more.
    Over,
}

pub(super) struct Connection {
    stream: UnixStream,
    pub(super) stage: Stage,
    input: Vec<u8>,
    output: VecDeque<u8>,
    typed: Vec<u8>,
}

impl Connection {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            stage: Stage::New,
            input: Vec::new(),
            output: VecDeque::new(),
            typed: Vec::new(),
        }
    }

    pub(super) fn over(&self) -> bool {
        match self.stage {
            Stage::Over => true,
            Stage::Finished => self.output.is_empty(),
            _ => false,
        }
    }

    /// What to wait for: the connection itself, then a shell's terminal.
    pub(super) fn wanted<'a>(&'a self, wanted: &mut Vec<PollFd<'a>>, console_room: bool) {
        let room = match self.stage {
            Stage::Console => console_room,
            Stage::Shell(_) => self.typed.len() < TYPED_MAX,
            _ => true,
        };
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, room);
        flags.set(PollFlags::OUT, !self.output.is_empty());
        wanted.push(PollFd::new(&self.stream, flags));
        if let Stage::Shell(terminal) = &self.stage {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, self.output.len() < OUTPUT_HIGH);
            flags.set(PollFlags::OUT, !self.typed.is_empty());
            wanted.push(PollFd::new(terminal, flags));
        }
    }

    /// Does what can be done now. What is typed at the console goes to `console_typed`.
    pub(super) fn turn(
        &mut self,
        flags: &[PollFlags],
        console_typed: &mut Vec<u8>,
        console: &OwnedFd,
    ) -> Option<Request> {
        if flags.get(1).is_some_and(|flags| !flags.is_empty()) {
            self.terminal();
        }
        let own = flags.first().copied().unwrap_or(PollFlags::empty());
        if own.contains(PollFlags::OUT) {
            self.flush();
        }
        if own.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            return self.read(console_typed, console);
        }
        None
    }

    fn read(&mut self, console_typed: &mut Vec<u8>, console: &OwnedFd) -> Option<Request> {
        let mut buffer = [0; CHUNK];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.stage = Stage::Over,
            Ok(length) => {
                self.input.extend_from_slice(buffer.get(..length).unwrap_or_default());
                match self.stage {
                    Stage::New => return self.request(),
                    Stage::Console => self.frames(Some(console_typed), Some(console)),
                    Stage::Shell(_) => self.frames(None, None),
                    // Typed before the shell is there: taken when it is.
                    Stage::WaitingForShell if self.input.len() < TYPED_MAX => {}
                    _ => self.stage = Stage::Over,
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.stage = Stage::Over,
        }
        None
    }

    fn request(&mut self) -> Option<Request> {
        let Some(end) = self.input.iter().position(|byte| *byte == b'\n') else {
            if self.input.len() > LINE_MAX {
                self.stage = Stage::Over;
            }
            return None;
        };
        let line: Vec<u8> = self.input.drain(..=end).collect();
        match serde_json::from_slice(&line) {
            Ok(request) => Some(request),
            Err(error) => {
                self.refuse(format!("the request is not understood: {error}"));
                None
            }
        }
    }

    fn frames(&mut self, mut console_typed: Option<&mut Vec<u8>>, console: Option<&OwnedFd>) {
        while let Some((kind, length)) = header(&self.input) {
            let end = FRAME_HEADER + length;
            let Some(body) = self.input.get(FRAME_HEADER..end) else { break };
            match kind {
                FRAME_DATA => match console_typed.as_deref_mut() {
                    Some(typed) => typed.extend_from_slice(body),
                    None => self.typed.extend_from_slice(body),
                },
                FRAME_RESIZE => {
                    let terminal = match (&self.stage, console) {
                        (Stage::Shell(terminal), _) => Some(terminal),
                        (_, console) => console,
                    };
                    if let (&[c1, c2, r1, r2], Some(terminal)) = (body, terminal) {
                        let size = size(u16::from_be_bytes([c1, c2]), u16::from_be_bytes([r1, r2]));
                        let _ = rustix::termios::tcsetwinsize(terminal, size);
                    }
                }
                _ => {}
            }
            self.input.drain(..end);
        }
        if matches!(self.stage, Stage::Shell(_)) && !self.typed.is_empty() {
            self.type_on();
        }
    }

    /// The shell's terminal can be read or written, or has been closed.
    fn terminal(&mut self) {
        if !self.input.is_empty() {
            self.frames(None, None);
        }
        self.type_on();
        let Stage::Shell(terminal) = &self.stage else { return };
        let mut buffer = [0; CHUNK];
        match rustix::io::read(terminal, &mut buffer) {
            Ok(0) | Err(rustix::io::Errno::IO) => self.stage = Stage::Finished,
            Ok(length) => self.send(buffer.get(..length).unwrap_or_default()),
            Err(_) => {}
        }
    }

    fn type_on(&mut self) {
        let Stage::Shell(terminal) = &self.stage else { return };
        if let Ok(written) = rustix::io::write(terminal, &self.typed) {
            self.typed.drain(..written);
        }
    }

    pub(super) fn answer(&mut self, answer: &Answer) {
        self.line(serde_json::to_vec(answer));
    }

    pub(super) fn event(&mut self, event: &Event) {
        self.line(serde_json::to_vec(event));
    }

    fn line(&mut self, line: serde_json::Result<Vec<u8>>) {
        if let Ok(mut line) = line {
            line.push(b'\n');
            self.send(&line);
        }
    }

    /// Answers, and that is all.
    pub(super) fn finish(&mut self, answer: &Answer) {
        self.answer(answer);
        self.stage = Stage::Finished;
    }

    pub(super) fn refuse(&mut self, error: String) {
        self.finish(&Answer { error: Some(error) });
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.output.extend(bytes);
        self.flush();
        if self.output.len() > OUTPUT_MAX {
            self.stage = Stage::Over;
        }
    }

    pub(super) fn flush(&mut self) {
        while !self.output.is_empty() {
            match self.stream.write(self.output.as_slices().0) {
                Ok(0) => break,
                Ok(written) => drop(self.output.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.stage = Stage::Over;
                    return;
                }
            }
        }
    }
}

fn header(input: &[u8]) -> Option<(u8, usize)> {
    let &[kind, high, low] = input.get(..FRAME_HEADER)? else { return None };
    Some((kind, usize::from(u16::from_be_bytes([high, low]))))
}
