//! What the keyboard says to this program instead of the remote one.

use std::io::{self, Write};

use net::Link;
use proto::{ChannelRequest, Client};

use super::Session;
use crate::messages;
use crate::ssh::escapes::{Action, Escapes};
use crate::ssh::forwards::Forwards;
use crate::ui::clean;

impl Session {
    /// Escapes in what was typed.
    pub fn typed(&mut self, link: &mut Link<Client>, data: &mut Vec<u8>, forwards: &mut Forwards) {
        let Some(escapes) = &mut self.escapes else { return };
        let actions = escapes.filter(data);
        for action in actions {
            if action == Action::Background {
                self.go_to_background(link, forwards, data);
            } else {
                self.act(link, action, forwards);
            }
        }
    }

    fn act(&mut self, link: &mut Link<Client>, action: Action, forwards: &mut Forwards) {
        let c = self.escapes.as_ref().map_or('~', Escapes::character);
        match action {
            Action::Disconnect => {
                shown(&format!("{c}.\r\n"));
                self.end(link, 255);
            }
            Action::Suspend => {
                shown(&format!("{c}^Z [suspend ssh]\r\n"));
                self.suspend(link);
            }
            Action::Break => {
                shown(&format!("{c}B\r\n"));
                if let Some(channel) = self.channel {
                    let request = ChannelRequest::Break { milliseconds: 1000 };
                    let _ = link.connection_mut().request(channel, request, false);
                }
            }
            Action::Rekey => {
                if let Err(problem) = link.connection_mut().rekey() {
                    shown(&format!("{c}R: {problem}\r\n"));
                }
            }
            Action::Louder | Action::Quieter => {
                let louder = action == Action::Louder;
                messages::step_level(louder);
                let letter = if louder { 'v' } else { 'V' };
                shown(&format!("{c}{letter} [LogLevel {}]\r\n", messages::level().name()));
            }
            Action::Help => {
                if let Some(escapes) = &self.escapes {
                    shown(&escapes.help());
                }
            }
            Action::Connections => {
                shown(&format!("{c}#\r\nThe following connections are open:\r\n"));
                if let Some(channel) = self.channel {
                    shown(&format!("  #{} client-session\r\n", channel.0));
                }
                for channel in &self.others {
                    shown(&format!("  #{} authentication agent connection\r\n", channel.0));
                }
                for (channel, about) in forwards.list() {
                    shown(&format!("  #{} {}\r\n", channel.0, clean::visible(about)));
                }
            }
            Action::Information => shown(&information(link, c)),
            Action::Prompt => shown("\r\nssh> "),
            Action::Echo(text) => shown(&text),
            Action::Command(None) => shown("\r\n"),
            Action::Command(Some(line)) => {
                shown("\r\n");
                self.command(link, &line, forwards);
            }
            Action::Disabled => shown(&format!("{c}C\r\ncommandline disabled\r\n")),
            Action::Background => {}
        }
    }

    /// Leaves the terminal to the user's shell; what is forwarded goes on.
    fn go_to_background(
        &mut self,
        link: &mut Link<Client>,
        forwards: &mut Forwards,
        data: &mut Vec<u8>,
    ) {
        let c = self.escapes.as_ref().map_or('~', Escapes::character);
        if forwards.is_dialing() {
            shown(&format!("{c}& [connections are being made; try again]\r\n"));
            return;
        }
        self.leave_raw();
        forwards.stop_listening(link);
        shown(&format!("{c}& [backgrounded]\n"));
        // The shell is told by the key for it, too, that no more is typed.
        data.push(4);
        self.is_background = true;
        if let Some(channel) = self.channel {
            link.end_input(channel);
        }
    }

    /// Whether the user has asked for it since the last call.
    pub fn take_background(&mut self) -> bool {
        std::mem::take(&mut self.is_background)
    }

    fn suspend(&mut self, link: &mut Link<Client>) {
        if let Some(raw) = &mut self.raw_terminal {
            raw.leave();
        }
        // Stops here until the user continues us.
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TSTP);
        if let Some(raw) = &mut self.raw_terminal {
            raw.enter();
        }
        self.send_window_size(link);
    }
}

/// To the user's terminal, which is in raw mode.
pub(super) fn shown(text: &str) {
    // Nobody is left to be told.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// What `~I` prints.
fn information(link: &Link<Client>, c: char) -> String {
    format!("{c}I\r\n{}", connection_information(link))
}

/// What there is to tell of a connection.
pub fn connection_information(link: &Link<Client>) -> String {
    let connection = link.connection();
    let mut lines = Vec::new();
    if let Some(ident) = connection.remote_ident() {
        lines.push(format!("  server version: {}", clean::visible(ident)));
    }
    if let Some(chosen) = connection.negotiated() {
        lines.push(format!("  kexalgorithm {}", chosen.kex));
        lines.push(format!("  hostkeyalgorithm {}", chosen.host_key));
        lines.push(format!("  cipher {}", chosen.client_to_server.cipher));
        if let Some(mac) = &chosen.client_to_server.mac {
            lines.push(format!("  mac {mac}"));
        }
        lines.push(format!("  compression {}", chosen.client_to_server.compression));
    }
    let counted = connection.statistics();
    lines.push(format!(
        "  traffic {}/{} in, {}/{} out (bytes/packets)",
        counted.received_bytes, counted.received_packets, counted.sent_bytes, counted.sent_packets
    ));
    lines.push(format!("  rekeys {}", counted.key_exchanges.saturating_sub(1)));
    lines.join("\r\n") + "\r\n"
}
