//! The user's agent, for programs on the server.

use std::os::unix::net::UnixStream;

use net::agent::AgentClient;
use net::{Endpoint, Endpoints, Link};
use proto::{ChannelAsk, ChannelOpen, Client, OpenFailure};

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
                    let endpoints = Endpoints::duplex(Endpoint::socket(stream.into()));
                    if let Ok(channel) = link.connection_mut().accept_channel(ask) {
                        self.others.push(channel);
                        if link.attach(channel, endpoints).is_err() {
                            // Without its agent the channel has no use.
                            let _ = link.connection_mut().close(channel);
                        }
                    }
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
