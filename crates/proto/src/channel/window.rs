//! Flow control. RFC 4254 §5.2.

use std::time::{Duration, Instant};

use crate::error::{Error, Misbehaved};
use crate::limits;

/// A stall shorter than this may be a busy machine's scheduler's. A link with
/// less delay carries 2 Gbit/s with the window that a channel starts with.
const SHORTEST_STALL: Duration = Duration::from_millis(8);

/// A round trip shorter than this may be the time that a busy machine took for
/// the key exchange.
const LONG_WAY: Duration = Duration::from_millis(20);

/// Two stalls in three periods: one alone may be a busy machine's.
const STALLS: u8 = 3;

/// What we let the remote send on a channel.
///
/// A window that is too small for its link shows by stalls: all that the
/// remote knew it may send has come, and then nothing comes until our adjust
/// has travelled there and the next byte back. The window grows while such
/// stalls take up more than an eighth of the time, and while it is not far
/// beyond bandwidth x delay: on a short link stalls are the scheduler's, and
/// a larger window would only be buffered by the remote.
#[derive(Debug)]
pub struct LocalWindow {
    /// What the window is when all has been consumed.
    size: u32,
    /// What the remote may still send.
    left: u32,
    /// What was consumed and not yet given back.
    consumed: u32,
    fixed: bool,
    /// What was left when the last adjust went out, less what came since.
    before_adjust: Option<u32>,
    /// When that reached zero.
    waiting_since: Option<Instant>,
    stalled: Duration,
    /// Two up for a period with a stall, one down for a period without.
    stalls: u8,
    last_judged: Option<Instant>,
}

impl LocalWindow {
    /// A window of a fixed size, or one that grows by at most `spare`.
    ///
    /// Where the key exchange showed a long way to the remote, the window
    /// begins as large as a fast link of that length needs: growing to it
    /// would take several round trips of waiting.
    pub fn new(fixed: Option<u32>, round_trip: Option<Duration>, spare: u64) -> Self {
        let size = fixed.unwrap_or_else(|| {
            let long = round_trip.filter(|trip| *trip >= LONG_WAY).unwrap_or_default();
            // Half a window is used before the remote hears of more.
            let needed = 2 * limits::LINK_BYTES_PER_SECOND * long.as_micros() as u64 / 1_000_000;
            let most = spare.min(u64::from(limits::WINDOW_CAP_BYTES)) as u32;
            u32::try_from(needed).unwrap_or(u32::MAX).min(most).max(limits::WINDOW_START_BYTES)
        });
        Self {
            size,
            left: size,
            consumed: 0,
            fixed: fixed.is_some(),
            before_adjust: None,
            waiting_since: None,
            stalled: Duration::ZERO,
            stalls: 0,
            last_judged: None,
        }
    }

    /// The window's size.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// The remote sent `bytes`.
    ///
    /// # Errors
    /// [`Misbehaved::WindowExceeded`].
    pub fn received(&mut self, bytes: usize, now: Instant) -> Result<(), Error> {
        let left = (self.left as usize).checked_sub(bytes).ok_or(Misbehaved::WindowExceeded)?;
        self.left = left as u32;
        if let Some(since) = self.waiting_since.take() {
            self.stalled += now.saturating_duration_since(since);
        }
        if let Some(before) = self.before_adjust {
            let rest = before.saturating_sub(bytes as u32);
            self.before_adjust = (rest > 0).then_some(rest);
            if before as usize == bytes {
                self.waiting_since = Some(now);
            }
        }
        Ok(())
    }

    /// The application consumed `bytes`: how much to let the remote send on
    /// top, if it is worth a message. The window grows by at most `spare`.
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
        let factor = self.growth(add, now, round_trip);
        let larger = self.size.saturating_mul(factor).min(limits::WINDOW_CAP_BYTES);
        if larger > self.size && u64::from(larger - self.size) <= spare {
            add += larger - self.size;
            self.size = larger;
        }
        // Only what the remote surely knew of can be seen to run out.
        if self.before_adjust.is_none() && self.left > 0 {
            self.before_adjust = Some(self.left);
        } else if self.left == 0 && self.waiting_since.is_none() {
            self.waiting_since = Some(now);
        }
        self.left += add;
        Some(add)
    }

    /// How many times as large the window is to be.
    fn growth(&mut self, bytes: u32, now: Instant, round_trip: Option<Duration>) -> u32 {
        let stalled = std::mem::take(&mut self.stalled);
        let judged = self.last_judged.replace(now);
        let elapsed = judged.map_or(Duration::MAX, |last| now.saturating_duration_since(last));
        if stalled >= SHORTEST_STALL && stalled >= elapsed / 8 {
            self.stalls = (self.stalls + 2).min(STALLS + 1);
        } else {
            self.stalls = self.stalls.saturating_sub(1);
        }
        // A period is half a window, so on a link that it limits the rate
        // x delay is half of it; twice that is margin.
        let Some(round_trip) = round_trip else { return 1 };
        let rate = f64::from(bytes) / elapsed.as_secs_f64().max(1e-6);
        let useful = 4.0 * rate * round_trip.as_secs_f64();
        if self.fixed || self.stalls < STALLS || f64::from(self.size) > useful {
            return 1;
        }
        // The busy part of the period says how much more would fit into it.
        match elapsed.saturating_sub(stalled) {
            busy if busy <= elapsed / 8 => 8,
            busy if busy <= elapsed / 4 => 4,
            _ => 2,
        }
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
        let mut window = LocalWindow::new(Some(100), None, 0);
        let now = Instant::now();
        window.received(100, now).unwrap();
        assert_eq!(window.received(1, now), Err(Error::Misbehaved(Misbehaved::WindowExceeded)));
    }

    #[test]
    fn window_overflow() {
        let mut window = RemoteWindow::new(u32::MAX);
        assert_eq!(window.adjust(1), Err(Error::Misbehaved(Misbehaved::WindowOverflow)));
    }

    #[test]
    fn a_window_grows_only_for_a_sender_that_waits() {
        let mut now = Instant::now();
        let half = limits::WINDOW_START_BYTES as usize / 2;
        let trip = Some(Duration::from_millis(100));
        let mut window = LocalWindow::new(None, None, 0);
        // A short link: the next half comes before the last one is used up.
        for _ in 0..4 {
            window.received(half / 2, now).unwrap();
            now += Duration::from_millis(10);
            window.received(half / 2, now).unwrap();
            assert_eq!(window.consumed(half, now, trip, u64::MAX), Some(half as u32));
        }
        // A long one: all of it comes at once, then nothing for a round trip.
        for expected in [half, half, 15 * half] {
            window.received(half, now).unwrap();
            assert_eq!(window.consumed(half, now, trip, u64::MAX), Some(expected as u32));
            now += Duration::from_millis(100);
        }
        assert_eq!(window.size(), limits::WINDOW_START_BYTES * 8);
    }

    #[test]
    fn a_window_begins_as_large_as_a_long_link_needs() {
        let size = |milliseconds, spare| {
            let trip = Some(Duration::from_millis(milliseconds));
            LocalWindow::new(None, trip, spare).size()
        };
        assert_eq!(size(19, u64::MAX), limits::WINDOW_START_BYTES);
        assert_eq!(size(100, u64::MAX), 50_000_000);
        assert_eq!(size(10_000, u64::MAX), limits::WINDOW_CAP_BYTES);
        assert_eq!(size(100, 10_000_000), 10_000_000);
        assert_eq!(size(100, 0), limits::WINDOW_START_BYTES);
        let trip = Some(Duration::from_millis(100));
        assert_eq!(LocalWindow::new(Some(5), trip, u64::MAX).size(), 5);
    }

    #[test]
    fn stalls_of_a_busy_machine_do_not_make_a_window_grow() {
        let mut now = Instant::now();
        let half = limits::WINDOW_START_BYTES as usize / 2;
        let mut window = LocalWindow::new(None, None, 0);
        for _ in 0..20 {
            window.received(half, now).unwrap();
            let trip = Some(Duration::from_micros(300));
            window.consumed(half, now, trip, u64::MAX);
            now += Duration::from_millis(4);
        }
        assert_eq!(window.size(), limits::WINDOW_START_BYTES);
    }

    #[test]
    fn a_window_grows_no_further_than_there_is_to_spare() {
        let mut now = Instant::now();
        let mut window = LocalWindow::new(None, None, 0);
        for _ in 0..10 {
            let half = window.size() as usize / 2;
            window.received(half, now).unwrap();
            window.consumed(half, now, Some(Duration::from_millis(100)), 0);
            now += Duration::from_millis(100);
        }
        assert_eq!(window.size(), limits::WINDOW_START_BYTES);
    }

    #[test]
    fn consuming_more_than_came_opens_nothing() {
        let now = Instant::now();
        let mut window = LocalWindow::new(Some(100), None, 0);
        window.received(60, now).unwrap();
        assert_eq!(window.consumed(1000, now, None, 0), Some(60));
        assert_eq!(window.left, 100);
    }
}
