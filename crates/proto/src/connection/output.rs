//! What goes out: held during a key exchange, framed, counted; the last word among it.

use zeroize::Zeroizing;

use super::Connection;
use crate::error::{DisconnectReason, Error, Misbehaved};
use crate::event::Event;
use crate::kex::Kex;
use crate::limits;
use crate::message::transport;
use crate::role::Role;

impl<R: Role> Connection<R> {
    /// Says goodbye. Nothing is processed afterwards; what
    /// [`Self::poll_transmit`] has is still to be written.
    pub fn disconnect(&mut self, reason: DisconnectReason, description: &str) {
        if !self.ended {
            let payload = transport::encode_disconnect(reason, description);
            // The connection ends here whether or not this can be framed.
            let _ = self.send_now(&payload);
            self.end(Error::ClosedByUs);
        }
    }

    /// Ends the connection because the remote no longer answers.
    pub fn time_out(&mut self, timer: crate::error::Timer) {
        self.fail(Error::TimedOut(timer));
    }

    /// Whether messages other than the exchange's own must wait.
    pub(crate) fn must_hold(&self) -> bool {
        matches!(self.kex, Kex::AwaitKexInit(_) | Kex::Exchange(..))
    }

    /// Sends a message, behind the key exchange if one runs.
    pub(crate) fn send_message(&mut self, payload: &[u8]) -> Result<(), Error> {
        if self.must_hold() {
            self.held_bytes += payload.len();
            if self.held_bytes > limits::HELD_BYTES {
                return Err(Misbehaved::TooManyRequests.into());
            }
            self.held.push_back(Zeroizing::new(payload.to_vec()));
            return Ok(());
        }
        self.send_now(payload)
    }

    /// Sends a message of the transport itself.
    pub(crate) fn send_now(&mut self, payload: &[u8]) -> Result<(), Error> {
        // The other end of a bare transport knows nothing else.
        if self.bare && payload.first().is_some_and(|number| *number < 80) {
            return Ok(());
        }
        let length = match &mut self.compressor {
            None => self.sender.append(&mut self.output, payload)?,
            Some(compressor) => {
                let payload = compressor.payload(payload)?;
                self.sender.append(&mut self.output, payload)?
            }
        };
        self.count_sent(length);
        Ok(())
    }

    pub(crate) fn count_sent(&mut self, length: usize) {
        self.sent_usage.count(length);
        self.statistics.sent_bytes += length as u64;
        self.statistics.sent_packets += 1;
    }

    pub(super) fn send_held(&mut self) -> Result<(), Error> {
        self.held_bytes = 0;
        while let Some(payload) = self.held.pop_front() {
            self.send_now(&payload)?;
        }
        Ok(())
    }

    /// Ends the connection for a reason of our own.
    pub(crate) fn refuse(&mut self, error: Error) {
        self.fail(error);
    }

    pub(super) fn fail(&mut self, error: Error) {
        if self.ended {
            return;
        }
        if let Some((reason, description)) = error.goodbye() {
            let payload = transport::encode_disconnect(reason, &description);
            // Ending anyway; the remote learns why if it can be framed.
            let _ = self.send_now(&payload);
        }
        self.end(error);
    }

    fn end(&mut self, error: Error) {
        self.ended = true;
        self.waiting = false;
        self.events.push_back(Event::Ended(error));
    }
}
