//! The proof was good, and the server does not let the user in all the same.

use super::{grace, nologin, shell_word};
use crate::finding::{Finding, Sure};
use crate::visit::{Ending, Fate, Key, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    if !is_cause(visit) || grace::is_cause(visit) || nologin::is_cause(visit) {
        return Vec::new();
    }
    let login = &visit.login;
    let user = &visit.target.user;
    let key = login.keys.iter().find(|key| key.fate == Fate::SignatureRefused);
    let words = match &visit.talk.ending {
        Ending::Goodbye { text, .. } => Some(format!("it says: {text}")),
        _ => None,
    };
    vec![
        Finding::new(
            "account-refused",
            Sure::Likely,
            format!("The server takes the key and then does not let {user} in: the account has expired or is closed (PAM's account rules, access.conf, /etc/nologin), or the key may not be used from here."),
        )
        .seen_all(key.map(refused))
        .seen_all(words)
        .seen_all(login.banners.iter().chain(&login.last_words).map(|line| format!("it says: {line}")))
        .mend(format!("sshd doctor --user {}    # on the server", shell_word(user)))
        .mend(format!("chage -l {}; journalctl -u ssh -n 20    # on the server", shell_word(user))),
    ]
}

/// Whether a good proof did not help: the account is the cause, or one of those that are told apart
/// from it.
pub fn is_cause(visit: &Visit) -> bool {
    visit.is_denied()
        && !visit.has_accepted_key()
        && visit.login.keys.iter().any(|key| {
            key.fate == Fate::SignatureRefused
                && key.certificate.as_ref().is_none_or(|one| one.problem.is_none())
        })
}

/// A key whose proof did not help.
pub(super) fn refused(key: &Key) -> String {
    format!("{} ({}): accepted, then refused", key.name, key.source)
}
