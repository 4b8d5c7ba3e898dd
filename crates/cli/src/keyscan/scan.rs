//! All connections in one loop. A host that does not answer only keeps its own places.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token, Waker};
use rustix::process::{Resource, getrlimit};

use super::exchange::{Exchange, Progress};
use super::hosts::{Hosts, Target};
use super::options::Options;
use super::print;
use super::resolve::{Found, Job, Resolver};
use crate::messages::{debug, error};
use crate::ui::clean;

/// Connections at a time, where the system allows as many descriptors.
const CONNECTIONS_MAX: usize = 1024;
/// Descriptors for everything else.
const OTHER_DESCRIPTORS: usize = 24;
/// Names that may wait for their addresses.
const LOOK_UPS_MAX: usize = 64;
const WAKE: Token = Token(usize::MAX);

/// Scans them all; true when any host showed a key.
///
/// # Errors
/// Why it cannot go on.
pub fn run(options: &Options, hosts: Hosts) -> Result<bool, String> {
    let explain = |source: io::Error| crate::text::reason(&source);
    let poll = Poll::new().map_err(explain)?;
    let waker = Arc::new(Waker::new(poll.registry(), WAKE).map_err(explain)?);
    let mut scan = Scan {
        options,
        hosts,
        more_hosts: true,
        resolver: Resolver::new(options.family, options.port, waker),
        poll,
        ready: VecDeque::new(),
        slots: Vec::new(),
        free: Vec::new(),
        room: connections_max(),
        found_one: false,
    };
    let mut events = Events::with_capacity(256);
    loop {
        scan.fill()?;
        if scan.is_done() {
            return Ok(scan.found_one);
        }
        match scan.poll.poll(&mut events, scan.wait()) {
            Ok(()) => {}
            Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(explain(source)),
        }
        let now = Instant::now();
        for event in &events {
            if event.token() != WAKE {
                scan.advance(event.token().0, now)?;
            }
        }
        scan.end_silent(now)?;
    }
}

fn connections_max() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    limit.saturating_sub(OTHER_DESCRIPTORS).clamp(1, CONNECTIONS_MAX)
}

struct Scan<'a> {
    options: &'a Options,
    hosts: Hosts,
    more_hosts: bool,
    resolver: Resolver,
    poll: Poll,
    /// Addresses are known; connections wait for room.
    ready: VecDeque<Found>,
    slots: Vec<Option<Exchange>>,
    free: Vec<usize>,
    room: usize,
    found_one: bool,
}

impl Scan<'_> {
    fn running(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn is_done(&self) -> bool {
        let idle = self.ready.is_empty() && self.resolver.running == 0 && self.running() == 0;
        idle && !self.more_hosts
    }

    /// Starts what there is room for.
    fn fill(&mut self) -> Result<(), String> {
        while let Some(found) = self.resolver.found() {
            self.ready.push_back(found);
        }
        loop {
            while self.running() < self.room
                && let Some(found) = self.ready.pop_front()
            {
                self.begin(found)?;
            }
            let waits = self.resolver.running >= LOOK_UPS_MAX || self.running() >= self.room;
            if waits || !self.more_hosts {
                return Ok(());
            }
            match self.hosts.next()? {
                Some(target) => self.look_up(target, self.options.kinds.clone())?,
                None => self.more_hosts = false,
            }
        }
    }

    /// Takes the target's next name; without one it is over with it.
    fn look_up(&mut self, mut target: Target, kinds: Vec<usize>) -> Result<(), String> {
        let Some(name) = target.names.pop_front() else { return Ok(()) };
        let job = Job { target, name, kinds };
        let found = self.resolver.look_up(job);
        let found = found.map_err(|source| crate::text::reason(&source))?;
        self.ready.extend(found);
        Ok(())
    }

    /// Starts the first connection of a job, and puts the others back.
    fn begin(&mut self, found: Found) -> Result<(), String> {
        let Found { mut job, addresses } = found;
        let addresses = match addresses {
            Ok(addresses) => addresses,
            Err(reason) => {
                error!("getaddrinfo {}: {reason}", clean::visible(&job.name));
                return self.look_up(job.target, job.kinds);
            }
        };
        if job.kinds.is_empty() {
            return Ok(());
        }
        let kind = job.kinds.remove(0);
        let (target, name) = (job.target.clone(), job.name.clone());
        let kinds = job.kinds.clone();
        if !kinds.is_empty() {
            self.ready.push_front(Found { job, addresses: Ok(addresses.clone()) });
        }
        let now = Instant::now();
        for address in addresses {
            let (whom, by) = (target.clone(), name.clone());
            match Exchange::start(self.options, whom, by, address, kind, now) {
                Ok(exchange) => return self.keep(exchange),
                Err(source) => {
                    let reason = crate::text::reason(&source);
                    error!("connect (`{}'): {reason}", clean::visible(&name));
                }
            }
        }
        self.look_up(target, vec![kind])
    }

    fn keep(&mut self, mut exchange: Exchange) -> Result<(), String> {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let both = Interest::READABLE | Interest::WRITABLE;
        let registered = self.poll.registry().register(&mut exchange.socket, Token(index), both);
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Some(exchange);
        }
        registered.map_err(|source| crate::text::reason(&source))
    }

    fn advance(&mut self, index: usize, now: Instant) -> Result<(), String> {
        let Some(Some(exchange)) = self.slots.get_mut(index) else { return Ok(()) };
        let options = self.options;
        let progress = exchange.advance(now, |name, ident| print::software(options, name, ident));
        match progress {
            Progress::Waiting => Ok(()),
            Progress::Key(key) => {
                self.found_one = true;
                let output = self.take(index).map(|exchange| exchange.target.output);
                let printed = print::key(options, &output.unwrap_or_default(), &key);
                printed.map_err(|source| crate::text::reason(&source))
            }
            Progress::Ended { greeted, reason } => {
                let Some(exchange) = self.take(index) else { return Ok(()) };
                debug!("{}: {reason}", clean::visible(&exchange.name));
                if greeted {
                    return Ok(());
                }
                self.look_up(exchange.target, vec![exchange.kind])
            }
        }
    }

    /// Closes a connection.
    fn take(&mut self, index: usize) -> Option<Exchange> {
        let mut exchange = self.slots.get_mut(index)?.take()?;
        // It is closed next, which takes it out as well.
        let _ = self.poll.registry().deregister(&mut exchange.socket);
        self.free.push(index);
        Some(exchange)
    }

    /// How long to sleep at most.
    fn wait(&self) -> Option<Duration> {
        let oldest = self.slots.iter().flatten().map(|exchange| exchange.heard).min();
        let now = Instant::now();
        oldest.map(|oldest| (oldest + self.options.timeout).saturating_duration_since(now))
    }

    /// Gives up on those that say nothing.
    fn end_silent(&mut self, now: Instant) -> Result<(), String> {
        for index in 0..self.slots.len() {
            let is_silent = self.slots.get(index).and_then(Option::as_ref).is_some_and(|one| {
                now.saturating_duration_since(one.heard) >= self.options.timeout
            });
            if is_silent && let Some(exchange) = self.take(index) {
                debug!("{}: no answer in time", clean::visible(&exchange.name));
                self.look_up(exchange.target, vec![exchange.kind])?;
            }
        }
        Ok(())
    }
}
