//! Files in which a user says who may log in as him: `AuthorizedKeysFile` and `AuthorizedPrincipalsFile`.
//!
//! They are opened with the user's own rights and, under `StrictModes`, only believed when nobody else could have
//! written to them: neither to the file nor to a directory above it, up to the home directory.

use crate::accounts::Account;
use crate::sys::names;
use crate::sys::process::ActingAs;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The largest file that is read. A key with options is under 2 KiB, so this is for thousands of keys.
pub const FILE_BYTES_MAX: u64 = 16 << 20;

/// The most files that a pattern may stand for.
const FILES_MAX: usize = 64;

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizedFile {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it; bytes that are not UTF-8 are replaced, which no key has.
    pub text: String,
}

/// Why a file was not read. `Display` gives the line for the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened; most often it is not there, which is no more than a debug message.
    #[error("Could not open user '{user}' {what} '{path}': {source}")]
    Open {
        /// Whose.
        user: String,
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is a directory, a device or a pipe.
    #[error("User {user} {what} {path} is not a regular file")]
    NotRegular {
        /// Whose.
        user: String,
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Somebody else could have written to it.
    #[error("Authentication refused: {0}")]
    Unsafe(#[from] UnsafePath),
    /// More than [`FILE_BYTES_MAX`].
    #[error("User {user} {what} {path} is too large")]
    TooLarge {
        /// Whose.
        user: String,
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The path has an unknown token.
    #[error("unknown token %{token} in {path}")]
    Token {
        /// The letter after the percent sign.
        token: char,
        /// The setting.
        path: String,
    },
    /// The rights of the user could not be taken on, or the account is not one.
    #[error("cannot act as {user}: {source}")]
    Identity {
        /// Whose.
        user: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// Whether the file is just not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Why a path cannot be believed.
#[derive(Debug, thiserror::Error)]
pub enum UnsafePath {
    /// The file belongs to another user, or others may write to it.
    #[error("bad ownership or modes for file {}", .0.display())]
    File(PathBuf),
    /// A directory above does.
    #[error("bad ownership or modes for directory {}", .0.display())]
    Directory(PathBuf),
    /// It could not be looked at.
    #[error("{path}: {source}")]
    Look {
        /// What was looked at.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Reads the files that one setting names for an account.
///
/// `setting` is one word of `AuthorizedKeysFile` (tokens `%h %u %U %%`, patterns of glob(7), relative to the home
/// directory); `what` says what the file is for in log lines, `"authorized keys"` or `"authorized principals"`.
/// Each file gives its text or the reason why not, in order. The word `none` gives nothing.
///
/// While this runs, the whole process acts with the user's rights.
pub fn read(
    setting: &str,
    account: &Account,
    what: &'static str,
    strict_modes: bool,
) -> Vec<Result<AuthorizedFile, Error>> {
    if setting.eq_ignore_ascii_case("none") {
        return Vec::new();
    }
    let expanded = match expand(setting, account) {
        Ok(path) => path,
        Err(error) => return vec![Err(error)],
    };
    let acting = account.identity().and_then(|identity| ActingAs::start(&identity));
    let _acting = match acting {
        Ok(acting) => acting,
        Err(source) => return vec![Err(Error::Identity { user: account.name.clone(), source })],
    };
    files(&expanded)
        .into_iter()
        .map(|path| {
            let text = read_one(&path, account, what, strict_modes)?;
            Ok(AuthorizedFile { path, text })
        })
        .collect()
}

/// The path that a setting means for an account, patterns left as they are.
///
/// # Errors
/// On a token that is not `%h`, `%u`, `%U` or `%%`.
pub fn expand(setting: &str, account: &Account) -> Result<PathBuf, Error> {
    let mut path: Vec<u8> = Vec::new();
    let mut letters = setting.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            path.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match letters.next() {
            Some('h') => path.extend_from_slice(account.home.as_os_str().as_bytes()),
            Some('u') => path.extend_from_slice(account.name.as_bytes()),
            Some('U') => path.extend_from_slice(account.uid.to_string().as_bytes()),
            Some('%') => path.push(b'%'),
            token => {
                let token = token.unwrap_or(' ');
                return Err(Error::Token { token, path: setting.to_owned() });
            }
        }
    }
    // Joining gives the second path alone when it is absolute.
    Ok(account.home.join(OsStr::from_bytes(&path)))
}

/// What a pattern stands for; a path without pattern characters stands for itself, there or not.
fn files(expanded: &Path) -> Vec<PathBuf> {
    let bytes = expanded.as_os_str().as_bytes();
    if !bytes.iter().any(|byte| b"*?[\\".contains(byte)) {
        return vec![expanded.to_owned()];
    }
    let Ok(pattern) = CString::new(bytes) else { return Vec::new() };
    let mut found = names::glob(&pattern).unwrap_or_default();
    found.truncate(FILES_MAX);
    found
}

fn read_one(
    path: &Path,
    account: &Account,
    what: &'static str,
    strict_modes: bool,
) -> Result<String, Error> {
    let user = || account.name.clone();
    let open =
        |source: io::Error| Error::Open { user: user(), what, path: path.to_owned(), source };
    // Non-blocking, since a pipe in place of the file would hold the login up for ever.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| open(error.into()))?;
    let status = rustix::fs::fstat(&file).map_err(|error| open(error.into()))?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(Error::NotRegular { user: user(), what, path: path.to_owned() });
    }
    if strict_modes {
        check_path(path, &status, &account.home, account.uid)?;
    }
    let mut bytes = Vec::new();
    File::from(file).take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(open)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Error::TooLarge { user: user(), what, path: path.to_owned() });
    }
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// `StrictModes`: the file, whose status is `file`, and every directory above it belong to root or to `uid`, and
/// nobody else may write to them. Ends at the home directory, or at `/` for files elsewhere.
///
/// # Errors
/// With the first place that is not so.
pub fn check_path(path: &Path, file: &Stat, home: &Path, uid: u32) -> Result<(), UnsafePath> {
    let real = std::fs::canonicalize(path)
        .map_err(|error| UnsafePath::Look { path: path.to_owned(), source: error })?;
    let home = std::fs::canonicalize(home).ok();
    if is_loose(file, uid) {
        return Err(UnsafePath::File(real));
    }
    for directory in real.ancestors().skip(1) {
        let status = rustix::fs::stat(directory);
        if !status.is_ok_and(|status| !is_loose(&status, uid)) {
            return Err(UnsafePath::Directory(directory.to_owned()));
        }
        if home.as_deref() == Some(directory) {
            break;
        }
    }
    Ok(())
}

fn is_loose(status: &Stat, uid: u32) -> bool {
    (status.st_uid != 0 && status.st_uid != uid) || status.st_mode & 0o022 != 0
}

/// `ChrootDirectory`: every part of the path belongs to root and nobody else may write to it.
///
/// # Errors
/// With the line for the log about the first part that is not so.
pub fn check_chroot(path: &Path) -> Result<(), String> {
    if !path.is_absolute() {
        return Err("chroot path does not begin at root".to_owned());
    }
    let parts: Vec<&Path> = path.ancestors().collect();
    for part in parts.into_iter().rev() {
        let status = rustix::fs::stat(part)
            .map_err(|error| format!("stat(\"{}\"): {}", part.display(), io::Error::from(error)))?;
        if status.st_uid != 0 || status.st_mode & 0o022 != 0 {
            let text = "bad ownership or modes for chroot directory";
            let shown = part.display();
            return Err(match shown.to_string().as_str() {
                _ if part == path => format!("{text} \"{shown}\""),
                "/" => format!("{text} component \"/\""),
                shown => format!("{text} component \"{shown}/\""),
            });
        }
        if FileType::from_raw_mode(status.st_mode) != FileType::Directory {
            return Err(format!("chroot path \"{}\" is not a directory", part.display()));
        }
    }
    Ok(())
}

/// A path as bytes that end with a NUL, for calls of the C library.
///
/// # Errors
/// When the path has a NUL inside.
pub fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().to_owned().into_vec())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "NUL in a path"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// The account that runs the test, at home in a fresh directory.
    fn account(home: &Path) -> Account {
        let uid = rustix::process::geteuid().as_raw();
        let mut account = Account::by_uid(uid).unwrap().unwrap_or_else(Account::unknown);
        account.home = home.to_owned();
        account.exists = true;
        account
    }

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        mode(home.path(), 0o755);
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        mode(&home.path().join(".ssh"), 0o700);
        home
    }

    fn write(home: &Path, name: &str, text: &str) -> PathBuf {
        let path = home.join(name);
        std::fs::write(&path, text).unwrap();
        mode(&path, 0o600);
        path
    }

    fn one(setting: &str, account: &Account) -> Result<AuthorizedFile, Error> {
        let mut found = read(setting, account, "authorized keys", true);
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    #[test]
    fn tokens() {
        let account =
            Account { name: "kim".into(), uid: 7, home: "/h/kim".into(), ..Account::unknown() };
        for (setting, path) in [
            (".ssh/authorized_keys", "/h/kim/.ssh/authorized_keys"),
            ("%h/keys", "/h/kim/keys"),
            ("/etc/keys/%u.%U%%", "/etc/keys/kim.7%"),
        ] {
            assert_eq!(expand(setting, &account).unwrap(), Path::new(path));
        }
        assert!(matches!(expand("%x", &account), Err(Error::Token { token: 'x', .. })));
        assert!(expand("a%", &account).is_err());
    }

    #[test]
    fn text_of_a_safe_file() {
        let home = home();
        let path = write(home.path(), ".ssh/authorized_keys", "key\n");
        let read = one(".ssh/authorized_keys", &account(home.path())).unwrap();
        assert_eq!(read, AuthorizedFile { path, text: "key\n".into() });
    }

    #[test]
    fn patterns() {
        let home = home();
        write(home.path(), ".ssh/a.keys", "a");
        write(home.path(), ".ssh/b.keys", "b");
        let texts: Vec<_> = read(".ssh/*.keys", &account(home.path()), "authorized keys", true)
            .into_iter()
            .map(|file| file.unwrap().text)
            .collect();
        assert_eq!(texts, ["a", "b"]);
        assert!(read("none", &account(home.path()), "authorized keys", true).is_empty());
    }

    #[test]
    fn loose_modes() {
        let home = home();
        let path = write(home.path(), ".ssh/authorized_keys", "key\n");
        let account = account(home.path());
        let real = |path: &Path| std::fs::canonicalize(path).unwrap().display().to_string();
        mode(&path, 0o620);
        assert_eq!(
            one(".ssh/authorized_keys", &account).unwrap_err().to_string(),
            format!("Authentication refused: bad ownership or modes for file {}", real(&path))
        );
        assert!(read(".ssh/authorized_keys", &account, "authorized keys", false)[0].is_ok());
        mode(&path, 0o600);
        for directory in [home.path().join(".ssh"), home.path().to_owned()] {
            mode(&directory, 0o777);
            assert_eq!(
                one(".ssh/authorized_keys", &account).unwrap_err().to_string(),
                format!(
                    "Authentication refused: bad ownership or modes for directory {}",
                    real(&directory)
                )
            );
            mode(&directory, 0o755);
        }
        assert!(one(".ssh/authorized_keys", &account).is_ok());
    }

    #[test]
    fn things_that_are_no_files() {
        let home = home();
        let account = account(home.path());
        assert!(one(".ssh/authorized_keys", &account).unwrap_err().is_not_found());
        assert!(matches!(one(".ssh", &account), Err(Error::NotRegular { .. })));
        let pipe = home.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(matches!(one("pipe", &account), Err(Error::NotRegular { .. })));
    }

    #[test]
    fn chroot_directories() {
        assert!(check_chroot(Path::new("/etc")).is_ok());
        assert!(check_chroot(Path::new("etc")).is_err());
        assert_eq!(
            check_chroot(Path::new("/tmp/x")).unwrap_err(),
            "bad ownership or modes for chroot directory component \"/tmp/\""
        );
    }
}
