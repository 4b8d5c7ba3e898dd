//! One direction of a channel: a descriptor, and what waits for it.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use proto::Data;

use crate::descriptor::{Descriptor, Read};
use crate::limits;
use crate::reactor::{Owner, Reactor, Slot};
use crate::spill::Spill;

/// A descriptor in the poll; two of them share one when it is used both ways.
#[derive(Debug)]
pub(crate) struct File {
    pub(super) descriptor: Arc<Descriptor>,
    pub(super) slot: Option<Slot>,
    /// A pipe that proved busy was made larger.
    pub(super) enlarged: bool,
}

impl File {
    pub(crate) fn close(self, reactor: &mut Reactor) {
        if let (Some(slot), 1) = (self.slot, Arc::strong_count(&self.descriptor)) {
            reactor.remove(slot, self.descriptor.as_fd().as_raw_fd());
        }
    }

    fn enlarge(&mut self) {
        if !self.enlarged {
            self.enlarged = true;
            self.descriptor.enlarge();
        }
    }

    pub(crate) fn read(&mut self, reactor: &mut Reactor, room: &mut [u8]) -> Read {
        let read = self.descriptor.read(room, reactor.ready(self.slot).closed);
        if read.empty {
            reactor.not_readable(self.slot);
        } else if read.count == room.len() {
            self.enlarge();
        }
        read
    }

    pub(crate) fn read_vectored(
        &mut self,
        reactor: &mut Reactor,
        rooms: &mut [IoSliceMut<'_>],
    ) -> Read {
        let read = self.descriptor.read_vectored(rooms, reactor.ready(self.slot).closed);
        if read.empty {
            reactor.not_readable(self.slot);
        }
        read
    }

    /// The count written, or that writing is over.
    pub(crate) fn write(
        &mut self,
        reactor: &mut Reactor,
        pieces: &mut [IoSlice<'_>],
    ) -> Result<usize, Broken> {
        match self.descriptor.write(pieces) {
            Ok((count, full)) => {
                if full {
                    reactor.not_writable(self.slot);
                    self.enlarge();
                }
                Ok(count)
            }
            Err(error) => {
                log::debug!("writing to an endpoint: {error}");
                Err(Broken)
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Broken;

/// From a descriptor to the remote.
#[derive(Debug, Default)]
pub(crate) struct Input {
    pub(super) file: Option<File>,
    pub(super) had_file: bool,
    pub(super) filtered: bool,
    /// The last read filled its packet: several are read at once.
    pub(super) busy: bool,
    /// What the application put first, or left of filtered bytes.
    pub(super) pending: Spill,
}

impl Input {
    pub(crate) fn has_ended(&self) -> bool {
        self.file.is_none() && self.pending.is_empty()
    }

    pub(crate) fn close(&mut self, reactor: &mut Reactor) {
        if let Some(file) = self.file.take() {
            file.close(reactor);
        }
    }
}

/// From the remote to a descriptor.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(super) file: Option<File>,
    pub(super) had_file: bool,
    pub(super) spill: Spill,
    pub(super) broken: bool,
}

impl Output {
    /// Takes received data; returns how much of it was written for good.
    pub(crate) fn accept(&mut self, reactor: &mut Reactor, data: Data<'_>) -> usize {
        let mut done = 0;
        let small = data.len() < limits::GATHER_BELOW_BYTES;
        if !self.spill.is_empty() && (!small || self.spill.len() > limits::GATHER_BYTES) {
            done = self.flush(reactor);
        }
        let Some(file) = &mut self.file else { return done + data.len() };
        if small || !self.spill.is_empty() || !reactor.ready(file.slot).writable {
            data.pieces().for_each(|piece| self.spill.push(piece));
            return done;
        }
        let mut pieces: Vec<IoSlice<'_>> = data.pieces().map(IoSlice::new).collect();
        if let Ok(count) = file.write(reactor, &mut pieces) {
            let mut written = count;
            for piece in data.pieces() {
                let of_piece = written.min(piece.len());
                self.spill.push(&piece[of_piece..]);
                written -= of_piece;
            }
            return done + count;
        }
        self.fail(reactor);
        done + data.len()
    }

    /// Writes what waits; returns how much left, written or dropped.
    pub(crate) fn flush(&mut self, reactor: &mut Reactor) -> usize {
        let Some(file) = &mut self.file else { return self.spill.discard() };
        if self.spill.is_empty() || !reactor.ready(file.slot).writable {
            return 0;
        }
        if let Ok(count) = file.write(reactor, &mut [IoSlice::new(self.spill.bytes())]) {
            self.spill.take(count);
            return count;
        }
        let dropped = self.spill.discard();
        self.fail(reactor);
        dropped
    }

    /// One with so many bytes before a descriptor that takes none.
    #[cfg(test)]
    pub(crate) fn with_waiting(bytes: usize) -> Self {
        let mut output = Self::default();
        output.spill.push(&vec![0; bytes]);
        output
    }

    /// What waits to be written.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.spill.len()
    }

    /// Drops what waits and closes.
    pub(crate) fn abandon(&mut self, reactor: &mut Reactor) {
        self.spill.discard();
        self.close(reactor);
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.spill.is_empty()
    }

    pub(crate) fn set_owner(&self, reactor: &mut Reactor, owner: Owner) {
        if let Some(file) = &self.file {
            reactor.set_owner(file.slot, owner);
        }
    }

    fn fail(&mut self, reactor: &mut Reactor) {
        self.broken = true;
        self.close(reactor);
    }

    pub(crate) fn close(&mut self, reactor: &mut Reactor) {
        if let Some(file) = self.file.take() {
            file.descriptor.end_writing();
            file.close(reactor);
        }
    }
}
