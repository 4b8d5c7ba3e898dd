//! What clients of a shared connection ask for.

use std::os::fd::{AsFd, OwnedFd};

use config::{Connect, ControlMaster, Direction, Forward, Listen};
use net::{Interest, Link, UserToken};
use proto::{ChannelOpen, Client};

use super::peer::{Asked, State};
use super::proxy::Proxy;
use super::session::Shared;
use super::{Around, Master, Pending, Wish};
use crate::agent::confirm::{Poll, Question, Wanted};
use crate::messages::{debug, info};
use crate::ssh::forwards::Opened;
use crate::ssh::mux::describe;
use crate::ssh::mux::message::{Answer, NewSession, Request};

impl Master {
    /// Handles a request, once the user has agreed if that is needed.
    pub(super) fn handle(&mut self, around: &mut Around<'_>, token: UserToken, asked: Asked) {
        let asks =
            matches!(*self.config.control_master, ControlMaster::Ask | ControlMaster::AutoAsk);
        let question = if asks { self.question(&asked.1) } else { None };
        let Some(text) = question else {
            self.perform(around, token, asked);
            return;
        };
        let own = self.next_token();
        let started = Question::ask(0, &text, Wanted::Consent).and_then(|question| {
            let output = question.output()?;
            around.link.watch(output, own, Interest::Readable).ok()?;
            Some(question)
        });
        let Some(peer) = self.peers.get_mut(&token) else { return };
        match started {
            Some(question) => {
                peer.state = State::Waiting;
                self.questions.push(Pending { token: own, peer: token, question, asked });
            }
            None => peer.send(&Answer::Denied(asked.0, "Permission denied".to_owned())),
        }
    }

    /// What to ask the user about a request.
    fn question(&self, request: &Request) -> Option<String> {
        let host = &self.host;
        Some(match request {
            // OpenSSH does not ask for a proxy, although all that the others can do comes with it.
            Request::Session(_) | Request::Proxy => {
                format!("Allow shared connection to {host}? ")
            }
            Request::Stdio(Connect::Tcp { host, port }) => {
                format!("Allow forward to [{host}]:{port}? ")
            }
            Request::Stdio(Connect::Socket(path)) => {
                format!("Allow forward to path {}", path.display())
            }
            Request::Terminate => format!("Terminate shared connection to {host}? "),
            Request::Stop => {
                format!("Disable further multiplexing on shared connection to {host}? ")
            }
            Request::Open(direction, forward) => {
                let forward = describe::forward(*direction, forward, *self.config.gateway_ports);
                format!("Open {forward} on {host}?")
            }
            _ => return None,
        })
    }

    /// Looks which questions were answered.
    pub(super) fn hear_answers(&mut self, around: &mut Around<'_>) {
        let mut at = 0;
        while let Some(pending) = self.questions.get_mut(at) {
            let had_output = pending.question.output().is_some();
            let answer = pending.question.poll();
            if had_output && pending.question.output().is_none() {
                around.link.unwatch(pending.token);
            }
            let is_yes = match answer {
                Poll::Pending => {
                    at += 1;
                    continue;
                }
                Poll::No => false,
                Poll::Said(answer) => answer.is_yes(),
            };
            let Pending { token, peer: client, asked, .. } = self.questions.remove(at);
            around.link.unwatch(token);
            let Some(peer) = self.peers.get_mut(&client) else { continue };
            peer.state = State::Idle;
            if is_yes {
                self.perform(around, client, asked);
            } else {
                debug!("refused by user");
                peer.send(&Answer::Denied(asked.0, "Permission denied".to_owned()));
            }
        }
    }

    fn perform(&mut self, around: &mut Around<'_>, token: UserToken, asked: Asked) {
        let (id, request, descriptors) = asked;
        debug!("multiplex master: request {id}: {}", name(&request));
        let answer = match request {
            Request::Session(session) => {
                self.start_session(around.link, token, id, session, descriptors)
            }
            Request::Stdio(target) => {
                self.start_stdio(around.link, token, id, &target, descriptors)
            }
            Request::Alive => Some(Answer::Alive(id, std::process::id())),
            Request::Terminate => {
                self.wish = Some(Wish::Quit);
                Some(Answer::Ok(id))
            }
            Request::Open(direction, forward) => {
                self.open_forward(around, token, id, direction, forward)
            }
            Request::Close(direction, forward) => {
                let Forward { listen, connect } = &forward;
                let done = around.forwards.cancel(around.link, direction, listen, Some(connect));
                let problem = || Answer::Failure(id, "port not forwarded".to_owned());
                Some(if done { Answer::Ok(id) } else { problem() })
            }
            Request::Stop => {
                self.stop(around.link);
                Some(Answer::Ok(id))
            }
            Request::Information(what) => Some(self.information(around, id, &what)),
            Request::Proxy => self.start_proxy(around.link, token, id),
            Request::Hello(..) | Request::Unknown(_) => {
                Some(Answer::Failure(id, "unsupported request".to_owned()))
            }
        };
        if let (Some(answer), Some(peer)) = (answer, self.peers.get_mut(&token)) {
            peer.send(&answer);
        }
    }

    fn open_forward(
        &mut self,
        around: &mut Around<'_>,
        token: UserToken,
        id: u32,
        direction: Direction,
        forward: Forward,
    ) -> Option<Answer> {
        let about = describe::forward(direction, &forward, *self.config.gateway_ports);
        let chosen = matches!(forward.listen, Listen::Tcp { port: 0, .. });
        let ticket = self.next_token().0 as u64;
        Some(match around.forwards.open(around.link, direction, forward, ticket) {
            Ok(Opened::Asked) => {
                self.tickets.insert(ticket, (token, id));
                if let Some(peer) = self.peers.get_mut(&token) {
                    peer.state = State::Waiting;
                }
                return None;
            }
            Ok(Opened::Made(port)) if chosen => Answer::Port(id, port.into()),
            Ok(Opened::Made(_)) => Answer::Ok(id),
            Err(()) => {
                info!("requested {about} failed");
                Answer::Failure(id, "Port forwarding failed".to_owned())
            }
        })
    }

    fn start_proxy(&mut self, link: &Link<Client>, token: UserToken, id: u32) -> Option<Answer> {
        let peer = self.peers.get_mut(&token)?;
        if matches!(peer.state, State::Session) {
            return Some(Answer::Failure(id, "Multiple sessions not supported".to_owned()));
        }
        match Proxy::new(link.now()) {
            Ok(proxy) => {
                peer.send(&Answer::Proxy(id));
                peer.state = State::Proxy(Box::new(proxy));
                None
            }
            Err(problem) => Some(Answer::Failure(id, problem.to_string())),
        }
    }

    fn start_session(
        &mut self,
        link: &mut Link<Client>,
        token: UserToken,
        id: u32,
        session: NewSession,
        descriptors: Vec<OwnedFd>,
    ) -> Option<Answer> {
        let agent = session.agent && self.may_forward_agent;
        let shared = Shared::session(&self.config, token, id, session, agent, &descriptors);
        self.start(link, token, id, ChannelOpen::Session, shared, &descriptors)
    }

    fn start_stdio(
        &mut self,
        link: &mut Link<Client>,
        token: UserToken,
        id: u32,
        target: &Connect,
        descriptors: Vec<OwnedFd>,
    ) -> Option<Answer> {
        let open = match target {
            Connect::Tcp { host, port } => ChannelOpen::DirectTcpip {
                host: host.clone(),
                port: u32::from(*port),
                originator_address: "127.0.0.1".to_owned(),
                originator_port: 65535,
            },
            Connect::Socket(path) => {
                ChannelOpen::DirectStreamlocal { path: path.display().to_string() }
            }
            Connect::Dynamic => return Some(Answer::Failure(id, "invalid target".to_owned())),
        };
        self.start(link, token, id, open, Shared::stdio(token, id), &descriptors)
    }

    fn start(
        &mut self,
        link: &mut Link<Client>,
        token: UserToken,
        id: u32,
        open: ChannelOpen,
        shared: Shared,
        descriptors: &[OwnedFd],
    ) -> Option<Answer> {
        let failure = |why: &str| Some(Answer::Failure(id, why.to_owned()));
        let peer = self.peers.get_mut(&token)?;
        if matches!(peer.state, State::Session) {
            return failure("Multiple sessions not supported");
        }
        let endpoints = match shared.endpoints(descriptors.iter().map(AsFd::as_fd)) {
            Ok(endpoints) => endpoints,
            Err(source) => return failure(&crate::text::reason(&source)),
        };
        let channel = match link.connection_mut().open_channel(open) {
            Ok(channel) => channel,
            Err(problem) => return failure(&problem.to_string()),
        };
        debug!("channel {}: new for a client of the shared connection", channel.0);
        let is_typed = shared.has_terminal();
        self.sessions.insert(channel, shared);
        match link.attach(channel, endpoints) {
            Ok(()) if is_typed => link.set_interactive(channel),
            Ok(()) => {}
            Err(source) => debug!("channel {}: {}", channel.0, crate::text::reason(&source)),
        }
        peer.state = State::Waiting;
        None
    }

    fn information(&self, around: &Around<'_>, id: u32, what: &str) -> Answer {
        match what {
            "conninfo" => Answer::Information(id, (around.information)(around.link)),
            "channels" => {
                let mut lines = vec!["The following connections are open:".to_owned()];
                lines.extend(
                    self.sessions
                        .keys()
                        .map(|channel| format!("  #{} client-session (shared)", channel.0)),
                );
                lines.extend(
                    around
                        .forwards
                        .list()
                        .map(|(channel, about)| format!("  #{} {about}", channel.0)),
                );
                Answer::Information(id, lines.join("\r\n") + "\r\n")
            }
            _ => Answer::Failure(id, "unsupported request".to_owned()),
        }
    }
}

fn name(request: &Request) -> &'static str {
    match request {
        Request::Hello(..) => "hello",
        Request::Session(_) => "new session",
        Request::Stdio(_) => "stdio forward",
        Request::Alive => "alive check",
        Request::Terminate => "terminate",
        Request::Open(..) => "open forward",
        Request::Close(..) => "close forward",
        Request::Stop => "stop listening",
        Request::Proxy => "proxy",
        Request::Information(_) => "information",
        Request::Unknown(_) => "unknown",
    }
}
