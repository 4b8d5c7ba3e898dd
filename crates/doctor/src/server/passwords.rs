//! Whether passwords are really off, once all included files are read.

use super::Premises;
use crate::finding::{Finding, Sure};

pub fn check(premises: &Premises) -> Vec<Finding> {
    let passwords = &premises.passwords;
    let (password, password_origin) = &passwords.password;
    let (interactive, interactive_origin) = &passwords.interactive;
    let default = || "built-in default".to_owned();
    let mut found = Vec::new();
    if let Some((no, winner)) = &passwords.outdone
        && *password
    {
        found.push(
            Finding::new(
                "passwords-still-on",
                Sure::Certain,
                "A line switches password logins off, but an earlier one has switched them on, and the first counts.",
            )
            .seen(format!("does not count: {no}"))
            .seen(format!("counts: {winner}"))
            .mend("# take the earlier line out, or put PasswordAuthentication no into a file that is read before it")
            .mend(premises.service.restart()),
        );
    } else if !*password && *interactive {
        found.push(
            Finding::new(
                "passwords-through-pam",
                Sure::Certain,
                "PasswordAuthentication is off, but PAM still asks for passwords through KbdInteractiveAuthentication.",
            )
            .seen(format!("PasswordAuthentication no: {}", password_origin.clone().unwrap_or_else(default)))
            .seen(format!("KbdInteractiveAuthentication yes: {}", interactive_origin.clone().unwrap_or_else(default)))
            .mend("KbdInteractiveAuthentication no    # in the same file")
            .mend(premises.service.restart()),
        );
    }
    if !*password && !passwords.in_match.is_empty() {
        found.push(
            Finding::new(
                "passwords-in-match",
                Sure::Certain,
                "PasswordAuthentication is off, but a Match block switches it on again for some.",
            )
            .seen_all(passwords.in_match.iter().cloned()),
        );
    }
    found
}
