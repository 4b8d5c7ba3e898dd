//! The process that waits for connections.
//!
//! It reads nothing from peers: it counts them, refuses those that are too
//! many or have misbehaved, and starts a monitor for each of the others.

mod admission;
mod endings;
pub(crate) mod penalties;
pub(crate) mod sockets;
pub(crate) mod startups;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use net::signals::{Signal, Signals};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use self::admission::Throttling;
use self::endings::tariff;
use crate::exit;
use crate::notify;
use crate::program::{Generation, Setup};
use crate::requests::{Channel, Ends, MonitorNews, MonitorStart};
use crate::spawn::{self, Role};
use crate::sys::descriptors::domain_of;
use crate::sys::memory::QUIET;
use penalties::{Penalties, Tariff};
use sockets::{Listening, Place, reason};

/// So much longer than `LoginGraceTime` a monitor may take, which is to end by itself.
const GRACE_SLACK: Duration = Duration::from_secs(30);
/// How often penalties that are over are forgotten.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// The listener and all that it knows.
pub(crate) struct Listener<'a> {
    setup: &'a Setup,
    generation: Generation,
    tariff: Tariff,
    sockets: Vec<Listening>,
    /// By the service manager.
    inherited: bool,
    signals: Signals,
    /// By process number.
    monitors: HashMap<i32, Monitor>,
    penalties: Penalties,
    swept: Instant,
    throttling: Option<Throttling>,
    pid_file: Option<PathBuf>,
    /// Something was done since memory was last given back.
    is_warm: bool,
}

/// A monitor that was started.
struct Monitor {
    source: Option<IpAddr>,
    /// While nobody is authenticated.
    starting: Option<Channel>,
    authenticated: bool,
    since: Instant,
    child: std::process::Child,
}

/// Why the listener ends.
enum Stop {
    Terminated,
    /// `-d`: the only connection has ended.
    Served(i32),
}

impl<'a> Listener<'a> {
    /// Binds, and writes the process number where the configuration wants it.
    ///
    /// # Errors
    /// What to say when there is nothing to listen on.
    pub(crate) fn start(setup: &'a Setup, generation: Generation) -> Result<Self, String> {
        let signals = Signals::new(&[
            Signal::Hangup,
            Signal::Terminate,
            Signal::Interrupt,
            Signal::Quit,
            Signal::Child,
        ])
        .map_err(|error| format!("signals: {error}"))?;
        let inherited = inherited_sockets();
        let given = !inherited.is_empty();
        let sockets = if inherited.is_empty() {
            sockets::bind(&generation.settings, Vec::new())
        } else {
            inherited
        };
        if sockets.is_empty() {
            return Err("Cannot bind any address.".into());
        }
        let mut listener = Listener {
            setup,
            tariff: tariff(&generation),
            generation,
            sockets,
            inherited: given,
            signals,
            monitors: HashMap::new(),
            penalties: Penalties::default(),
            swept: Instant::now(),
            throttling: None,
            pid_file: None,
            is_warm: true,
        };
        listener.write_pid_file();
        Ok(listener)
    }

    /// Serves until it is told to end. Returns the exit status.
    pub(crate) fn run(mut self) -> i32 {
        let _ = notify::notify(notify::State::Ready);
        let status = loop {
            match self.turn() {
                Ok(None) => {}
                Ok(Some(Stop::Terminated)) => break 0,
                Ok(Some(Stop::Served(status))) => break status,
                Err(error) => {
                    log::error!("poll: {}", reason(&error));
                    break exit::FAILED;
                }
            }
        };
        let _ = notify::notify(notify::State::Stopping);
        self.remove_pid_file();
        status
    }

    fn turn(&mut self) -> io::Result<Option<Stop>> {
        let now = Instant::now();
        let timeout = self.next_wait(now).and_then(|wait| Timespec::try_from(wait).ok());
        // Who was ready is kept apart from the descriptors, which `self` must be free of again.
        let starting: Vec<i32> = self.starting().map(|(pid, _)| pid).collect();
        let (count, mut ready) = {
            let mut waited: Vec<PollFd<'_>> = Vec::new();
            waited.push(PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN));
            for listening in &self.sockets {
                waited.push(PollFd::from_borrowed_fd(listening.socket.as_fd(), PollFlags::IN));
            }
            for channel in starting.iter().filter_map(|pid| self.channel_of(*pid)) {
                waited.push(PollFd::from_borrowed_fd(channel, PollFlags::IN));
            }
            let count = match rustix::event::poll(&mut waited, timeout.as_ref()) {
                Err(Errno::INTR) => None,
                other => Some(other?),
            };
            let ready: Vec<bool> = waited.iter().map(|one| !one.revents().is_empty()).collect();
            (count, ready.into_iter())
        };
        match count {
            Some(0) if std::mem::take(&mut self.is_warm) => crate::sys::memory::release(),
            Some(0) | None => {}
            Some(_) => self.is_warm = true,
        }
        let signalled = ready.next().unwrap_or(false);
        let accepting: Vec<bool> = ready.by_ref().take(self.sockets.len()).collect();
        for (pid, _) in starting.into_iter().zip(ready).filter(|(_, ready)| *ready) {
            self.hear(pid);
        }
        if signalled && let Some(stop) = self.handle_signals() {
            return Ok(Some(stop));
        }
        self.end_overdue(Instant::now());
        for at in (0..accepting.len()).filter(|at| accepting.get(*at) == Some(&true)) {
            self.accept(at);
        }
        Ok(None)
    }

    fn starting(&self) -> impl Iterator<Item = (i32, &Monitor)> {
        let monitors = self.monitors.iter().map(|(pid, monitor)| (*pid, monitor));
        monitors.filter(|(_, monitor)| monitor.starting.is_some())
    }

    fn channel_of(&self, pid: i32) -> Option<BorrowedFd<'_>> {
        Some(self.monitors.get(&pid)?.starting.as_ref()?.as_fd())
    }

    /// Until a login has taken too long, or it has been quiet for long enough to give memory back.
    fn next_wait(&self, now: Instant) -> Option<Duration> {
        let overdue = self.grace().and_then(|grace| {
            let first = self.starting().map(|(_, monitor)| monitor.since + grace).min()?;
            Some(first.saturating_duration_since(now) + Duration::from_millis(10))
        });
        let quiet = self.is_warm.then_some(QUIET).and_then(|quiet| Duration::try_from(quiet).ok());
        overdue.into_iter().chain(quiet).min()
    }

    /// How long a monitor may go without a login before it is ended from here.
    fn grace(&self) -> Option<Duration> {
        let grace = self.generation.settings.login_grace_time.value;
        (!grace.is_zero()).then_some(grace + GRACE_SLACK)
    }

    fn hear(&mut self, pid: i32) {
        let Some(monitor) = self.monitors.get_mut(&pid) else { return };
        let Some(channel) = &monitor.starting else { return };
        match channel.try_receive::<MonitorNews>() {
            Ok(None) => {}
            Ok(Some((MonitorNews::Authenticated, _))) => {
                monitor.authenticated = true;
                monitor.starting = None;
            }
            // When it is gone its exit status will tell how.
            Err(_) => monitor.starting = None,
        }
    }

    fn end_overdue(&mut self, now: Instant) {
        let Some(grace) = self.grace() else { return };
        let overdue = self.monitors.values_mut().filter(|monitor| {
            monitor.starting.is_some() && now.saturating_duration_since(monitor.since) > grace
        });
        for monitor in overdue {
            log::error!("a monitor did not end its login in time; killed");
            let _ = monitor.child.kill();
            monitor.starting = None;
        }
    }

    fn handle_signals(&mut self) -> Option<Stop> {
        for signal in self.signals.pending() {
            match signal {
                Signal::Hangup => self.reload(),
                Signal::Child => {
                    if let Some(stop) = self.reap() {
                        return Some(stop);
                    }
                }
                Signal::Terminate | Signal::Interrupt | Signal::Quit => {
                    let number = match signal {
                        Signal::Interrupt => 2,
                        Signal::Quit => 3,
                        _ => 15,
                    };
                    log::info!("Received signal {number}; terminating.");
                    return Some(Stop::Terminated);
                }
                _ => {}
            }
        }
        None
    }

    fn reload(&mut self) {
        log::info!("Received SIGHUP; restarting.");
        let _ = notify::notify(notify::State::Reloading);
        match self.setup.read() {
            Ok(generation) => {
                self.generation = generation;
                self.tariff = tariff(&self.generation);
                self.setup.apply_logging(&self.generation.settings);
                // What the service manager opened is for it to change.
                if !self.inherited {
                    let open = std::mem::take(&mut self.sockets);
                    self.sockets = sockets::bind(&self.generation.settings, open);
                }
                // Written again in any case: scripts take it for the sign that this is done.
                if self.pid_file != self.generation.settings.pid_file.value {
                    self.remove_pid_file();
                }
                self.write_pid_file();
            }
            Err(error) => {
                for line in error.lines() {
                    log::error!("{line}");
                }
                log::error!("The new configuration cannot be used; the old one stays in force.");
            }
        }
        let _ = notify::notify(notify::State::Ready);
    }

    fn start_monitor(
        &mut self,
        socket: &OwnedFd,
        ends: Ends,
        source: Option<IpAddr>,
    ) -> Result<(), crate::requests::Error> {
        let subject = format!("{} port {}", ends.remote_address, ends.remote_port);
        let (child, channel) =
            spawn::spawn(Role::Monitor, &subject, &crate::program::gate_environment())?;
        let start = MonitorStart { log: self.setup.log_target(), ends, alone: self.setup.alone };
        // A failure is that of a monitor which has ended already; its status is reaped.
        let sent = channel.send(&start, &[self.generation.sealed.as_fd(), socket.as_fd()]);
        let monitor = Monitor {
            source,
            starting: Some(channel),
            authenticated: false,
            since: Instant::now(),
            child,
        };
        self.monitors.insert(monitor.child.id().cast_signed(), monitor);
        sent
    }

    fn write_pid_file(&mut self) {
        if self.setup.alone {
            return;
        }
        let Some(path) = &self.generation.settings.pid_file.value else { return };
        match std::fs::write(path, format!("{}\n", std::process::id())) {
            Ok(()) => self.pid_file = Some(path.clone()),
            Err(error) => {
                log::error!("Couldn't create pid file \"{}\": {}", path.display(), reason(&error));
            }
        }
    }

    fn remove_pid_file(&mut self) {
        if let Some(path) = self.pid_file.take() {
            remove_own(&path);
        }
    }
}

/// Removes the file unless somebody else's number is in it by now.
fn remove_own(path: &Path) {
    let own = std::process::id().to_string();
    if std::fs::read_to_string(path).is_ok_and(|text| text.trim() == own) {
        let _ = std::fs::remove_file(path);
    }
}

/// The sockets that systemd opened for us.
fn inherited_sockets() -> Vec<Listening> {
    let mut sockets = Vec::new();
    for socket in notify::listening_sockets() {
        let address = sockets::local_address(&socket);
        let _ = rustix::io::ioctl_fionbio(&socket, true);
        match address {
            Some(address) => {
                let asked = Place { address, domain: domain_of(&socket) };
                log::info!("Server listening on {asked} (given by the service manager).");
                sockets.push(Listening { asked, socket });
            }
            None => log::error!("a socket given by the service manager has no address"),
        }
    }
    sockets
}

/// The two ends of a connection in words.
pub(crate) fn ends(
    remote: Option<SocketAddr>,
    local: Option<SocketAddr>,
    routing_domain: String,
) -> Ends {
    let words = |end: Option<SocketAddr>| {
        end.map_or_else(|| ("UNKNOWN".to_owned(), 65535), |end| (end.ip().to_string(), end.port()))
    };
    let (remote_address, remote_port) = words(remote);
    let (local_address, local_port) = words(local);
    let remote_host = remote_address.clone();
    Ends { remote_address, remote_host, remote_port, local_address, local_port, routing_domain }
}
