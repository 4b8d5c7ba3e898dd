//! All addresses of a host race. RFC 8305.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, sockopt};

use super::{Attempt, Dial};
use crate::limits;

pub(super) enum Outcome {
    Connected(OwnedFd, SocketAddr),
    AllFailed,
    TimedOut,
}

/// Connections that are being made at the same time.
pub(super) struct Race<'a> {
    pub(super) dial: &'a Dial,
    pub(super) sources: Option<&'a [SocketAddr]>,
    pub(super) running: Vec<(OwnedFd, SocketAddr)>,
}

impl Race<'_> {
    pub(super) fn run(
        &mut self,
        addresses: &[SocketAddr],
        deadline: Option<Instant>,
        failed: &mut Vec<Attempt>,
    ) -> Outcome {
        let mut waiting: VecDeque<SocketAddr> = addresses.iter().copied().collect();
        let mut next_start = Instant::now();
        loop {
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                failed.extend(
                    self.running
                        .drain(..)
                        .map(|(_, address)| Attempt { address, error: Errno::TIMEDOUT.into() }),
                );
                return Outcome::TimedOut;
            }
            // A failure makes room for the next at once.
            if (now >= next_start || self.running.is_empty())
                && let Some(address) = waiting.pop_front()
            {
                match self.start(address) {
                    Ok((socket, true)) => return Outcome::Connected(socket, address),
                    Ok((socket, false)) => {
                        self.running.push((socket, address));
                        next_start = now + limits::ATTEMPT_STAGGER;
                    }
                    Err(error) => failed.push(Attempt { address, error }),
                }
                continue;
            }
            if self.running.is_empty() {
                return Outcome::AllFailed;
            }
            let stagger = (!waiting.is_empty()).then_some(next_start);
            let until = [stagger, deadline].into_iter().flatten().min();
            if let Err(error) = self.wait(until.map(|at| at.saturating_duration_since(now))) {
                failed.extend(
                    self.running
                        .drain(..)
                        .map(|(_, address)| Attempt { address, error: error.into() }),
                );
                return Outcome::AllFailed;
            }
            if let Some((socket, address)) = self.finished(failed) {
                return Outcome::Connected(socket, address);
            }
        }
    }

    /// Starts a connection; `true` when it is made already.
    fn start(&self, address: SocketAddr) -> io::Result<(OwnedFd, bool)> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = crate::open::nonblocking_socket(family, SocketType::STREAM)?;
        if let Some(sources) = self.sources {
            let source = sources.iter().find(|source| source.is_ipv4() == address.is_ipv4());
            rustix::net::bind(&socket, source.ok_or(Errno::ADDRNOTAVAIL)?)?;
        }
        log::debug!("Connecting to {} [{}] port {}.", self.dial.host, address.ip(), address.port());
        match rustix::net::connect(&socket, &address) {
            Ok(()) => Ok((socket, true)),
            Err(Errno::INPROGRESS | Errno::INTR) => Ok((socket, false)),
            Err(error) => Err(error.into()),
        }
    }

    fn wait(&self, timeout: Option<Duration>) -> Result<(), Errno> {
        let mut polled: Vec<PollFd<'_>> =
            self.running.iter().map(|(socket, _)| PollFd::new(socket, PollFlags::OUT)).collect();
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes out what has failed, and returns what has succeeded.
    fn finished(&mut self, failed: &mut Vec<Attempt>) -> Option<(OwnedFd, SocketAddr)> {
        let mut index = 0;
        while let Some((socket, address)) = self.running.get(index) {
            let error = match sockopt::socket_error(socket) {
                Ok(Err(error)) | Err(error) => error,
                // Being connected is having a peer.
                Ok(Ok(())) if rustix::net::getpeername(socket).is_ok() => {
                    return Some(self.running.swap_remove(index));
                }
                Ok(Ok(())) => {
                    index += 1;
                    continue;
                }
            };
            let attempt = Attempt { address: *address, error: error.into() };
            log::debug!("{attempt}");
            failed.push(attempt);
            self.running.swap_remove(index);
        }
        None
    }
}
