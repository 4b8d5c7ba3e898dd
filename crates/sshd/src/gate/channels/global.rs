//! Requests of the whole connection: ports and sockets that the client has us listen at.

use net::Link;
use proto::{GlobalRequest, Server};
use wire::Writer;

use super::{Asked, Told, remark};
use crate::gate::Gate;
use crate::requests::ToSession;

impl Gate {
    pub(in crate::gate) fn global_requested(
        &mut self,
        link: &mut Link<Server>,
        request: GlobalRequest,
        want_reply: bool,
    ) {
        let (request, any_port) = match request {
            GlobalRequest::TcpipForward { address, port } => {
                (ToSession::Listen { address, port }, port == 0)
            }
            GlobalRequest::CancelTcpipForward { address, port } => {
                (ToSession::Unlisten { address, port }, false)
            }
            GlobalRequest::StreamlocalForward { path } => (ToSession::ListenLocal { path }, false),
            GlobalRequest::CancelStreamlocalForward { path } => {
                (ToSession::UnlistenLocal { path }, false)
            }
            GlobalRequest::NoMoreSessions => {
                self.tell(link, &ToSession::NoMoreSessions);
                if want_reply {
                    self.globals.push_back(Asked::Here(true));
                }
                return self.answer_globals_here(link);
            }
            _ => {
                if want_reply {
                    self.globals.push_back(Asked::Here(false));
                }
                return self.answer_globals_here(link);
            }
        };
        match self.tell(link, &request) {
            Told::Sent => self.globals.push_back(Asked::Session { want_reply, any_port }),
            Told::Unsent => {
                if want_reply {
                    self.globals.push_back(Asked::Here(false));
                }
                self.answer_globals_here(link);
            }
            Told::Failed => {}
        }
    }

    pub(in crate::gate) fn answer_globals_here(&mut self, link: &mut Link<Server>) {
        while let Some(Asked::Here(good)) = self.globals.front() {
            let good = *good;
            self.globals.pop_front();
            let _ = link.connection_mut().reply_global(good, &[]);
        }
    }

    /// The session's answer to the oldest of these requests.
    pub(super) fn listening(&mut self, link: &mut Link<Server>, good: bool, port: u32, why: &str) {
        if !why.is_empty() {
            remark(link, why);
        }
        if let Some(Asked::Session { want_reply, any_port }) = self.globals.pop_front()
            && want_reply
        {
            let mut data = Vec::new();
            if good && any_port {
                data.put_u32(port);
            }
            let _ = link.connection_mut().reply_global(good, &data);
        }
        self.answer_globals_here(link);
    }
}
