//! The hosts that somebody may mean: those with a name in the configuration or in known_hosts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use config::{RealFiles, glob};
use keys::known_hosts::KnownHosts;

use crate::files;
use crate::ssh::paths;

/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// How deep files include each other.
const MAX_DEPTH: u32 = 8;

/// Their names, sorted.
pub fn names() -> Vec<String> {
    let mut names = BTreeSet::new();
    let system = Path::new("/etc/ssh");
    configured(&system.join("ssh_config"), system, 0, &mut names);
    let mut lists = vec![system.join("ssh_known_hosts")];
    if let Some(account) = paths::own_account() {
        let folder = account.home.join(".ssh");
        configured(&folder.join("config"), &folder, 0, &mut names);
        lists.extend([folder.join("known_hosts"), folder.join("known_hosts2")]);
    }
    for list in lists {
        known(&list, &mut names);
    }
    names.into_iter().collect()
}

/// `Host` lines of a file and of those it includes. Nothing of `Match` is run for this.
fn configured(file: &Path, folder: &Path, depth: u32, names: &mut BTreeSet<String>) {
    let Ok(bytes) = files::read_limited(file, FILE_BYTES_MAX) else { return };
    for line in String::from_utf8_lossy(&bytes).lines() {
        let mut words = line.split([' ', '\t', '=', '"']).filter(|word| !word.is_empty());
        let Some(keyword) = words.next() else { continue };
        if keyword.eq_ignore_ascii_case("host") {
            names.extend(words.filter(|word| is_name(word)).map(str::to_owned));
        } else if keyword.eq_ignore_ascii_case("include") && depth < MAX_DEPTH {
            for word in words {
                let pattern: PathBuf = folder.join(paths::expand_tilde(word));
                for file in glob(&RealFiles, &pattern.to_string_lossy()) {
                    configured(&file, folder, depth + 1, names);
                }
            }
        }
    }
}

/// The names of known_hosts that are not hashed.
fn known(file: &Path, names: &mut BTreeSet<String>) {
    let Ok(bytes) = files::read_limited(file, FILE_BYTES_MAX) else { return };
    let known = KnownHosts::parse(&String::from_utf8_lossy(&bytes), "");
    for entry in known.entries().iter().filter(|entry| !entry.is_hashed()) {
        for name in entry.names.split(',') {
            // The port is one that a configuration knows, or nobody.
            let name =
                name.strip_prefix('[').and_then(|name| name.split(']').next()).unwrap_or(name);
            if is_name(name) {
                names.insert(name.to_owned());
            }
        }
    }
}

/// Whether it is one host, in characters that are harmless on a command line.
fn is_name(text: &str) -> bool {
    !text.starts_with('-')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:".contains(&b))
        && !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("config"), "Host web *.x !y \"db\"\nInclude more*\nHost=gate\n")
            .unwrap();
        std::fs::write(path("more1"), "host deep\nMatch exec \"touch /tmp/never\"\n").unwrap();
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
        std::fs::write(
            path("known"),
            format!("a.example,10.0.0.1 {key}\n[b.example]:2222 {key}\n*.c {key}\n-evil {key}\n"),
        )
        .unwrap();
        let mut names = BTreeSet::new();
        configured(&path("config"), folder.path(), 0, &mut names);
        known(&path("known"), &mut names);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(names, ["10.0.0.1", "a.example", "b.example", "db", "deep", "gate", "web"]);
    }
}
