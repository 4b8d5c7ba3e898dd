//! Whether the server is still there, for somebody at a terminal whose configuration does not say
//! how to find out (`ServerAliveInterval`).
//!
//! Two things are done. Where something on the way forgets connections that are idle, a question
//! now and then keeps it from forgetting. And where something was typed and nothing came back, the
//! server is asked, and the user is told when it does not answer. The connection is never ended
//! for it.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Silence before a question that keeps the way open: below what common devices forget after.
const KEEP_OPEN: Duration = Duration::from_secs(100);

/// Never more often than this.
const KEEP_OPEN_MIN: Duration = Duration::from_secs(15);

/// An idle connection that was lost sooner than this was lost to something else.
const FORGOTTEN_MIN: Duration = Duration::from_secs(30);

/// What was typed is answered by then, or the server is asked.
const TYPED: Duration = Duration::from_secs(5);

/// The user is told when a question is as old as this; not more often.
const TOLD: [Duration; 3] =
    [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(300)];

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Wait,
    /// Ask the server for a sign of life.
    Ask,
    /// Tell the user for how long there has been none.
    Silent(Duration),
    /// Tell the user that there is one again, after so long.
    Back(Duration),
}

/// What was heard and asked.
#[derive(Debug)]
pub struct Liveness {
    /// Silence before a question.
    keep_open: Option<Duration>,
    heard: Instant,
    asked: Option<Instant>,
    /// How often the user has been told of this silence.
    told: usize,
    /// When there is something to do next.
    next: Option<Instant>,
}

impl Liveness {
    /// `way`: our address and the server's, where they are known. `forgotten`: after how much
    /// silence such a connection was lost once.
    pub fn new(
        way: Option<(SocketAddr, SocketAddr)>,
        forgotten: Option<Duration>,
        now: Instant,
    ) -> Self {
        let usual = way.is_none_or(|(own, peer)| forgets(own.ip(), peer.ip())).then_some(KEEP_OPEN);
        let learnt = forgotten.map(|after| (after / 2).clamp(KEEP_OPEN_MIN, KEEP_OPEN));
        Liveness { keep_open: learnt.or(usual), heard: now, asked: None, told: 0, next: None }
    }

    /// To be asked every turn. `unanswered`: when something was sent first since `heard`.
    pub fn look(&mut self, now: Instant, heard: Instant, unanswered: Option<Instant>) -> Step {
        let step = self.step(now, heard, unanswered);
        let due = match self.asked {
            Some(asked) => TOLD.get(self.told).map(|after| asked + *after),
            None => self.question_due(unanswered),
        };
        self.next = due;
        step
    }

    fn step(&mut self, now: Instant, heard: Instant, unanswered: Option<Instant>) -> Step {
        if heard > self.heard {
            let silence = heard.saturating_duration_since(self.heard);
            self.heard = heard;
            self.asked = None;
            if std::mem::take(&mut self.told) > 0 {
                return Step::Back(silence);
            }
        }
        let Some(asked) = self.asked else {
            if self.question_due(unanswered).is_some_and(|at| at <= now) {
                self.asked = Some(now);
                return Step::Ask;
            }
            return Step::Wait;
        };
        match TOLD.get(self.told) {
            Some(after) if now >= asked + *after => {
                self.told += 1;
                Step::Silent(now.saturating_duration_since(unanswered.unwrap_or(asked)))
            }
            _ => Step::Wait,
        }
    }

    fn question_due(&self, unanswered: Option<Instant>) -> Option<Instant> {
        let idle = self.keep_open.map(|after| self.heard + after);
        let typed = unanswered.map(|at| at + TYPED);
        [idle, typed].into_iter().flatten().min()
    }

    /// Whether the user has been told that there is no answer.
    pub fn is_silent(&self) -> bool {
        self.told > 0
    }

    /// When to look again.
    pub fn deadline(&self) -> Option<Instant> {
        self.next
    }
}

/// For how long a connection was idle that something on the way seems to have forgotten: nothing
/// came any more once it was used again. To be asked of a connection that was lost.
pub fn forgotten_after(heard: Instant, unanswered: Option<Instant>) -> Option<Duration> {
    let idle = unanswered?.saturating_duration_since(heard);
    (idle >= FORGOTTEN_MIN).then_some(idle)
}

/// Whether something on the way is sure to keep a table of connections: from a private address
/// to a public one, addresses are translated.
fn forgets(own: IpAddr, peer: IpAddr) -> bool {
    is_private(own) && !is_private(peer) && own != peer
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            // RFC 6598: what providers use between themselves and their customers.
            let shared = v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]);
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn way(own: &str, peer: &str) -> (SocketAddr, SocketAddr) {
        let at = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 22);
        (at(own), at(peer))
    }

    #[test]
    fn only_where_the_way_forgets() {
        let start = Instant::now();
        let keep = |way, forgotten| Liveness::new(Some(way), forgotten, start).keep_open;
        assert_eq!(keep(way("192.168.1.5", "203.0.113.9"), None), Some(KEEP_OPEN));
        assert_eq!(keep(way("192.168.1.5", "192.168.1.9"), None), None);
        assert_eq!(keep(way("127.0.0.1", "127.0.0.1"), None), None);
        assert_eq!(keep(way("2001:db8::1", "2001:db8::2"), None), None);
        assert_eq!(keep(way("198.51.100.1", "203.0.113.9"), Some(seconds(90))), Some(seconds(45)));
        assert_eq!(keep(way("10.0.0.1", "10.0.0.2"), Some(seconds(30))), Some(seconds(15)));
        let proxied = Liveness::new(None, None, start).keep_open;
        assert_eq!(proxied, Some(KEEP_OPEN), "a proxy leads anywhere");
    }

    #[test]
    fn silence_is_asked_about_told_and_over() {
        let start = Instant::now();
        let mut liveness = Liveness::new(Some(way("127.0.0.1", "127.0.0.1")), None, start);
        assert_eq!(liveness.look(start + seconds(900), start, None), Step::Wait);
        assert_eq!(liveness.deadline(), None);
        let typed = start + seconds(900);
        assert_eq!(liveness.look(typed, start, Some(typed)), Step::Wait);
        assert_eq!(liveness.deadline(), Some(typed + TYPED));
        assert_eq!(liveness.look(typed + TYPED, start, Some(typed)), Step::Ask);
        assert_eq!(liveness.look(typed + seconds(6), start, Some(typed)), Step::Wait);
        let now = typed + seconds(15);
        assert_eq!(liveness.look(now, start, Some(typed)), Step::Silent(seconds(15)));
        assert_eq!(liveness.look(now, start, Some(typed)), Step::Wait);
        assert_eq!(forgotten_after(start, Some(typed)), Some(seconds(900)));
        let back = typed + seconds(20);
        assert_eq!(liveness.look(back, back, None), Step::Back(seconds(920)));
        assert_eq!(liveness.look(back, back, None), Step::Wait);
    }

    #[test]
    fn a_way_is_kept_open() {
        let start = Instant::now();
        let mut liveness = Liveness::new(None, None, start);
        assert_eq!(liveness.look(start, start, None), Step::Wait);
        assert_eq!(liveness.deadline(), Some(start + KEEP_OPEN));
        let now = start + KEEP_OPEN;
        assert_eq!(liveness.look(now, start, None), Step::Ask);
        let answered = now + seconds(1);
        assert_eq!(liveness.look(answered, answered, None), Step::Wait);
        assert_eq!(liveness.deadline(), Some(answered + KEEP_OPEN));
    }
}
