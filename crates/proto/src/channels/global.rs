//! Global requests, ours and the remote's. RFC 4254 §4.

use crate::channel::request::GlobalRequest;
use crate::connection::Connection;
use crate::error::{Error, Misbehaved, Misuse};
use crate::event::Event;
use crate::limits;
use crate::message::request;
use crate::message::table::{self, Phase};
use crate::role::Role;

impl<R: Role> Connection<R> {
    /// Sends a global request. With `want_reply`, [`Event::GlobalAnswered`]
    /// answers, in the order of the requests. RFC 4254 §4.
    ///
    /// # Errors
    /// [`Misuse`] before authentication.
    pub fn global_request(
        &mut self,
        request: GlobalRequest,
        want_reply: bool,
    ) -> Result<(), Error> {
        if self.phase != Phase::Connection {
            return Err(Misuse::OutOfTurn("a global request").into());
        }
        if want_reply {
            self.globals.asked.push_back(GlobalAsked { role: false, sent: self.now });
        }
        self.send_message(&request::encode_global(&request, want_reply))
    }

    /// Answers the oldest [`Event::GlobalRequested`] that wants a reply.
    ///
    /// # Errors
    /// [`Misuse`] when there is none.
    pub fn reply_global(&mut self, success: bool, data: &[u8]) -> Result<(), Error> {
        if self.globals.unanswered == 0 {
            return Err(Misuse::OutOfTurn("a reply").into());
        }
        self.globals.unanswered -= 1;
        if success {
            self.send_message(&request::encode_global_success(data))
        } else {
            self.send_message(&[table::REQUEST_FAILURE])
        }
    }

    /// Asks for a sign of life that every peer answers, if only by a refusal;
    /// [`Event::GlobalAnswered`] is the answer.
    ///
    /// # Errors
    /// [`Misuse`] before authentication.
    pub fn ping(&mut self) -> Result<(), Error> {
        self.global_request(GlobalRequest::Keepalive, true)
    }

    pub(super) fn handle_global_request(&mut self, payload: &[u8]) -> Result<(), Error> {
        let (request, want_reply) = request::decode_global(payload)?;
        if want_reply {
            self.globals.unanswered += 1;
            if self.globals.unanswered > limits::UNANSWERED_REQUESTS {
                return Err(Misbehaved::TooManyRequests.into());
            }
        }
        if let GlobalRequest::Other { name, data } = &request
            && R::handle_global(self, name, data, want_reply)?
        {
            return Ok(());
        }
        self.events.push_back(Event::GlobalRequested { request, want_reply });
        Ok(())
    }

    pub(super) fn handle_global_answer(&mut self, success: bool, data: &[u8]) -> Result<(), Error> {
        let asked = self.globals.asked.pop_front().ok_or(Misbehaved::AnswerWithoutRequest)?;
        self.sample_round_trip(Some(asked.sent));
        if asked.role {
            return R::answered_global(self, success, data);
        }
        self.events.push_back(Event::GlobalAnswered { success, data: data.to_vec() });
        Ok(())
    }
}

/// Global requests that await an answer, ours and the remote's.
#[derive(Default)]
pub struct Globals {
    pub(crate) asked: std::collections::VecDeque<GlobalAsked>,
    pub(crate) unanswered: usize,
}

/// One of ours.
pub struct GlobalAsked {
    /// Made by the role itself, not by the application.
    pub(crate) role: bool,
    pub(crate) sent: std::time::Instant,
}
