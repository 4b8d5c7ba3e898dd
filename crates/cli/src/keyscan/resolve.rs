//! Looks names up without anybody waiting for it.
//!
//! The system's resolver waits, and a dead name server makes it wait for long. So names are looked
//! up on a few threads; everything else stays on one.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use mio::Waker;
use net::dial::Family;

use super::hosts::Target;

/// Names looked up at a time.
const THREADS_MAX: usize = 16;
/// Addresses of one name that are kept.
const ADDRESSES_MAX: usize = 16;

/// A target, the types that are wanted of it, and the name to connect to.
pub struct Job {
    /// Whom it is about, without the name taken for this.
    pub target: Target,
    /// That name.
    pub name: String,
    /// Types of keys.
    pub kinds: Vec<usize>,
}

/// A job with the addresses of its name.
pub struct Found {
    /// The job.
    pub job: Job,
    /// In the order to try them, or why there are none.
    pub addresses: Result<Vec<SocketAddr>, String>,
}

/// The threads.
pub struct Resolver {
    family: Family,
    port: u16,
    queue: Arc<(Mutex<VecDeque<Job>>, Condvar)>,
    sender: Sender<Found>,
    receiver: Receiver<Found>,
    waker: Arc<Waker>,
    threads: usize,
    /// Jobs that are with the threads.
    pub running: usize,
}

impl Resolver {
    /// Without threads until a name needs one. `waker` is woken with each answer.
    pub fn new(family: Family, port: u16, waker: Arc<Waker>) -> Self {
        let (sender, receiver) = mpsc::channel();
        let queue = Arc::new((Mutex::new(VecDeque::new()), Condvar::new()));
        Resolver { family, port, queue, sender, receiver, waker, threads: 0, running: 0 }
    }

    /// Addresses come back at once, those of names later.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn look_up(&mut self, job: Job) -> io::Result<Option<Found>> {
        if let Ok(address) = job.name.parse::<IpAddr>() {
            let addresses = Ok(vec![SocketAddr::new(address, self.port)]);
            return Ok(Some(Found { job, addresses: allowed(self.family, addresses) }));
        }
        self.running += 1;
        lock(&self.queue.0).push_back(job);
        self.queue.1.notify_one();
        if self.threads < THREADS_MAX.min(self.running) {
            self.start_thread()?;
        }
        Ok(None)
    }

    /// An answer that has come.
    pub fn found(&mut self) -> Option<Found> {
        let found = self.receiver.try_recv().ok()?;
        self.running = self.running.saturating_sub(1);
        Some(found)
    }

    fn start_thread(&mut self) -> io::Result<()> {
        let (queue, sender) = (Arc::clone(&self.queue), self.sender.clone());
        let (waker, family, port) = (Arc::clone(&self.waker), self.family, self.port);
        // It ends with the process.
        std::thread::Builder::new().name("resolve".into()).spawn(move || {
            loop {
                let mut waiting = lock(&queue.0);
                let job = loop {
                    match waiting.pop_front() {
                        Some(job) => break job,
                        None => {
                            waiting = queue.1.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                        }
                    }
                };
                drop(waiting);
                let found = (job.name.as_str(), port).to_socket_addrs();
                let found = found.map(|all| all.take(ADDRESSES_MAX).collect());
                let addresses = allowed(family, found.map_err(|source| reason(&source)));
                if sender.send(Found { job, addresses }).is_err() || waker.wake().is_err() {
                    return;
                }
            }
        })?;
        self.threads += 1;
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn reason(source: &io::Error) -> String {
    let text = crate::text::reason(source);
    let plain = text.strip_prefix("failed to lookup address information: ");
    plain.unwrap_or(&text).to_owned()
}

fn allowed(
    family: Family,
    addresses: Result<Vec<SocketAddr>, String>,
) -> Result<Vec<SocketAddr>, String> {
    let mut addresses = addresses?;
    addresses.retain(|address| match family {
        Family::Any => true,
        Family::Inet => address.is_ipv4(),
        Family::Inet6 => address.is_ipv6(),
    });
    if addresses.is_empty() {
        return Err("Address family for hostname not supported".to_owned());
    }
    Ok(addresses)
}
