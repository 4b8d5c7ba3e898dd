//! The cloud's side of a shim's socket.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::fs::FlockOperation;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf};
use tokio::net::UnixStream;

use super::layout::{ServerFolder, short_path};
use super::life::LOOK;
use super::protocol::{Answer, Event, FRAME_DATA, FRAME_HEADER, FRAME_RESIZE, LINE_MAX, Request};
use crate::cloud::Console;
use crate::{Error, Result};

/// For whoever looks at a lock to be done.
const LOCK_TRIES: u32 = 20;
/// Bytes typed that go into one frame.
const FRAME_MAX: usize = 8 * 1024;
/// What may wait for the shim; a terminal that types more waits itself.
const QUEUE_MAX: usize = 64 * 1024;

/// A connection to a shim.
pub(super) struct Shim {
    stream: BufReader<UnixStream>,
}

impl Shim {
    /// Connects; an error when no shim listens.
    pub(super) async fn connect(folder: &ServerFolder) -> io::Result<Self> {
        let directory = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY)
            .open(folder.path())?;
        let stream = UnixStream::connect(short_path(&directory, ServerFolder::SOCKET)).await?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Asks, and gives the connection back for what follows.
    pub(super) async fn ask(mut self, request: &Request) -> Result<Self> {
        let gone = |error| Error::Internal(format!("The server's shim does not answer: {error}"));
        let mut line =
            serde_json::to_vec(request).map_err(|error| Error::Internal(error.to_string()))?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line).await.map_err(gone)?;
        let line = self.line().await.map_err(gone)?;
        match serde_json::from_str::<Answer>(&line) {
            Ok(Answer { error: None }) => Ok(self),
            Ok(Answer { error: Some(error) }) => Err(Error::Internal(error)),
            Err(error) => Err(gone(error.into())),
        }
    }

    /// The next event; an error when the shim is gone.
    pub(super) async fn event(&mut self) -> io::Result<Event> {
        Ok(serde_json::from_str(&self.line().await?)?)
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        let mut limited = tokio::io::AsyncReadExt::take(&mut self.stream, LINE_MAX as u64);
        match limited.read_line(&mut line).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        }
    }

    /// What is left of the connection: a terminal.
    pub(super) fn into_terminal(self) -> Terminal {
        Terminal { stream: self.stream, queue: Vec::new() }
    }
}

/// A console, by way of a shim.
pub(super) struct Terminal {
    stream: BufReader<UnixStream>,
    queue: Vec<u8>,
}

impl Terminal {
    fn frame(&mut self, kind: u8, body: &[u8]) {
        // Bodies are FRAME_MAX at most.
        let length = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
        self.queue.push(kind);
        self.queue.extend_from_slice(&length);
        self.queue.extend_from_slice(body);
    }

    fn poll_queue(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.queue.is_empty() {
            let written = ready!(Pin::new(self.stream.get_mut()).poll_write(context, &self.queue))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.queue.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Terminal {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A new size waits for nobody to type.
        if let Poll::Ready(Err(error)) = self.poll_queue(context) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Terminal {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.queue.len() + FRAME_HEADER + FRAME_MAX > QUEUE_MAX {
            ready!(self.poll_queue(context))?;
        }
        let taken = bytes.get(..FRAME_MAX).unwrap_or(bytes);
        self.frame(FRAME_DATA, taken);
        match self.poll_queue(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(taken.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_queue(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_queue(context))?;
        Pin::new(self.stream.get_mut()).poll_shutdown(context)
    }
}

impl Console for Terminal {
    fn resize(&mut self, columns: u16, rows: u16) {
        let [c1, c2] = columns.to_be_bytes();
        let [r1, r2] = rows.to_be_bytes();
        self.frame(FRAME_RESIZE, &[c1, c2, r1, r2]);
        while !self.queue.is_empty() {
            match self.stream.get_ref().try_write(&self.queue) {
                Ok(written) if written > 0 => drop(self.queue.drain(..written)),
                // The rest goes with the next read or write.
                _ => break,
            }
        }
    }
}

/// The lock for a new shim.
pub(super) async fn lock(folder: &ServerFolder) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.lock())?;
    // Whoever looks whether there is one holds it for that moment.
    for _ in 0..LOCK_TRIES {
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(file);
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(io::Error::other("this server has a shim already"))
}

/// Whether a server has a shim; the process id it wrote, when it does.
pub(super) fn holder(folder: &ServerFolder) -> Option<u32> {
    let file = File::open(folder.lock()).ok()?;
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        return None;
    }
    std::fs::read_to_string(folder.lock()).ok()?.trim().parse().ok().or(Some(0))
}
