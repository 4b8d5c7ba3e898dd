//! `/etc/nologin`: nobody but root gets in, for a while.

use super::{account, grace};
use crate::finding::{Finding, Sure};
use crate::visit::{Fate, Visit};

/// What PAM says when it is the account itself that is closed (Linux-PAM's pam_unix).
const ABOUT_THE_ACCOUNT: [&str; 4] =
    ["account has expired", "password has expired", "password change", "change your password"];
/// The exit status of OpenSSH's session, and of ours, where there is that file.
const STATUS: u32 = 254;

pub fn check(visit: &Visit) -> Vec<Finding> {
    let words: Vec<String> = if is_cause(visit) {
        visit.login.last_words.clone()
    } else if is_told_by_shell(visit) {
        let output = visit.login.shell.iter().flat_map(|shell| shell.output.lines());
        output.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    } else {
        return Vec::new();
    };
    let user = &visit.target.user;
    let key = visit.login.keys.iter().find(|key| key.fate == Fate::SignatureRefused);
    vec![
        Finding::new(
            "nologin",
            Sure::Likely,
            format!("{user}'s key is right, and the server lets nobody but root in for now: there is a file /etc/nologin (or /run/nologin, while the machine starts or stops)."),
        )
        .seen_all(key.map(account::refused))
        .seen_all(words.into_iter().map(|line| format!("it says: {line}")))
        .mend("ls -l /etc/nologin /run/nologin    # on the server: who made it, and when")
        .mend("rm /etc/nologin    # on the server, as root, once the reason for it is gone"),
    ]
}

/// The server takes a proof, says something that is not about this account, and hangs up.
pub fn is_cause(visit: &Visit) -> bool {
    let words = &visit.login.last_words;
    let is_about_account =
        |line: &String| ABOUT_THE_ACCOUNT.iter().any(|part| line.to_lowercase().contains(part));
    account::is_cause(visit)
        && !grace::is_cause(visit)
        && !words.is_empty()
        && !words.iter().any(is_about_account)
}

/// Without PAM it is the session that ends, with these words in the place of a shell.
pub fn is_told_by_shell(visit: &Visit) -> bool {
    let shell = visit.login.shell.as_ref();
    shell.is_some_and(|shell| shell.status == Some(STATUS) && !shell.output.trim().is_empty())
}
