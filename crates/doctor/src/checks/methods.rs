//! The server wants another kind of proof than there is.

use super::{account, agent, key_files, shell_word};
use crate::finding::{Finding, Sure};
use crate::visit::{Fate, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    let login = &visit.login;
    if !visit.is_denied() || login.offers_until_goodbye.is_some() || login.methods.is_empty() {
        return Vec::new();
    }
    if account::is_cause(visit) || agent::is_cause(visit) || key_files::is_cause(visit) {
        return Vec::new();
    }
    let target = &visit.target;
    let offers = |method: &str| login.methods.iter().any(|one| one == method);
    let by_asking = offers("password") || offers("keyboard-interactive");
    let may_ask = !target.batch_mode
        && ((offers("password") && target.password_enabled)
            || (offers("keyboard-interactive") && target.interactive_enabled));
    let offered = login.keys.iter().any(|key| key.fate == Fate::Refused);
    let methods = format!("the server takes: {}", login.methods.join(", "));
    let host = shell_word(&target.typed);
    if !login.wants_more.is_empty() {
        let reachable = login.wants_more.iter().any(|method| match method.as_str() {
            "password" => target.password_enabled && !target.batch_mode,
            "keyboard-interactive" => target.interactive_enabled && !target.batch_mode,
            _ => false,
        });
        if reachable {
            return Vec::new();
        }
        return vec![
            Finding::new(
                "second-factor",
                Sure::Certain,
                format!("The server takes the key, and wants {} besides, which cannot be given.", login.wants_more.join(" or ")),
            )
            .mend(format!("ssh -o BatchMode=no -o KbdInteractiveAuthentication=yes -o PasswordAuthentication=yes {host}")),
        ];
    }
    if visit.has_accepted_key() {
        return Vec::new();
    }
    if !offers("publickey") && by_asking && !may_ask {
        let why = if target.batch_mode {
            "BatchMode forbids asking for one"
        } else {
            "passwords are switched off in the configuration"
        };
        return vec![
            Finding::new(
                "password-only",
                Sure::Certain,
                format!("The server takes passwords only, and {why}."),
            )
            .seen(methods)
            .mend(format!("ssh -o BatchMode=no -o PasswordAuthentication=yes {host}")),
        ];
    }
    if offers("publickey") && !target.keys_enabled && !may_ask {
        return vec![
            Finding::new(
                "keys-switched-off",
                Sure::Certain,
                "The server wants a key, and PubkeyAuthentication is off here.",
            )
            .seen(methods)
            .mend(format!("ssh -o PubkeyAuthentication=yes {host}")),
        ];
    }
    // Keys that were refused are another check's business.
    if offers("publickey") && !by_asking && !offered && target.keys_enabled {
        return vec![
            Finding::new(
                "keys-only",
                Sure::Certain,
                "The server takes keys only, not passwords, and there is no key to offer.",
            )
            .seen(methods)
            .mend("ssh-keygen -t ed25519    # make one")
            .mend("# have ~/.ssh/id_ed25519.pub put on the server by who can log in there"),
        ];
    }
    if !offers("publickey") && !by_asking {
        return vec![
            Finding::new(
                "no-known-method",
                Sure::Certain,
                "The server takes none of the ways to log in that this program has.",
            )
            .seen(methods),
        ];
    }
    Vec::new()
}
