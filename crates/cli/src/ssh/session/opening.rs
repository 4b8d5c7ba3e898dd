//! How the session's channel gets its program and our terminal.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use net::signals::{Signal, Signals};
use net::{Endpoint, Endpoints, Interest, Link};
use proto::{ChannelId, ChannelOpen, Client};

use super::{SIGNALS, Session};
use crate::messages::debug;
use crate::ssh::escapes::Escapes;
use crate::ssh::purpose::Purpose;
use crate::ui::terminal::RawTerminal;

impl Session {
    pub(super) fn open(&mut self, link: &mut Link<Client>) {
        let open = match &self.plan.purpose {
            Purpose::Nothing => return,
            Purpose::Connect(host, port) => ChannelOpen::DirectTcpip {
                host: host.clone(),
                port: u32::from(*port),
                originator_address: "127.0.0.1".to_owned(),
                originator_port: 65535,
            },
            _ => ChannelOpen::Session,
        };
        match link.connection_mut().open_channel(open) {
            Ok(channel) => {
                debug!("channel {}: new {}", channel.0, self.kind());
                self.channel = Some(channel);
            }
            Err(problem) => self.fail(link, &problem.to_string()),
        }
    }

    fn kind(&self) -> &'static str {
        if matches!(self.plan.purpose, Purpose::Connect(..)) { "direct-tcpip" } else { "session" }
    }

    /// Connects the channel with our standard input, output and error.
    pub(super) fn attach(&mut self, link: &mut Link<Client>, channel: ChannelId) {
        match self.endpoints() {
            Ok(endpoints) => {
                if let Err(source) = link.attach(channel, endpoints) {
                    self.fail(link, &crate::text::reason(&source));
                }
            }
            Err(source) => self.fail(link, &crate::text::reason(&source)),
        }
        if self.plan.terminal {
            link.set_interactive(channel);
            if let Ok(mut raw) = RawTerminal::new() {
                raw.enter();
                self.raw_terminal = Some(raw);
            }
        }
    }

    fn endpoints(&mut self) -> io::Result<Endpoints> {
        let mut input = if *self.config.stdin_null {
            Endpoint::probe(File::open("/dev/null")?.into())?
        } else {
            Endpoint::inherited(io::stdin().as_fd()).or_else(|_| null())?
        };
        if self.plan.terminal
            && let Some(character) = *self.config.escape_char
        {
            let has_commands = *self.config.enable_escape_commandline;
            self.escapes = Some(Escapes::new(character).with_commands(has_commands));
            input = input.filtered();
        }
        // A descriptor that the caller closed is no reason to fail.
        let output = Endpoint::inherited(io::stdout().as_fd()).or_else(|_| null())?;
        let stderr = Endpoint::inherited(io::stderr().as_fd()).or_else(|_| null())?;
        Ok(Endpoints {
            input: Some(input),
            output: Some(output),
            stderr_output: Some(stderr),
            ..Endpoints::default()
        })
    }

    pub(super) fn catch_signals(&mut self, link: &mut Link<Client>) -> io::Result<()> {
        let wanted: Vec<Signal> = [
            Signal::Hangup,
            Signal::Interrupt,
            Signal::Quit,
            Signal::Terminate,
            Signal::WindowChange,
        ]
        .into_iter()
        .filter(|signal| !signal.is_ignored())
        .collect();
        let signals = Signals::new(&wanted)?;
        link.watch(signals.as_fd(), SIGNALS, Interest::Readable)?;
        self.signals = Some(signals);
        Ok(())
    }

    /// The channel is open.
    pub fn opened(&mut self, link: &mut Link<Client>, channel: ChannelId) {
        if self.channel != Some(channel) {
            return;
        }
        debug!("channel {}: open confirm", channel.0);
        if !self.is_early {
            self.send_requests(link, channel);
        }
        debug!("Entering interactive session.");
    }
}

fn null() -> io::Result<Endpoint> {
    Endpoint::probe(File::options().read(true).write(true).open("/dev/null")?.into())
}
