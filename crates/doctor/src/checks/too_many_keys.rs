//! The server had enough before the right key was offered.

use super::shell_word;
use crate::finding::{Finding, Sure};
use crate::visit::{Fate, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    let Some(offers) = visit.login.offers_until_goodbye else { return Vec::new() };
    let host = shell_word(&visit.target.typed);
    let right = visit
        .login
        .keys
        .iter()
        .find(|key| matches!(key.fate, Fate::WouldDo | Fate::Worked | Fate::CannotSign(_)));
    let count = visit.login.keys.iter().filter(|key| !matches!(key.fate, Fate::Skipped(_))).count();
    let sure = if right.is_some() { Sure::Certain } else { Sure::Likely };
    let mut finding = Finding::new(
        "too-many-keys",
        sure,
        format!(
            "The server hangs up after {offers} keys that it does not want, and {count} are offered to it."
        ),
    );
    finding = match right {
        Some(key) => {
            let file = key.file.as_ref().map(|file| file.path.display().to_string());
            let finding = finding.seen(format!("it takes {} ({})", key.name, key.source));
            match file {
                Some(file) => finding
                    .mend(format!("ssh -o IdentitiesOnly=yes -i {} {host}", shell_word(&file)))
                    .mend(format!("Host {}\n    IdentityFile {file}\n    IdentitiesOnly yes    # in ~/.ssh/config", visit.target.typed)),
                None => finding.mend(format!(
                    "ssh-add -L | grep {} > ~/.ssh/{}.pub; ssh -o IdentitiesOnly=yes -i ~/.ssh/{}.pub {host}",
                    shell_word(&key.name), visit.target.typed, visit.target.typed
                )),
            }
        }
        None => finding.mend(format!("ssh -o IdentitiesOnly=yes -i KEY_FILE {host}")),
    };
    vec![finding]
}
