//! Accounts as the system knows them, and what state they are in.

use crate::sys::names::{self, PasswdEntry, ShadowEntry};
use crate::sys::process::Identity;
use rustix::fs::FileType;
use std::ffi::{CStr, CString, OsString};
use std::io;
use std::path::{Path, PathBuf};

/// The shell of an account whose shell field is empty.
const DEFAULT_SHELL: &str = "/bin/sh";

/// The longest log-in name that is looked up; no database has longer ones.
const NAME_BYTES_MAX: usize = 1024;

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name as the account database writes it.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The number of the primary group.
    pub gid: u32,
    /// The comment field.
    pub gecos: OsString,
    /// The home directory.
    pub home: PathBuf,
    /// The log-in shell, `/bin/sh` where the database has none.
    pub shell: PathBuf,
    /// `false` for the stand-in of [`Account::unknown`].
    pub exists: bool,
}

impl Account {
    /// Looks an account up by name. `None` when there is none, or when the name cannot be one.
    ///
    /// # Errors
    /// What the name service reports.
    pub fn by_name(name: &str) -> io::Result<Option<Self>> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Ok(None);
        }
        let Ok(name) = CString::new(name) else { return Ok(None) };
        Ok(names::passwd_by_name(&name)?.and_then(Self::from_entry))
    }

    /// Looks an account up by number.
    ///
    /// # Errors
    /// What the name service reports.
    pub fn by_uid(uid: u32) -> io::Result<Option<Self>> {
        Ok(names::passwd_by_uid(uid)?.and_then(Self::from_entry))
    }

    /// A stand-in for an account that does not exist, so that its login takes the same steps and the same time as
    /// any other. Nothing of it may ever be let in: [`Account::exists`] is `false`.
    pub fn unknown() -> Self {
        Self {
            name: "NOUSER".to_owned(),
            uid: u32::MAX,
            gid: u32::MAX,
            gecos: "NOUSER".into(),
            home: "/nonexist".into(),
            shell: "/nonexist".into(),
            exists: false,
        }
    }

    fn from_entry(entry: PasswdEntry) -> Option<Self> {
        let shell = if entry.shell.as_os_str().is_empty() {
            PathBuf::from(DEFAULT_SHELL)
        } else {
            entry.shell
        };
        Some(Self {
            // A name that is not UTF-8 could be confused with another in patterns and logs.
            name: entry.name.into_string().ok()?,
            uid: entry.uid,
            gid: entry.gid,
            gecos: entry.gecos,
            home: entry.home,
            shell,
            exists: true,
        })
    }

    /// The name for the C library.
    fn c_name(&self) -> Option<CString> {
        CString::new(self.name.as_str()).ok()
    }

    /// The numbers of all of the account's groups; only the primary one for a stand-in.
    ///
    /// # Errors
    /// When there are more than a process can hold.
    pub fn groups(&self) -> io::Result<Vec<u32>> {
        match self.c_name() {
            Some(name) if self.exists => names::groups_of(&name, self.gid),
            _ => Ok(vec![self.gid]),
        }
    }

    /// The names of all of the account's groups that have one.
    ///
    /// # Errors
    /// As [`Self::groups`], and what the name service reports.
    pub fn group_names(&self) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        for gid in self.groups()? {
            if let Some(name) = names::group_name(gid)?.and_then(|name| name.into_string().ok()) {
                found.push(name);
            }
        }
        Ok(found)
    }

    /// The account's rights, to become it or to act as it.
    ///
    /// # Errors
    /// As [`Self::groups`]; and for a stand-in, which nothing may become.
    pub fn identity(&self) -> io::Result<Identity> {
        if !self.exists {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no such account"));
        }
        Ok(Identity { uid: self.uid, gid: self.gid, groups: self.groups()? })
    }

    /// What the shadow file says of the account. `None` without a line there, or when this process may not
    /// read it.
    pub fn shadow(&self) -> Option<Shadow> {
        let name = self.c_name()?;
        names::shadow_by_name(&name).ok().flatten().map(Shadow)
    }

    /// Whether the shell can be executed.
    pub fn shell_state(&self) -> ShellState {
        match rustix::fs::stat(&self.shell) {
            Err(_) => ShellState::Missing,
            Ok(status)
                if FileType::from_raw_mode(status.st_mode) == FileType::RegularFile
                    && status.st_mode & 0o111 != 0 =>
            {
                ShellState::Fine
            }
            Ok(_) => ShellState::NotExecutable,
        }
    }

    /// The home directory if it is there and a directory.
    pub fn home_directory(&self) -> Option<&Path> {
        self.home.is_dir().then_some(self.home.as_path())
    }
}

/// Whether a shell can be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShellState {
    /// It can.
    Fine,
    /// There is no such file.
    Missing,
    /// It is no regular file, or nobody may execute it.
    NotExecutable,
}

/// What the shadow file says of an account. The hash is not shown.
pub struct Shadow(ShadowEntry);

/// How a date in the shadow file stands to today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// No date, or not near.
    Open,
    /// It ends in so many days, and the account is to be warned.
    EndsIn(i64),
    /// It is over.
    Over,
    /// The administrator demands a new password at the next login.
    Forced,
}

impl Shadow {
    /// The stored hash.
    pub(crate) fn hash(&self) -> &[u8] {
        &self.0.hash
    }

    /// Whether the password is locked, as `passwd -l` does it: the hash starts with `!`. Such an account may not log
    /// in by any means, unless PAM is there to judge.
    pub fn is_locked(&self) -> bool {
        self.0.hash.starts_with(b"!") || self.0.hash.starts_with(b"*LK*")
    }

    /// How the account's own end stands. `Over`: `Account %.100s has expired`.
    pub fn account_term(&self, now_seconds: u64) -> Term {
        if self.0.expire_day < 0 {
            return Term::Open;
        }
        match self.0.expire_day - day(now_seconds) {
            left if left < 0 => Term::Over,
            left if left <= self.0.warn_days => Term::EndsIn(left),
            _ => Term::Open,
        }
    }

    /// How the password's end stands.
    pub fn password_term(&self, now_seconds: u64) -> Term {
        if self.0.last_change_day == 0 {
            return Term::Forced;
        }
        if self.0.last_change_day < 0 || self.0.max_days < 0 {
            return Term::Open;
        }
        match self.0.last_change_day.saturating_add(self.0.max_days) - day(now_seconds) {
            left if left < 0 => Term::Over,
            left if left <= self.0.warn_days => Term::EndsIn(left),
            _ => Term::Open,
        }
    }
}

fn day(seconds: u64) -> i64 {
    i64::try_from(seconds / 86_400).unwrap_or(i64::MAX)
}

/// The number of a group by its name; for the terminal's group and AllowGroups-like settings.
pub fn group_number(name: &CStr) -> Option<u32> {
    names::group_number(name).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn shadow(hash: &str, last_change_day: i64, max_days: i64, expire_day: i64) -> Shadow {
        Shadow(ShadowEntry {
            hash: Zeroizing::new(hash.as_bytes().to_vec()),
            last_change_day,
            max_days,
            warn_days: 7,
            expire_day,
        })
    }

    const NOW: u64 = 20_000 * 86_400 + 5;

    #[test]
    fn root_by_name_and_number() {
        let root = Account::by_name("root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert_eq!(Account::by_uid(0).unwrap().unwrap(), root);
        assert!(root.groups().unwrap().contains(&0));
        assert!(root.group_names().unwrap().contains(&"root".to_owned()));
        assert_eq!(root.shell_state(), ShellState::Fine);
    }

    #[test]
    fn names_that_cannot_be() {
        for name in ["", "no-such-user-here", "nul\0inside", &"x".repeat(5000)] {
            assert_eq!(Account::by_name(name).unwrap(), None, "{name:?}");
        }
        assert!(Account::unknown().identity().is_err());
        assert!(Account::unknown().shadow().is_none());
    }

    #[test]
    fn locked() {
        assert!(shadow("!", 1, 99, -1).is_locked());
        assert!(shadow("!$6$x$y", 1, 99, -1).is_locked());
        assert!(shadow("*LK*", 1, 99, -1).is_locked());
        assert!(!shadow("*", 1, 99, -1).is_locked());
        assert!(!shadow("$6$x$y", 1, 99, -1).is_locked());
    }

    #[test]
    fn terms() {
        assert_eq!(shadow("", 19_000, 99_999, -1).account_term(NOW), Term::Open);
        assert_eq!(shadow("", 19_000, 99_999, 19_999).account_term(NOW), Term::Over);
        assert_eq!(shadow("", 19_000, 99_999, 20_003).account_term(NOW), Term::EndsIn(3));
        assert_eq!(shadow("", 0, 99_999, -1).password_term(NOW), Term::Forced);
        assert_eq!(shadow("", 19_000, 999, -1).password_term(NOW), Term::Over);
        assert_eq!(shadow("", 19_000, 1005, -1).password_term(NOW), Term::EndsIn(5));
        assert_eq!(shadow("", 19_000, -1, -1).password_term(NOW), Term::Open);
        assert_eq!(shadow("", -1, 5, -1).password_term(NOW), Term::Open);
    }
}
