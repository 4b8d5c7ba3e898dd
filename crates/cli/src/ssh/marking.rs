//! Packets that are marked for the network (`IPQoS`) and do not arrive: some networks drop them.
//! The mark is taken off the live connection, and what waits is sent anew without it.

use std::time::{Duration, Instant};

/// How often something may be sent in vain before the mark is suspected: with TCP's usual times
/// more than a second, which no network is busy for.
const IN_VAIN: u8 = 3;

/// The system is asked for the first time so long after something was sent...
const LOOK: Duration = Duration::from_millis(250);

/// ... then at growing intervals until this; by then it has arrived or the way is gone.
const LOOK_UNTIL: Duration = Duration::from_secs(60);

/// The mark was the reason if something arrives by then.
const PROOF: Duration = Duration::from_secs(20);

/// What was found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Marked packets do not seem to arrive: send them without.
    Suspect,
    /// They arrive without.
    Proved,
}

/// The marks of one connection.
#[derive(Debug)]
pub struct Marking {
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// There is no mark, or it does no harm that we could do anything about.
    Idle,
    /// Packets are marked; whether they arrive is looked at then.
    Marked(Option<Instant>),
    /// The mark was taken off then.
    Unmarked(Instant),
}

impl Marking {
    /// `is_marked`: packets of this connection are.
    pub fn new(is_marked: bool) -> Self {
        Marking { state: if is_marked { State::Marked(None) } else { State::Idle } }
    }

    /// To be asked every turn. `heard`, `sent`: when something came and was sent last.
    pub fn look(
        &mut self,
        now: Instant,
        heard: Instant,
        sent: Option<Instant>,
        retransmissions: impl FnOnce() -> Option<u8>,
    ) -> Option<Finding> {
        let under_way = sent.map(|at| now.saturating_duration_since(at));
        let under_way = under_way.filter(|age| *age < LOOK_UNTIL);
        match (self.state, under_way) {
            (State::Marked(_), None) => self.state = State::Marked(None),
            (State::Marked(None), Some(_)) => self.state = State::Marked(Some(now + LOOK)),
            (State::Marked(Some(at)), Some(age)) if at <= now => match retransmissions() {
                Some(count) if count >= IN_VAIN => {
                    self.state = State::Unmarked(now);
                    return Some(Finding::Suspect);
                }
                // What the system does not tell cannot be found out.
                None => self.state = State::Idle,
                Some(_) => self.state = State::Marked(Some(now + (age / 4).max(LOOK))),
            },
            (State::Unmarked(since), _) if heard > since => {
                self.state = State::Idle;
                return (heard <= since + PROOF).then_some(Finding::Proved);
            }
            (State::Idle | State::Marked(Some(_)) | State::Unmarked(_), _) => {}
        }
        None
    }

    /// When to look again.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Marked(at) => at,
            State::Idle | State::Unmarked(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_in_vain_is_sent_without_a_mark() {
        let start = Instant::now();
        let mut marking = Marking::new(true);
        assert_eq!(marking.look(start, start, None, || Some(9)), None, "nothing is under way");
        assert_eq!(marking.look(start, start, Some(start), || Some(0)), None);
        assert_eq!(marking.deadline(), Some(start + LOOK));
        let later = start + LOOK;
        assert_eq!(marking.look(later, start, Some(start), || Some(1)), None);
        let later = later + LOOK;
        let found = marking.look(later, start, Some(start), || Some(IN_VAIN));
        assert_eq!(found, Some(Finding::Suspect));
        assert_eq!(marking.deadline(), None);
        let heard = later + LOOK;
        assert_eq!(marking.look(heard, heard, Some(start), || None), Some(Finding::Proved));
        assert_eq!(marking.look(heard, heard, Some(start), || None), None);
    }

    #[test]
    fn a_server_that_takes_its_time_is_no_reason() {
        let start = Instant::now();
        let mut marking = Marking::new(true);
        for turn in 0..100 {
            let now = start + LOOK * turn;
            assert_eq!(marking.look(now, start, Some(start), || Some(0)), None);
        }
        let later = start + LOOK_UNTIL;
        assert_eq!(marking.look(later, start, Some(start), || Some(9)), None);
        assert_eq!(marking.deadline(), None);
    }
}
