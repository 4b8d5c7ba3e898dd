//! What an image must not carry into its servers: keys and seeds that would be the same in each.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::archive::refused;

/// Files that are removed, or every file in them when they end in a slash.
const GONE: [&str; 13] = [
    "etc/hostname",
    "etc/machine-id",
    "etc/resolv.conf",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
    "root/.ssh/",
    "root/.bash_history",
    "var/lib/cloud/",
    "var/log/",
    "var/cache/apt/archives/",
    "var/lib/apt/lists/",
    "tmp/",
];

/// Takes them out of the tree at `root`, which is not in use, and whose links are not followed.
pub(super) fn strip(root: &Path) -> io::Result<()> {
    for gone in GONE {
        match gone.strip_suffix('/') {
            Some(folder) => empty(root, folder)?,
            None => remove(root, gone)?,
        }
    }
    if let Some(folder) = folder(root, "etc/ssh") {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("ssh_host_") && !name.ends_with("_config") {
                remove_any(&entry.path())?;
            }
        }
    }
    // Every account's: who may log in is said when a server is made.
    for home in folder(root, "home").into_iter().flat_map(fs::read_dir).flatten() {
        let home = home?.path();
        for name in ["authorized_keys", "authorized_keys2"] {
            let folder = home.join(".ssh");
            if is_folder(&home) && is_folder(&folder) {
                remove_any(&folder.join(name))?;
            }
        }
    }
    require(root)
}

/// What servers need to be there: places to mount on, and a shell.
fn require(root: &Path) -> io::Result<()> {
    for (name, mode) in [
        ("dev", 0o755),
        ("proc", 0o555),
        ("sys", 0o555),
        ("run", 0o755),
        ("tmp", 0o1777),
        ("root", 0o700),
        ("etc", 0o755),
        ("var", 0o755),
    ] {
        let path = root.join(name);
        match fs::symlink_metadata(&path) {
            Ok(about) if about.is_dir() => {}
            Ok(_) => return Err(refused(&format!("/{name} is not a folder"))),
            Err(_) => {
                fs::create_dir(&path)?;
                fs::set_permissions(&path, Permissions::from_mode(mode))?;
            }
        }
    }
    let shell =
        ["bin/sh", "usr/bin/sh"].iter().any(|path| fs::symlink_metadata(root.join(path)).is_ok());
    if !shell {
        return Err(refused("there is no /bin/sh in it: it is not a system"));
    }
    Ok(())
}

/// A folder of the image, unless a link is on the way.
fn folder(root: &Path, path: &str) -> Option<std::path::PathBuf> {
    let mut at = root.to_path_buf();
    for part in path.split('/') {
        at.push(part);
        if !is_folder(&at) {
            return None;
        }
    }
    Some(at)
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| about.is_dir())
}

fn empty(root: &Path, path: &str) -> io::Result<()> {
    let Some(folder) = folder(root, path) else { return Ok(()) };
    for entry in fs::read_dir(folder)? {
        remove_any(&entry?.path())?;
    }
    Ok(())
}

fn remove(root: &Path, path: &str) -> io::Result<()> {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = if parent.is_empty() { Some(root.to_path_buf()) } else { folder(root, parent) };
    match parent {
        Some(parent) => remove_any(&parent.join(name)),
        None => Ok(()),
    }
}

fn remove_any(path: &Path) -> io::Result<()> {
    let removed = if is_folder(path) { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
