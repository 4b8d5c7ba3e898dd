//! The first process inside a server: it makes the host keys, runs our sshd and the console's
//! login, collects the dead, and ends the server when it is told to.
//!
//! It starts with the right to set a system-call filter and gives that right up before anything
//! else runs. From then on the tenant's root is its equal.

mod filter;
mod getty;
mod host_keys;
mod processes;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::Permissions;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::Signal;

use super::protocol::{CONTROL_DESCRIPTOR, DATAGRAM_MAX, EXIT_REBOOT, FromInit, PROGRAMS, ToInit};
use super::sys;
use processes::{Process, Processes};

/// How long processes may take to end when they are asked to.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// A program that ended is started again after this long.
const RESPAWN: Duration = Duration::from_secs(1);

/// How a server ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Stop,
    Reboot,
}

struct Options {
    address: Ipv4Addr,
    port: u16,
    cloud_init: bool,
}

/// The subcommand `init` of [`super::Settings::program`]: the first process inside a server. It
/// does nothing elsewhere.
pub fn init_main(arguments: &[OsString]) -> i32 {
    if std::process::id() != 1 {
        eprintln!(
            "keyway-panel init is the first process of the panel's servers, and of no use here"
        );
        return 2;
    }
    let Some(options) = options(arguments) else { return 2 };
    let Ok(control) = sys::inherited(CONTROL_DESCRIPTOR) else { return 2 };
    // Should the shim be killed, so is the server: there must be none that nobody holds.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    if let Err(error) = filter::apply() {
        println!("init: the system-call filter could not be set: {error}");
        return 1;
    }
    match Init::boot(options, control).and_then(Init::run) {
        Ok(Ending::Stop) => 0,
        Ok(Ending::Reboot) => EXIT_REBOOT,
        Err(error) => {
            println!("init: {error}");
            1
        }
    }
}

fn options(arguments: &[OsString]) -> Option<Options> {
    let mut options = Options { address: Ipv4Addr::UNSPECIFIED, port: 22, cloud_init: false };
    let mut arguments = arguments.iter();
    while let Some(name) = arguments.next() {
        match name.to_str()? {
            "--address" => options.address = arguments.next()?.to_str()?.parse().ok()?,
            "--port" => options.port = arguments.next()?.to_str()?.parse().ok()?,
            "--cloud-init" => options.cloud_init = true,
            _ => return None,
        }
    }
    Some(options)
}

struct Init {
    options: Options,
    control: OwnedFd,
    signals: OwnedFd,
    /// Where the sshd says that it listens.
    notify: UnixDatagram,
    processes: Processes,
    ready: bool,
    ending: Option<(Ending, Instant)>,
}

impl Init {
    fn boot(options: Options, control: OwnedFd) -> io::Result<Self> {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        println!("\r\nKeyway server {name} is starting\r");
        for (folder, mode) in [("/run/sshd", 0o755), ("/run/lock", 0o1777), ("/tmp", 0o1777)] {
            std::fs::create_dir_all(folder)?;
            std::fs::set_permissions(folder, Permissions::from_mode(mode))?;
        }
        // Left from before a reboot.
        let _ = std::fs::remove_file("/run/nologin");
        let signals = sys::signals(&[
            libc::SIGCHLD,
            libc::SIGTERM,
            libc::SIGINT,
            libc::SIGPWR,
            libc::SIGUSR1,
            libc::SIGUSR2,
        ])?;
        // The terminal is the console's login's, not this process's.
        sys::forget_terminal(std::os::fd::AsFd::as_fd(&io::stdin()));
        host_keys::make_missing(&name)?;
        write_sshd_configuration(&options)?;
        let notify = UnixDatagram::bind(format!("{PROGRAMS}/notify"))?;
        notify.set_nonblocking(true)?;
        let mut init = Self {
            options,
            control,
            signals,
            notify,
            processes: Processes::default(),
            ready: false,
            ending: None,
        };
        init.start(Process::Sshd)?;
        host_keys::announce(&name);
        init.start(Process::Console)?;
        Ok(init)
    }

    fn run(mut self) -> io::Result<Ending> {
        loop {
            let timeout = self.timeout();
            let mut wanted = [
                PollFd::new(&self.signals, PollFlags::IN),
                PollFd::new(&self.control, PollFlags::IN),
                PollFd::new(&self.notify, PollFlags::IN),
            ];
            match rustix::event::poll(&mut wanted, timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let [_, control, notify] = wanted.map(|wanted| !wanted.revents().is_empty());
            while let Some(signal) = sys::next_signal(&self.signals) {
                match signal {
                    libc::SIGTERM | libc::SIGPWR | libc::SIGUSR1 | libc::SIGUSR2 => {
                        self.end(Ending::Stop);
                    }
                    libc::SIGINT => self.end(Ending::Reboot),
                    _ => {}
                }
            }
            let left = self.processes.collect();
            if notify {
                self.notified();
            }
            if control {
                self.control()?;
            }
            if let Some((ending, deadline)) = self.ending {
                if !left || Instant::now() >= deadline {
                    return Ok(finish(ending));
                }
                continue;
            }
            self.respawn();
        }
    }

    /// Until the next thing that is to be done without anybody asking.
    fn timeout(&self) -> Option<Timespec> {
        let now = Instant::now();
        let next = match self.ending {
            // Processes that are not this one's children end without a signal to it.
            Some((_, deadline)) => Some(deadline.min(now + Duration::from_millis(50))),
            None => self.processes.next_start(),
        };
        next.map(|next| {
            let left = next.saturating_duration_since(now) + Duration::from_millis(1);
            Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            }
        })
    }

    fn respawn(&mut self) {
        let now = Instant::now();
        for process in self.processes.due(now) {
            if let Err(error) = self.start(process) {
                println!("init: {}: {error}\r", process.name());
                self.processes.later(process, now + RESPAWN);
            }
        }
        // cloud-init may have made host keys of more kinds.
        if self.processes.take_finished(Process::FirstBoot) {
            let _ = write_sshd_configuration(&self.options);
            self.processes.signal(Process::Sshd, Signal::HUP);
            self.tell(&FromInit::HostKeys);
        }
    }

    fn start(&mut self, process: Process) -> io::Result<()> {
        let mut command = match process {
            Process::Sshd => {
                let mut command = Command::new(format!("{PROGRAMS}/sshd"));
                command
                    .args(["-D", "-E", "/var/log/sshd.log", "-f"])
                    .arg(format!("{PROGRAMS}/sshd_config"))
                    .env("NOTIFY_SOCKET", format!("{PROGRAMS}/notify"))
                    .stdin(Stdio::null())
                    .stdout(Stdio::null());
                std::fs::create_dir_all("/var/log")?;
                sys::in_own_session(&mut command);
                command
            }
            Process::Console => getty::command()?,
            Process::FirstBoot => {
                let mut command = Command::new("/bin/sh");
                command.args(["-c", FIRST_BOOT]).stdin(Stdio::null());
                sys::in_own_session(&mut command);
                command
            }
        };
        let child = command.spawn()?;
        self.processes.started(process, child.id());
        Ok(())
    }

    /// The sshd says that it listens.
    fn notified(&mut self) {
        let mut buffer = [0; 256];
        while let Ok(length) = self.notify.recv(&mut buffer) {
            let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
            if !self.ready && text.lines().any(|line| line == "READY=1") {
                self.ready = true;
                self.tell(&FromInit::Ready);
                if self.options.cloud_init
                    && let Err(error) = self.start(Process::FirstBoot)
                {
                    println!("init: cloud-init: {error}\r");
                }
            }
        }
    }

    fn control(&mut self) -> io::Result<()> {
        let mut buffer = [0; DATAGRAM_MAX];
        let (length, _) =
            rustix::net::recv(&self.control, &mut buffer, rustix::net::RecvFlags::DONTWAIT)?;
        if length == 0 {
            return Err(io::Error::other("the shim is gone"));
        }
        match serde_json::from_slice(buffer.get(..length).unwrap_or_default()) {
            Ok(ToInit::Stop) => self.end(Ending::Stop),
            Ok(ToInit::Shell { columns, rows }) => match getty::shell(columns, rows) {
                Ok(terminal) => self.pass(&terminal),
                Err(error) => self.tell(&FromInit::Shell { error: Some(error.to_string()) }),
            },
            Err(error) => println!("init: a message was not understood: {error}\r"),
        }
        Ok(())
    }

    fn tell(&self, message: &FromInit) {
        if let Ok(bytes) = serde_json::to_vec(message) {
            let _ = rustix::net::send(&self.control, &bytes, rustix::net::SendFlags::NOSIGNAL);
        }
    }

    fn pass(&self, terminal: &OwnedFd) {
        use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
        use std::os::fd::AsFd;
        let Ok(bytes) = serde_json::to_vec(&FromInit::Shell { error: None }) else { return };
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = [terminal.as_fd()];
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        let _ = rustix::net::sendmsg(
            &self.control,
            &[io::IoSlice::new(&bytes)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        );
    }

    fn end(&mut self, ending: Ending) {
        if self.ending.is_none() {
            println!("\r\ninit: stopping\r");
            self.ending = Some((ending, Instant::now() + STOP_GRACE));
            sys::signal_all(libc::SIGTERM);
            // Shells take no notice of TERM.
            sys::signal_all(libc::SIGHUP);
            sys::signal_all(libc::SIGCONT);
        }
    }
}

fn finish(ending: Ending) -> Ending {
    sys::signal_all(libc::SIGKILL);
    println!("init: {}\r", if ending == Ending::Stop { "stopped" } else { "restarting" });
    let _ = io::stdout().flush();
    ending
}

/// cloud-init's four stages, which its units would start under systemd.
const FIRST_BOOT: &str = "cloud-init init --local && cloud-init init && \
     cloud-init modules --mode=config; cloud-init modules --mode=final";

/// The sshd's configuration: the tenant's own pieces are read first, so they win.
fn write_sshd_configuration(options: &Options) -> io::Result<()> {
    let mut text = String::from("Include /etc/ssh/sshd_config.d/*.conf\n");
    if options.address.is_loopback() {
        let _ = writeln!(text, "ListenAddress {}", options.address);
    }
    let _ = writeln!(text, "Port {}", options.port);
    for path in host_keys::paths() {
        let _ = writeln!(text, "HostKey {path}");
    }
    text.push_str(
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\n\
         KbdInteractiveAuthentication no\nAuthorizedKeysFile .ssh/authorized_keys\n\
         Subsystem sftp internal-sftp\n",
    );
    let path = format!("{PROGRAMS}/sshd_config");
    std::fs::write(Path::new(&path), text)
}
