//! The connection's two buffers. Their memory stays initialised, so growing
//! and reusing it costs no clearing, and both give it back when idle.

use std::ops::Range;

use crate::limits;

/// What the socket was read into and is decrypted in.
#[derive(Default)]
pub struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    grow: bool,
}

impl Input {
    /// Room to read into; at least `wanted` bytes in all can stand from the
    /// first unread one on.
    pub fn room(&mut self, wanted: usize) -> &mut [u8] {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
        let size = self.bytes.len();
        let larger = if size == 0 {
            limits::BUFFER_START_BYTES
        } else if self.grow {
            (size * 2).min(limits::INPUT_BYTES)
        } else {
            size
        };
        self.grow = false;
        let size = larger.max(wanted.min(limits::INPUT_BYTES));
        if size > self.bytes.len() {
            self.compact();
            self.bytes.resize(size, 0);
        } else if self.start > 0 && self.bytes.len() - self.end < size / 2 {
            self.compact();
        }
        &mut self.bytes[self.end..]
    }

    fn compact(&mut self) {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
    }

    /// Takes note that `count` bytes of the room were filled.
    pub fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
        // A read that filled all of its room: there is more where it came from.
        self.grow = self.end == self.bytes.len();
    }

    /// How much is unread.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// The unread bytes.
    pub fn unread(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Marks `count` bytes as read; they stay in place until the next
    /// [`Self::room`]. Gives where they are.
    pub fn take(&mut self, count: usize) -> Range<usize> {
        let taken = self.start..self.start + count.min(self.len());
        self.start = taken.end;
        taken
    }

    /// Bytes that were taken.
    pub fn taken(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// The whole buffer, in which taken ranges lie.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Gives the memory back if nothing is in it.
    pub fn release(&mut self) {
        if self.start == self.end {
            *self = Self::default();
        }
    }
}

/// What is sealed and waits to be sent.
#[derive(Default)]
pub struct Output {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Output {
    /// The bytes to send.
    pub fn pending(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Drops bytes that were sent.
    pub fn sent(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Room for `count` bytes behind what waits.
    pub fn reserve(&mut self, count: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < count && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let needed = self.end + count;
        if self.bytes.len() < needed {
            let size = needed.max(self.bytes.len() * 2).max(limits::BUFFER_START_BYTES);
            self.bytes.resize(size, 0);
        }
        &mut self.bytes[self.end..needed]
    }

    /// Adds `count` bytes of what was reserved to what waits.
    pub fn commit(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }

    /// Gives the memory back if nothing waits.
    pub fn release(&mut self) {
        if self.start == self.end {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_keeps_what_is_unread_when_it_grows() {
        let mut input = Input::default();
        let room = input.room(0);
        room.fill(7);
        let size = room.len();
        input.filled(size);
        input.take(size - 3);
        assert!(input.room(0).len() > size);
        assert_eq!(input.unread(), [7, 7, 7]);
        assert!(input.room(limits::INPUT_BYTES * 9).len() <= limits::INPUT_BYTES);
    }

    #[test]
    fn output_moves_to_the_front_before_it_grows() {
        let mut output = Output::default();
        output.reserve(limits::BUFFER_START_BYTES).fill(1);
        output.commit(limits::BUFFER_START_BYTES);
        output.sent(limits::BUFFER_START_BYTES - 1);
        output.reserve(10).fill(2);
        output.commit(10);
        assert_eq!(output.bytes.len(), limits::BUFFER_START_BYTES);
        assert_eq!(output.pending(), [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
        output.sent(11);
        output.release();
        assert_eq!(output.bytes.capacity(), 0);
    }
}
