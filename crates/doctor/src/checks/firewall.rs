//! A rule of this machine's own packet filter.

use super::attempts;
use crate::finding::{Finding, Sure};
use crate::probe::reach::Outcome;
use crate::visit::{Stage, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    if visit.talk.stage != Stage::Nowhere {
        return Vec::new();
    }
    let place = visit.place();
    let forbidden = visit.reach.tries.iter().any(|one| one.outcome == Outcome::Forbidden);
    match &visit.obstacle {
        Some(obstacle) => {
            let sure = if obstacle.certain { Sure::Certain } else { Sure::Likely };
            vec![
                Finding::new(
                    "local-firewall",
                    sure,
                    format!("A firewall rule on this machine stops connections to {place}."),
                )
                .seen(obstacle.rule.clone())
                .seen_all(attempts(visit))
                .mend(obstacle.mend.clone()),
            ]
        }
        None if forbidden => vec![
            Finding::new(
                "local-firewall",
                Sure::Likely,
                format!("This machine does not let packets to {place} out."),
            )
            .seen_all(attempts(visit))
            .mend("nft list ruleset    # as root: a rule of the output hook")
            .mend("iptables -S OUTPUT"),
        ],
        None => Vec::new(),
    }
}

/// Whether it was this machine, so that others need not be suspected.
pub fn is_cause(visit: &Visit) -> bool {
    !check(visit).is_empty()
}
