//! How many connections may be on their way to a login at once (`MaxStartups`,
//! `PerSourceMaxStartups`).

use config::MaxStartups;

/// Whether one more connection is refused, with `started` under way.
///
/// From `start` on a share of them, growing from `rate` percent to all of them
/// at `full`. `dice` is a number below 100.
pub(crate) fn refuses(limits: &MaxStartups, started: u32, dice: u32) -> bool {
    if started < limits.start {
        return false;
    }
    if started >= limits.full || limits.rate >= 100 {
        return true;
    }
    let span = u64::from(limits.full.saturating_sub(limits.start)).max(1);
    let over = u64::from(started - limits.start);
    let percent = u64::from(limits.rate) + u64::from(100 - limits.rate) * over / span;
    u64::from(dice) < percent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_grow_from_start_to_full() {
        let limits = MaxStartups { start: 10, rate: 30, full: 100 };
        assert!(!refuses(&limits, 9, 0));
        assert!(refuses(&limits, 10, 29));
        assert!(!refuses(&limits, 10, 30));
        assert!(refuses(&limits, 55, 64));
        assert!(!refuses(&limits, 55, 66));
        assert!(refuses(&limits, 100, 99));
        assert!(refuses(&MaxStartups { start: 1, rate: 100, full: 1 }, 1, 99));
    }
}
