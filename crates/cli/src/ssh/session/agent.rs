//! The user's agent, for programs on the server.

pub mod filter;

use std::collections::HashMap;
use std::io::Write as _;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use net::agent::AgentClient;
use net::{Endpoint, Endpoints, Link};
use proto::{ChannelAsk, ChannelId, ChannelOpen, Client, OpenFailure, Stream};

use self::filter::{Filter, Unusable};
use super::Session;
use crate::messages::{debug, error};
use crate::ssh::identities;

impl Session {
    /// The server wants a channel to us.
    pub fn asked(&mut self, link: &mut Link<Client>, ask: ChannelAsk) {
        debug!("client_input_channel_open: ctype {}", ask.open().type_name());
        let Some(ask) = self.x11.asked(link, ask) else { return };
        if let (ChannelOpen::AgentForward, Some(path)) = (ask.open(), &self.plan.agent) {
            let connected = UnixStream::connect(path);
            match connected {
                Ok(stream) => {
                    bind_forwarded(link, &stream);
                    self.connect_agent(link, ask, stream);
                    return;
                }
                Err(source) => {
                    debug!("agent: {}: {}", path.display(), crate::text::reason(&source));
                }
            }
        } else if matches!(ask.open(), ChannelOpen::AgentForward) {
            error!("Warning: ssh server tried agent forwarding.");
            error!("Warning: this is probably a break-in attempt by a malicious server.");
        }
        let reason = OpenFailure::AdministrativelyProhibited;
        // Refused only when the connection ended meanwhile.
        let _ = link.connection_mut().refuse_channel(ask, reason, "not requested");
    }

    fn connect_agent(&mut self, link: &mut Link<Client>, ask: ChannelAsk, stream: UnixStream) {
        let filtered = match &self.plan.agent_keys {
            None => None,
            Some(allowed) => match stream.try_clone() {
                Ok(copy) => Some(Filtered { agent: copy, filter: Filter::new(allowed.clone()) }),
                Err(source) => {
                    debug!("agent: {}", crate::text::reason(&source));
                    let reason = OpenFailure::ConnectFailed;
                    // Refused only when the connection ended meanwhile.
                    let _ = link.connection_mut().refuse_channel(ask, reason, "no agent");
                    return;
                }
            },
        };
        let Ok(channel) = link.connection_mut().accept_channel(ask) else { return };
        self.others.push(channel);
        let endpoint = Endpoint::socket(stream.into());
        let endpoints = match filtered {
            None => Endpoints::duplex(endpoint),
            Some(filtered) => {
                self.agents.open.insert(channel, filtered);
                Endpoints { input: Some(endpoint.filtered()), ..Endpoints::default() }
            }
        };
        if link.attach(channel, endpoints).is_err() {
            // Without its agent the channel has no use.
            let _ = link.connection_mut().close(channel);
        }
    }
}

/// Connections to the agent of which every message is looked at.
#[derive(Default)]
pub struct Agents {
    open: HashMap<ChannelId, Filtered>,
}

struct Filtered {
    agent: UnixStream,
    filter: Filter,
}

impl Agents {
    /// What a program on the server says. Whether it is one of these channels.
    pub fn data(&mut self, link: &mut Link<Client>, channel: ChannelId, data: &[u8]) -> bool {
        let Some(filtered) = self.open.get_mut(&channel) else { return false };
        // Refused only when it is closed already.
        let _ = link.connection_mut().consumed(channel, data.len());
        let mut answers = Vec::new();
        match filtered.filter.hear(data).and_then(|()| filtered.ask(&mut answers)) {
            Ok(()) => link.queue_input(channel, Stream::Data, &answers),
            Err(Unusable) => close(link, channel),
        }
        true
    }

    /// What the agent says, of which only what may pass is left. Whether it is one of these.
    pub fn answered(
        &mut self,
        link: &mut Link<Client>,
        channel: ChannelId,
        data: &mut Vec<u8>,
    ) -> bool {
        let Some(filtered) = self.open.get_mut(&channel) else { return false };
        let passed = filtered.filter.answer(data);
        data.clear();
        let more = passed.and_then(|passed| {
            *data = passed;
            filtered.ask(data)
        });
        if more.is_err() {
            close(link, channel);
        }
        true
    }

    /// A program on the server says no more.
    pub fn ended(&self, channel: ChannelId) {
        if let Some(filtered) = self.open.get(&channel) {
            // The agent may be gone already.
            let _ = filtered.agent.shutdown(Shutdown::Write);
        }
    }

    /// A channel is gone.
    pub fn closed(&mut self, channel: ChannelId) {
        self.open.remove(&channel);
    }
}

impl Filtered {
    /// Passes the next request on. It is small against what a socket takes, and the agent has none
    /// before it; so one that is not taken whole means an agent that is of no use.
    fn ask(&mut self, answers: &mut Vec<u8>) -> Result<(), Unusable> {
        let Some(request) = self.filter.next(answers)? else { return Ok(()) };
        self.agent.write_all(&request).map_err(|source| {
            debug!("agent: {}", crate::text::reason(&source));
            Unusable
        })
    }
}

fn close(link: &mut Link<Client>, channel: ChannelId) {
    link.detach(channel);
    // Refused only when it is closed already.
    let _ = link.connection_mut().close(channel);
}

/// Tells the agent through which server its next requests come. An agent that
/// does not know how to listen refuses, which does no harm.
fn bind_forwarded(link: &Link<Client>, stream: &UnixStream) {
    let connection = link.connection();
    let (Some(key), Some(id), Ok(stream)) =
        (connection.host_key(), connection.session_id(), stream.try_clone())
    else {
        return;
    };
    let mut agent = AgentClient::from_stream(stream, identities::AGENT_TIMEOUT);
    if let Err(problem) = agent.bind_session(key, id, connection.host_key_signature(), true) {
        debug!("agent does not bind to sessions: {problem}");
    }
}
