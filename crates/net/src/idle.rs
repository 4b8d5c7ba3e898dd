//! Which channels have had nothing to say for too long: `ChannelTimeout`, the same on both ends.

use std::time::{Duration, Instant};

use proto::ChannelId;

/// The kind that means all channels together.
const ALL: &str = "global";

/// A channel that is open.
#[derive(Debug, Clone, Copy)]
pub struct Open<'a> {
    /// Which.
    pub channel: ChannelId,
    /// Its kind, as `ChannelTimeout` names it.
    pub kind: &'a str,
    /// When something last moved on it.
    pub active: Instant,
}

/// When each of the channels that `timeouts` speak of (kinds as patterns, the first that fits) is
/// to be closed. `since` is when a channel was last there at all: one that has closed counts for
/// the limit on all of them together.
pub fn deadlines(
    timeouts: &[(String, Duration)],
    channels: &[Open<'_>],
    since: Option<Instant>,
) -> Vec<(ChannelId, Instant)> {
    let together = timeouts.iter().find(|(kind, _)| kind == ALL);
    let last = channels.iter().map(|open| open.active).max();
    let last = last.map(|last| last.max(since.unwrap_or(last)));
    let all_idle = together.zip(last).map(|((_, timeout), last)| last + *timeout);
    let deadline = |open: &Open<'_>| {
        let own = timeouts.iter().find(|(kind, _)| keys::pattern::matches(kind, open.kind));
        let own = own.map(|(_, timeout)| open.active + *timeout);
        Some((open.channel, own.into_iter().chain(all_idle).min()?))
    };
    channels.iter().filter_map(deadline).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_fits_and_all_together() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let open = |number, kind, active| Open { channel: ChannelId(number), kind, active };
        let channels = [open(0, "session:shell", at(50)), open(1, "direct-tcpip", at(10))];
        let limit = |kind: &str, seconds| (kind.to_owned(), Duration::from_secs(seconds));

        assert_eq!(deadlines(&[], &channels, None), []);
        let timeouts = [limit("session:*", 5), limit("session:shell", 500)];
        assert_eq!(deadlines(&timeouts, &channels, None), [(ChannelId(0), at(55))]);
        let timeouts = [limit("direct-tcpip", 5), limit("global", 30)];
        let expected = [(ChannelId(0), at(80)), (ChannelId(1), at(15))];
        assert_eq!(deadlines(&timeouts, &channels, None), expected);
        let expected = [(ChannelId(0), at(90)), (ChannelId(1), at(15))];
        assert_eq!(deadlines(&timeouts, &channels, Some(at(60))), expected);
    }
}
