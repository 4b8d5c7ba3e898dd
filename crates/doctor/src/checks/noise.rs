//! Lines before the server's ident.

use super::throttled;
use crate::finding::{Finding, Sure};
use crate::visit::{Stage, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    let lines = &visit.talk.before_ident;
    if lines.is_empty() || visit.talk.stage < Stage::Ident || !throttled::check(visit).is_empty() {
        return Vec::new();
    }
    vec![
        Finding::new(
            "ident-noise",
            Sure::Certain,
            format!(
                "{} says {} before its SSH ident, which many clients and scanners do not take.",
                visit.target.host_name,
                if lines.len() == 1 { "a line".to_owned() } else { format!("{} lines", lines.len()) }
            ),
        )
        .seen_all(lines.iter().take(3).map(|line| format!("it says: {line}")))
        .mend("# on the server: whatever starts sshd (inetd, a wrapper script, a proxy) must print nothing"),
    ]
}
