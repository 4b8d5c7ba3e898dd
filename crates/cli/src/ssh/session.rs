//! What happens once the user is in: a shell, a command, a subsystem, or standard input and
//! output connected through the server (`-W`).

pub mod agent;
mod command_line;
pub mod keyboard;
mod opening;
pub mod requests;

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use config::ClientConfig;
use net::signals::{Signal, Signals};
use net::{EndpointEvent, KeepAlive, Link, Obscure, UserToken};
use proto::{ChannelId, Client, DisconnectReason, GlobalRequest, OpenFailure};

use self::agent::Agents;
use self::requests::Expected;
use super::escapes::Escapes;
use super::purpose::{Plan, Purpose};
use super::x11::X11;
use crate::messages::{Level, debug, error, fatal, info, say};
use crate::ui::terminal::{self, RawTerminal};

/// The token of the signals' pipe.
const SIGNALS: UserToken = UserToken(1);

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The exit status of this program.
    pub status: u8,
}

/// The session of one connection.
pub struct Session {
    config: Rc<ClientConfig>,
    plan: Plan,
    host: String,
    channel: Option<ChannelId>,
    /// The requests have gone out before the login was decided.
    is_early: bool,
    is_authenticated: bool,
    expected: VecDeque<Expected>,
    exit_status: Option<u32>,
    /// All input is sent and all output written.
    is_done: bool,
    raw_terminal: Option<RawTerminal>,
    escapes: Option<Escapes>,
    signals: Option<Signals>,
    outcome: Option<Outcome>,
    /// The user wants it to leave the terminal.
    is_background: bool,
    /// The session is over; its status is passed on once nothing is forwarded any more.
    last_status: Option<u8>,
    /// Channels other than the session: forwarded agents.
    others: Vec<ChannelId>,
    /// The agents among them whose messages are looked at.
    pub agents: Agents,
    /// The display that the server's programs may use.
    pub x11: X11,
    /// Until then the end waits for proofs of new host keys, so that a short command does not
    /// keep them from being learnt.
    pub proofs_until: Option<Instant>,
}

impl Session {
    /// Nothing is sent yet. `host` is the name that messages show.
    pub fn new(config: Rc<ClientConfig>, plan: Plan, host: &str) -> Self {
        Session {
            x11: X11::new(Rc::clone(&config)),
            config,
            plan,
            host: host.to_owned(),
            channel: None,
            is_early: false,
            is_authenticated: false,
            expected: VecDeque::new(),
            exit_status: None,
            is_done: false,
            raw_terminal: None,
            escapes: None,
            signals: None,
            outcome: None,
            is_background: false,
            last_status: None,
            others: Vec::new(),
            agents: Agents::default(),
            proofs_until: None,
        }
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// The host key is not the known one: agent and display stay here.
    pub fn forbid_forwarding(&mut self) {
        self.x11.forbid();
        self.plan.agent = None;
    }

    /// Sends the channel's opening and its requests together with the login.
    pub fn start_early(&mut self, link: &mut Link<Client>) {
        if !self.is_session() {
            return;
        }
        link.connection_mut().allow_early_channels(0);
        debug!("pipelined login: the session is asked for together with the authentication");
        self.is_early = true;
        self.open(link);
        if let Some(channel) = self.channel {
            self.send_requests(link, channel);
        }
    }

    /// Leaves what the connection is for to somebody else, who shares it; gives the plan for that.
    pub fn set_aside(&mut self) -> Plan {
        let aside = self.plan.clone();
        self.plan.purpose = Purpose::Nothing;
        self.plan.terminal = false;
        aside
    }

    /// Whether somebody sits at a terminal.
    pub fn has_terminal(&self) -> bool {
        self.plan.terminal
    }

    /// Whether sessions may have the agent.
    pub fn forwards_agent(&self) -> bool {
        self.plan.agent.is_some()
    }

    /// From now on signals are heard; not before the process that stays is the one that runs.
    pub fn hear_signals(&mut self, link: &mut Link<Client>) {
        if self.signals.is_some() {
            return;
        }
        if let Err(source) = self.catch_signals(link) {
            error!("signals: {}", crate::text::reason(&source));
        }
    }

    /// The user is in. `shared`: others may want sessions too.
    pub fn authenticated(&mut self, link: &mut Link<Client>, shared: bool) {
        self.is_authenticated = true;
        if !self.config.server_alive_interval.is_zero() {
            link.set_keep_alive(Some(KeepAlive {
                interval: *self.config.server_alive_interval,
                count_max: Some(*self.config.server_alive_count_max),
            }));
        }
        link.obscure_keystrokes(
            self.config
                .obscure_keystroke_timing
                .map(|interval| Obscure { interval, random: crypto::random::fill }),
        );
        let to_openssh = !shared
            && link.connection().remote_ident().is_some_and(|ident| ident.contains("OpenSSH"));
        if to_openssh {
            debug!("Requesting no-more-sessions@openssh.com");
        }
        if self.channel.is_none() {
            self.open(link);
        }
        if to_openssh {
            // An old server that does not know it says so by failure, which nobody waits for.
            let _ = link.global_request(GlobalRequest::NoMoreSessions, false);
        }
        if let Some(channel) = self.channel {
            self.attach(link, channel);
        }
        if self.plan.purpose == Purpose::Nothing {
            debug!("Entering interactive session.");
        }
    }

    /// The server did not open the channel.
    pub fn refused(
        &mut self,
        link: &mut Link<Client>,
        channel: ChannelId,
        reason: OpenFailure,
        description: &str,
    ) {
        if self.channel != Some(channel) {
            return;
        }
        self.leave_raw();
        let separator = if description.is_empty() { "" } else { ": " };
        info!("channel {}: open failed: {reason}{separator}{description}", channel.0);
        if matches!(self.plan.purpose, Purpose::Connect(..)) {
            fatal!("stdio forwarding failed");
        }
        self.end(link, 255);
    }

    /// A local end of a channel has nothing more to do.
    pub fn endpoint(&mut self, link: &mut Link<Client>, channel: ChannelId, event: EndpointEvent) {
        if !matches!(event, EndpointEvent::Done) {
            return;
        }
        if self.channel == Some(channel) && self.is_session() {
            // The exit status may still follow the end of the output.
            self.is_done = true;
            self.close_when_told(link, channel);
        } else {
            // Refused only when it is closed already.
            let _ = link.connection_mut().close(channel);
        }
    }

    /// Closes the session's channel once there is nothing more to hear on it. A server that tells
    /// no status closes it itself.
    fn close_when_told(&mut self, link: &mut Link<Client>, channel: ChannelId) {
        if self.is_done && self.exit_status.is_some() {
            // Refused only when it is closed already.
            let _ = link.connection_mut().close(channel);
        }
    }

    fn is_session(&self) -> bool {
        !matches!(self.plan.purpose, Purpose::Connect(..) | Purpose::Nothing)
    }

    /// A channel is gone.
    ///
    /// `busy`: others use the connection.
    pub fn closed(&mut self, link: &mut Link<Client>, channel: ChannelId, busy: bool) {
        self.others.retain(|other| *other != channel);
        self.agents.closed(channel);
        self.x11.closed(channel);
        if self.channel != Some(channel) {
            self.end_when_idle(link, busy);
            return;
        }
        debug!("channel {}: free: client-session, nchannels {}", channel.0, self.others.len() + 1);
        self.channel = None;
        let status = match (&self.plan.purpose, self.exit_status) {
            (Purpose::Connect(..), _) => 0,
            // Only the low byte can be passed on, and a status of 256 is no success.
            (_, Some(status)) => u8::try_from(status & 0xff).unwrap_or(255),
            (_, None) => 255,
        };
        self.last_status = Some(status);
        if busy || self.x11.is_busy() {
            debug!("waiting for forwarded connections to terminate");
            self.leave_raw();
        }
        self.end_when_idle(link, busy);
    }

    /// Ends when the session is over and nobody uses the connection.
    pub fn end_when_idle(&mut self, link: &mut Link<Client>, busy: bool) {
        if let Some(status) = self.last_status
            && !busy
            && !self.x11.is_busy()
            && self.proofs_until.is_none_or(|until| until <= link.now())
        {
            self.end(link, status);
        }
    }

    /// A connection without a program of its own has nothing to wait for but those who use it.
    pub fn end_with_others(&mut self) {
        if self.plan.purpose == Purpose::Nothing {
            self.last_status.get_or_insert(0);
        }
    }

    /// Whether there is or will be a program of its own.
    pub fn is_running(&self) -> bool {
        self.plan.purpose != Purpose::Nothing && self.last_status.is_none()
    }

    /// Ends at once, as somebody wishes.
    pub fn quit(&mut self, link: &mut Link<Client>) {
        self.leave_raw();
        self.end(link, 255);
    }

    /// Ends because of something else than the session.
    pub fn abandon(&mut self, link: &mut Link<Client>, problem: &str) {
        self.leave_raw();
        fatal!("{problem}");
        self.end(link, 255);
    }

    /// Signals, if this is their token. Whether terminals may have other sizes.
    pub fn ready(&mut self, link: &mut Link<Client>, token: UserToken) -> bool {
        if token != SIGNALS {
            return false;
        }
        let mut has_changed = false;
        let pending = self.signals.as_mut().map(Signals::pending).unwrap_or_default();
        for signal in pending {
            if signal == Signal::WindowChange {
                has_changed = true;
                self.send_window_size(link);
            } else {
                say(Level::Verbose, format_args!("Killed by signal {}.", signal.number()));
                self.end(link, 255);
            }
        }
        has_changed
    }

    fn send_window_size(&mut self, link: &mut Link<Client>) {
        if let Some(channel) = self.channel
            && self.plan.terminal
        {
            let request = requests::window_change(terminal::own_window_size());
            // A channel that just closed has no size.
            let _ = link.connection_mut().request(channel, request, false);
        }
    }

    fn fail(&mut self, link: &mut Link<Client>, problem: &str) {
        self.abandon(link, &format!("ssh: {problem}"));
    }

    fn leave_raw(&mut self) {
        self.raw_terminal = None;
    }

    /// Says goodbye to the server and remembers the status.
    fn end(&mut self, link: &mut Link<Client>, status: u8) {
        if self.outcome.is_some() {
            return;
        }
        self.outcome = Some(Outcome { status });
        link.disconnect(DisconnectReason::ByApplication, "disconnected by user");
        link.finish();
    }

    /// After the run: the terminal as it was, and the last words on it.
    pub fn close_terminal(&mut self) {
        let had_terminal = self.raw_terminal.take().is_some();
        if had_terminal && self.outcome.is_some() {
            info!("Connection to {} closed.", self.host);
        }
    }

    /// Whether the server ended a connection that we still used.
    pub fn was_running(&self) -> bool {
        self.is_authenticated && self.outcome.is_none()
    }

    /// The exit status the server told, if it vanished between telling and closing.
    pub fn told_status(&self) -> Option<u32> {
        self.exit_status
    }
}
