//! After the login: which channels, forwards and shell there would be.

use config::{Connect, Forward, Listen};
use doctor::visit::{Ending, Fate, ForwardRefused, Refusal, Shell, Stage};
use net::Link;
use proto::{ChannelId, ChannelOpen, ChannelRequest, Client, GlobalRequest, OpenFailure};

use super::Examiner;

/// A question after the login.
pub(super) enum Asked {
    Session(ChannelId),
    Shell(ChannelId),
    Channel(ChannelId, String),
    Forward(String),
}

impl Examiner<'_> {
    /// In. A session is opened to see whether there would be one, and each forward is asked for;
    /// nothing is run.
    pub(super) fn authenticated(&mut self, link: &mut Link<Client>) {
        self.reach(Stage::In);
        match self.current {
            Some(index) => self.set_fate(index, Some(Fate::Worked)),
            None => self.seen.by_nothing = true,
        }
        self.tick("login");
        self.remarks_heard = self.seen.remarks.len();
        if let Ok(channel) = link.connection_mut().open_channel(ChannelOpen::Session) {
            self.asked.push(Asked::Session(channel));
        }
        let config = self.config;
        for forward in &config.local_forwards {
            self.ask_local(link, &forward.value);
        }
        for forward in &config.remote_forwards {
            self.ask_remote(link, &forward.value);
        }
        if self.asked.is_empty() {
            self.stop(link, Ending::Done);
        }
    }

    fn ask_local(&mut self, link: &mut Link<Client>, forward: &Forward) {
        let Connect::Tcp { host, port } = &forward.connect else { return };
        let open = ChannelOpen::DirectTcpip {
            host: host.clone(),
            port: u32::from(*port),
            originator_address: "127.0.0.1".to_owned(),
            originator_port: 0,
        };
        if let Ok(channel) = link.connection_mut().open_channel(open) {
            self.asked.push(Asked::Channel(channel, config::show_forward(forward)));
        }
    }

    fn ask_remote(&mut self, link: &mut Link<Client>, forward: &Forward) {
        let Listen::Tcp { address, port } = &forward.listen else { return };
        let request = GlobalRequest::TcpipForward {
            address: address.clone().unwrap_or_else(|| "localhost".to_owned()),
            port: u32::from(*port),
        };
        if link.global_request(request, true).is_ok() {
            self.asked.push(Asked::Forward(config::show_forward(forward)));
        }
    }

    pub(super) fn answered_channel(
        &mut self,
        link: &mut Link<Client>,
        channel: ChannelId,
        refused: Option<(OpenFailure, String)>,
    ) {
        let at = self.asked.iter().position(|asked| match asked {
            Asked::Session(one) | Asked::Channel(one, _) => *one == channel,
            Asked::Shell(_) | Asked::Forward(_) => false,
        });
        let Some(at) = at else { return };
        match (self.asked.remove(at), refused) {
            (Asked::Session(_), Some((_, words))) => self.seen.session_refused = Some(words),
            (Asked::Session(_), None) => {
                self.tick("session");
                if self.try_shell {
                    self.start_shell(link, channel);
                }
            }
            (Asked::Channel(_, forward), Some((reason, words))) => {
                let why = match reason {
                    OpenFailure::AdministrativelyProhibited => Refusal::Forbidden,
                    _ => Refusal::Target,
                };
                self.seen.forwards_refused.push(ForwardRefused { forward, why, words });
            }
            _ => {}
        }
        self.done_asking(link);
    }

    /// A login shell that finds the end of its input once it is done with its files.
    fn start_shell(&mut self, link: &mut Link<Client>, channel: ChannelId) {
        let connection = link.connection_mut();
        let asked = connection
            .request(channel, ChannelRequest::Shell, true)
            .and_then(|()| connection.send_eof(channel));
        if asked.is_ok() {
            self.seen.shell = Some(Shell::default());
            self.asked.push(Asked::Shell(channel));
        }
    }

    pub(super) fn shell_ended(&mut self, link: &mut Link<Client>, channel: ChannelId) {
        let before = self.asked.len();
        self.asked.retain(|asked| !matches!(asked, Asked::Shell(one) if *one == channel));
        if self.asked.len() == before {
            return;
        }
        let took = self.moment.elapsed();
        self.tick("shell");
        if let Some(shell) = &mut self.seen.shell {
            shell.took = Some(took);
        }
        self.done_asking(link);
    }

    /// The answer to the oldest request for a port there.
    pub(super) fn answered_forward(&mut self, link: &mut Link<Client>, success: bool) {
        let at = self.asked.iter().position(|asked| matches!(asked, Asked::Forward(_)));
        let asked = at.map(|at| self.asked.remove(at));
        if let (Some(Asked::Forward(forward)), false) = (asked, success) {
            // The answer has no room for a reason; some servers give one in a debug message.
            let remarks = self.seen.remarks.get(self.remarks_heard..).unwrap_or_default();
            let words = remarks.last().cloned().unwrap_or_default();
            let forbids = ["disabled port forwarding", "forwarding refused"];
            let why = if forbids.iter().any(|text| words.contains(text)) {
                Refusal::Forbidden
            } else {
                Refusal::Port
            };
            self.seen.forwards_refused.push(ForwardRefused { forward, why, words });
        }
        self.remarks_heard = self.seen.remarks.len();
        self.done_asking(link);
    }

    fn done_asking(&mut self, link: &mut Link<Client>) {
        if self.asked.is_empty() {
            self.stop(link, Ending::Done);
        }
    }
}
