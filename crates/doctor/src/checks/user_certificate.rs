//! A certificate of the user's that does not hold, and keys in an algorithm the server does not take.

use crate::finding::{Finding, Sure};
use crate::visit::{Fate, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    if !visit.is_denied() || visit.has_accepted_key() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for key in &visit.login.keys {
        if let Some(problem) = &key.certificate_problem {
            found.push(
                Finding::new(
                    "user-certificate",
                    Sure::Certain,
                    format!("The certificate {} is not valid: {problem}.", key.name),
                )
                .seen(format!("key {}", key.source))
                .mend(format!(
                    "ssh-keygen -Lf {}    # what it says; then have it signed anew",
                    key.name
                )),
            );
        }
        if let Fate::Skipped(why) = &key.fate
            && why.contains("signature algorithm")
        {
            found.push(
                Finding::new(
                    "key-algorithm",
                    Sure::Certain,
                    format!("The server takes no signature that the key {} can make and this client allows.", key.name),
                )
                .seen(why.clone())
                .mend("ssh-keygen -t ed25519    # a key of a type that every server takes")
                .mend(format!("Host {}\n    PubkeyAcceptedAlgorithms +ssh-rsa    # only for a server that cannot be updated", visit.target.typed)),
            );
        }
    }
    found
}
