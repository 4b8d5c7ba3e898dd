//! Looks after the way to the server: whether marked packets arrive, and whether it still answers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use config::ChannelTimeout;
use net::Link;
use net::idle::{Open, deadlines};
use proto::{ChannelId, Client};

use super::{Login, Stage};
use crate::messages::{debug, info};
use crate::ssh::liveness::{self, Liveness, Step};
use crate::ssh::marking::{Finding, Marking};
use crate::ssh::memory::{Remembered, today};

/// For so many days a host gets no marked packets after some were lost.
const UNMARKED_DAYS: u64 = 7;

/// What is looked after.
pub struct Watch {
    /// Our address and the server's.
    way: Option<(SocketAddr, SocketAddr)>,
    marking: Marking,
    /// Marked packets did not arrive from the beginning.
    lost_first: bool,
    unmarked_day: Option<u64>,
    liveness: Option<Liveness>,
    idle: Idle,
}

/// Channels that are closed when they have had nothing to say for too long.
#[derive(Default)]
struct Idle {
    timeouts: Vec<(String, Duration)>,
    deadline: Option<Instant>,
    /// When there was a channel last.
    since: Option<Instant>,
}

impl Idle {
    /// By `ChannelTimeout`.
    fn new(timeouts: &[ChannelTimeout]) -> Self {
        let limits = timeouts.iter().filter(|limit| !limit.timeout.is_zero());
        let timeouts = limits.map(|limit| (limit.kind.clone(), limit.timeout)).collect();
        Idle { timeouts, ..Idle::default() }
    }

    /// Closes what has been idle for too long, and says which channels these are.
    fn look(&mut self, link: &mut Link<Client>) -> Vec<ChannelId> {
        if self.timeouts.is_empty() {
            return Vec::new();
        }
        let active =
            |(channel, kind)| Some(Open { channel, kind, active: link.last_activity(channel)? });
        let open: Vec<_> = link.connection().open_channels().filter_map(active).collect();
        // One that has closed since counts as well.
        self.since = self.since.max(open.iter().map(|open| open.active).max());
        let now = link.now();
        let (over, later): (Vec<_>, Vec<_>) = deadlines(&self.timeouts, &open, self.since)
            .into_iter()
            .partition(|(_, deadline)| *deadline <= now);
        self.deadline = later.into_iter().map(|(_, deadline)| deadline).min();
        for (channel, _) in &over {
            info!("channel {}: closing after inactivity", channel.0);
            if let Err(problem) = link.connection_mut().close(*channel) {
                debug!("channel {}: {problem}", channel.0);
            }
        }
        over.into_iter().map(|(channel, _)| channel).collect()
    }
}

impl Watch {
    /// `way`: our address and the server's, where they are known.
    pub fn new(
        way: Option<(SocketAddr, SocketAddr)>,
        is_marked: bool,
        timeouts: &[ChannelTimeout],
    ) -> Self {
        Watch {
            way,
            marking: Marking::new(is_marked),
            lost_first: false,
            unmarked_day: None,
            liveness: None,
            idle: Idle::new(timeouts),
        }
    }

    /// The day it is, if marked packets did not arrive.
    pub fn unmarked_day(&self) -> Option<u64> {
        self.unmarked_day
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let liveness = self.liveness.as_ref().and_then(Liveness::deadline);
        [self.marking.deadline(), liveness, self.idle.deadline].into_iter().flatten().min()
    }
}

/// Whether marked packets to this host did not arrive of late.
pub fn lost_marks_lately(remembered: &Remembered) -> bool {
    remembered.unmarked.is_some_and(|day| today().saturating_sub(day) < UNMARKED_DAYS)
}

impl Login {
    /// From now on somebody sits at a terminal and wants to know; unless the configuration says
    /// how to find out.
    pub(super) fn start_liveness(&mut self, link: &Link<Client>) {
        if !self.session.has_terminal()
            || self.is_proxied
            || self.config.server_alive_interval.is_set()
        {
            return;
        }
        let remembered = self.memory.as_ref().and_then(|memory| memory.remembered.as_ref());
        let forgotten = remembered.and_then(|known| known.idle).map(Duration::from_secs);
        self.watch.liveness = Some(Liveness::new(self.watch.way, forgotten, link.now()));
    }

    pub(super) fn look_after(&mut self, link: &mut Link<Client>) {
        for channel in self.watch.idle.look(link) {
            // The server's program may not care that its channel is closed, and nobody waits for
            // that.
            link.detach(channel);
            self.closed(link, channel);
        }
        let (now, heard, unanswered) = (link.now(), link.last_heard(), link.unanswered_since());
        let sent = link.last_sent();
        let found = self.watch.marking.look(now, heard, sent, || link.retransmissions());
        match found {
            None => {}
            Some(Finding::Suspect) => {
                debug!("IPQoS: marked packets do not seem to arrive; sending without the mark");
                self.watch.lost_first = self.stage == Stage::Connected;
                if let Err(source) = link.set_type_of_service(0) {
                    debug!("set_sock_tos: {}", crate::text::reason(&source));
                }
            }
            // Later than that, the network may just have been away for a moment.
            Some(Finding::Proved) if !self.watch.lost_first => {}
            Some(Finding::Proved) => {
                debug!("IPQoS: packets arrive without the mark; none for {UNMARKED_DAYS} days");
                self.watch.unmarked_day = Some(today());
                if self.stage == Stage::Authenticated
                    && let Some(memory) = &mut self.memory
                {
                    memory.note(|remembered| remembered.unmarked = Some(today()));
                }
            }
        }
        let Some(liveness) = &mut self.watch.liveness else { return };
        match liveness.look(now, heard, unanswered) {
            Step::Wait => {}
            Step::Ask => link.ask_alive(),
            Step::Silent(since) => info!(
                "ssh: the server has not answered for {} s. Waiting; ~. ends the connection.",
                since.as_secs()
            ),
            Step::Back(after) => {
                info!("ssh: the server answers again, after {} s.", after.as_secs());
            }
        }
    }

    /// The connection was lost, or the user gave it up. If something on the way had forgotten it
    /// while it was idle, the next one is kept open.
    pub fn learn_from_loss(&mut self, link: &Link<Client>) {
        let is_silent = self.watch.liveness.as_ref().is_some_and(Liveness::is_silent);
        if self.stage != Stage::Authenticated || !(is_silent || link.transport_error().is_some()) {
            return;
        }
        let idle = liveness::forgotten_after(link.last_heard(), link.unanswered_since());
        let (Some(idle), Some(memory)) = (idle, &mut self.memory) else { return };
        debug!("the connection was lost after {} s without traffic", idle.as_secs());
        memory.note(|remembered| {
            remembered.idle =
                Some(remembered.idle.map_or(idle.as_secs(), |known| known.min(idle.as_secs())));
        });
    }
}
