//! Starts the server's first process in namespaces of its own: by libcontainer, or by the program
//! `runc` where that fails and `runc` is there.

use std::io::{self, IoSliceMut};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType,
};
use rustix::process::{Pid, PidfdFlags};

use super::{at, make_folder, plain, system};
use crate::embedded::layout::{ServerFolder, short_path};
use crate::embedded::protocol::{CONTROL_DESCRIPTOR, Isolation, Plan};
use crate::embedded::settings::Runtime as Wanted;
use crate::embedded::{bundle, link, sys};

/// How long the runtime may take to pass the console.
const CONSOLE_TIMEOUT: Duration = Duration::from_secs(10);

/// A server whose first process runs.
pub(super) struct Started {
    /// That process, from outside.
    pub(super) pid: Pid,
    /// Readable when it has ended.
    pub(super) process: OwnedFd,
    /// The console's master end.
    pub(super) console: OwnedFd,
    /// Datagrams to and from the first process.
    pub(super) control: OwnedFd,
    runtime: Runtime,
}

enum Runtime {
    Library(Box<libcontainer::container::Container>),
    Runc,
    /// There is nothing to tidy up: namespaces go with their processes.
    None,
}

/// Makes the namespaces and starts the first process in them.
pub(super) fn start(folder: &ServerFolder, plan: &Plan) -> io::Result<Started> {
    let (control, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let uid_base = match &plan.isolation {
        Isolation::Full { uid_base, .. } => Some(*uid_base),
        Isolation::User { subordinate } => {
            super::user::become_root_inside(*subordinate)?;
            None
        }
    };
    let root = system::assemble(folder, plan, uid_base)?;
    make_folder(&folder.runtime())?;
    std::fs::write(
        folder.bundle().join("config.json"),
        serde_json::to_vec_pretty(&bundle::config(plan, &root))?,
    )?;

    sys::place(theirs, CONTROL_DESCRIPTOR)?;
    let started = match &plan.isolation {
        Isolation::User { .. } => {
            plain::start(plan, &root).map(|(pid, console)| (pid, console, Runtime::None))
        }
        Isolation::Full { runtime: Wanted::Runc, .. } => by_runc(folder, plan),
        Isolation::Full { runtime: Wanted::Libcontainer, .. } => by_library(folder, plan),
        Isolation::Full { runtime: Wanted::Auto, .. } => {
            by_library(folder, plan).or_else(|error| {
                let runc = find_runc();
                let then = if runc { "tried" } else { "not installed" };
                eprintln!("libcontainer: {error}; runc: {then}");
                if runc { by_runc(folder, plan) } else { Err(error) }
            })
        }
    };
    sys::close(CONTROL_DESCRIPTOR);
    let (pid, console, mut runtime) = started?;
    let process = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    let begun = connect(plan, pid).and_then(|()| runtime.begin(folder, plan));
    if let Err(error) = begun {
        let _ = rustix::process::pidfd_send_signal(&process, rustix::process::Signal::KILL);
        runtime.remove(folder, plan);
        return Err(error);
    }
    Ok(Started { pid, process, console, control, runtime })
}

/// Takes away what the runtime left: its notes and the control group.
pub(super) fn tidy(folder: &ServerFolder, plan: &Plan, started: Started) {
    let Started { mut runtime, .. } = started;
    runtime.remove(folder, plan);
}

fn connect(plan: &Plan, pid: Pid) -> io::Result<()> {
    match &plan.isolation {
        Isolation::Full { interface, mac, forwarding, .. } => {
            let pid = pid.as_raw_nonzero().get().unsigned_abs();
            link::connect(interface, plan.address, *mac, *forwarding, pid)
                .map_err(at("connect the server to the network"))
        }
        Isolation::User { .. } => Ok(()),
    }
}

type Begun = (Pid, OwnedFd, Runtime);

/// Where a runtime passes the console: a socket of its own for each that is tried, as one that
/// failed may have connected.
struct Consoles {
    path: PathBuf,
    listener: UnixListener,
}

impl Consoles {
    fn listen(folder: &ServerFolder) -> io::Result<Self> {
        let sockets = system::open_folder(folder.path())?;
        let path = folder.path().join(ServerFolder::CONSOLE_SOCKET);
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(short_path(&sockets, ServerFolder::CONSOLE_SOCKET))
            .map_err(at("make the console's socket"))?;
        Ok(Self { path, listener })
    }
}

impl Drop for Consoles {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn by_library(folder: &ServerFolder, plan: &Plan) -> io::Result<Begun> {
    let consoles = Consoles::listen(folder)?;
    let container = ContainerBuilder::new(plan.id.to_string(), SyscallType::default())
        .with_root_path(folder.runtime())
        .map_err(explain)?
        .with_console_socket(Some(&consoles.path))
        .with_preserved_fds(1)
        .validate_id()
        .map_err(explain)?
        .as_init(folder.bundle())
        .with_systemd(false)
        .with_detach(true)
        .build()
        .map_err(explain)?;
    let pid = container
        .pid()
        .and_then(|pid| Pid::from_raw(pid.as_raw()))
        .ok_or_else(|| io::Error::other("the runtime started no process"))?;
    let runtime = Runtime::Library(Box::new(container));
    runtime.or_remove(folder, plan, receive_console(&consoles.listener).map(|got| (pid, got)))
}

/// The whole chain of causes: the outer ones only say at what stage.
fn explain(error: libcontainer::error::LibcontainerError) -> io::Error {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    io::Error::other(text)
}

fn find_runc() -> bool {
    Command::new("runc").arg("--version").output().is_ok_and(|output| output.status.success())
}

fn runc(folder: &ServerFolder, arguments: &[&std::ffi::OsStr]) -> io::Result<()> {
    let output =
        Command::new("runc").arg("--root").arg(folder.runtime()).args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

fn by_runc(folder: &ServerFolder, plan: &Plan) -> io::Result<Begun> {
    let consoles = Consoles::listen(folder)?;
    let id = plan.id.to_string();
    let pid_file = folder.path().join("runc.pid");
    // The process that runc leaves behind becomes this one's child, so that its end is heard.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let status = Command::new("runc")
        .arg("--root")
        .arg(folder.runtime())
        .args(["create", "--preserve-fds", "1", "--console-socket"])
        .arg(&consoles.path)
        .arg("--pid-file")
        .arg(&pid_file)
        .arg("--bundle")
        .arg(folder.bundle())
        .arg(&id)
        .status()?;
    if !status.success() {
        return Err(io::Error::other(format!("runc create: {status}")));
    }
    let got = (|| {
        let pid = std::fs::read_to_string(&pid_file)?
            .trim()
            .parse()
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::other("runc told no process id"))?;
        Ok((pid, receive_console(&consoles.listener)?))
    })();
    Runtime::Runc.or_remove(folder, plan, got)
}

impl Runtime {
    /// With what it gave, or nothing is left of what it made.
    fn or_remove(
        mut self,
        folder: &ServerFolder,
        plan: &Plan,
        got: io::Result<(Pid, OwnedFd)>,
    ) -> io::Result<Begun> {
        match got {
            Ok((pid, console)) => Ok((pid, console, self)),
            Err(error) => {
                self.remove(folder, plan);
                Err(error)
            }
        }
    }

    fn begin(&mut self, folder: &ServerFolder, plan: &Plan) -> io::Result<()> {
        match self {
            Self::Library(container) => container.start().map_err(explain),
            Self::None => Ok(()),
            Self::Runc => runc(folder, &["start".as_ref(), plan.id.to_string().as_ref()]),
        }
    }

    fn remove(&mut self, folder: &ServerFolder, plan: &Plan) {
        let removed = match self {
            Self::None => Ok(()),
            Self::Library(container) => container.delete(true).map_err(explain),
            Self::Runc => {
                runc(folder, &["delete".as_ref(), "--force".as_ref(), plan.id.to_string().as_ref()])
            }
        };
        if let Err(error) = removed {
            eprintln!("tidy up after the server: {error}");
        }
    }
}

fn receive_console(consoles: &UnixListener) -> io::Result<OwnedFd> {
    consoles.set_nonblocking(true)?;
    let deadline = Instant::now() + CONSOLE_TIMEOUT;
    let stream = loop {
        match consoles.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if Instant::now() > deadline {
                    return Err(io::Error::other("the runtime passed no console"));
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(error) => return Err(error),
        }
    };
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(CONSOLE_TIMEOUT))?;
    let mut name = [0; 256];
    receive_descriptor(&stream, &mut name)?
        .1
        .ok_or_else(|| io::Error::other("the runtime passed no console"))
}

/// One message and the descriptor that came with it.
pub(super) fn receive_descriptor(
    socket: impl std::os::fd::AsFd,
    buffer: &mut [u8],
) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let message = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(buffer)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut first = None;
    for part in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = part {
            // Those beyond the first are closed right here.
            for descriptor in descriptors {
                first.get_or_insert(descriptor);
            }
        }
    }
    Ok((message.bytes, first))
}
