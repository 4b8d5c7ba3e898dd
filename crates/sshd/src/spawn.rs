//! Starts the server's processes: the program executed again, under another role.
//!
//! Where it was installed with it, connections run in a smaller program that holds these roles and
//! nothing else. Each of a connection's processes has pages of its own that the loader relocated,
//! and there are fewer of them in a program without the other tools.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::hardware;
use crate::program::VERSION;
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
fn program() -> io::Result<PathBuf> {
    Ok("/proc/self/exe".into())
}

#[cfg(not(target_os = "linux"))]
use std::env::current_exe as program;

/// The name that all processes of the server are executed under.
pub(crate) const PROGRAM_NAME: &str = "sshd";

/// The smaller program, from the folder of the one that runs now.
const CONNECTION_PROGRAM: &str = "../libexec/keyway/sshd-connection";

/// The smaller program, found when the listener started.
static CONNECTION: OnceLock<ConnectionProgram> = OnceLock::new();

struct ConnectionProgram {
    path: PathBuf,
    /// What the path names, whatever becomes of the file.
    _open: Option<OwnedFd>,
}

impl ConnectionProgram {
    #[cfg(target_os = "linux")]
    fn open(path: &Path) -> io::Result<Self> {
        use std::os::fd::AsRawFd;
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
        let open = rustix::fs::open(path, flags, rustix::fs::Mode::empty())?;
        Ok(Self { path: format!("/proc/self/fd/{}", open.as_raw_fd()).into(), _open: Some(open) })
    }

    /// There is no executing by descriptor here.
    #[cfg(not(target_os = "linux"))]
    fn open(path: &Path) -> io::Result<Self> {
        path.metadata().map(|_| Self { path: path.to_owned(), _open: None })
    }
}

/// Finds the program for connections, which has to be of the same version. Without it this one
/// does all.
pub(crate) fn find_connection_program() {
    let Ok(program) = std::env::current_exe() else { return };
    let Some(folder) = program.parent() else { return };
    let path = folder.join(CONNECTION_PROGRAM);
    let Ok(smaller) = ConnectionProgram::open(&path) else { return };
    match Command::new(&smaller.path).arg("-V").env_clear().stdin(Stdio::null()).output() {
        Ok(said) if said.stdout.trim_ascii() == VERSION.as_bytes() => {
            log::debug!("connections are served by {}", path.display());
            let _ = CONNECTION.set(smaller);
        }
        Ok(_) => log::warn!(
            "{} is of another version than this program and not used; install both again",
            path.display()
        ),
        Err(error) => log::warn!("{} is not used: {error}", path.display()),
    }
}

/// Starts a process of the server as `role`.
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
    // Only the listener knows of the smaller program; what it started is that one already.
    let program = match CONNECTION.get().filter(|_| !hardware::is_needed()) {
        Some(smaller) => smaller.path.clone(),
        None => program().map_err(requests::Error::Io)?,
    };
    let mut command = Command::new(program);
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
