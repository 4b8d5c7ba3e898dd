//! The process of the user who came in, one for each connection.
//!
//! It has that user's rights and no others, starts terminals, shells and
//! commands, makes connections, and passes their descriptors to the gate. What
//! the configuration and the key forbid is refused here: the gate, which an
//! attacker could hold, is not asked.

mod agent;
mod exposed;
mod forward;
mod run;
mod sftp;
mod slot;
mod streams;
mod x11;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use net::logging::{Facility, Syslog};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::accounts::Account;
use crate::environment;
use crate::exit;
use crate::pty;
use crate::requests::{
    Channel, Error, FromSession, SessionNews, SessionStart, ToSession, WindowSize,
};
use crate::sftp_server::INTERNAL_SFTP;
use crate::spawn;
use crate::sys::files;
use crate::sys::memory::QUIET;
use crate::sys::process::{self, Identity};
use agent::AgentSocket;
use exposed::Exposed;
use forward::Forwards;
use slot::Slot;
use x11::{Display, Wanted};

/// So many variables a client may set for one channel.
const REQUESTED_VARIABLES: usize = 256;

/// A session started by the monitor: takes what it was sent, gives up its rights, and serves.
pub(crate) fn main() -> i32 {
    let started = spawn::parent_channel().map_err(Error::Io).and_then(|channel| {
        let (start, descriptors) = channel.receive::<SessionStart>()?;
        Ok((channel, start, descriptors))
    });
    let (monitor, start, descriptors) = match started {
        Ok(started) => started,
        Err(error) => {
            crate::program::complain(&format!("sshd-session: {error}"));
            return exit::FAILED;
        }
    };
    let Some(gate) = descriptors.into_iter().next().map(Channel::from_descriptor) else {
        return exit::FAILED;
    };
    crate::program::start_session_logging(&start);
    // In a root directory of its own there may be none of either.
    let serves_files = start.subsystems.iter().map(|(_, command)| command);
    let serves_files =
        serves_files.chain(&start.force_command).any(|command| command.starts_with(INTERNAL_SFTP));
    let syslog =
        (serves_files && !start.log.stderr).then(|| Syslog::open(Facility::AUTH, INTERNAL_SFTP));
    let devices = start.chroot.as_ref().and_then(|_| open_devices().ok());
    if let Err(error) = become_user(&start) {
        log::error!("cannot become {}: {error}", start.user);
        return exit::FAILED;
    }
    let session = Session { devices, syslog, ..Session::new(start, gate, monitor) };
    match session.serve() {
        Ok(()) => exit::FINE,
        Err(error) => {
            log::error!("{error}");
            exit::FAILED
        }
    }
}

/// `/dev`, to open terminals by. Neither listed by it nor passed on to what runs.
fn open_devices() -> std::io::Result<OwnedFd> {
    let flags = files::ONLY_A_PLACE | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(c"/dev", flags, Mode::empty())?)
}

fn become_user(start: &SessionStart) -> std::io::Result<()> {
    if let Some(root) = &start.chroot {
        rustix::process::chdir(root)?;
        rustix::process::chroot(".")?;
        rustix::process::chdir("/")?;
    }
    process::become_identity(&Identity {
        uid: start.uid,
        gid: start.gid,
        groups: start.groups.clone(),
    })?;
    // What this process holds of others is not for the user's debugger.
    process::forbid_dumps()
}

/// All that a session process knows.
struct Session {
    start: SessionStart,
    account: Account,
    gate: Arc<Channel>,
    monitor: Channel,
    /// `/dev` from before `chroot`.
    devices: Option<OwnedFd>,
    /// The system's log from before `chroot`, for SFTP servers; nothing where everything is logged
    /// to standard error.
    syslog: Option<Syslog>,
    slots: BTreeMap<u32, Slot>,
    agent: Option<AgentSocket>,
    /// `ExposeAuthInfo`. Goes with the session.
    exposed: Option<Exposed>,
    forwards: Forwards,
    no_more_sessions: bool,
}

/// What can become ready, besides the gate.
enum Source {
    Gate,
    Monitor,
    Program(u32),
    Agent,
    Forward(usize),
    /// A display of a session, and which of its sockets.
    X11(u32, usize),
}

impl Session {
    fn new(start: SessionStart, gate: Channel, monitor: Channel) -> Self {
        let account = Account {
            name: start.user.clone(),
            uid: start.uid,
            gid: start.gid,
            gecos: std::ffi::OsString::new(),
            home: start.home.clone(),
            shell: start.shell.clone(),
            exists: true,
        };
        Session {
            start,
            account,
            gate: Arc::new(gate),
            monitor,
            devices: None,
            syslog: None,
            slots: BTreeMap::new(),
            agent: None,
            exposed: None,
            forwards: Forwards::default(),
            no_more_sessions: false,
        }
    }

    fn serve(mut self) -> Result<(), Error> {
        self.exposed = self.start.authentication_information.take().and_then(|text| {
            let made = Exposed::new(&text);
            made.inspect_err(|error| log::error!("ExposeAuthInfo: {error}")).ok()
        });
        self.monitor.send(&SessionNews::Ready, &[])?;
        let outcome = loop {
            let ready = self.wait()?;
            let mut ended = None;
            for source in ready {
                let handled = match source {
                    Source::Gate => self.hear_gate(),
                    // It says nothing; it can only have gone.
                    Source::Monitor => Err(Error::Gone),
                    Source::Program(channel) => self.reap(channel),
                    Source::Agent => self.accept_agent(),
                    Source::X11(channel, at) => self.accept_x11(channel, at),
                    Source::Forward(at) => self.forwards.accept(at, &self.gate),
                };
                if let Err(error) = handled {
                    ended = Some(error);
                    break;
                }
            }
            match ended {
                Some(Error::Gone) => break Ok(()),
                Some(error) => break Err(error),
                None => {}
            }
        };
        self.end();
        outcome
    }

    fn wait(&self) -> Result<Vec<Source>, Error> {
        let mut watched =
            vec![(Source::Gate, self.gate.as_fd()), (Source::Monitor, self.monitor.as_fd())];
        for (channel, slot) in &self.slots {
            watched.extend(slot.ending().map(|ending| (Source::Program(*channel), ending)));
        }
        for (channel, slot) in &self.slots {
            let sockets = slot.display.iter().flat_map(Display::descriptors).enumerate();
            watched.extend(sockets.map(|(at, socket)| (Source::X11(*channel, at), socket)));
        }
        watched.extend(self.agent.as_ref().map(|agent| (Source::Agent, agent.as_fd())));
        let forwards = self.forwards.descriptors().enumerate();
        watched.extend(forwards.map(|(at, descriptor)| (Source::Forward(at), descriptor)));
        let (sources, descriptors): (Vec<Source>, Vec<BorrowedFd<'_>>) =
            watched.into_iter().unzip();
        let mut waited: Vec<PollFd<'_>> = descriptors
            .into_iter()
            .map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN))
            .collect();
        let mut quiet = Some(QUIET);
        loop {
            match rustix::event::poll(&mut waited, quiet.as_ref()) {
                Ok(0) => {
                    quiet = None;
                    crate::sys::memory::release();
                }
                Ok(_) => break,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        let ready = sources.into_iter().zip(&waited);
        Ok(ready
            .filter(|(_, entry)| !entry.revents().is_empty())
            .map(|(source, _)| source)
            .collect())
    }

    fn hear_gate(&mut self) -> Result<(), Error> {
        let Some((request, _descriptors)) = self.gate.try_receive::<ToSession>()? else {
            return Ok(());
        };
        match request {
            ToSession::Open { channel } => self.open(channel),
            ToSession::Pty { channel, term, size, modes } => {
                let good = self.open_terminal(channel, term, size, &modes.0);
                self.answer(channel, good, "")
            }
            ToSession::Env { channel, name, value } => {
                let good = self.set_variable(channel, name, value.0);
                self.answer(channel, good, "")
            }
            ToSession::Run { channel, what } => self.run(channel, what),
            ToSession::WindowChange { channel, size } => {
                if let Some(terminal) = self.slots.get(&channel).and_then(Slot::terminal) {
                    let _ = terminal.set_window_size(window(size));
                }
                Ok(())
            }
            ToSession::Signal { channel, name } => {
                let good = self.slots.get(&channel).is_some_and(|slot| slot.signal(&name));
                self.answer(channel, good, "")
            }
            ToSession::Break { channel } => {
                let terminal = self.slots.get(&channel).and_then(Slot::terminal);
                let good = terminal
                    .is_some_and(|terminal| rustix::termios::tcsendbreak(&terminal.master).is_ok());
                self.answer(channel, good, "")
            }
            ToSession::AgentForward { channel } => {
                let good = self.forward_agent(channel);
                self.answer(channel, good, "")
            }
            ToSession::X11 { channel, single_connection, protocol, cookie, screen } => {
                let wanted = Wanted { single_connection, protocol, cookie, screen };
                let good = self.forward_x11(channel, wanted);
                self.answer(channel, good, "")
            }
            ToSession::Close { channel } => {
                if let Some(mut slot) = self.slots.remove(&channel) {
                    slot.hang_up();
                    self.tell_terminal_closed(&slot);
                    self.keep_until_ended(channel, slot);
                }
                Ok(())
            }
            ToSession::Connect { id, host, port } => {
                forward::connect(&self.gate, &self.start, &mut self.forwards, id, host, port)
            }
            ToSession::ConnectLocal { id, path } => {
                forward::connect_local(&self.gate, &self.start, id, &path)
            }
            ToSession::OpenTunnel { id, mode, unit } => {
                forward::open_tunnel(&self.gate, &self.start, id, mode, unit)
            }
            ToSession::NoMoreSessions => {
                self.no_more_sessions = true;
                Ok(())
            }
            ToSession::Listen { address, port } => {
                let bound = self.forwards.listen(&self.start, &address, port);
                self.listening(bound)
            }
            ToSession::ListenLocal { path } => {
                let bound = self.forwards.listen_local(&self.start, &path);
                self.listening(bound.map(|()| 0))
            }
            ToSession::UnlistenLocal { path } => {
                let good = self.forwards.unlisten_local(&path);
                self.listening(if good { Ok(0) } else { Err(String::new()) })
            }
            ToSession::Unlisten { address, port } => {
                let good = self.forwards.unlisten(&address, port);
                self.listening(if good { Ok(port) } else { Err(String::new()) })
            }
        }
    }

    /// The answer to a request about a listener: its port, or why there is none.
    fn listening(&self, bound: Result<u32, String>) -> Result<(), Error> {
        let (good, port, why) = match bound {
            Ok(port) => (true, port, String::new()),
            Err(why) => (false, 0, why),
        };
        self.gate.send(&FromSession::Listening { good, port, why }, &[])
    }

    fn answer(&self, channel: u32, good: bool, text: &str) -> Result<(), Error> {
        self.gate.send(&FromSession::Answer { channel, good, text: text.to_owned() }, &[])
    }

    fn open(&mut self, channel: u32) -> Result<(), Error> {
        if self.no_more_sessions || self.slots.contains_key(&channel) {
            return self.answer(channel, false, "no more sessions");
        }
        let open = self.slots.values().filter(|slot| !slot.is_closed()).count();
        if open as u32 >= self.start.max_sessions {
            log::error!("no more sessions");
            return self.answer(channel, false, "open failed");
        }
        self.slots.insert(channel, Slot::default());
        self.answer(channel, true, "")
    }

    fn set_variable(&mut self, channel: u32, name: String, value: Vec<u8>) -> bool {
        let accepted = environment::accepts(&self.start.accept_env, &name);
        let Some(slot) = self.slots.get_mut(&channel) else { return false };
        // RFC 4254 §6.4 leaves the encoding open; what is not UTF-8 is of no use to anybody today.
        let Ok(value) = String::from_utf8(value) else { return false };
        if !accepted || slot.requested.len() >= REQUESTED_VARIABLES {
            log::debug!("Ignoring env request {name}: disallowed name");
            return false;
        }
        slot.requested.push((name, value));
        true
    }

    fn open_terminal(
        &mut self,
        channel: u32,
        term: String,
        size: WindowSize,
        modes: &[u8],
    ) -> bool {
        if !self.start.permit_tty {
            log::debug!("Allocating a pty not permitted for this connection.");
            return false;
        }
        let Some(slot) = self.slots.get_mut(&channel).filter(|slot| slot.may_have_terminal())
        else {
            return false;
        };
        let opened = match &self.devices {
            Some(devices) => pty::Pty::open_in(devices),
            None => pty::Pty::open(),
        };
        let opened = opened.and_then(|terminal| {
            terminal.give_to(self.account.uid, self.account.gid)?;
            Ok(terminal)
        });
        match opened {
            Ok(terminal) => {
                let sized = terminal.set_window_size(window(size));
                if let Err(error) = sized.and_then(|()| terminal.apply_modes(modes)) {
                    log::debug!("terminal modes: {error}");
                }
                slot.set_terminal(terminal, term);
                true
            }
            Err(error) => {
                log::error!("openpty: {error}");
                false
            }
        }
    }

    fn forward_agent(&mut self, channel: u32) -> bool {
        if !self.start.permit_agent_forwarding || !self.slots.contains_key(&channel) {
            log::debug!("agent forwarding disabled");
            return false;
        }
        if self.agent.is_some() {
            // One socket serves all sessions of the connection.
            return true;
        }
        match AgentSocket::open() {
            Ok(agent) => {
                self.agent = Some(agent);
                true
            }
            Err(error) => {
                log::error!("agent forwarding: {error}");
                false
            }
        }
    }

    fn accept_agent(&mut self) -> Result<(), Error> {
        let Some(agent) = &self.agent else { return Ok(()) };
        match agent.accept() {
            Ok(Some(stream)) => self.gate.send(&FromSession::AgentConnection, &[stream.as_fd()]),
            Ok(None) => Ok(()),
            Err(error) => {
                log::error!("agent socket: {error}; agent forwarding ends");
                self.agent = None;
                Ok(())
            }
        }
    }

    /// A program has ended.
    fn reap(&mut self, channel: u32) -> Result<(), Error> {
        let Some(slot) = self.slots.get_mut(&channel) else { return Ok(()) };
        let Some(status) = slot.ended() else { return Ok(()) };
        if slot.is_closed() {
            self.slots.remove(&channel);
            return Ok(());
        }
        let terminal = slot.take_terminal();
        if let Some(terminal) = &terminal {
            let _ = terminal.take_back();
            let line = terminal.path.to_string_lossy().into_owned();
            let _ = self.monitor.send(&SessionNews::TerminalClosed { line }, &[]);
        }
        self.gate.send(&FromSession::Exited { channel, status }, &[])?;
        drop(terminal);
        if let Some(slot) = self.slots.get_mut(&channel) {
            slot.release_output();
        }
        Ok(())
    }

    fn tell_terminal_closed(&self, slot: &Slot) {
        if let Some(terminal) = slot.terminal().filter(|_| slot.is_running()) {
            let line = terminal.path.to_string_lossy().into_owned();
            let _ = self.monitor.send(&SessionNews::TerminalClosed { line }, &[]);
        }
    }

    /// A program whose channel is gone is still ours to wait for; its number cannot be used again.
    fn keep_until_ended(&mut self, channel: u32, mut slot: Slot) {
        if !slot.is_running() {
            return;
        }
        slot.close();
        let free = (0..=u32::MAX).rev().find(|number| !self.slots.contains_key(number));
        self.slots.insert(free.unwrap_or(channel), slot);
    }

    /// The connection is over: whatever still runs is told.
    fn end(&mut self) {
        for slot in self.slots.values_mut() {
            slot.hang_up();
        }
        for slot in self.slots.values() {
            self.tell_terminal_closed(slot);
        }
        self.agent = None;
        self.exposed = None;
    }
}

fn window(size: WindowSize) -> pty::WindowSize {
    pty::WindowSize {
        columns: size.columns,
        rows: size.rows,
        width_pixels: size.width_pixels,
        height_pixels: size.height_pixels,
    }
}
