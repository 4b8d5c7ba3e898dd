//! Adds keys without a shell on the other machine: by SFTP, in one session.

use keys::PublicKey;
use sftp::{Attributes, FileKind, OpenFlags, Request, RequestKind};

use super::link::{Link, Problem};
use super::remote::{DEFAULT_TARGET, Manner};
use super::{Outcome, change_of_mode};

/// The largest file of keys that is taken for one.
const FILE_BYTES_MAX: usize = 4 << 20;

/// Adds the keys to `target`, or all that `manner` says, and nothing in part.
///
/// # Errors
/// What could not be done; the file is as it was.
pub fn install(
    link: &mut Link,
    target: Option<&str>,
    manner: Manner,
    keys: &[(PublicKey, String)],
) -> Result<Outcome, String> {
    let mut outcome = Outcome::default();
    let mends = target.is_none();
    let named = target.unwrap_or(DEFAULT_TARGET);
    if let Some(folder) = folder_of(named) {
        mend_folder(link, folder, mends, manner, &mut outcome)?;
    }
    let looking = |problem: Problem| problem.while_doing(named);
    let link_itself = link.look_at(named, false).map_err(looking)?;
    // Through links, or they would be replaced by files.
    let path = match link_itself.as_ref().and_then(Attributes::kind) {
        Some(FileKind::Symlink) => link.real_path(named).map_err(looking)?,
        _ => named.to_owned(),
    };
    let before = match link_itself {
        Some(_) => link.look_at(&path, true).map_err(looking)?,
        None => None,
    };
    let contents = match before {
        Some(_) => link.read_file(&path, FILE_BYTES_MAX).map_err(looking)?,
        None => Vec::new(),
    };
    let missing: Vec<&(PublicKey, String)> =
        keys.iter().filter(|(key, _)| manner.force || !has_key(&contents, key)).collect();
    outcome.added = missing.iter().map(|(key, _)| blob_of(key)).collect();

    let mode = before.and_then(|found| found.permissions).map(|mode| mode & 0o7777);
    if let Some(mode) = mode.filter(|mode| mends && *mode != 0o600) {
        outcome.changes.push(change_of_mode(&path, "600", &format!("{mode:03o}")));
        if !manner.dry_run {
            let attributes = Attributes::with_permissions(0o600);
            let request = Request::Setstat { path: path.as_bytes(), attributes };
            link.tell(&request).map_err(|problem| problem.while_doing(&path))?;
        }
    }
    if manner.dry_run || missing.is_empty() {
        return Ok(outcome);
    }
    let mut addition = String::new();
    if !contents.is_empty() && !contents.ends_with(b"\n") {
        addition.push('\n');
    }
    for (key, comment) in missing {
        addition.push_str(&key.to_line(comment));
        addition.push('\n');
    }
    let mode = if mends { 0o600 } else { mode.unwrap_or(0o600) };
    let whole = [&contents, addition.as_bytes()].concat();
    let written = if before.is_none() || link.supports(RequestKind::PosixRename) {
        replace(link, &path, before.as_ref(), &whole, mode)
    } else {
        append(link, &path, contents.len() as u64, addition.as_bytes())
    };
    written.map_err(|problem| problem.while_doing(&path))?;
    Ok(outcome)
}

/// Makes the folder, or closes it to others.
fn mend_folder(
    link: &mut Link,
    folder: &str,
    mends: bool,
    manner: Manner,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let failed = |problem: Problem| problem.while_doing(folder);
    let path = folder.as_bytes();
    let attributes = Attributes::with_permissions(0o700);
    match link.look_at(folder, true).map_err(failed)? {
        None => {
            outcome.changes.push(format!("made the folder {folder}"));
            if !manner.dry_run {
                link.tell(&Request::Mkdir { path, attributes }).map_err(failed)?;
            }
        }
        Some(found) => {
            let mode = found.permissions.map(|mode| mode & 0o7777);
            if let Some(mode) = mode.filter(|mode| mends && *mode != 0o700) {
                outcome.changes.push(change_of_mode(folder, "700", &format!("{mode:03o}")));
                if !manner.dry_run {
                    link.tell(&Request::Setstat { path, attributes }).map_err(failed)?;
                }
            }
        }
    }
    Ok(())
}

/// Makes a new file beside the old one and moves it over that.
fn replace(
    link: &mut Link,
    path: &str,
    before: Option<&Attributes>,
    contents: &[u8],
    mode: u32,
) -> Result<(), Problem> {
    let beside = format!("{path}.keyway.{}", std::process::id());
    let flags = OpenFlags { write: true, create: true, exclusive: true, ..OpenFlags::default() };
    let handle = link.open(&beside, flags, mode)?;
    let done = fill(link, &handle, before, contents, mode).and_then(|()| {
        let (old_path, new_path) = (beside.as_bytes(), path.as_bytes());
        link.tell(&if link.supports(RequestKind::PosixRename) {
            Request::PosixRename { old_path, new_path }
        } else {
            Request::Rename { old_path, new_path }
        })
    });
    if done.is_err() {
        // Nothing more can be done about the leftover.
        let _ = link.tell(&Request::Remove { path: beside.as_bytes() });
    }
    done
}

fn fill(
    link: &mut Link,
    handle: &[u8],
    before: Option<&Attributes>,
    contents: &[u8],
    mode: u32,
) -> Result<(), Problem> {
    // What the server's mask took away.
    let attributes = Attributes::with_permissions(mode);
    link.tell(&Request::Fsetstat { handle, attributes })?;
    if let Some(owner) = before.and_then(|before| before.owner) {
        // Whoever adds keys for others should not take the file away from them. Only root can do this.
        let attributes = Attributes { owner: Some(owner), ..Attributes::default() };
        let _ = link.tell(&Request::Fsetstat { handle, attributes });
    }
    link.write(handle, 0, contents)?;
    if link.supports(RequestKind::Fsync) {
        link.tell(&Request::Fsync { handle })?;
    }
    link.tell(&Request::Close { handle })
}

/// Where a server cannot replace a file in one step: what is there stays untouched, and the new lines come behind it.
fn append(link: &mut Link, path: &str, size: u64, addition: &[u8]) -> Result<(), Problem> {
    let flags = OpenFlags { write: true, ..OpenFlags::default() };
    let handle = link.open(path, flags, 0)?;
    link.write(&handle, size, addition)?;
    link.tell(&Request::Close { handle: &handle })
}

fn folder_of(path: &str) -> Option<&str> {
    let (folder, _) = path.rsplit_once('/')?;
    (!folder.is_empty()).then_some(folder)
}

fn blob_of(key: &PublicKey) -> String {
    key.to_line("").split(' ').nth(1).unwrap_or_default().to_owned()
}

/// Whether a line that is no comment names the key.
fn has_key(contents: &[u8], key: &PublicKey) -> bool {
    let blob = blob_of(key);
    contents
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii_start().starts_with(b"#"))
        .any(|line| line.windows(blob.len()).any(|part| part == blob.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keys::{KeyKind, PrivateKey};

    #[test]
    fn keys_are_found_where_they_count() {
        let key = PrivateKey::generate(KeyKind::Ed25519, None, "").unwrap().public().clone();
        let line = key.to_line("me");
        assert!(has_key(format!("x\nfrom=\"*\" {line}").as_bytes(), &key));
        assert!(!has_key(format!(" # {line}\n").as_bytes(), &key));
        assert!(!has_key(b"", &key));
    }

    #[test]
    fn folders() {
        assert_eq!(folder_of(DEFAULT_TARGET), Some(".ssh"));
        assert_eq!(folder_of("/keys"), None);
        assert_eq!(folder_of("keys"), None);
    }
}
