//! Forwards of the configuration that the server does not make.

use crate::finding::{Finding, Sure};
use crate::visit::Visit;

pub fn check(visit: &Visit) -> Vec<Finding> {
    let one = |refused: &crate::visit::ForwardRefused| {
        let finding = if refused.forbidden {
            Finding::new(
                "forward-forbidden",
                Sure::Certain,
                format!("The server does not allow the forward {}.", refused.forward),
            )
            .mend("sshd explain --user USER | grep -iE 'forward|permit'    # on the server: AllowTcpForwarding, PermitOpen, PermitListen; and the key's line in authorized_keys")
        } else {
            Finding::new(
                "forward-target",
                Sure::Certain,
                format!(
                    "The server cannot make the forward {}: its other end does not answer, or the port is taken.",
                    refused.forward
                ),
            )
        };
        if refused.words.is_empty() {
            finding
        } else {
            finding.seen(format!("it says: {}", refused.words))
        }
    };
    visit.login.forwards_refused.iter().map(one).collect()
}
