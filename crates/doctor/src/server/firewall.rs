//! A rule that keeps clients from the port.

use super::Premises;
use crate::finding::{Finding, Sure};
use crate::firewall::Look;

pub fn check(premises: &Premises) -> Vec<Finding> {
    let one = |port: &super::Port| {
        let Look::Blocked(obstacle) = &port.firewall else { return None };
        let sure = if obstacle.certain { Sure::Certain } else { Sure::Possible };
        let does = if obstacle.rejects { "rejects" } else { "drops" };
        Some(
            Finding::new(
                "server-firewall",
                sure,
                format!("This machine's firewall {does} connections to port {}.", port.number),
            )
            .seen(obstacle.rule.clone())
            .mend(obstacle.mend.clone()),
        )
    };
    premises.ports.iter().filter_map(one).collect()
}
