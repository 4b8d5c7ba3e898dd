/// Bytes waiting for a descriptor or a window: appended at the end, taken at
/// the front. Holds no memory once it was emptied and released.
#[derive(Debug, Default)]
pub(crate) struct Spill {
    bytes: Vec<u8>,
    start: usize,
}

impl Spill {
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        // Moving the rest down is worth it only when that frees at least as
        // much as it moves, so each byte moves at most once.
        if self.start > 0 && self.start >= self.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn take(&mut self, count: usize) {
        self.start = (self.start + count).min(self.bytes.len());
        if self.is_empty() {
            self.bytes.clear();
            self.start = 0;
        }
    }

    /// Drops what waits and says how much it was.
    pub(crate) fn discard(&mut self) -> usize {
        let dropped = self.len();
        *self = Self::default();
        dropped
    }

    /// Gives the memory back if nothing waits.
    pub(crate) fn release(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_order() {
        let mut spill = Spill::default();
        spill.push(b"abcdef");
        spill.take(4);
        spill.push(b"gh");
        assert_eq!(spill.bytes(), b"efgh");
        spill.take(9);
        assert!(spill.is_empty());
        spill.release();
        assert_eq!(spill.bytes.capacity(), 0);
    }

    #[test]
    fn discarding_counts() {
        let mut spill = Spill::default();
        spill.push(b"abc");
        spill.take(1);
        assert_eq!(spill.discard(), 2);
        assert!(spill.is_empty());
    }
}
