//! The loop: connections, signals, questions and hardware, none of which waits for another.

mod arrivals;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use net::signals::{Signal, Signals};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, getppid};
use zeroize::Zeroizing;

use super::client::{Client, Stage};
use super::clock::{self, Moment};
use super::confirm::{Poll, Question, Wanted};
use super::core::{Core, Outcome, encoded};
use super::errands::{Errands, Finished};
use super::sockets::Listening;
use super::{guard, limits};
use crate::messages::{debug, error, info};

/// Read from one client in one turn.
const CHUNK_BYTES: usize = 16 * 1024;

/// The agent with its connections.
pub struct Server {
    /// What it holds and answers.
    pub core: Core,
    /// Where clients come in.
    pub listener: UnixListener,
    /// The socket's file and the folder made for it, to be removed; a service manager's socket is
    /// its own.
    pub files: Option<(PathBuf, Option<PathBuf>)>,
    /// The process whose end is the agent's end.
    pub parent: Option<Pid>,
    /// An interrupt from the keyboard ends it too.
    pub interactive: bool,
}

/// A question that waits for its turn.
struct Waiting {
    client: u64,
    question: String,
}

struct Loop {
    core: Core,
    listener: UnixListener,
    signals: Signals,
    clients: Vec<Client>,
    clients_max: usize,
    next_number: u64,
    question: Option<Question>,
    waiting: VecDeque<Waiting>,
    errands: Errands,
    chunk: Zeroizing<Vec<u8>>,
    /// How many keys there were when memory was locked last.
    locked_for: usize,
}

impl Server {
    /// Serves until a signal or the parent's end ends it.
    ///
    /// # Errors
    /// The system's, for what it cannot do without.
    pub fn run(self) -> io::Result<()> {
        self.listener.set_nonblocking(true)?;
        let signals = Signals::new(&[
            Signal::Child,
            Signal::Hangup,
            Signal::Terminate,
            Signal::User1,
            // Caught and left alone where no keyboard is this agent's.
            Signal::Interrupt,
        ])?;
        let mut serving = Loop {
            core: self.core,
            listener: self.listener,
            signals,
            clients: Vec::new(),
            clients_max: guard::room_for_clients(),
            next_number: 0,
            question: None,
            waiting: VecDeque::new(),
            errands: Errands::default(),
            chunk: Zeroizing::new(vec![0; CHUNK_BYTES]),
            locked_for: 0,
        };
        guard::lock_memory();
        let orphaned = || self.parent.is_some() && getppid() != self.parent;
        while !orphaned() && serving.turn(self.interactive, self.parent.is_some())? {}
        if let Some((path, folder)) = &self.files {
            Listening::remove(path, folder.as_deref());
        }
        Ok(())
    }
}

/// What a poll has found.
struct Found {
    signals: bool,
    listener: bool,
    /// In the order of the clients.
    clients: Vec<PollFlags>,
}

impl Loop {
    /// Sleeps until something happens, and sees to it. False when it is time to go.
    fn turn(&mut self, interactive: bool, has_parent: bool) -> io::Result<bool> {
        let found = self.wait(has_parent)?;
        let now = clock::now();
        self.core.store.reap(now);
        if found.signals && !self.take_signals(interactive) {
            return Ok(false);
        }
        let mut gone = Vec::new();
        for (index, events) in found.clients.into_iter().enumerate() {
            if !self.serve(index, events, now) {
                gone.push(index);
            }
        }
        for index in gone.into_iter().rev() {
            self.clients.swap_remove(index);
        }
        self.see_to_questions(now);
        self.see_to_errands(now);
        self.shed();
        if found.listener {
            self.accept(now)?;
        }
        if self.core.store.len() > self.locked_for {
            guard::lock_memory();
        }
        self.locked_for = self.core.store.len();
        Ok(true)
    }

    fn wait(&self, has_parent: bool) -> io::Result<Found> {
        // Closed output is told without being asked for: it finds those who hang up.
        let interest = |client: &Client| match client {
            client if client.wants_to_write() => PollFlags::OUT,
            client if client.wants_to_read() => PollFlags::IN,
            _ => PollFlags::empty(),
        };
        let mut polled: Vec<PollFd<'_>> = Vec::with_capacity(self.clients.len() + 3);
        for client in &self.clients {
            polled.push(PollFd::from_borrowed_fd(client.stream.as_fd(), interest(client)));
        }
        polled.push(PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN));
        polled.push(PollFd::from_borrowed_fd(self.listener.as_fd(), PollFlags::IN));
        let output: Option<BorrowedFd<'_>> = self.question.as_ref().and_then(Question::output);
        if let Some(output) = output {
            polled.push(PollFd::from_borrowed_fd(output, PollFlags::IN));
        }
        for (descriptor, events) in self.errands.interest() {
            polled.push(PollFd::from_borrowed_fd(descriptor, events));
        }
        let timeout = self.timeout(has_parent).map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        });
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(problem) => return Err(problem.into()),
        }
        let happened = |polled: &PollFd<'_>| !polled.revents().is_empty();
        let count = self.clients.len();
        Ok(Found {
            signals: polled.get(count).is_some_and(happened),
            listener: polled.get(count + 1).is_some_and(happened),
            clients: polled.iter().take(count).map(PollFd::revents).collect(),
        })
    }

    /// How long nothing can happen by itself.
    fn timeout(&self, has_parent: bool) -> Option<Duration> {
        if self.clients.iter().any(Client::is_ready) {
            return Some(Duration::ZERO);
        }
        let now = clock::now();
        let due = self.clients.iter().filter_map(|client| match &client.stage {
            Stage::TryAgainAt(moment) | Stage::AnswerAt(moment, _) => Some(*moment),
            Stage::Open | Stage::Asking => None,
        });
        let due = due.chain(self.core.store.next_death());
        let next = due.chain(self.errands.next_end()).min();
        let next = next.map(|moment| moment.saturating_sub(now));
        let parent = has_parent.then_some(limits::PARENT_CHECK);
        next.into_iter().chain(parent).min()
    }

    /// False when one of them ends the agent.
    fn take_signals(&mut self, interactive: bool) -> bool {
        for signal in self.signals.pending() {
            match signal {
                Signal::User1 => {
                    info!("received SIGUSR1; removing all keys");
                    self.core.store.clear();
                }
                Signal::Hangup | Signal::Terminate => return false,
                Signal::Interrupt if interactive => return false,
                // A question's end is looked for in every turn.
                _ => {}
            }
        }
        true
    }

    /// One client's turn: at most one read, one message, one answer. False when it is gone.
    fn serve(&mut self, index: usize, events: PollFlags, now: Moment) -> bool {
        let Some(client) = self.clients.get_mut(index) else { return true };
        let hung_up = events.intersects(PollFlags::HUP | PollFlags::ERR);
        if client.wants_to_read() && (hung_up || events.contains(PollFlags::IN)) {
            match client.read(&mut self.chunk, now) {
                Ok(true) => {}
                Ok(false) => return false,
                Err(source) => {
                    debug!("client: {}", crate::text::reason(&source));
                    return false;
                }
            }
        } else if hung_up && !matches!(client.stage, Stage::Open) {
            // Nobody is left to hear the answer that it waits for.
            return false;
        }
        let is_due = match &client.stage {
            Stage::TryAgainAt(moment) | Stage::AnswerAt(moment, _) => *moment <= now,
            Stage::Open | Stage::Asking => false,
        };
        if is_due {
            match std::mem::replace(&mut client.stage, Stage::Open) {
                Stage::AnswerAt(_, answer) => client.answer(answer),
                Stage::TryAgainAt(_) | Stage::Open | Stage::Asking => {}
            }
        }
        if client.is_ready() && !self.answer(index, false, now) {
            return false;
        }
        let Some(client) = self.clients.get_mut(index) else { return true };
        match client.write(now) {
            Ok(()) => true,
            Err(source) => {
                debug!("client: {}", crate::text::reason(&source));
                false
            }
        }
    }

    /// Sees to a client's first message. False when it makes no sense and the client must go.
    fn answer(&mut self, index: usize, consented: bool, now: Moment) -> bool {
        let Some(client) = self.clients.get_mut(index) else { return true };
        let message = match client.message() {
            Ok(message) => message,
            Err(problem) => {
                error!("bad message from a client: {problem}");
                return false;
            }
        };
        match self.core.handle(&mut client.bindings, &message, consented, now) {
            Outcome::Answer(answer) => client.answer(answer),
            Outcome::AnswerAt(moment, answer) => client.stage = Stage::AnswerAt(moment, answer),
            Outcome::TryAgainAt(moment) => client.stage = Stage::TryAgainAt(moment),
            Outcome::Errand(errand) => {
                if self.errands.push(client.number, *errand) {
                    client.stage = Stage::Asking;
                } else {
                    error!("too many requests wait for hardware");
                    client.answer(Core::failure());
                }
            }
            Outcome::Confirm(question) => {
                if self.waiting.len() >= limits::QUESTIONS {
                    error!("too many questions wait for the user");
                    client.answer(Core::failure());
                } else {
                    client.stage = Stage::Asking;
                    self.waiting.push_back(Waiting { client: client.number, question });
                }
            }
        }
        true
    }

    /// Takes an answer of the user's, and asks the next question.
    fn see_to_questions(&mut self, now: Moment) {
        let exists = |clients: &[Client], number| clients.iter().any(|one| one.number == number);
        if let Some(question) = &mut self.question {
            let consented = match question.poll() {
                Poll::Pending => None,
                Poll::No => Some(false),
                Poll::Said(answer) => Some(answer.is_yes()),
            };
            if let Some(consented) = consented {
                let number = question.client;
                self.question = None;
                self.after_question(number, consented, now);
            } else if !exists(&self.clients, question.client) {
                self.question = None;
            }
        }
        while self.question.is_none() {
            let Some(next) = self.waiting.pop_front() else { return };
            if !exists(&self.clients, next.client) {
                continue;
            }
            self.question = Question::ask(next.client, &next.question, Wanted::Consent);
            if self.question.is_none() {
                self.after_question(next.client, false, now);
            }
        }
    }

    /// Goes on with what hardware does, and gives its answers to those who wait for them.
    fn see_to_errands(&mut self, now: Moment) {
        let clients = &self.clients;
        let exists = |number| clients.iter().any(|one: &Client| one.number == number);
        for (number, finished) in self.errands.proceed(now, exists) {
            let response = match finished {
                Finished::Answer(response) => response,
                Finished::Card(offer, keys) => self.core.take_card(offer, keys, now),
            };
            let client = self.clients.iter_mut().find(|client| client.number == number);
            let Some(client) = client else { continue };
            client.answer(encoded(&response));
            // If it has gone, the next turn finds out.
            let _ = client.write(now);
        }
        let store = &self.core.store;
        self.errands.retain_cards(|library| store.has_card(library));
    }

    fn after_question(&mut self, number: u64, consented: bool, now: Moment) {
        let found = self.clients.iter().position(|client| client.number == number);
        let Some(index) = found else { return };
        if consented {
            // Everything is looked at again: the key may have been removed meanwhile.
            self.answer(index, true, now);
        } else if let Some(client) = self.clients.get_mut(index) {
            info!("refused: the user has not agreed");
            client.answer(Core::failure());
        }
        let Some(client) = self.clients.get_mut(index) else { return };
        // If it has gone, the next turn finds out.
        let _ = client.write(now);
    }
}

/// Errors of accept that pass by themselves.
fn not_now(source: &io::Error) {
    let passes = matches!(
        source.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
    );
    if !passes {
        error!("accept: {}", crate::text::reason(source));
        // Out of descriptors or memory: a short rest instead of a busy loop.
        std::thread::sleep(Duration::from_millis(10));
    }
}
