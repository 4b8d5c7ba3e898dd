//! What the session tells, and the descriptors that come with it.

use std::os::fd::OwnedFd;

use net::tunnel::Mode;
use net::{Endpoint, Endpoints, Link};
use proto::{ChannelAsk, ChannelId, ChannelOpen, ChannelRequest, OpenFailure, Server, Stream};

use super::{Local, descriptors_of};
use crate::gate::Gate;
use crate::requests::{Ending, FromSession};

impl Gate {
    pub(in crate::gate) fn hear_session(
        &mut self,
        link: &mut Link<Server>,
        news: FromSession,
        descriptors: Vec<OwnedFd>,
    ) {
        match news {
            FromSession::Answer { channel: number, good, text } => {
                if let Some(ask) = self.asks.remove(&number) {
                    self.session_opened(link, number, ask, good, &text);
                } else if let Some(channel) = self.numbers.get(&number).copied() {
                    self.answered(link, channel, good);
                }
            }
            FromSession::Started { channel: number, terminal } => {
                if let Some(channel) = self.numbers.get(&number).copied() {
                    self.answered(link, channel, true);
                    if let Some(local) = self.locals.get_mut(&channel) {
                        local.terminal = terminal;
                    }
                    self.mark(terminal);
                    self.attach(link, channel, program_endpoints(terminal, descriptors));
                }
            }
            FromSession::Exited { channel: number, status } => {
                if let Some(channel) = self.numbers.get(&number).copied() {
                    self.exited(link, channel, status);
                }
            }
            FromSession::Connected { id } => self.connected(link, id, descriptors),
            FromSession::NotConnected { id, prohibited, text } => {
                let Some(ask) = self.asks.remove(&id) else { return };
                let reason = if prohibited {
                    OpenFailure::AdministrativelyProhibited
                } else {
                    OpenFailure::ConnectFailed
                };
                self.refuse(link, ask, reason, &text);
            }
            FromSession::AgentConnection => {
                self.open(link, ChannelOpen::AgentForward, descriptors);
            }
            FromSession::ForwardedConnection {
                address,
                port,
                originator_address,
                originator_port,
            } => {
                let open = ChannelOpen::ForwardedTcpip {
                    connected_address: address,
                    connected_port: port,
                    originator_address,
                    originator_port,
                };
                self.open(link, open, descriptors);
            }
            FromSession::X11Connection { originator_address, originator_port } => {
                let open = ChannelOpen::X11 { originator_address, originator_port };
                self.open(link, open, descriptors);
            }
            FromSession::ForwardedLocal { path } => {
                self.open(link, ChannelOpen::ForwardedStreamlocal { path }, descriptors);
            }
            FromSession::Listening { good, port, why } => self.listening(link, good, port, &why),
        }
    }

    fn session_opened(
        &mut self,
        link: &mut Link<Server>,
        number: u32,
        ask: ChannelAsk,
        good: bool,
        text: &str,
    ) {
        if !good {
            let reason = OpenFailure::AdministrativelyProhibited;
            return self.refuse(link, ask, reason, text);
        }
        match link.connection_mut().accept_channel(ask) {
            Ok(channel) => {
                self.locals.insert(channel, Local::new(Some(number), "session"));
                self.numbers.insert(number, channel);
            }
            Err(error) => self.fail(link, &error),
        }
    }

    /// The connection or device that a channel was asked for is there.
    fn connected(&mut self, link: &mut Link<Server>, id: u32, descriptors: Vec<OwnedFd>) {
        let Some(ask) = self.asks.remove(&id) else { return };
        let kind = ask.open().kind();
        let tunnel = match ask.open() {
            ChannelOpen::Tun { mode, .. } => Mode::from_code(*mode),
            _ => None,
        };
        match link.connection_mut().accept_channel(ask) {
            Ok(channel) => {
                self.locals.insert(channel, Local::new(None, kind));
                match tunnel {
                    Some(mode) => self.join_tunnel(link, channel, mode, descriptors),
                    None => self.attach(link, channel, socket_endpoints(descriptors)),
                }
            }
            Err(error) => self.fail(link, &error),
        }
    }

    /// A channel that we want: its other end is the descriptor.
    pub(in crate::gate) fn open(
        &mut self,
        link: &mut Link<Server>,
        open: ChannelOpen,
        descriptors: Vec<OwnedFd>,
    ) {
        let kind = open.kind();
        if !self.has_room(descriptors_of(&open)) {
            // Whoever connected sees it closed.
            return log::debug!("cannot open a channel: too many channels");
        }
        match link.connection_mut().open_channel(open) {
            Ok(channel) => {
                self.locals.insert(channel, Local::new(None, kind));
                self.attach(link, channel, socket_endpoints(descriptors));
            }
            // Too many: whoever connected sees it closed.
            Err(error) => log::debug!("cannot open a channel: {error}"),
        }
    }

    fn attach(
        &mut self,
        link: &mut Link<Server>,
        channel: ChannelId,
        endpoints: Option<Endpoints>,
    ) {
        let Some(endpoints) = endpoints else {
            return self.fail(link, &"descriptors are missing");
        };
        if let Err(error) = link.attach(channel, endpoints) {
            log::error!("channel {}: {error}", channel.0);
            return self.close(link, channel);
        }
        let Some(local) = self.locals.get_mut(&channel) else { return };
        local.attached = true;
        let early = std::mem::take(&mut local.early);
        if !early.is_empty() {
            link.queue_output(channel, Stream::Data, &early);
        }
        if local.early_end {
            link.end_output(channel);
        }
    }

    /// Data for a channel that nobody reads: not yet, or no longer.
    pub(in crate::gate) fn early_data(
        &mut self,
        link: &mut Link<Server>,
        channel: ChannelId,
        stream: Stream,
        data: &[u8],
    ) {
        match self.locals.get_mut(&channel) {
            Some(local) if !local.attached && stream == Stream::Data => {
                local.early.extend_from_slice(data);
            }
            _ => {
                let _ = link.connection_mut().consumed(channel, data.len());
            }
        }
    }

    /// EOF, which the driver passes on itself when somebody reads.
    pub(in crate::gate) fn early_end(&mut self, channel: ChannelId) {
        if let Some(local) = self.locals.get_mut(&channel) {
            local.early_end = !local.attached;
        }
    }

    pub(in crate::gate) fn exited(
        &mut self,
        link: &mut Link<Server>,
        channel: ChannelId,
        status: Ending,
    ) {
        let request = match status {
            Ending::Status { status } => ChannelRequest::ExitStatus(status),
            Ending::Signal { name, core_dumped } => {
                ChannelRequest::ExitSignal { name, core_dumped, message: String::new() }
            }
        };
        // A channel that the client has closed is told nothing.
        let _ = link.connection_mut().request(channel, request, false);
        let Some(local) = self.locals.get_mut(&channel) else { return };
        local.exited = true;
        if link.is_attached(channel) && !local.input_ended {
            if local.terminal {
                link.end_input_when_empty(channel);
            }
        } else {
            local.input_ended = true;
        }
        self.close_when_done(link, channel);
    }
}

fn program_endpoints(terminal: bool, descriptors: Vec<OwnedFd>) -> Option<Endpoints> {
    let mut descriptors = descriptors.into_iter();
    let first = descriptors.next()?;
    if terminal {
        return Some(Endpoints::duplex(Endpoint::pty(first)));
    }
    Some(Endpoints {
        output: Some(Endpoint::pipe(first)),
        input: Some(Endpoint::pipe(descriptors.next()?)),
        stderr_input: Some(Endpoint::pipe(descriptors.next()?)),
        ..Endpoints::default()
    })
}

fn socket_endpoints(descriptors: Vec<OwnedFd>) -> Option<Endpoints> {
    descriptors.into_iter().next().map(|socket| Endpoints::duplex(Endpoint::socket(socket)))
}
