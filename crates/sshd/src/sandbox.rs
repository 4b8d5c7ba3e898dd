//! The gate's sandbox: what the process that reads the network's bytes locks itself into.
//!
//! One call of [`enter`], before the first byte of a peer is read, while the process has a single thread.
//! Everything that the gate will use afterwards is open already or is passed to it later over a socket.
//!
//! | layer | as root | as an ordinary user |
//! |---|---|---|
//! | file system | chroot to an empty directory, or a mount name space with nothing in it | user and mount name space with nothing in it, where allowed |
//! | user | the gate's own ([`gate_identity`]), no groups | stays |
//! | no new privileges, no dumps | yes | yes |
//! | limits | descriptors, processes, core, file size | the same |
//! | landlock | no file, no TCP, no signals or abstract sockets outward, as far as the kernel has it | the same |
//! | seccomp | the list in [`syscalls`] | the same |
//!
//! Root must get an empty root directory and another user, or [`enter`] fails. What the kernel lacks beyond that
//! is left out and told in the [`Report`], which belongs in the debug log.
//!
//! macOS has the first two for root, and the limits: what an attacker has there is a process that may still make system
//! calls, sockets among them, as a user who owns nothing.

use crate::accounts;
use crate::sys::process::Identity;
use std::fmt;
use std::path::PathBuf;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;
mod portable;
#[cfg(target_os = "linux")]
pub mod syscalls;

/// How the sandbox is to be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whom to become when the process is root; see [`gate_identity`]. Found before, as the sandbox has no files.
    pub identity: Option<Identity>,
    /// How many descriptors the process may hold at once, those passed to it later included.
    pub descriptors_max: u64,
    /// Whether writing to a passed regular file works. Pipes, sockets and terminals can always be written; this
    /// matters where standard output is a file, as with `sshd -i >file`.
    pub may_write_files: bool,
    /// Die when the parent dies.
    pub die_with_parent: bool,
}

/// What is in force after [`enter`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What the process sees as the file system.
    pub root: Root,
    /// The user that the process became, when it was root.
    pub uid: Option<u32>,
    /// No exec can give it more rights.
    pub no_new_privileges: bool,
    /// How far landlock goes.
    pub landlock: Landlock,
    /// The system call filter is on.
    pub seccomp: bool,
    /// What did not work, in words.
    pub missing: Vec<String>,
}

/// What the process sees as the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// The system's own; landlock and seccomp stand before it.
    System,
    /// An empty directory that only root could write to.
    EmptyDirectory(PathBuf),
    /// A mount name space with one empty file system.
    NameSpace,
}

/// How far landlock goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landlock {
    /// The kernel has none, or it is off.
    No,
    /// The kernel knows some of the rights.
    Partly,
    /// All that was asked for.
    Fully,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.root {
            Root::System => write!(f, "root: the system's")?,
            Root::EmptyDirectory(path) => write!(f, "root: empty directory {}", path.display())?,
            Root::NameSpace => write!(f, "root: empty name space")?,
        }
        if let Some(uid) = self.uid {
            write!(f, ", uid {uid}")?;
        }
        let landlock = match self.landlock {
            Landlock::No => "no",
            Landlock::Partly => "partly",
            Landlock::Fully => "yes",
        };
        let yes_no = |yes| if yes { "yes" } else { "no" };
        write!(
            f,
            ", no new privileges: {}, landlock: {landlock}, seccomp: {}",
            yes_no(self.no_new_privileges),
            yes_no(self.seccomp)
        )?;
        for line in &self.missing {
            write!(f, "; {line}")?;
        }
        Ok(())
    }
}

/// Why the process could not be locked in. It must not go on to read the network.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Root stayed root or kept its file system.
    #[error("sandbox: {step}: {source}")]
    Step {
        /// What was being done.
        step: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Run as root without being told whom to become.
    #[error("sandbox: no unprivileged user to become")]
    NoIdentity,
}

/// Whom a gate of root becomes, in order of preference. macOS calls the accounts of its services so.
const GATE_ACCOUNTS: [&str; 2] =
    [if cfg!(target_os = "macos") { "_sshd" } else { "sshd" }, "nobody"];

/// The user that a gate started by root becomes: `sshd`, or `nobody` where there is no such user. `None` when
/// neither exists. Asks the name service, so it is to be called before [`enter`].
pub fn gate_identity() -> Option<Identity> {
    GATE_ACCOUNTS.iter().find_map(|name| {
        let account = accounts::Account::by_name(name).ok().flatten()?;
        // An entry that names root would be no protection at all.
        (account.uid != 0 && account.gid != 0).then(|| Identity {
            uid: account.uid,
            gid: account.gid,
            groups: vec![account.gid],
        })
    })
}

/// Locks the process in, for good.
///
/// # Errors
/// When a process of root could not give up its rights. It may have lost some of them already.
#[cfg(target_os = "linux")]
pub fn enter(settings: &Settings) -> Result<Report, Error> {
    linux::enter(settings)
}

/// Locks the process in as far as this system has the means.
///
/// # Errors
/// When a process of root could not give up its rights. It may have lost some of them already.
#[cfg(not(target_os = "linux"))]
pub fn enter(settings: &Settings) -> Result<Report, Error> {
    other::enter(settings)
}
