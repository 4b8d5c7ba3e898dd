//! Names of users and groups, looked up once each.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

use crate::accounts::Account;
use crate::sys::names;

/// So many names are remembered.
const NAMES_MAX: usize = 1024;
/// The largest `/etc/passwd` of another root directory.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Who is who.
pub(super) struct Accounts {
    own: Account,
    /// In another root directory the system's name service is not asked: it would load whatever libraries
    /// it finds there. Its `/etc/passwd` and `/etc/group` are read instead.
    chrooted: bool,
    users: BTreeMap<u32, Option<Vec<u8>>>,
    groups: BTreeMap<u32, Option<Vec<u8>>>,
}

impl Accounts {
    pub(super) fn new(own: Account, chrooted: bool) -> Self {
        Accounts { own, chrooted, users: BTreeMap::new(), groups: BTreeMap::new() }
    }

    /// One's own home folder.
    pub(super) fn own_home(&self) -> Vec<u8> {
        self.own.home.as_os_str().as_bytes().to_vec()
    }

    /// Somebody's home folder.
    pub(super) fn home_of(&self, name: &[u8]) -> Option<Vec<u8>> {
        if name == self.own.name.as_bytes() {
            return Some(self.own_home());
        }
        if self.chrooted {
            return find("/etc/passwd", 0, name).and_then(|fields| fields.get(5).cloned());
        }
        let name = CString::new(name).ok()?;
        let entry = names::passwd_by_name(&name).ok()??;
        Some(entry.home.into_os_string().as_bytes().to_vec())
    }

    /// A user's name.
    pub(super) fn user(&mut self, uid: u32) -> Option<&[u8]> {
        let (own, chrooted) = (&self.own, self.chrooted);
        let look_up = || {
            if uid == own.uid {
                return Some(own.name.as_bytes().to_vec());
            }
            if chrooted {
                return find("/etc/passwd", 2, uid.to_string().as_bytes())?.into_iter().next();
            }
            Some(names::passwd_by_uid(uid).ok()??.name.into_bytes())
        };
        remember(&mut self.users, uid, look_up)
    }

    /// A group's name.
    pub(super) fn group(&mut self, gid: u32) -> Option<&[u8]> {
        let chrooted = self.chrooted;
        let look_up = || {
            if chrooted {
                return find("/etc/group", 2, gid.to_string().as_bytes())?.into_iter().next();
            }
            Some(names::group_name(gid).ok()??.into_bytes())
        };
        remember(&mut self.groups, gid, look_up)
    }
}

fn remember(
    known: &mut BTreeMap<u32, Option<Vec<u8>>>,
    number: u32,
    look_up: impl FnOnce() -> Option<Vec<u8>>,
) -> Option<&[u8]> {
    if known.len() >= NAMES_MAX && !known.contains_key(&number) {
        known.clear();
    }
    known.entry(number).or_insert_with(look_up).as_deref()
}

/// The fields of the first line that has this value in one of them.
fn find(file: &str, field: usize, value: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut text = Vec::new();
    let file = std::fs::File::open(file).ok()?;
    file.take(FILE_BYTES_MAX).read_to_end(&mut text).ok()?;
    text.split(|byte| *byte == b'\n').find_map(|line| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        let hit = fields.get(field).is_some_and(|found| *found == value);
        hit.then(|| fields.iter().map(|field| field.to_vec()).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_root_by_either_way() {
        for chrooted in [false, true] {
            let mut accounts = Accounts::new(Account::unknown(), chrooted);
            assert_eq!(accounts.user(0), Some(&b"root"[..]));
            assert_eq!(accounts.group(0), Some(&b"root"[..]));
            assert_eq!(accounts.home_of(b"root"), Some(b"/root".to_vec()));
            assert_eq!(accounts.home_of(b"no such user"), None);
            assert_eq!(accounts.user(3_999_999_999), None);
        }
    }
}
