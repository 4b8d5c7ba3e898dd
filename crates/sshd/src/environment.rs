//! What a session starts in: its environment variables, and below it its shell and the messages before it.

mod invocation;

use crate::accounts::Account;
use keys::pattern;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub use self::invocation::{
    Invocation, invocation, is_quiet_login, message_of_the_day, nologin, rc_command,
};

/// Where programs are found before any start-up file says otherwise.
pub const PATH_USER: &str = "/usr/local/bin:/usr/bin:/bin:/usr/games";
/// The same for root.
pub const PATH_ROOT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where mail lies.
const MAIL_DIRECTORY: &str = "/var/mail";

/// The largest file read here.
const FILE_BYTES_MAX: u64 = 256 << 10;
/// The most variables of a session. The largest real environments have a few hundred.
const VARIABLES_MAX: usize = 1000;

/// What PAM's variables may not override.
const PAM_DENIED: [&str; 2] = ["SSH_AUTH_INFO*", "SSH_CONNECTION*"];

/// The variables of a session. Setting one again replaces it in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    variables: Vec<(OsString, OsString)>,
}

impl Environment {
    /// Sets a variable. One with an empty name, or with `=` or NUL where they cannot be, is left out, as are more
    /// than a session can sensibly have.
    pub fn set(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        let bytes = name.as_bytes();
        if bytes.is_empty()
            || bytes.iter().any(|byte| matches!(byte, b'=' | 0))
            || value.as_bytes().contains(&0)
        {
            return;
        }
        if let Some(variable) = self.variables.iter_mut().find(|variable| variable.0 == name) {
            value.clone_into(&mut variable.1);
        } else if self.variables.len() < VARIABLES_MAX {
            self.variables.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        let found = self.variables.iter().find(|variable| variable.0 == name);
        found.map(|variable| variable.1.as_os_str())
    }

    /// All variables, in the order in which they were first set.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

/// `PermitUserEnvironment`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserEnvironment<'a> {
    /// `no`.
    Refused,
    /// `yes`.
    Permitted,
    /// Only variables that match these patterns; `!` before one takes its matches out.
    Matching(&'a [String]),
}

impl UserEnvironment<'_> {
    fn permits(&self, name: &str) -> bool {
        match self {
            Self::Refused => false,
            Self::Permitted => true,
            Self::Matching(patterns) => matches_list(patterns, name),
        }
    }
}

/// Whether a variable that a client asks for may be set: `AcceptEnv`. RFC 4254 §6.4.
pub fn accepts(accept_env: &[String], name: &str) -> bool {
    matches_list(accept_env, name)
}

fn matches_list(patterns: &[String], name: &str) -> bool {
    let hit = |pattern: &str| pattern::matches(pattern, name);
    !patterns.iter().any(|pattern| pattern.strip_prefix('!').is_some_and(hit))
        && patterns.iter().any(|pattern| !pattern.starts_with('!') && hit(pattern))
}

/// Everything that a session's environment is made of.
pub struct Sources<'a> {
    /// Who logged in.
    pub account: &'a Account,
    /// The client's `env` requests that [`accepts`] let through.
    pub requested: &'a [(String, String)],
    /// What the PAM modules left.
    pub pam: &'a [(OsString, OsString)],
    /// `environment="NAME=value"` of the key that logged in.
    pub key_options: &'a [(String, String)],
    /// `PermitUserEnvironment`.
    pub user_environment: UserEnvironment<'a>,
    /// `SetEnv`.
    pub set_env: &'a [(String, String)],
    /// Client address, client port, server address, server port.
    pub connection: Option<(&'a str, u16, &'a str, u16)>,
    /// The type of the terminal and its path, with a pty.
    pub terminal: Option<(&'a str, &'a Path)>,
    /// The display of X11 forwarding.
    pub display: Option<&'a str>,
    /// The socket of agent forwarding.
    pub agent_socket: Option<&'a Path>,
    /// The file of `ExposeAuthInfo`.
    pub authentication_file: Option<&'a Path>,
    /// What the client asked to run, when something else runs instead or with it.
    pub original_command: Option<&'a str>,
}

/// Builds the environment, later sources over earlier ones. To be called with the user's rights, as it reads
/// `~/.ssh/environment` where that is permitted.
pub fn build(sources: &Sources<'_>) -> Environment {
    let account = sources.account;
    let mut environment = Environment::default();
    for (name, value) in sources.requested {
        environment.set(name, value);
    }
    environment.set("USER", &account.name);
    environment.set("LOGNAME", &account.name);
    environment.set("HOME", &account.home);
    environment.set("PATH", if account.uid == 0 { PATH_ROOT } else { PATH_USER });
    environment.set("MAIL", format!("{MAIL_DIRECTORY}/{}", account.name));
    environment.set("SHELL", &account.shell);
    if let Some(zone) = std::env::var_os("TZ") {
        environment.set("TZ", zone);
    }
    if let Some((kind, _)) = sources.terminal
        && !kind.is_empty()
    {
        environment.set("TERM", kind);
    }
    if let Some(display) = sources.display {
        environment.set("DISPLAY", display);
    }
    for (name, value) in sources.pam {
        let text = name.to_string_lossy();
        if !PAM_DENIED.iter().any(|denied| pattern::matches(denied, &text)) {
            environment.set(name, value);
        }
    }
    if let Some(path) = sources.agent_socket {
        environment.set("SSH_AUTH_SOCK", path);
    }
    for (name, value) in sources.key_options {
        if sources.user_environment.permits(name) {
            environment.set(name, value);
        }
    }
    if sources.user_environment != UserEnvironment::Refused {
        let text = read_file(&account.home.join(".ssh/environment")).unwrap_or_default();
        for (name, value) in parse_file(&text) {
            if sources.user_environment.permits(&name.to_string_lossy()) {
                environment.set(name, value);
            }
        }
    }
    for (name, value) in sources.set_env {
        environment.set(name, value);
    }
    if let Some((client, client_port, server, server_port)) = sources.connection {
        environment.set("SSH_CLIENT", format!("{client} {client_port} {server_port}"));
        environment.set("SSH_CONNECTION", format!("{client} {client_port} {server} {server_port}"));
    }
    if let Some(path) = sources.authentication_file {
        environment.set("SSH_USER_AUTH", path);
    }
    if let Some((_, path)) = sources.terminal {
        environment.set("SSH_TTY", path);
    }
    if let Some(command) = sources.original_command {
        environment.set("SSH_ORIGINAL_COMMAND", command);
    }
    environment
}

/// `NAME=value` lines of an environment file; empty lines, comments and lines without `=` give nothing.
fn parse_file(text: &[u8]) -> Vec<(OsString, OsString)> {
    let mut variables = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii_start();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"#") || variables.len() >= VARIABLES_MAX {
            continue;
        }
        let Some(at) = line.iter().position(|byte| *byte == b'=') else { continue };
        let (name, value) = line.split_at(at);
        let value = value.get(1..).unwrap_or_default();
        variables.push((OsStr::from_bytes(name).to_owned(), OsStr::from_bytes(value).to_owned()));
    }
    variables
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Non-blocking, or a pipe in the file's place would hold the session up.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn account(home: &Path) -> Account {
        Account {
            name: "kim".into(),
            uid: 1000,
            gid: 1000,
            home: home.into(),
            shell: "/bin/bash".into(),
            ..Account::unknown()
        }
    }

    fn sources(account: &Account) -> Sources<'_> {
        Sources {
            account,
            requested: &[],
            pam: &[],
            key_options: &[],
            user_environment: UserEnvironment::Refused,
            set_env: &[],
            connection: Some(("192.0.2.1", 50_000, "192.0.2.2", 22)),
            terminal: None,
            display: None,
            agent_socket: None,
            authentication_file: None,
            original_command: None,
        }
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn the_usual_variables() {
        let account = account(Path::new("/home/kim"));
        let environment = build(&Sources {
            terminal: Some(("xterm", Path::new("/dev/pts/3"))),
            original_command: Some("ls"),
            ..sources(&account)
        });
        for (name, value) in [
            ("USER", "kim"),
            ("LOGNAME", "kim"),
            ("HOME", "/home/kim"),
            ("PATH", PATH_USER),
            ("SHELL", "/bin/bash"),
            ("MAIL", "/var/mail/kim"),
            ("TERM", "xterm"),
            ("SSH_TTY", "/dev/pts/3"),
            ("SSH_CLIENT", "192.0.2.1 50000 22"),
            ("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 22"),
            ("SSH_ORIGINAL_COMMAND", "ls"),
        ] {
            assert_eq!(environment.get(name), Some(OsStr::new(value)), "{name}");
        }
    }

    #[test]
    fn later_sources_win() {
        let account = account(Path::new("/home/kim"));
        let requested =
            [pair("HOME", "/tmp"), pair("LANG", "C"), pair("A", "client"), pair("B=", "x")];
        let pam = [("A".into(), "pam".into()), ("SSH_CONNECTION".into(), "forged".into())];
        let set_env = [pair("A", "admin")];
        let environment = build(&Sources {
            requested: &requested,
            pam: &pam,
            set_env: &set_env,
            ..sources(&account)
        });
        assert_eq!(environment.get("HOME"), Some(OsStr::new("/home/kim")));
        assert_eq!(environment.get("LANG"), Some(OsStr::new("C")));
        assert_eq!(environment.get("A"), Some(OsStr::new("admin")));
        assert_ne!(environment.get("SSH_CONNECTION"), Some(OsStr::new("forged")));
        assert!(environment.iter().all(|(name, _)| name != "B="));
    }

    #[test]
    fn the_users_own_variables() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        let text = "# comment\n\n A=file\nno equals sign\nLD_PRELOAD=x=y\n=z\n";
        std::fs::write(home.path().join(".ssh/environment"), text).unwrap();
        let account = account(home.path());
        let key_options = [pair("K", "key")];
        let seen = |user_environment| {
            let environment = build(&Sources {
                user_environment,
                key_options: &key_options,
                ..sources(&account)
            });
            ["A", "LD_PRELOAD", "K"]
                .map(|name| environment.get(name).map(|value| value.to_string_lossy().into_owned()))
        };
        assert_eq!(seen(UserEnvironment::Refused), [None, None, None]);
        let all = [Some("file".into()), Some("x=y".into()), Some("key".into())];
        assert_eq!(seen(UserEnvironment::Permitted), all);
        let patterns = ["*".to_owned(), "!LD_*".to_owned()];
        let some = [Some("file".into()), None, Some("key".into())];
        assert_eq!(seen(UserEnvironment::Matching(&patterns)), some);
    }

    #[test]
    fn accepted_names() {
        let accept = ["LANG".to_owned(), "LC_*".to_owned()];
        assert!(accepts(&accept, "LC_ALL"));
        assert!(!accepts(&accept, "LD_PRELOAD"));
        assert!(!accepts(&[], "LANG"));
    }
}
