//! Flow control. RFC 4254 §5.2.

use std::time::{Duration, Instant};

use crate::error::{Error, Misbehaved};
use crate::limits;

/// What we let the remote send on a channel.
#[derive(Debug)]
pub struct LocalWindow {
    /// What the window is when all has been consumed.
    size: u32,
    /// What the remote may still send.
    left: u32,
    /// What was consumed and not yet given back.
    consumed: u32,
    fixed: bool,
    last_adjust: Option<Instant>,
}

impl LocalWindow {
    /// A window of a fixed size, or one that grows.
    pub fn new(fixed: Option<u32>) -> Self {
        let size = fixed.unwrap_or(limits::WINDOW_START_BYTES);
        Self { size, left: size, consumed: 0, fixed: fixed.is_some(), last_adjust: None }
    }

    /// The window's size.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// The remote sent `bytes`.
    ///
    /// # Errors
    /// [`Misbehaved::WindowExceeded`].
    pub fn received(&mut self, bytes: usize) -> Result<(), Error> {
        let left = (self.left as usize).checked_sub(bytes).ok_or(Misbehaved::WindowExceeded)?;
        self.left = left as u32;
        Ok(())
    }

    /// The application consumed `bytes`: how much to let the remote send on
    /// top, if it is worth a message.
    ///
    /// Half a window that was used up in less than two round trips means that
    /// the sender waits for us: the window doubles, as far as `spare` allows.
    pub fn consumed(
        &mut self,
        bytes: usize,
        now: Instant,
        round_trip: Option<Duration>,
        spare: u64,
    ) -> Option<u32> {
        let outstanding = self.size - self.left.min(self.size);
        self.consumed = self.consumed.saturating_add(bytes as u32).min(outstanding);
        if self.consumed < self.size / 2 {
            return None;
        }
        let mut add = self.consumed;
        self.consumed = 0;
        if !self.fixed {
            let quick = match (self.last_adjust, round_trip) {
                (Some(last), Some(trip)) => now.saturating_duration_since(last) < trip * 2,
                _ => false,
            };
            let larger = self.size.saturating_mul(2).min(limits::WINDOW_CAP_BYTES);
            if quick && larger > self.size && u64::from(larger - self.size) <= spare {
                add += larger - self.size;
                self.size = larger;
            }
        }
        self.last_adjust = Some(now);
        self.left += add;
        Some(add)
    }
}

/// What the remote lets us send on a channel.
#[derive(Debug, Default)]
pub struct RemoteWindow {
    left: u32,
}

impl RemoteWindow {
    /// As the remote opened it.
    pub fn new(bytes: u32) -> Self {
        Self { left: bytes }
    }

    /// What may be sent.
    pub fn left(&self) -> usize {
        self.left as usize
    }

    /// `bytes` were sent; no more than [`Self::left`].
    pub fn sent(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes as u32);
    }

    /// The remote lets us send `bytes` more.
    ///
    /// # Errors
    /// [`Misbehaved::WindowOverflow`].
    pub fn adjust(&mut self, bytes: u32) -> Result<(), Error> {
        self.left = self.left.checked_add(bytes).ok_or(Misbehaved::WindowOverflow)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_exceeded() {
        let mut window = LocalWindow::new(Some(100));
        window.received(100).unwrap();
        assert_eq!(window.received(1), Err(Error::Misbehaved(Misbehaved::WindowExceeded)));
    }

    #[test]
    fn window_overflow() {
        let mut window = RemoteWindow::new(u32::MAX);
        assert_eq!(window.adjust(1), Err(Error::Misbehaved(Misbehaved::WindowOverflow)));
    }

    #[test]
    fn a_window_grows_only_for_a_sender_that_waits() {
        let start = Instant::now();
        let trip = Some(Duration::from_millis(100));
        let half = limits::WINDOW_START_BYTES as usize / 2;
        let mut window = LocalWindow::new(None);
        window.received(half * 2).unwrap();
        assert_eq!(window.consumed(half, start, trip, u64::MAX), Some(half as u32));
        let later = start + Duration::from_secs(1);
        assert_eq!(window.consumed(half, later, trip, u64::MAX), Some(half as u32));
        window.received(half).unwrap();
        let soon = later + Duration::from_millis(120);
        assert_eq!(window.consumed(half, soon, trip, u64::MAX), Some(3 * half as u32));
        assert_eq!(window.size(), limits::WINDOW_START_BYTES * 2);
    }

    #[test]
    fn consuming_more_than_came_opens_nothing() {
        let mut window = LocalWindow::new(Some(100));
        window.received(60).unwrap();
        assert_eq!(window.consumed(1000, Instant::now(), None, 0), Some(60));
        assert_eq!(window.left, 100);
    }
}
