//! The requests that lead to a running program, and those of the server.

use std::io;

use config::matching;
use net::Link;
use proto::{ChannelId, ChannelRequest, Client};

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
        let mut requests = Vec::new();
        if self.plan.agent.is_some() {
            debug!("Requesting authentication agent forwarding.");
            requests.push((ChannelRequest::AuthAgent, None));
        }
        if self.plan.terminal {
            requests.push((pty_request(self.raw_terminal.as_ref()), Some(Expected::Terminal)));
        }
        for (name, value) in self.environment() {
            debug!("channel {}: setting env {name} = \"{value}\"", channel.0);
            requests.push((ChannelRequest::Env { name, value: value.into_bytes() }, None));
        }
        let program = match &self.plan.purpose {
            Purpose::Command(command) => {
                debug!("Sending command: {}", String::from_utf8_lossy(command));
                (ChannelRequest::Exec { command: command.clone() }, "exec")
            }
            Purpose::Subsystem(name) => {
                debug!("Sending subsystem: {name}");
                (ChannelRequest::Subsystem { name: name.clone() }, "subsystem")
            }
            _ => (ChannelRequest::Shell, "shell"),
        };
        requests.push((program.0, Some(Expected::Program(program.1))));
        for (request, expected) in requests {
            self.expected.extend(expected);
            let sent = link.connection_mut().request(channel, request, expected.is_some());
            if let Err(problem) = sent {
                debug!("channel {}: {problem}", channel.0);
            }
        }
    }

    /// The variables that the configuration sends or sets.
    fn environment(&self) -> Vec<(String, String)> {
        let is_set = |name: &str| self.config.set_env.iter().any(|one| one.value.0 == name);
        let is_sent = |name: &str| {
            self.config.send_env.iter().any(|pattern| matching::pattern(pattern, name))
        };
        let sent = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| is_sent(name) && !is_set(name));
        sent.chain(self.config.set_env.iter().map(|one| one.value.clone())).collect()
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

/// A request whose answer matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Terminal,
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
    ChannelRequest::PtyReq {
        term: std::env::var("TERM").unwrap_or_default(),
        columns: size.ws_col.into(),
        rows: size.ws_row.into(),
        width_pixels: size.ws_xpixel.into(),
        height_pixels: size.ws_ypixel.into(),
        modes,
    }
}
