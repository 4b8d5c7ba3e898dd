//! What was seen on a server, and the checks that judge it, one file each.

mod account;
mod authorized_keys;
mod configuration;
mod firewall;
mod host_keys;
pub mod modes;
mod nologin;
mod passwords;
mod ports;

use std::path::PathBuf;

use crate::finding::{Finding, sorted};
use crate::firewall::Look;
use crate::server::modes::Place;

/// What was seen on a server.
#[derive(Debug, Clone, Default)]
pub struct Premises {
    /// Why the configuration cannot be used.
    pub configuration_error: Option<String>,
    /// The configuration's file.
    pub configuration_file: PathBuf,
    /// Each port that it should listen on.
    pub ports: Vec<Port>,
    /// How services are run here.
    pub service: Service,
    /// Its keys.
    pub host_keys: Vec<HostKeyFile>,
    /// Whose login it is about.
    pub account: Option<Account>,
    /// The files that `AuthorizedKeysFile` names for that account.
    pub authorized: Vec<Authorized>,
    /// `StrictModes`.
    pub strict_modes: bool,
    /// A key that should be in one of them, by its fingerprint.
    pub wanted_key: Option<String>,
    /// Whether passwords let anybody in.
    pub passwords: Passwords,
    /// `PubkeyAuthentication`, and the line that says so.
    pub keys_on: (bool, Option<String>),
    /// A file that keeps all but root out, where it counts, and what it says.
    pub nologin: Option<(PathBuf, String)>,
}

/// A port to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The number.
    pub number: u16,
    /// Who listens on it: the process's name and number.
    pub holder: Option<(String, u32)>,
    /// Somebody listens, and who cannot be seen.
    pub is_taken: bool,
    /// What the firewall does to it.
    pub firewall: Look,
}

/// How services are run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Service {
    /// systemd, with this unit.
    Systemd(String),
    /// Scripts in /etc/init.d, with this name.
    Scripts(String),
    /// Neither: the program is started by hand.
    #[default]
    ByHand,
}

impl Service {
    /// The command that starts the server anew.
    pub fn restart(&self) -> String {
        match self {
            Service::Systemd(unit) => format!("systemctl restart {unit}"),
            Service::Scripts(name) => format!("service {name} restart"),
            Service::ByHand => "kill -HUP \"$(cat /run/sshd.pid)\" || sshd".to_owned(),
        }
    }

    /// The command that starts it.
    pub fn start(&self) -> String {
        match self {
            Service::Systemd(unit) => format!("systemctl enable --now {unit}"),
            Service::Scripts(name) => format!("service {name} start"),
            Service::ByHand => "sshd".to_owned(),
        }
    }
}

/// A host key's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKeyFile {
    /// Where.
    pub path: PathBuf,
    /// The line that names it, or nothing for a standard one.
    pub origin: Option<String>,
    /// What is wrong with it.
    pub problem: Option<HostKeyProblem>,
}

/// What is wrong with a host key's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKeyProblem {
    /// It is not there.
    Missing,
    /// It cannot be read.
    Unreadable(String),
    /// Others can read it: its mode.
    TooOpen(u32),
    /// It holds no key, or one behind a passphrase.
    NotAKey(String),
}

/// The account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// The name.
    pub name: String,
    /// There is such an account.
    pub exists: bool,
    /// Why a login is refused before any key or password is looked at, in the server's words.
    pub denied: Option<Denied>,
    /// The home directory.
    pub home: PathBuf,
    /// It is there.
    pub has_home: bool,
    /// The shell.
    pub shell: PathBuf,
    /// It is in /etc/shells, which PAM may ask for.
    pub shell_listed: bool,
    /// `PermitRootLogin` says no to this account, and the line that does.
    pub root_refused: Option<String>,
}

/// Why a login is refused at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// No such account.
    Unknown,
    /// The account's end has come.
    Expired,
    /// The password is locked, and with it the account.
    Locked,
    /// The shell is not there.
    ShellMissing,
    /// The shell cannot be executed.
    ShellNotExecutable,
    /// `DenyUsers`, `AllowUsers`, `DenyGroups` or `AllowGroups`.
    ByList(&'static str),
}

/// One file of authorized keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authorized {
    /// Where.
    pub path: PathBuf,
    /// It is there.
    pub exists: bool,
    /// Whose it should be.
    pub user_id: u32,
    /// Why it cannot be read by the user.
    pub unreadable: Option<String>,
    /// The file and every folder above it that is looked at, from the file up.
    pub places: Vec<Place>,
    /// Lines that are no keys: number and why.
    pub bad_lines: Vec<(usize, String)>,
    /// How many keys there are.
    pub keys: usize,
    /// The line of the wanted key.
    pub found: Option<FoundLine>,
}

/// The line of the wanted key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLine {
    /// Its number.
    pub line: usize,
    /// It has expired.
    pub expired: bool,
    /// It may only be used from there.
    pub from: Option<String>,
    /// It runs only this.
    pub command: Option<String>,
}

/// Whether passwords let anybody in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passwords {
    /// `PasswordAuthentication`, and the line that says so.
    pub password: (bool, Option<String>),
    /// `KbdInteractiveAuthentication` with `UsePAM`, and the line.
    pub interactive: (bool, Option<String>),
    /// A line that says no and does not count, with the line that counts.
    pub outdone: Option<(String, String)>,
    /// `Match` blocks that let passwords in all the same.
    pub in_match: Vec<String>,
}

/// Judges what was seen: the surest cause first.
pub fn judge(premises: &Premises) -> Vec<Finding> {
    // With a configuration that cannot be used, what else is known of it is guesswork.
    if premises.configuration_error.is_some() {
        return configuration::check(premises);
    }
    let checks = [
        ports::check,
        firewall::check,
        host_keys::check,
        account::check,
        nologin::check,
        authorized_keys::check,
        passwords::check,
    ];
    sorted(checks.iter().flat_map(|check| check(premises)).collect())
}

#[cfg(test)]
mod tests;
