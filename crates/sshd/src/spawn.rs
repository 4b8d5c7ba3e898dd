//! Starts the server's processes: the program executed again, under another role.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use crate::requests::{self, Channel};

/// A process of the server besides the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// One for each connection, with all rights.
    Monitor,
    /// Talks to the network, without any.
    Gate,
    /// The user who came in.
    Session,
}

impl Role {
    const ALL: [Role; 3] = [Role::Monitor, Role::Gate, Role::Session];

    /// The name that the program is executed under.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Monitor => "sshd-monitor",
            Role::Gate => "sshd-gate",
            Role::Session => "sshd-session",
        }
    }

    /// The role that the program was executed under, if it was.
    pub(crate) fn of_name(name: &OsStr) -> Option<Role> {
        Role::ALL.into_iter().find(|role| name == role.name())
    }
}

/// The program that runs now, even when its file has been replaced or removed since.
const PROGRAM: &str = "/proc/self/exe";

/// Starts this program as `role`.
///
/// Its standard input is one end of the channel that is returned; all other
/// descriptors come over it. Standard error is inherited, for logs. Nothing
/// else is: descriptors are close-on-exec, the environment is empty but for
/// what `environment` has.
pub(crate) fn spawn(
    role: Role,
    subject: &str,
    environment: &[(&str, &OsStr)],
) -> Result<(Child, Channel), requests::Error> {
    let (ours, theirs) = Channel::pair()?;
    let mut command = Command::new(PROGRAM);
    // The name is how the program knows its role; the subject only shows in `ps`.
    command.arg0(role.name()).arg(subject).env_clear().envs(environment.iter().copied());
    command.current_dir("/");
    command.stdin(Stdio::from(theirs.into_descriptor())).stdout(Stdio::null());
    let child = command.spawn().map_err(requests::Error::Io)?;
    Ok((child, ours))
}

/// In the process that was started: the channel to whoever started it. To be
/// called once; afterwards standard input is empty.
pub(crate) fn parent_channel() -> io::Result<Channel> {
    let channel: OwnedFd = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(Channel::from_descriptor(channel))
}
