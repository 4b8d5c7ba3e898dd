//! Connects forwarded channels to local sockets without stopping the loop.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc;

use crate::dial::Dial;
use crate::endpoint::Endpoint;
use crate::{error_text, open};

/// Where a forwarded channel goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A host and port, over TCP.
    Tcp {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket, such as an agent's or an X server's.
    Unix(PathBuf),
}

/// A connection that is being made, on a thread of its own since the system's
/// resolver waits.
///
/// Watch it as readable with [`Link::watch`](crate::Link::watch) and
/// [`PendingDial::take`] it when it is.
#[derive(Debug)]
pub struct PendingDial {
    done: OwnedFd,
    result: mpsc::Receiver<Result<OwnedFd, String>>,
}

impl PendingDial {
    /// Starts to connect.
    ///
    /// # Errors
    /// When there can be no more threads or pipes.
    pub fn start(destination: Destination) -> io::Result<Self> {
        let (done, signal) = open::nonblocking_pipe()?;
        let (sender, result) = mpsc::channel();
        std::thread::Builder::new().name("dial".into()).spawn(move || {
            // Nobody may be waiting any more.
            let _ = sender.send(connect(destination));
            // Closing it wakes whoever watches.
            drop(signal);
        })?;
        Ok(Self { done, result })
    }

    /// The connection, once the descriptor is readable.
    ///
    /// # Errors
    /// Why there is none; `WouldBlock` when it is too early.
    pub fn take(self) -> io::Result<Endpoint> {
        match self.result.try_recv() {
            Ok(Ok(socket)) => Ok(Endpoint::socket(socket)),
            Ok(Err(text)) => Err(io::Error::other(text)),
            Err(mpsc::TryRecvError::Empty) => Err(io::ErrorKind::WouldBlock.into()),
            Err(mpsc::TryRecvError::Disconnected) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl AsFd for PendingDial {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }
}

fn connect(destination: Destination) -> Result<OwnedFd, String> {
    match destination {
        Destination::Tcp { host, port } => Dial::new(host, port)
            .connect()
            .map(|dialed| dialed.socket)
            .map_err(|error| error.to_string()),
        Destination::Unix(path) => UnixStream::connect(&path)
            .map(OwnedFd::from)
            .map_err(|error| format!("{}: {}", path.display(), error_text::of(&error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, poll};

    fn finish(destination: Destination) -> io::Result<Endpoint> {
        let pending = PendingDial::start(destination).unwrap();
        poll(&mut [PollFd::new(&pending, PollFlags::IN)], None).unwrap();
        pending.take()
    }

    #[test]
    fn tcp_and_its_refusal() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let to = Destination::Tcp { host: "127.0.0.1".into(), port };
        assert!(finish(to.clone()).is_ok());
        drop(listener);
        let error = finish(to).unwrap_err().to_string();
        assert!(error.ends_with("Connection refused"), "{error}");
    }

    #[test]
    fn a_missing_unix_socket_is_named() {
        let error = finish(Destination::Unix("/nonexistent/socket".into())).unwrap_err();
        assert_eq!(error.to_string(), "/nonexistent/socket: No such file or directory");
    }
}
