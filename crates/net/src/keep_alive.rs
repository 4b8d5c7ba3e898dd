use std::time::{Duration, Instant};

/// When to ask a silent remote whether it is still there: the
/// `ServerAliveInterval` and `ClientAliveInterval` of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// Silence before a question, and between questions.
    pub interval: Duration,
    /// Unanswered questions after which the connection is given up; `None`
    /// goes on asking.
    pub count_max: Option<u32>,
}

/// What to do when the time has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Alive {
    Ask,
    GiveUp,
}

#[derive(Debug)]
pub(crate) struct Watch {
    keep_alive: KeepAlive,
    unanswered: u32,
    next: Instant,
}

impl Watch {
    pub(crate) fn new(keep_alive: KeepAlive, now: Instant) -> Self {
        Self { keep_alive, unanswered: 0, next: now + keep_alive.interval }
    }

    /// Anything at all from the remote counts as an answer.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.unanswered = 0;
        self.next = now + self.keep_alive.interval;
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.next
    }

    pub(crate) fn check(&mut self, now: Instant) -> Option<Alive> {
        if now < self.next {
            return None;
        }
        if self.keep_alive.count_max.is_some_and(|max| self.unanswered >= max) {
            return Some(Alive::GiveUp);
        }
        self.unanswered = self.unanswered.saturating_add(1);
        self.next = now + self.keep_alive.interval;
        Some(Alive::Ask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_asked_about_then_given_up() {
        let start = Instant::now();
        let interval = Duration::from_secs(15);
        let mut watch = Watch::new(KeepAlive { interval, count_max: Some(2) }, start);
        assert_eq!(watch.check(start), None);
        assert_eq!(watch.check(start + interval), Some(Alive::Ask));
        assert_eq!(watch.check(start + interval), None);
        assert_eq!(watch.check(start + interval * 2), Some(Alive::Ask));
        watch.heard(start + interval * 3);
        assert_eq!(watch.check(start + interval * 4), Some(Alive::Ask));
        assert_eq!(watch.check(start + interval * 5), Some(Alive::Ask));
        assert_eq!(watch.check(start + interval * 6), Some(Alive::GiveUp));
    }

    #[test]
    fn without_a_maximum_it_goes_on() {
        let start = Instant::now();
        let interval = Duration::from_secs(1);
        let mut watch = Watch::new(KeepAlive { interval, count_max: None }, start);
        for second in 1..100 {
            assert_eq!(watch.check(start + interval * second), Some(Alive::Ask));
        }
    }
}
