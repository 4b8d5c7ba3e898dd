//! Keys were offered, and the server wants none of them.

use super::{account, agent, key_files, shell_word, user_certificate};
use crate::finding::{Finding, Sure};
use crate::visit::{Fate, Key, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    let login = &visit.login;
    let refused: Vec<&Key> = login.keys.iter().filter(|key| key.fate == Fate::Refused).collect();
    if !visit.is_denied() || refused.is_empty() || visit.has_accepted_key() {
        return Vec::new();
    }
    if login.offers_until_goodbye.is_some()
        || agent::is_cause(visit)
        || account::is_cause(visit)
        || key_files::is_cause(visit)
        || !user_certificate::check(visit).is_empty()
    {
        return Vec::new();
    }
    let (user, target) = (&visit.target.user, &visit.target);
    let by_asking =
        login.methods.iter().any(|one| one == "password" || one == "keyboard-interactive");
    let mut finding = Finding::new(
        "keys-refused",
        Sure::Likely,
        format!(
            "None of the keys is in the authorized_keys of {user} there, or the server does not believe that file \
             (its modes), or the account may not log in."
        ),
    );
    for key in &refused {
        let label = key.label.as_deref().unwrap_or_default();
        finding = finding.seen(format!("{} {label} ({}): refused", key.name, key.source));
    }
    finding = finding.seen(format!("the server takes: {}", login.methods.join(", ")));
    let file = refused.iter().find_map(|key| key.file.as_ref());
    let path =
        file.map_or_else(|| "KEY.pub".to_owned(), |file| format!("{}.pub", file.path.display()));
    if by_asking && !target.batch_mode {
        finding = finding.mend(format!(
            "ssh-copy-id -i {} {}    # asks for the password once",
            shell_word(&path),
            shell_word(&target.typed)
        ));
    }
    let fingerprint = refused.first().and_then(|key| key.label.as_deref()).unwrap_or("KEY");
    vec![finding
        .mend(format!("sshd doctor --user {user} --key FILE.pub    # on the server: says which it is for {fingerprint}"))
        .mend(format!("ssh -l OTHER_USER {}    # is {user} the right name?", shell_word(&target.typed)))]
}
