//! Bytes between the transport, the engine and the endpoints.

use proto::{ChannelId, Role, Side};

use crate::keystrokes::{self, Pace};
use crate::limits;
use crate::link::{Link, Phase};
use crate::transport::Received;

impl<R: Role> Link<R> {
    /// Reads the transport once. `false`: there is nothing to read or no room.
    pub(crate) fn receive(&mut self, budget: &mut usize) -> bool {
        if *budget == 0 || self.input_ended || !self.wire.is_readable(&self.reactor) {
            return false;
        }
        let room = self.connection.input_room();
        if room.is_empty() {
            return false;
        }
        match self.wire.receive(&mut self.reactor, room) {
            Received::Bytes(count) => {
                *budget = budget.saturating_sub(count);
                self.connection.handle_input(count);
                self.traffic();
                (self.last_heard, self.unanswered) = (self.now, None);
                if let Some(watch) = &mut self.keep_alive {
                    watch.heard(self.now);
                }
                return true;
            }
            Received::Nothing => return false,
            Received::End => {}
            Received::Failed(error) => {
                log::debug!("reading from the remote: {error}");
                self.transport_error = Some(error.into());
            }
        }
        self.input_ended = true;
        self.connection.handle_end_of_input();
        true
    }

    /// Whether there is something to read and room for it.
    pub(crate) fn can_receive(&mut self) -> bool {
        !self.input_ended
            && self.wire.is_readable(&self.reactor)
            && !self.connection.input_room().is_empty()
    }

    /// Lets each active channel move its share. Returns the channels whose
    /// input the application has to filter, with the room for it, and whether
    /// there is more to do at once.
    pub(crate) fn pump(&mut self) -> (Vec<(ChannelId, usize)>, bool) {
        let (mut filtered, mut again) = (Vec::new(), false);
        for _ in 0..self.active.len() {
            let Some(channel) = self.active.pop_front() else { break };
            let Some(attached) = self.channels.get_mut(&channel) else { continue };
            attached.queued = false;
            let (connection, reactor) = (&mut self.connection, &mut self.reactor);
            let mut pumped = attached.pump_outputs(connection, reactor, channel);
            // A run that ends sends nothing new.
            if self.phase == Phase::Running {
                attached.pump_inputs(connection, reactor, channel, &mut pumped);
            }
            attached.tell(connection, channel, &mut self.notices);
            if pumped.moved {
                attached.active = self.now;
                self.last_traffic = self.now;
                self.released = false;
            }
            self.typed |= pumped.sent && attached.interactive;
            again |= pumped.again;
            if pumped.waiting {
                attached.queued = true;
                self.active.push_back(channel);
            }
            if pumped.filter_room > 0 {
                filtered.push((channel, pumped.filter_room));
            }
        }
        self.leftovers.retain_mut(|(_, output)| {
            output.flush(&mut self.reactor);
            if output.is_flushed() {
                output.close(&mut self.reactor);
            }
            !output.is_flushed()
        });
        (filtered, again)
    }

    /// Drops the oldest of what closed channels left, beyond the limit. A
    /// client has but one user, who wants all of it.
    pub(super) fn bound_leftovers(&mut self) {
        if R::SIDE == Side::Client {
            return;
        }
        let mut total: usize =
            self.leftovers.iter().map(|(_, output)| output.waiting_bytes()).sum();
        while total > limits::LEFTOVER_BYTES && !self.leftovers.is_empty() {
            let (_, mut oldest) = self.leftovers.remove(0);
            total -= oldest.waiting_bytes();
            log::debug!("a closed channel's output is dropped: it was not read");
            oldest.abandon(&mut self.reactor);
        }
    }

    /// Reads a channel's input for the application to filter.
    pub(crate) fn read_filtered(&mut self, channel: ChannelId, room: usize) -> Vec<u8> {
        let mut data = vec![0; room.min(limits::FILTERED_READ_BYTES)];
        let attached = self.channels.get_mut(&channel);
        let count = attached.map_or(0, |attached| {
            attached.active = self.now;
            attached.read_filtered(&mut self.reactor, &mut data)
        });
        data.truncate(count);
        self.activate(channel);
        data
    }

    /// Writes what there is for the remote; returns how much left.
    pub(crate) fn transmit(&mut self) -> usize {
        let mut total = 0;
        if !self.is_due() {
            return total;
        }
        loop {
            let bytes = self.connection.poll_transmit();
            if bytes.is_empty() {
                break;
            }
            let count = if self.write_broken {
                bytes.len()
            } else if self.wire.is_writable(&self.reactor) {
                match self.wire.send(&mut self.reactor, bytes) {
                    Ok(0) => break,
                    Ok(count) => count,
                    Err(error) => {
                        // What the remote said before it went may still be
                        // there to read; its end ends the connection.
                        log::debug!("writing to the remote: {error}");
                        self.write_broken = true;
                        self.transport_error = Some(error.into());
                        bytes.len()
                    }
                }
            } else {
                break;
            };
            self.connection.transmitted(count);
            total += count;
        }
        if total > 0 {
            self.traffic();
            self.last_sent = Some(self.now);
            self.unanswered.get_or_insert(self.now);
        }
        total
    }

    /// Whether what waits may leave now: typing has a pace.
    fn is_due(&mut self) -> bool {
        let typed = std::mem::take(&mut self.typed);
        let Some(keystrokes) = &mut self.keystrokes else { return true };
        let has_terminal = self.phase == Phase::Running
            && self.channels.values().any(|attached| attached.interactive);
        let turn = keystrokes::Turn {
            now: self.now,
            has_terminal,
            is_rekeying: self.connection.is_rekeying(),
            typed,
            waiting: self.connection.poll_transmit().len(),
        };
        match keystrokes.pace(turn) {
            Pace::Send => true,
            Pace::Hold => false,
            Pace::Chaff => {
                // What cannot be framed ends the connection elsewhere.
                let _ = self.connection.send_chaff();
                true
            }
        }
    }

    /// Whether the transport takes no more for now.
    pub(crate) fn is_blocked(&self) -> bool {
        !self.connection.poll_transmit().is_empty()
    }
}
