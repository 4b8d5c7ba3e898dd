//! `LoginGraceTime`: the server waited for this side, and not for ever.

use super::seconds;
use crate::finding::{Finding, Sure};
use crate::visit::{Stage, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    let Some(took) = visit.talk.hung_up_while_signing.filter(|_| is_cause(visit)) else {
        return Vec::new();
    };
    let name = &visit.target.host_name;
    vec![
        Finding::new(
            "login-grace-time",
            Sure::Likely,
            format!("{name} hung up while it waited for this side: the time that it gives a login was over (LoginGraceTime)."),
        )
        .seen(format!("the signature took {}, and the server was gone by then", seconds(took)))
        .seen(format!("the connection lasted {}", seconds(visit.talk.lasted)))
        .mend("# answer sooner: the agent asks (ssh-add -c), or a security key waits for a touch or its PIN")
        .mend("sshd explain | grep -i logingracetime    # on the server; 120 seconds are usual"),
    ]
}

/// Whether it hung up for that reason.
pub fn is_cause(visit: &Visit) -> bool {
    visit.talk.stage == Stage::Keyed && visit.talk.hung_up_while_signing.is_some()
}
