use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Poll, Token};
use proto::ChannelId;
use rustix::io::Errno;

use crate::descriptor::{Descriptor, Kind};
use crate::limits;

/// The application's own name for a descriptor it watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserToken(pub usize);

/// What a watched descriptor is watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// There is something to read, or the end.
    Readable,
    /// There is room to write.
    Writable,
    /// Either.
    Both,
}

/// What happened to a watched descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Readiness {
    /// Reading will give something, the end or an error.
    pub readable: bool,
    /// Writing will take something or give an error.
    pub writable: bool,
    /// The other side has closed its writing half or hung up.
    pub closed: bool,
}

/// Whom a descriptor in the poll belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Transport,
    Channel(ChannelId),
    /// An output that outlives its channel.
    Leftover,
    User(UserToken, RawFd),
}

/// Number of a descriptor in the poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(usize);

#[derive(Debug)]
struct Entry {
    fd: RawFd,
    interest: mio::Interest,
    owner: Owner,
    ready: Readiness,
}

/// The poll, and what is known to be ready.
///
/// Registrations are edge-triggered and last as long as the descriptor: an
/// edge sets a flag here, and whoever meets EAGAIN takes it away. So a packet
/// costs no system call besides its read or write.
#[derive(Debug)]
pub(crate) struct Reactor {
    poll: Poll,
    events: Option<Events>,
    entries: Vec<Option<Entry>>,
    free: Vec<usize>,
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Some(Events::with_capacity(limits::EVENTS)),
            entries: Vec::new(),
            free: Vec::new(),
        })
    }

    /// Adds a descriptor of ours. `None`: it cannot be polled and is always
    /// ready.
    pub(crate) fn add(
        &mut self,
        descriptor: &Descriptor,
        owner: Owner,
        interest: Interest,
    ) -> io::Result<Option<Slot>> {
        if descriptor.kind() == Kind::File {
            return Ok(None);
        }
        descriptor.set_nonblocking()?;
        match self.register(descriptor.as_fd(), owner, interest) {
            Ok(slot) => Ok(Some(slot)),
            Err(error) if is_always_ready(&error, descriptor) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn register(
        &mut self,
        fd: BorrowedFd<'_>,
        owner: Owner,
        interest: Interest,
    ) -> io::Result<Slot> {
        let slot = self.free.last().copied().unwrap_or(self.entries.len());
        let interest = match interest {
            Interest::Readable => mio::Interest::READABLE,
            Interest::Writable => mio::Interest::WRITABLE,
            Interest::Both => mio::Interest::READABLE | mio::Interest::WRITABLE,
        };
        self.poll.registry().register(&mut SourceFd(&fd.as_raw_fd()), Token(slot), interest)?;
        // Writing is tried before the first edge; reading waits for it, as the
        // poll tells of what is there already.
        let ready = Readiness { writable: true, ..Readiness::default() };
        let entry = Some(Entry { fd: fd.as_raw_fd(), interest, owner, ready });
        self.free.pop();
        match self.entries.get_mut(slot) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
        Ok(Slot(slot))
    }

    /// Takes a descriptor out. Closing it would not do: what it refers to may
    /// be open elsewhere too, and then stays in the poll.
    pub(crate) fn remove(&mut self, slot: Slot, fd: RawFd) {
        if self.entries.get_mut(slot.0).and_then(Option::take).is_some() {
            self.free.push(slot.0);
            let _ = self.poll.registry().deregister(&mut SourceFd(&fd));
        }
    }

    /// Puts everything into another poll, after a fork: a kqueue stays with the parent.
    pub(crate) fn renew(&mut self) -> io::Result<()> {
        let poll = Poll::new()?;
        for (slot, entry) in self.entries.iter().enumerate() {
            if let Some(entry) = entry {
                poll.registry().register(&mut SourceFd(&entry.fd), Token(slot), entry.interest)?;
            }
        }
        let old = std::mem::replace(&mut self.poll, poll);
        // Its number may be the new one's already.
        #[cfg(not(target_os = "linux"))]
        std::mem::forget(old);
        #[cfg(target_os = "linux")]
        drop(old);
        Ok(())
    }

    /// The slot and descriptor of an application's token.
    pub(crate) fn find_user(&self, token: UserToken) -> Option<(Slot, RawFd)> {
        self.entries.iter().enumerate().find_map(|(index, entry)| match entry {
            Some(Entry { owner: Owner::User(user, fd), .. }) if *user == token => {
                Some((Slot(index), *fd))
            }
            _ => None,
        })
    }

    pub(crate) fn set_owner(&mut self, slot: Option<Slot>, owner: Owner) {
        if let Some(entry) = self.entry(slot) {
            entry.owner = owner;
        }
    }

    pub(crate) fn ready(&self, slot: Option<Slot>) -> Readiness {
        let Some(slot) = slot else {
            return Readiness { readable: true, writable: true, closed: true };
        };
        let entry = self.entries.get(slot.0).and_then(Option::as_ref);
        entry.map(|entry| entry.ready).unwrap_or_default()
    }

    pub(crate) fn not_readable(&mut self, slot: Option<Slot>) {
        if let Some(entry) = self.entry(slot) {
            entry.ready.readable = false;
        }
    }

    pub(crate) fn not_writable(&mut self, slot: Option<Slot>) {
        if let Some(entry) = self.entry(slot) {
            entry.ready.writable = false;
        }
    }

    /// Sleeps until something happens, then tells `woken` whose it is.
    pub(crate) fn wait(
        &mut self,
        timeout: Option<Duration>,
        mut woken: impl FnMut(Owner, Readiness),
    ) -> io::Result<()> {
        let Some(mut events) = self.events.take() else { return Ok(()) };
        let result = self.poll.poll(&mut events, timeout);
        if result.is_ok() {
            for event in &events {
                let Some(Some(entry)) = self.entries.get_mut(event.token().0) else { continue };
                let closed = event.is_read_closed();
                let news = Readiness {
                    readable: event.is_readable() || closed || event.is_error(),
                    writable: event.is_writable() || event.is_write_closed() || event.is_error(),
                    closed,
                };
                entry.ready.readable |= news.readable;
                entry.ready.writable |= news.writable;
                entry.ready.closed |= news.closed;
                woken(entry.owner, news);
            }
        }
        self.events = Some(events);
        match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            other => other,
        }
    }

    fn entry(&mut self, slot: Option<Slot>) -> Option<&mut Entry> {
        self.entries.get_mut(slot?.0)?.as_mut()
    }
}

/// Whether the poll refuses a descriptor because there is nothing to wait for. So does kqueue with `/dev/null`; but it
/// also refuses some names of terminals, whose reader would never sleep.
fn is_always_ready(error: &io::Error, descriptor: &Descriptor) -> bool {
    match Errno::from_io_error(error) {
        Some(Errno::PERM) => true,
        Some(Errno::INVAL) => !rustix::termios::isatty(descriptor),
        _ => false,
    }
}
