//! Forwards of the configuration that the server does not make.

use crate::finding::{Finding, Sure};
use crate::visit::{ForwardRefused, Refusal, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    visit.login.forwards_refused.iter().map(one).collect()
}

fn one(refused: &ForwardRefused) -> Finding {
    let forward = &refused.forward;
    let finding = match refused.why {
        Refusal::Forbidden => Finding::new(
            "forward-forbidden",
            Sure::Certain,
            format!("The server does not allow the forward {forward}: administratively prohibited."),
        )
        .mend("sshd explain --user USER | grep -iE 'forward|permit'    # on the server: AllowTcpForwarding, DisableForwarding, PermitOpen, PermitListen")
        .mend("grep -nE 'restrict|no-port-forwarding|permitopen|permitlisten' ~/.ssh/authorized_keys    # there: the key's own line"),
        Refusal::Target => Finding::new(
            "forward-target",
            Sure::Certain,
            format!("The server cannot make the forward {forward}: its other end does not answer."),
        )
        .mend("ss -ltnp    # on the machine that it leads to: does anybody listen there?"),
        Refusal::Port => Finding::new(
            "forward-port",
            Sure::Likely,
            format!("The server cannot listen for the forward {forward}: the port is taken, or only root may have it."),
        )
        .mend("ss -ltnp    # on the server: who listens there? Often the forgotten end of an older connection of yours"),
    };
    if refused.words.is_empty() {
        finding
    } else {
        finding.seen(format!("it says: {}", refused.words))
    }
}
