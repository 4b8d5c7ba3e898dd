//! The account that somebody cannot log in to, and its files of keys.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use config::{PermitRootLogin, ServerSettings};
use doctor::server::{Account, Authorized, Denied, FoundLine, Premises, modes};
use keys::{PublicKey, authorized_keys};
use sshd::access::{self, Peer, Reason, Rules};
use sshd::accounts::{Account as Entry, Term};
use sshd::authorized;

use crate::doctor::place;
use crate::files;

/// Of a file that is shown to those it keeps out.
const NOLOGIN_BYTES_MAX: u64 = 16 << 10;

pub(super) fn look_at_account(
    premises: &mut Premises,
    name: &str,
    address: Option<&str>,
    settings: &ServerSettings,
    wanted: Option<&PublicKey>,
) {
    let entry = Entry::by_name(name).ok().flatten();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let Some(entry) = entry else {
        premises.account = Some(Account {
            name: name.to_owned(),
            denied: Some(Denied::Unknown),
            ..Account::default()
        });
        return;
    };
    let root = &settings.permit_root_login;
    premises.account = Some(Account {
        name: name.to_owned(),
        exists: true,
        denied: denied(&entry, address, settings, now),
        has_home: entry.home_directory().is_some(),
        home: entry.home.clone(),
        shell_listed: is_listed(&entry.shell),
        shell: entry.shell.clone(),
        root_refused: (entry.uid == 0 && **root == PermitRootLogin::No)
            .then(|| place(&root.origin).unwrap_or_else(|| "built-in default".to_owned())),
    });
    for setting in settings.authorized_keys_files.iter() {
        if setting.eq_ignore_ascii_case("none") {
            continue;
        }
        let Ok(path) = authorized::expand(setting, &entry) else { continue };
        premises.authorized.push(look_at_file(&path, setting, &entry, wanted, now));
    }
}

pub(super) fn is_root(name: &str) -> bool {
    Entry::by_name(name).ok().flatten().is_some_and(|entry| entry.uid == 0)
}

/// The server itself looks at the first where PAM does not, PAM (pam_nologin) at all.
pub(super) fn nologin(use_pam: bool) -> Option<(PathBuf, String)> {
    let files = ["/etc/nologin", "/run/nologin", "/var/run/nologin"];
    let files = files.into_iter().take(if use_pam { files.len() } else { 1 });
    files.map(Path::new).find(|path| path.exists()).map(|path| {
        let text = files::read_limited(path, NOLOGIN_BYTES_MAX).unwrap_or_default();
        (path.to_owned(), String::from_utf8_lossy(&text).into_owned())
    })
}

fn denied(
    entry: &Entry,
    address: Option<&str>,
    settings: &ServerSettings,
    now: u64,
) -> Option<Denied> {
    let list = |values: &[config::Setting<String>]| -> Vec<String> {
        values.iter().map(|one| one.value.clone()).collect()
    };
    let (deny_users, allow_users) = (list(&settings.deny_users), list(&settings.allow_users));
    let (deny_groups, allow_groups) = (list(&settings.deny_groups), list(&settings.allow_groups));
    let rules = Rules {
        deny_users: &deny_users,
        allow_users: &allow_users,
        deny_groups: &deny_groups,
        allow_groups: &allow_groups,
        use_pam: *settings.use_pam,
        chroot: settings.chroot_directory.is_some(),
    };
    // PAM says so, too.
    if entry.shadow().is_some_and(|shadow| shadow.account_term(now) == Term::Over) {
        return Some(Denied::Expired);
    }
    let peer = Peer {
        host: address.unwrap_or("UNKNOWN"),
        address: address.and_then(|address| address.parse().ok()),
    };
    let reason = access::check(entry, &rules, &peer, now).err()?;
    Some(match reason.reason() {
        Reason::Unknown => Denied::Unknown,
        Reason::Expired => Denied::Expired,
        Reason::Locked => Denied::Locked,
        Reason::ShellMissing(_) => Denied::ShellMissing,
        Reason::ShellNotExecutable(_) => Denied::ShellNotExecutable,
        Reason::DenyUsers => Denied::ByList("DenyUsers"),
        // Patterns with hosts need to know the client's.
        Reason::AllowUsers
            if address.is_none() && allow_users.iter().any(|one| one.contains('@')) =>
        {
            return None;
        }
        Reason::AllowUsers => Denied::ByList("AllowUsers"),
        Reason::DenyGroups => Denied::ByList("DenyGroups"),
        Reason::NoGroups | Reason::AllowGroups => Denied::ByList("AllowGroups"),
    })
}

fn is_listed(shell: &Path) -> bool {
    match fs::read_to_string("/etc/shells") {
        Ok(text) => text.lines().any(|line| Path::new(line.trim()) == shell),
        // Without the file nobody can ask for it.
        Err(_) => true,
    }
}

fn look_at_file(
    path: &Path,
    setting: &str,
    entry: &Entry,
    wanted: Option<&PublicKey>,
    now: u64,
) -> Authorized {
    let mut found = Authorized {
        path: path.to_owned(),
        exists: fs::symlink_metadata(path).is_ok(),
        user_id: entry.uid,
        places: modes::places(path, &entry.home),
        ..Authorized::default()
    };
    // As the user, and without the modes, which are looked at by themselves.
    for read in authorized::read(setting, entry, "authorized keys", false) {
        match read {
            Err(problem) if problem.is_not_found() => {}
            Err(authorized::Error::Open { source, .. }) => {
                found.unreadable = Some(crate::text::reason(&source));
                found.exists = true;
            }
            Err(problem) => found.unreadable = Some(problem.to_string()),
            Ok(file) => read_lines(&mut found, &file.text, wanted, now),
        }
    }
    found
}

fn read_lines(found: &mut Authorized, text: &str, wanted: Option<&PublicKey>, now: u64) {
    for (index, line) in text.lines().enumerate() {
        match authorized_keys::parse_line(line) {
            Ok(None) => {}
            Err(problem) => found.bad_lines.push((index + 1, problem.to_string())),
            Ok(Some(entry)) => {
                found.keys += 1;
                let authority =
                    wanted.and_then(|key| key.certificate()).map(|one| &one.signature_key);
                let hit = wanted.is_some_and(|wanted| {
                    if entry.options.cert_authority {
                        authority == Some(&entry.key)
                    } else {
                        entry.key.plain() == wanted.plain()
                    }
                });
                if hit && found.found.is_none() {
                    found.found = Some(FoundLine {
                        line: index + 1,
                        expired: entry.options.expires(0).is_some_and(|end| end <= now),
                        from: entry.options.from.clone(),
                        command: entry.options.command.clone(),
                    });
                }
            }
        }
    }
}
