//! Host keys that cannot be used.

use super::{HostKeyProblem, Premises};
use crate::checks::shell_word;
use crate::finding::{Finding, Sure};

pub fn check(premises: &Premises) -> Vec<Finding> {
    let keys = &premises.host_keys;
    let usable = keys.iter().filter(|key| key.problem.is_none()).count();
    let mut found = Vec::new();
    for key in keys {
        let Some(problem) = &key.problem else { continue };
        // A standard file need not be there as long as another is.
        if *problem == HostKeyProblem::Missing && key.origin.is_none() && usable > 0 {
            continue;
        }
        let shown = key.path.display();
        let word = shell_word(&shown.to_string());
        let finding = match problem {
            HostKeyProblem::Missing => Finding::new(
                "host-key-missing",
                Sure::Certain,
                format!("The host key {shown} is not there."),
            )
            .mend("ssh-keygen -A    # makes the standard ones"),
            HostKeyProblem::Unreadable(why) => Finding::new(
                "host-key-unreadable",
                Sure::Certain,
                format!("The host key {shown} cannot be read: {why}."),
            )
            .mend(format!("chown root:root {word} && chmod 600 {word}")),
            HostKeyProblem::TooOpen(mode) => Finding::new(
                "host-key-permissions",
                Sure::Certain,
                format!("Others can read the host key {shown}, so sshd does not use it."),
            )
            .seen(format!("its mode is {mode:04o}"))
            .mend(format!("chmod 600 {word}")),
            HostKeyProblem::NotAKey(why) => Finding::new(
                "host-key-format",
                Sure::Certain,
                format!("The host key {shown} cannot be used: {why}."),
            )
            .mend(format!("rm {word} && ssh-keygen -q -N '' -t ed25519 -f {word}")),
        };
        found.push(match &key.origin {
            Some(origin) => finding.seen(format!("HostKey, {origin}")),
            None => finding,
        });
    }
    if !found.is_empty() {
        let last = found.len() - 1;
        if let Some(finding) = found.get_mut(last) {
            finding.mend.push(premises.service.restart());
        }
    }
    found
}
