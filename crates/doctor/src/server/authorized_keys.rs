//! The user's keys: whether the server believes the files, and whether the key is in them.

use super::modes::Flaw;
use super::{Authorized, Premises};
use crate::checks::shell_word;
use crate::finding::{Finding, Sure};

pub fn check(premises: &Premises) -> Vec<Finding> {
    let Some(account) = &premises.account else { return Vec::new() };
    // Nobody looks at them then.
    if account.denied.is_some() {
        return Vec::new();
    }
    let mut found = Vec::new();
    if let (false, origin) = &premises.keys_on {
        let finding = Finding::new(
            "keys-off",
            Sure::Certain,
            "The server takes no keys: PubkeyAuthentication is off.",
        );
        return vec![
            match origin {
                Some(origin) => finding.seen(origin.clone()),
                None => finding,
            }
            .mend("PubkeyAuthentication yes    # in that line")
            .mend(premises.service.restart()),
        ];
    }
    for file in premises.authorized.iter().filter(|file| file.exists) {
        found.extend(flaws(premises, file, &account.name));
    }
    if !found.is_empty() {
        return found;
    }
    let Some(wanted) = &premises.wanted_key else { return bad_lines(premises) };
    let hit = premises.authorized.iter().find_map(|file| Some((file, file.found.as_ref()?)));
    match hit {
        None => {
            let mut finding = Finding::new(
                "key-not-authorized",
                Sure::Certain,
                format!("The key is in no authorized_keys of {}.", account.name),
            )
            .seen(format!("looked for {wanted}"));
            for file in &premises.authorized {
                let shown = file.path.display();
                finding = finding.seen(if file.exists {
                    format!("{shown}: {} other keys", file.keys)
                } else {
                    format!("{shown}: is not there")
                });
                let bad = file.bad_lines.iter();
                finding = finding.seen_all(bad.map(|(line, why)| format!("{shown}:{line}: {why}")));
            }
            let target = premises.authorized.first().map_or_else(
                || "~/.ssh/authorized_keys".to_owned(),
                |file| shell_word(&file.path.display().to_string()),
            );
            vec![finding.mend(format!(
                "cat KEY.pub >> {target} && chmod 600 {target} && chown {} {target}",
                shell_word(&account.name)
            ))]
        }
        Some((file, line)) if line.expired => vec![
            Finding::new(
                "key-line-expired",
                Sure::Certain,
                "The key's line has an expiry-time that is over.",
            )
            .seen(format!("{}:{}", file.path.display(), line.line))
            .mend("# take expiry-time out of that line, or set a later one"),
        ],
        Some((file, line)) if line.from.is_some() => vec![
            Finding::new(
                "key-line-from",
                Sure::Possible,
                "The key's line lets it in only from certain addresses.",
            )
            .seen(format!(
                "{}:{}: from=\"{}\"",
                file.path.display(),
                line.line,
                line.from.as_deref().unwrap_or_default()
            ))
            .mend("# add the client's address to from= in that line"),
        ],
        Some(_) => Vec::new(),
    }
}

fn flaws(premises: &Premises, file: &Authorized, user: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(why) = &file.unreadable {
        let word = shell_word(&file.path.display().to_string());
        found.push(
            Finding::new(
                "authorized-keys-unreadable",
                Sure::Certain,
                format!("{user} cannot read {}: {why}.", file.path.display()),
            )
            .mend(format!("chown {} {word} && chmod 600 {word}", shell_word(user))),
        );
    }
    if !premises.strict_modes {
        return found;
    }
    let uid = file.user_id;
    for (depth, place) in file.places.iter().enumerate() {
        let flaws = place.flaws(uid);
        if flaws.is_empty() {
            continue;
        }
        let shown = place.path.display();
        let word = shell_word(&shown.to_string());
        let what = if depth == 0 { "file" } else { "folder" };
        let mut finding = Finding::new(
            "authorized-keys-modes",
            Sure::Certain,
            format!("Somebody other than {user} may write to the {what} {shown}, so the server does not believe {}.", file.path.display()),
        )
        .seen(format!("{shown}: owner {}, mode {:04o}", place.uid, place.mode));
        if flaws.contains(&Flaw::Owner) {
            finding = finding.mend(format!("chown {} {word}", shell_word(user)));
        }
        if flaws.contains(&Flaw::Writable) {
            finding = finding.mend(format!("chmod {:04o} {word}", place.right_mode()));
        }
        found.push(finding);
    }
    found
}

fn bad_lines(premises: &Premises) -> Vec<Finding> {
    let files = premises.authorized.iter();
    let bad: Vec<String> = files
        .flat_map(|file| {
            let path = file.path.display().to_string();
            file.bad_lines.iter().map(move |(line, why)| format!("{path}:{line}: {why}"))
        })
        .collect();
    if bad.is_empty() {
        return Vec::new();
    }
    vec![
        Finding::new(
            "authorized-keys-lines",
            Sure::Certain,
            "Lines of authorized_keys hold no key, so nobody gets in by them.",
        )
        .seen_all(bad)
        .mend("# a key is one line: ssh-keygen -lf FILE lists those that are read"),
    ]
}
