//! Hides when keys are pressed: while somebody types, packets leave at a fixed pace, and some
//! that carry nothing go on for a while after the last key. `ObscureKeystrokeTiming`.

use std::time::{Duration, Instant};

/// Output above this is no typing: it leaves at once, and the pace ends.
const TYPED_BYTES: usize = 256;

/// Empty packets go on for at least this long after the last key...
const CHAFF_MIN: Duration = Duration::from_millis(1024);

/// ... and for less than this more, by chance.
const CHAFF_SPREAD_MS: u32 = 1024;

/// The pace differs by chance by so much from one burst of typing to the next, so that the
/// interval itself tells nothing of the clock: a tenth.
const PACE_SPREAD: u32 = 10;

/// How to hide when keys are pressed.
#[derive(Debug, Clone, Copy)]
pub struct Obscure {
    /// Between packets, at most.
    pub interval: Duration,
    /// Where chance comes from: fills bytes that nobody can guess.
    pub random: fn(&mut [u8]),
}

/// What there is to know of a turn before bytes are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) now: Instant,
    /// There is a terminal whose keys matter.
    pub(crate) has_terminal: bool,
    /// Keys are exchanged; nothing else may be sent.
    pub(crate) is_rekeying: bool,
    /// A key was pressed since the last turn.
    pub(crate) typed: bool,
    /// Bytes that wait to be written.
    pub(crate) waiting: usize,
}

/// What to do with what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Write it.
    Send,
    /// Let it wait for its time.
    Hold,
    /// Send a packet that carries nothing.
    Chaff,
}

/// The pace of one connection.
#[derive(Debug)]
pub(crate) struct Keystrokes {
    how: Obscure,
    burst: Option<Burst>,
}

/// From a key to some time after the last one.
#[derive(Debug)]
struct Burst {
    interval: Duration,
    /// When packets leave next.
    next: Instant,
    /// How long there are packets that carry nothing.
    until: Instant,
}

impl Keystrokes {
    pub(crate) fn new(how: Obscure) -> Self {
        Self { how, burst: None }
    }

    /// When there is something to do next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.burst.as_ref().map(|burst| burst.next)
    }

    pub(crate) fn pace(&mut self, turn: Turn) -> Pace {
        let stops = if !turn.has_terminal {
            Some("no active channels")
        } else if turn.is_rekeying {
            Some("rekeying started")
        } else if turn.waiting > TYPED_BYTES {
            Some("output buffer filling")
        } else if !turn.typed && self.burst.as_ref().is_some_and(|burst| turn.now >= burst.until) {
            Some("chaff time expired")
        } else {
            None
        };
        if let Some(reason) = stops {
            if self.burst.take().is_some() {
                log::trace!("obfuscate_keystroke_timing: stopping: {reason}");
            }
            return Pace::Send;
        }
        let until = turn.now + CHAFF_MIN + Duration::from_millis(self.below(CHAFF_SPREAD_MS));
        let Some(burst) = &mut self.burst else {
            if turn.typed {
                let interval = self.burst_interval();
                log::trace!("obfuscate_keystroke_timing: starting: interval ~{interval:?}");
                self.burst = Some(Burst { interval, next: turn.now + interval, until });
            }
            // The first key of a burst tells no time between keys.
            return Pace::Send;
        };
        if turn.typed {
            burst.until = until;
        }
        if turn.now < burst.next {
            return Pace::Hold;
        }
        while burst.next <= turn.now {
            burst.next += burst.interval;
        }
        if turn.waiting > 0 { Pace::Send } else { Pace::Chaff }
    }

    fn burst_interval(&self) -> Duration {
        let spread = self.how.interval / PACE_SPREAD;
        let micros = u32::try_from(spread.as_micros()).unwrap_or(u32::MAX);
        let interval =
            self.how.interval.saturating_sub(spread) + Duration::from_micros(self.below(micros));
        interval.max(Duration::from_millis(1))
    }

    /// A number below `limit`, by chance.
    fn below(&self, limit: u32) -> u64 {
        let mut bytes = [0; 4];
        (self.how.random)(&mut bytes);
        // Of a wide number the rest is even enough.
        u64::from(u32::from_be_bytes(bytes)) % u64::from(limit.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(20);
    /// What the tests' chance makes of it.
    const PACE: Duration = Duration::from_millis(18);

    fn fixture() -> (Keystrokes, Turn) {
        let random = |bytes: &mut [u8]| bytes.fill(0);
        let now = Instant::now();
        let turn = Turn { now, has_terminal: true, is_rekeying: false, typed: false, waiting: 0 };
        (Keystrokes::new(Obscure { interval: INTERVAL, random }), turn)
    }

    #[test]
    fn keys_wait_for_their_time_and_chaff_fills_the_rest() {
        let (mut keys, quiet) = fixture();
        let start = quiet.now;
        let key = Turn { typed: true, waiting: 36, ..quiet };
        assert_eq!(keys.pace(Turn { waiting: 36, ..quiet }), Pace::Send, "nobody types");
        assert_eq!(keys.pace(key), Pace::Send, "the first key");
        assert_eq!(keys.deadline(), Some(start + PACE));
        let soon = Turn { now: start + Duration::from_millis(7), ..key };
        assert_eq!(keys.pace(soon), Pace::Hold);
        let due = Turn { now: start + PACE, typed: false, ..key };
        assert_eq!(keys.pace(due), Pace::Send);
        assert_eq!(keys.deadline(), Some(start + PACE * 2));
        let next = Turn { now: start + PACE * 2, ..quiet };
        assert_eq!(keys.pace(next), Pace::Chaff);
        // Late is not a reason to leave the grid.
        let late = Turn { now: start + PACE * 4 + Duration::from_millis(5), ..quiet };
        assert_eq!(keys.pace(late), Pace::Chaff);
        assert_eq!(keys.deadline(), Some(start + PACE * 5));
        let over = Turn { now: start + Duration::from_millis(7) + CHAFF_MIN, ..quiet };
        assert_eq!(keys.pace(over), Pace::Send);
        assert_eq!(keys.deadline(), None);
    }

    #[test]
    fn much_output_or_a_rekey_ends_it() {
        for end in [
            |turn: Turn| Turn { waiting: TYPED_BYTES + 1, ..turn },
            |turn: Turn| Turn { is_rekeying: true, ..turn },
            |turn: Turn| Turn { has_terminal: false, ..turn },
        ] {
            let (mut keys, quiet) = fixture();
            keys.pace(Turn { typed: true, waiting: 36, ..quiet });
            assert!(keys.deadline().is_some());
            assert_eq!(keys.pace(end(quiet)), Pace::Send);
            assert_eq!(keys.deadline(), None);
        }
    }
}
