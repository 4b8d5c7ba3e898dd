//! Files that should hold the key: who may read them, what is in them, and their passphrase.

use super::shell_word;
use crate::finding::{Finding, Sure};
use crate::probe::key_file::State;
use crate::visit::{Fate, Key, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    if !visit.is_denied() {
        return Vec::new();
    }
    let accepted: Vec<&Key> = visit
        .login
        .keys
        .iter()
        .filter(|key| {
            matches!(key.fate, Fate::WouldDo | Fate::CannotSign(_) | Fate::SignatureRefused)
        })
        .collect();
    // A key that the server takes is the one; otherwise any file that was named.
    let is_suspect = |key: &&Key| key.fate != Fate::Refused || is_odd(key);
    let suspects: Vec<&Key> = if accepted.is_empty() {
        visit.login.keys.iter().filter(is_suspect).collect()
    } else {
        accepted
    };
    suspects.into_iter().filter_map(|key| judge(visit, key)).collect()
}

fn is_odd(key: &Key) -> bool {
    key.file.as_ref().is_some_and(|file| matches!(file.state, State::OtherPublic(_)))
}

/// Whether some file is the cause.
pub fn is_cause(visit: &Visit) -> bool {
    !check(visit).is_empty()
}

fn judge(visit: &Visit, key: &Key) -> Option<Finding> {
    let taken = matches!(key.fate, Fate::WouldDo | Fate::CannotSign(_));
    if key.in_agent {
        let Fate::CannotSign(why) = &key.fate else { return None };
        return Some(
            Finding::new(
                "agent-did-not-sign",
                Sure::Certain,
                format!(
                    "The server takes the key {}, but the agent did not sign with it.",
                    key.name
                ),
            )
            .seen(why.clone())
            .mend("ssh-add -l; ssh-add -d KEY; ssh-add KEY    # give it to the agent anew"),
        );
    }
    let file = key.file.as_ref()?;
    let (path, shown) = (&file.path, file.path.display());
    let word = shell_word(&path.display().to_string());
    let finding = match &file.state {
        State::Missing if key.named => Finding::new(
            "key-file-missing",
            if taken { Sure::Certain } else { Sure::Likely },
            format!("The private key {shown} is not there."),
        )
        .mend("ls -l ~/.ssh    # is its name another?"),
        State::Unreadable(why) => Finding::new(
            "key-file-unreadable",
            Sure::Certain,
            format!("The private key {shown} cannot be read: {why}."),
        )
        .mend(format!("chown \"$(id -un)\" {word} && chmod 600 {word}")),
        State::TooOpen(mode) => Finding::new(
            "key-file-permissions",
            Sure::Certain,
            format!("Others can read the private key {shown}, so it is not used."),
        )
        .seen(format!("its mode is {mode:04o}"))
        .mend(format!("chmod 600 {word}")),
        State::Public => Finding::new(
            "key-file-public",
            Sure::Certain,
            format!("{shown} is a public key; the private one is needed."),
        )
        .mend(format!("ssh -i {} {}", shell_word(&shown.to_string().replace(".pub", "")), shell_word(&visit.target.typed))),
        State::NotAKey(why) => Finding::new(
            "key-file-format",
            Sure::Certain,
            format!("{shown} does not hold a private key that can be read: {why}."),
        )
        .mend(format!("ssh-keygen -y -f {word}    # tells whether it is a key"))
        .mend(format!("puttygen {word} -O private-openssh -o {word}.openssh    # for a key of PuTTY's")),
        State::OtherPublic(beside) => Finding::new(
            "key-file-mismatch",
            Sure::Certain,
            format!("{} does not belong to the private key {shown}, so the wrong key is offered.", beside.display()),
        )
        .mend(format!("ssh-keygen -y -f {word} > {}", shell_word(&beside.display().to_string()))),
        State::Locked if taken && visit.target.batch_mode => Finding::new(
            "passphrase-needed",
            Sure::Certain,
            format!("The server takes the key {shown}, but it needs its passphrase, and BatchMode forbids asking."),
        )
        .mend(format!("ssh-add {word}    # once, and the agent signs from then on")),
        State::Locked if !taken && key.label.is_none() && visit.target.batch_mode => Finding::new(
            "passphrase-needed",
            Sure::Likely,
            format!("The key {shown} needs its passphrase even to be offered, and BatchMode forbids asking."),
        )
        .mend(format!("ssh-add {word}")),
        _ => return None,
    };
    Some(finding.seen(format!("key {} ({})", key.name, key.source)))
}
