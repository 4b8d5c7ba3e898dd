//! Starts the server's processes: the program executed again, under another role.

use std::ffi::{OsStr, OsString};
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

    /// The first word that the program is executed with.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Monitor => "sshd-monitor",
            Role::Gate => "sshd-gate",
            Role::Session => "sshd-session",
        }
    }

    /// The role of that name.
    pub(crate) fn of_name(name: &OsStr) -> Option<Role> {
        Role::ALL.into_iter().find(|role| name == role.name())
    }
}

/// The program that runs now, on Linux even when its file has been replaced or removed since.
#[cfg(target_os = "linux")]
#[expect(clippy::unnecessary_wraps, reason = "others have to look for it")]
fn program() -> io::Result<std::path::PathBuf> {
    Ok("/proc/self/exe".into())
}

#[cfg(not(target_os = "linux"))]
use std::env::current_exe as program;

/// The name that all processes of the server are executed under.
pub(crate) const PROGRAM_NAME: &str = "sshd";

/// Starts this program as `role`.
///
/// Its standard input is one end of the channel that is returned; all other
/// descriptors come over it. Standard error is inherited, for logs. Nothing
/// else is: descriptors are close-on-exec, the environment is empty but for
/// what `environment` has.
pub(crate) fn spawn(
    role: Role,
    subject: &str,
    environment: &[(&str, OsString)],
) -> Result<(Child, Channel), requests::Error> {
    let (ours, theirs) = Channel::pair()?;
    let mut command = Command::new(program().map_err(requests::Error::Io)?);
    // The first word is how the program knows its role; the subject only shows in `ps`.
    command
        .arg0(PROGRAM_NAME)
        .args([role.name(), subject])
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)));
    command.current_dir("/");
    command.stdin(Stdio::from(theirs.into_descriptor())).stdout(Stdio::null());
    let child = command.spawn().map_err(requests::Error::Io)?;
    Ok((child, ours))
}

/// In the process that was started: the channel to whoever started it. To be
/// called once; afterwards standard input is empty.
pub(crate) fn parent_channel() -> io::Result<Channel> {
    // Executed through a link of /proc, which would be all that `top` shows.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_name(c"sshd");
    let channel: OwnedFd = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(Channel::from_descriptor(channel))
}
