//! How the user's program is started, and what is shown before.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::read_file;
use crate::accounts::Account;

/// What the system's administrator runs before sessions.
const SYSTEM_RC: &str = "/etc/ssh/sshrc";

/// Its presence means that only root may log in.
const NOLOGIN: &str = "/etc/nologin";

/// The message of the day.
const MOTD: &str = "/etc/motd";

/// How a session's program is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The program: the user's shell.
    pub program: PathBuf,
    /// What it is called: with a dash in front it is a log-in shell.
    pub argv0: OsString,
    /// Its arguments: none, or `-c` and the command.
    pub arguments: Vec<OsString>,
}

/// The user's shell, as a log-in shell or with a command. RFC 4254 §6.5.
pub fn invocation(account: &Account, command: Option<&str>) -> Invocation {
    let program = account.shell.clone();
    let base = program.file_name().unwrap_or(program.as_os_str());
    let Some(command) = command else {
        let argv0 = [b"-", base.as_bytes()].concat();
        return Invocation { argv0: OsString::from_vec(argv0), arguments: Vec::new(), program };
    };
    Invocation { argv0: base.to_owned(), arguments: vec!["-c".into(), command.into()], program }
}

/// Whether the user wants no messages at login: there is a `~/.hushlogin`.
pub fn is_quiet_login(account: &Account) -> bool {
    account.home.join(".hushlogin").exists()
}

/// The message of the day. `None` when there is none.
pub fn message_of_the_day() -> Option<Vec<u8>> {
    read_file(Path::new(MOTD)).ok().filter(|text| !text.is_empty())
}

/// What `/etc/nologin` says, when it is there and holds for this account; the session is then refused. The log line is
/// `User %.100s not allowed because /etc/nologin exists`.
pub fn nologin(account: &Account) -> Option<Vec<u8>> {
    if account.uid == 0 || !Path::new(NOLOGIN).exists() {
        return None;
    }
    Some(read_file(Path::new(NOLOGIN)).unwrap_or_default())
}

/// The file run by `/bin/sh` before the shell or command, which reads the X11 cookie (`protocol cookie`) on standard
/// input: the user's own where `user_rc` permits it (`PermitUserRC`, no `no-user-rc` on the key, no subsystem, no
/// `ForceCommand`), else the system's. Without either, `xauth` is to be run when there is a cookie.
pub fn rc_command(account: &Account, user_rc: bool) -> Option<Invocation> {
    let own = account.home.join(".ssh/rc");
    if user_rc && own.exists() {
        // Through the user's shell, as a home directory may be set up in its start-up files.
        let mut command = OsString::from("/bin/sh ");
        command.push(quote(&own));
        return Some(Invocation {
            program: account.shell.clone(),
            argv0: account.shell.clone().into_os_string(),
            arguments: vec!["-c".into(), command],
        });
    }
    Path::new(SYSTEM_RC).exists().then(|| Invocation {
        program: "/bin/sh".into(),
        argv0: "/bin/sh".into(),
        arguments: vec![SYSTEM_RC.into()],
    })
}

/// One word for any shell.
fn quote(path: &Path) -> OsString {
    let mut quoted = vec![b'\''];
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    OsString::from_vec(quoted)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;
    use crate::environment::tests::account;

    #[test]
    fn shells() {
        let account = account(Path::new("/home/kim"));
        let login = invocation(&account, None);
        assert_eq!((login.argv0.as_os_str(), login.arguments.len()), (OsStr::new("-bash"), 0));
        let command = invocation(&account, Some("ls -l"));
        assert_eq!(command.argv0, "bash");
        assert_eq!(command.arguments, ["-c", "ls -l"]);
    }

    #[test]
    fn rc_files() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        std::fs::write(home.path().join(".ssh/rc"), "").unwrap();
        let account = account(home.path());
        let own = rc_command(&account, true).unwrap();
        assert_eq!(own.program, Path::new("/bin/bash"));
        assert_eq!(
            own.arguments[1],
            format!("/bin/sh '{}/.ssh/rc'", home.path().display()).as_str()
        );
        assert_eq!(rc_command(&account, false).is_some(), Path::new(SYSTEM_RC).exists());
        assert_eq!(quote(Path::new("/a'b")), "'/a'\\''b'");
    }
}
