//! The requests that lead to a running program, and those of the server.

use std::collections::VecDeque;
use std::io;

use config::{ClientConfig, matching};
use net::Link;
use proto::{ChannelId, ChannelRequest, Client};
use rustix::termios::Winsize;

use super::Session;
use crate::messages::{debug, error, info};
use crate::ssh::purpose::Purpose;
use crate::ui::terminal::{self, RawTerminal};

impl Session {
    /// Everything between the open channel and the running program.
    pub(super) fn send_requests(&mut self, link: &mut Link<Client>, channel: ChannelId) {
        if !self.is_session() {
            return;
        }
        let wanted = Wanted {
            display: self.x11.request(),
            agent: self.plan.agent.is_some(),
            terminal: self.plan.terminal.then(|| pty_request(self.raw_terminal.as_ref())),
            environment: own_environment(&self.config),
            program: program_request(&self.plan.purpose),
        };
        self.expected.extend(wanted.send(link, channel));
    }

    /// The server answered one of our requests.
    pub fn answered(&mut self, link: &mut Link<Client>, channel: ChannelId, success: bool) {
        if self.channel != Some(channel) {
            return;
        }
        match self.expected.pop_front() {
            Some(Expected::Terminal) if !success => {
                self.leave_raw();
                info!("PTY allocation request failed on channel {}", channel.0);
            }
            Some(Expected::Display) if !success => self.x11.refused(channel),
            Some(Expected::Program(name)) if !success => {
                self.leave_raw();
                error!("{name} request failed on channel {}", channel.0);
                self.end(link, 255);
            }
            _ => {}
        }
    }

    /// The server asks something of a channel.
    pub fn requested(
        &mut self,
        link: &mut Link<Client>,
        channel: ChannelId,
        request: &ChannelRequest,
        want_reply: bool,
    ) {
        let mut success = false;
        if self.channel == Some(channel) {
            match request {
                ChannelRequest::ExitStatus(status) => {
                    debug!("client_input_channel_req: channel {} rtype exit-status", channel.0);
                    self.exit_status = Some(*status);
                    success = true;
                }
                ChannelRequest::ExitSignal { name, message, .. } => {
                    debug!(
                        "client_input_channel_req: channel {} rtype exit-signal {name} {message}",
                        channel.0
                    );
                    success = true;
                }
                other => debug!("channel {}: request {}", channel.0, other.name()),
            }
        }
        if want_reply {
            // A channel that just closed needs no answer.
            let _ = link.connection_mut().reply(channel, success);
        }
        if self.channel == Some(channel) {
            self.close_when_told(link, channel);
        }
    }
}

/// What leads from an open session to a running program.
pub struct Wanted {
    /// The request for a display.
    pub display: Option<ChannelRequest>,
    /// Forward the agent.
    pub agent: bool,
    /// The request for a terminal.
    pub terminal: Option<ChannelRequest>,
    /// Names and values.
    pub environment: Vec<(String, String)>,
    /// The program.
    pub program: ChannelRequest,
}

impl Wanted {
    /// Sends it all; gives those whose answers matter, in order.
    pub fn send(self, link: &mut Link<Client>, channel: ChannelId) -> VecDeque<Expected> {
        let mut requests = Vec::new();
        requests.extend(self.display.map(|request| (request, Some(Expected::Display))));
        if self.agent {
            debug!("Requesting authentication agent forwarding.");
            requests.push((ChannelRequest::AuthAgent, None));
        }
        requests.extend(self.terminal.map(|request| (request, Some(Expected::Terminal))));
        for (name, value) in self.environment {
            debug!("channel {}: setting env {name} = \"{value}\"", channel.0);
            requests.push((ChannelRequest::Env { name, value: value.into_bytes() }, None));
        }
        let name = match &self.program {
            ChannelRequest::Exec { command } => {
                debug!("Sending command: {}", String::from_utf8_lossy(command));
                "exec"
            }
            ChannelRequest::Subsystem { name } => {
                debug!("Sending subsystem: {name}");
                "subsystem"
            }
            _ => "shell",
        };
        requests.push((self.program, Some(Expected::Program(name))));
        let mut awaited = VecDeque::new();
        for (request, expected) in requests {
            let sent = link.connection_mut().request(channel, request, expected.is_some());
            match sent {
                Ok(()) => awaited.extend(expected),
                Err(problem) => debug!("channel {}: {problem}", channel.0),
            }
        }
        awaited
    }
}

fn program_request(purpose: &Purpose) -> ChannelRequest {
    match purpose {
        Purpose::Command(command) => ChannelRequest::Exec { command: command.clone() },
        Purpose::Subsystem(name) => ChannelRequest::Subsystem { name: name.clone() },
        _ => ChannelRequest::Shell,
    }
}

/// The variables of ours that the configuration sends, and those it sets.
pub fn own_environment(config: &ClientConfig) -> Vec<(String, String)> {
    let is_set = |name: &str| config.set_env.iter().any(|one| one.value.0 == name);
    let sent = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| is_sent(config, name) && !is_set(name));
    sent.chain(config.set_env.iter().map(|one| one.value.clone())).collect()
}

/// Whether `SendEnv` names a variable.
pub fn is_sent(config: &ClientConfig, name: &str) -> bool {
    config.send_env.iter().any(|pattern| matching::pattern(pattern, name))
}

/// A request whose answer matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// For a terminal.
    Terminal,
    /// For X11 forwarding.
    Display,
    /// The program itself, and what it is called in messages.
    Program(&'static str),
}

/// Asks for a terminal like ours, with the modes from before raw mode if that has been entered.
fn pty_request(raw: Option<&RawTerminal>) -> ChannelRequest {
    let size = terminal::own_window_size();
    let modes = match (raw, rustix::termios::tcgetattr(io::stdin())) {
        (Some(raw), _) => net::terminal_modes::encode(raw.cooked()),
        (None, Ok(modes)) => net::terminal_modes::encode(&modes),
        // Only TTY_OP_END: no modes are known.
        (None, Err(_)) => vec![0],
    };
    pty_of(std::env::var("TERM").unwrap_or_default(), size, modes)
}

/// Asks for a terminal of this kind, size and (encoded) modes.
pub fn pty_of(term: String, size: Winsize, modes: Vec<u8>) -> ChannelRequest {
    ChannelRequest::PtyReq {
        term,
        columns: size.ws_col.into(),
        rows: size.ws_row.into(),
        width_pixels: size.ws_xpixel.into(),
        height_pixels: size.ws_ypixel.into(),
        modes,
    }
}

/// Tells the server of a terminal's size.
pub fn window_change(size: Winsize) -> ChannelRequest {
    ChannelRequest::WindowChange {
        columns: size.ws_col.into(),
        rows: size.ws_row.into(),
        width_pixels: size.ws_xpixel.into(),
        height_pixels: size.ws_ypixel.into(),
    }
}
