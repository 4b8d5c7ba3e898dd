//! A client's session on a shared connection.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use config::ClientConfig;
use net::{Endpoint, EndpointEvent, Endpoints, Link, UserToken};
use proto::{ChannelId, ChannelRequest, Client, OpenFailure};

use super::Master;
use super::peer::State;
use crate::messages::{debug, error};
use crate::ssh::escapes::{Action, Escapes};
use crate::ssh::mux::message::{Answer, NewSession};
use crate::ssh::session::requests::{self, Expected, Wanted};
use crate::ssh::x11::X11;
use crate::ui::terminal;

/// A session, or a connection on standard input and output.
pub struct Shared {
    /// Whose it is.
    pub peer: UserToken,
    /// The number of the request that started it.
    id: u32,
    /// The client wants a display.
    x11: bool,
    /// What leads to the program, until it is sent.
    wanted: Option<Wanted>,
    expected: VecDeque<Expected>,
    /// The client's terminal.
    terminal: Option<OwnedFd>,
    /// The client's standard error.
    stderr: Option<OwnedFd>,
    escapes: Option<Escapes>,
    status: Option<u32>,
    has_program: bool,
    /// The server has opened it.
    is_open: bool,
    /// All input is sent and all output written.
    is_done: bool,
    /// The client is gone.
    is_abandoned: bool,
}

impl Shared {
    /// A program.
    pub fn session(
        config: &ClientConfig,
        peer: UserToken,
        id: u32,
        session: NewSession,
        agent: bool,
        descriptors: &[OwnedFd],
    ) -> Self {
        let copy = |at: usize| descriptors.get(at).and_then(|one| one.try_clone().ok());
        let own_terminal = if session.terminal { copy(0) } else { None };
        let request = session.terminal.then(|| {
            let modes = own_terminal.as_ref().and_then(|one| rustix::termios::tcgetattr(one).ok());
            // Only TTY_OP_END where no modes are known.
            let modes = modes.map_or(vec![0], |modes| net::terminal_modes::encode(&modes));
            let size = terminal::window_size_of(own_terminal.as_ref().map(AsFd::as_fd));
            requests::pty_of(session.term, size, modes)
        });
        let is_sent = |(name, _): &(String, String)| requests::is_sent(config, name);
        let mut environment: Vec<_> = session.environment.into_iter().filter(is_sent).collect();
        environment.extend(config.set_env.iter().map(|one| one.value.clone()));
        let command = session.command;
        let program = match (session.subsystem, command.is_empty()) {
            (true, _) => {
                ChannelRequest::Subsystem { name: String::from_utf8_lossy(&command).into_owned() }
            }
            (false, true) => ChannelRequest::Shell,
            (false, false) => ChannelRequest::Exec { command },
        };
        Shared {
            wanted: Some(Wanted { display: None, agent, terminal: request, environment, program }),
            x11: session.x11,
            escapes: session.escape.filter(|_| session.terminal).map(Escapes::new),
            terminal: own_terminal,
            stderr: copy(2),
            has_program: true,
            ..Shared::stdio(peer, id)
        }
    }

    /// A connection.
    pub fn stdio(peer: UserToken, id: u32) -> Self {
        Shared {
            peer,
            id,
            x11: false,
            wanted: None,
            expected: VecDeque::new(),
            terminal: None,
            stderr: None,
            escapes: None,
            status: None,
            has_program: false,
            is_open: false,
            is_done: false,
            is_abandoned: false,
        }
    }

    /// Whether somebody types.
    pub fn has_terminal(&self) -> bool {
        self.terminal.is_some()
    }

    /// The client's standard input, output and error as a channel's ends.
    pub fn endpoints<'a>(
        &self,
        mut descriptors: impl Iterator<Item = BorrowedFd<'a>>,
    ) -> io::Result<Endpoints> {
        let mut next = || match descriptors.next() {
            // Who closed one wants nothing there.
            Some(descriptor) => Endpoint::inherited(descriptor).or_else(|_| null()).map(Some),
            None => Ok(None),
        };
        let input = next()?;
        let input = if self.escapes.is_some() { input.map(Endpoint::filtered) } else { input };
        Ok(Endpoints { input, output: next()?, stderr_output: next()?, ..Endpoints::default() })
    }

    /// The client is gone: so is its session.
    pub fn abandon(&mut self, link: &mut Link<Client>, channel: ChannelId) {
        self.is_abandoned = true;
        link.detach(channel);
        if self.is_open {
            // Refused only when it is closed already.
            let _ = link.connection_mut().close(channel);
        }
    }

    fn close_when_told(&self, link: &mut Link<Client>, channel: ChannelId) {
        if self.is_done && (self.status.is_some() || !self.has_program) {
            // Refused only when it is closed already.
            let _ = link.connection_mut().close(channel);
        }
    }

    /// Says something on the client's terminal, if it takes it at once.
    fn show(&self, text: &str) {
        if let Some(stderr) = &self.stderr {
            let mut polled = [rustix::event::PollFd::new(stderr, rustix::event::PollFlags::OUT)];
            let at_once = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
            if rustix::event::poll(&mut polled, Some(&at_once)) == Ok(1) {
                // Nobody is left to be told.
                let _ = rustix::io::write(stderr, text.as_bytes());
            }
        }
    }
}

fn null() -> io::Result<Endpoint> {
    Endpoint::probe(File::options().read(true).write(true).open("/dev/null")?.into())
}

impl Master {
    /// A channel is open.
    pub fn opened(&mut self, link: &mut Link<Client>, x11: &mut X11, channel: ChannelId) {
        let Some(session) = self.sessions.get_mut(&channel) else {
            self.proxy_decided(link, channel, None);
            return;
        };
        debug!("channel {}: open confirm", channel.0);
        session.is_open = true;
        if session.is_abandoned {
            session.abandon(link, channel);
            return;
        }
        if let Some(mut wanted) = session.wanted.take() {
            if session.x11 {
                wanted.display = x11.request();
            }
            session.expected = wanted.send(link, channel);
        }
        if let Some(peer) = self.peers.get_mut(&session.peer) {
            peer.state = State::Session;
            peer.send(&Answer::Opened(session.id, channel.0));
        }
    }

    /// The server did not open a channel. Whether it was one of these.
    pub fn refused(
        &mut self,
        link: &mut Link<Client>,
        channel: ChannelId,
        reason: OpenFailure,
        why: &str,
    ) -> bool {
        let Some(session) = self.sessions.remove(&channel) else {
            return self.proxy_decided(link, channel, Some((reason, why)));
        };
        let separator = if why.is_empty() { "" } else { ": " };
        debug!("channel {}: open failed: {reason}{separator}{why}", channel.0);
        if let Some(peer) = self.peers.get_mut(&session.peer) {
            peer.state = State::Idle;
            peer.send(&Answer::Failure(session.id, "Session open refused by peer".to_owned()));
        }
        true
    }

    /// The server answered a session's request.
    pub fn answered(
        &mut self,
        link: &mut Link<Client>,
        x11: &mut X11,
        channel: ChannelId,
        success: bool,
    ) {
        let Some(session) = self.sessions.get_mut(&channel) else {
            self.proxy_answered(channel, success);
            return;
        };
        match session.expected.pop_front() {
            Some(Expected::Terminal) if !success => {
                if let Some(peer) = self.peers.get_mut(&session.peer) {
                    peer.send(&Answer::NoTerminal(channel.0));
                }
            }
            Some(Expected::Display) if !success => x11.refused(channel),
            Some(Expected::Program(name)) if !success => {
                session.show(&format!("{name} request failed on channel {}\r\n", channel.0));
                // Refused only when it is closed already.
                let _ = link.connection_mut().close(channel);
            }
            _ => {}
        }
    }

    /// The server asks something of a channel; whether it is one of these, and if so what of it.
    pub fn requested(
        &mut self,
        link: &mut Link<Client>,
        channel: ChannelId,
        request: &ChannelRequest,
        want_reply: bool,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(&channel) else {
            return self.proxy_requested(channel, request, want_reply);
        };
        let mut success = false;
        if let ChannelRequest::ExitStatus(status) = request
            && session.has_program
        {
            session.status = Some(*status);
            success = true;
        }
        debug!("client_input_channel_req: channel {} rtype {}", channel.0, request.name());
        if want_reply {
            // A channel that just closed needs no answer.
            let _ = link.connection_mut().reply(channel, success);
        }
        session.close_when_told(link, channel);
        true
    }

    /// A local end of a channel has nothing more to do. Whether it is one of these.
    pub fn endpoint(
        &mut self,
        link: &mut Link<Client>,
        channel: ChannelId,
        event: EndpointEvent,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(&channel) else { return false };
        if matches!(event, EndpointEvent::Done) {
            session.is_done = true;
            session.close_when_told(link, channel);
        }
        true
    }

    /// A channel is gone. Whether it was one of these.
    pub fn closed(&mut self, channel: ChannelId) -> bool {
        let Some(session) = self.sessions.remove(&channel) else {
            self.proxy_closed(channel);
            return false;
        };
        debug!("channel {}: free", channel.0);
        self.finishing.push((channel, session));
        true
    }

    /// Tells clients of sessions that are over, once all of their output is written.
    pub(super) fn finish(&mut self, link: &Link<Client>) {
        let peers = &mut self.peers;
        self.finishing.retain(|(channel, session)| {
            if link.has_leftovers(*channel) && !session.is_abandoned {
                return true;
            }
            if let Some(peer) = peers.get_mut(&session.peer) {
                if let Some(status) = session.status {
                    peer.send(&Answer::Exit(channel.0, status));
                }
                peer.state = State::Closing;
            }
            false
        });
    }

    /// A client's terminal, or all, may have another size.
    pub fn window_changed(&self, link: &mut Link<Client>) {
        for (channel, session) in &self.sessions {
            if let Some(terminal) = &session.terminal
                && session.is_open
            {
                let size = terminal::window_size_of(Some(terminal.as_fd()));
                // A channel that just closed has no size.
                let _ =
                    link.connection_mut().request(*channel, requests::window_change(size), false);
            }
        }
    }

    /// Escapes in what was typed into a session. Whether it is one of these.
    pub fn typed(
        &mut self,
        link: &mut Link<Client>,
        channel: ChannelId,
        data: &mut Vec<u8>,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(&channel) else { return false };
        let Some(escapes) = &mut session.escapes else { return true };
        let c = escapes.character();
        for action in escapes.filter(data) {
            match action {
                Action::Disconnect => {
                    session.show(&format!("{c}.\r\n"));
                    link.detach(channel);
                    // Refused only when it is closed already.
                    let _ = link.connection_mut().close(channel);
                }
                Action::Break => {
                    session.show(&format!("{c}B\r\n"));
                    let request = ChannelRequest::Break { milliseconds: 1000 };
                    let _ = link.connection_mut().request(channel, request, false);
                }
                Action::Rekey => {
                    if let Err(problem) = link.connection_mut().rekey() {
                        error!("rekey: {problem}");
                    }
                }
                Action::Help => session.show(&format!(
                    "{c}?\r\nSupported escape sequences:\r\n \
                     {c}.   - terminate session\r\n \
                     {c}B   - send a BREAK to the remote system\r\n \
                     {c}R   - request rekey\r\n \
                     {c}?   - this message\r\n \
                     {c}{c}   - send the escape character by typing it twice\r\n\
                     (Note that escapes are only recognized immediately after newline.)\r\n"
                )),
                _ => session.show(&format!(
                    "{c}: this escape is not available to multiplexed sessions\r\n"
                )),
            }
        }
        true
    }
}
