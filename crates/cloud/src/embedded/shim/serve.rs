//! The shim's loop: console, connections and the server's end, on one thread.

use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::OFlags;
use rustix::process::{Signal, WaitOptions};
use rustix::termios::Winsize;

use super::connection::{Connection, Stage};
use super::runtime::{Started, receive_descriptor};
use super::{at, system};
use crate::embedded::console_log::{self, ConsoleLog};
use crate::embedded::layout::{ServerFolder, short_path};
use crate::embedded::protocol::{
    Answer, DATAGRAM_MAX, EXIT_REBOOT, Event, Exit, FromInit, Plan, Request, ToInit, Why,
};

/// Connections at one time; the panel makes one for each terminal and one to watch.
const CONNECTIONS_MAX: usize = 64;
/// How much of what was printed before is shown to who connects to the console.
const SCROLLBACK: u64 = 64 * 1024;
/// Bytes taken from a terminal at a time.
const CHUNK: usize = 16 * 1024;
/// What may wait for the console's program to read it.
const TYPED_MAX: usize = 64 * 1024;

/// Opens the shim's socket.
pub(super) fn listen(folder: &ServerFolder) -> io::Result<UnixListener> {
    let directory = system::open_folder(folder.path())?;
    let _ = std::fs::remove_file(folder.path().join(ServerFolder::SOCKET));
    let path = short_path(&directory, ServerFolder::SOCKET);
    let listener = UnixListener::bind(&path).map_err(at("make the shim's socket"))?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

struct Shim<'a> {
    folder: &'a ServerFolder,
    plan: &'a Plan,
    started: &'a Started,
    log: ConsoleLog,
    connections: Vec<Connection>,
    /// Typed at the console, not taken yet.
    typed: Vec<u8>,
    ready: bool,
    control_open: bool,
    console_open: bool,
    stop_asked: bool,
    kill_asked: bool,
}

/// Serves until the first process has ended.
pub(super) fn serve(
    folder: &ServerFolder,
    plan: &Plan,
    listener: UnixListener,
    started: &Started,
) -> io::Result<Exit> {
    for descriptor in [started.console.as_fd(), started.control.as_fd()] {
        let flags = rustix::fs::fcntl_getfl(descriptor)?;
        rustix::fs::fcntl_setfl(descriptor, flags | OFlags::NONBLOCK)?;
    }
    let _ = rustix::termios::tcsetwinsize(&started.console, size(80, 25));
    let mut shim = Shim {
        folder,
        plan,
        started,
        log: ConsoleLog::open(folder)?,
        connections: Vec::new(),
        typed: Vec::new(),
        ready: false,
        control_open: true,
        console_open: true,
        stop_asked: false,
        kill_asked: false,
    };
    loop {
        if shim.turn(&listener)? {
            return shim.end();
        }
    }
}

pub(super) fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Shim<'_> {
    /// Waits for something and does it; `true` when the server has ended.
    fn turn(&mut self, listener: &UnixListener) -> io::Result<bool> {
        let started = self.started;
        let mut wanted = vec![
            PollFd::new(&started.process, PollFlags::IN),
            PollFd::new(listener, PollFlags::IN),
        ];
        let console_at = wanted.len();
        if self.console_open {
            let mut flags = PollFlags::IN;
            flags.set(PollFlags::OUT, !self.typed.is_empty());
            wanted.push(PollFd::new(&started.console, flags));
        }
        let control_at = wanted.len();
        if self.control_open {
            wanted.push(PollFd::new(&started.control, PollFlags::IN));
        }
        let connections_at = wanted.len();
        let room = self.typed.len() < TYPED_MAX;
        let mut shells = Vec::new();
        for connection in &self.connections {
            let first = wanted.len();
            connection.wanted(&mut wanted, room);
            shells.push(wanted.len() - first);
        }
        match rustix::event::poll(&mut wanted, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let came: Vec<PollFlags> = wanted.iter().map(PollFd::revents).collect();
        drop(wanted);
        let happened = |at: usize| came.get(at).copied().unwrap_or(PollFlags::empty());

        if self.console_open && !happened(console_at).is_empty() {
            self.console();
        }
        if self.control_open && !happened(control_at).is_empty() {
            self.control();
        }
        let mut at = connections_at;
        for (index, count) in shells.into_iter().enumerate() {
            let flags: Vec<PollFlags> = (at..at + count).map(happened).collect();
            at += count;
            self.connection(index, &flags);
        }
        self.connections.retain(|connection| !connection.over());
        if happened(1).contains(PollFlags::IN) {
            self.accept(listener);
        }
        Ok(!happened(0).is_empty())
    }

    fn accept(&mut self, listener: &UnixListener) {
        while let Ok((stream, _)) = listener.accept() {
            if self.connections.len() < CONNECTIONS_MAX && stream.set_nonblocking(true).is_ok() {
                self.connections.push(Connection::new(stream));
            }
        }
    }

    fn console(&mut self) {
        if !self.typed.is_empty()
            && let Ok(written) = rustix::io::write(&self.started.console, &self.typed)
        {
            self.typed.drain(..written);
        }
        let mut buffer = [0; CHUNK];
        match rustix::io::read(&self.started.console, &mut buffer) {
            Ok(0) | Err(rustix::io::Errno::BADF) => self.console_open = false,
            Ok(length) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                self.log.write(bytes);
                for connection in &mut self.connections {
                    if matches!(connection.stage, Stage::Console) {
                        connection.send(bytes);
                    }
                }
            }
            // No process has the terminal open at the moment.
            Err(rustix::io::Errno::IO) => std::thread::sleep(std::time::Duration::from_millis(20)),
            Err(_) => {}
        }
    }

    fn control(&mut self) {
        let mut buffer = [0; DATAGRAM_MAX];
        let (length, descriptor) = match receive_descriptor(&self.started.control, &mut buffer) {
            Ok((0, _)) => {
                self.control_open = false;
                return;
            }
            Ok(message) => message,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => {
                self.control_open = false;
                return;
            }
        };
        match serde_json::from_slice(buffer.get(..length).unwrap_or_default()) {
            Ok(FromInit::Ready) if !self.ready => {
                self.ready = true;
                self.tell(&Event::Ready);
            }
            Ok(FromInit::HostKeys) => self.tell(&Event::HostKeys),
            Ok(FromInit::Shell { error }) => self.shell_came(error, descriptor),
            // Who speaks may be the tenant by now; what makes no sense is passed over.
            Ok(FromInit::Ready) | Err(_) => {}
        }
    }

    fn shell_came(&mut self, error: Option<String>, descriptor: Option<OwnedFd>) {
        let waiting = self
            .connections
            .iter_mut()
            .find(|connection| matches!(connection.stage, Stage::WaitingForShell));
        let Some(connection) = waiting else { return };
        let opened = match (descriptor, error) {
            (Some(descriptor), None) => terminal(descriptor),
            (_, error) => Err(error.unwrap_or_else(|| "the server opened no shell".into())),
        };
        match opened {
            Ok(terminal) => {
                connection.answer(&Answer { error: None });
                connection.stage = Stage::Shell(terminal);
            }
            Err(error) => connection.refuse(error),
        }
    }

    fn connection(&mut self, index: usize, flags: &[PollFlags]) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        let request = connection.turn(flags, &mut self.typed, &self.started.console);
        if let Some(request) = request {
            self.request(index, request);
        }
    }

    fn request(&mut self, index: usize, request: Request) {
        let state = Event::State {
            run: self.plan.run,
            pid: self.started.pid.as_raw_nonzero().get().unsigned_abs(),
            ready: self.ready,
            stopping: self.stop_asked || self.kill_asked,
        };
        let control = &self.started.control;
        let Some(connection) = self.connections.get_mut(index) else { return };
        match request {
            Request::Watch => {
                connection.answer(&Answer { error: None });
                connection.stage = Stage::Watch;
                connection.event(&state);
            }
            Request::Console => {
                connection.answer(&Answer { error: None });
                connection.stage = Stage::Console;
                let before = console_log::tail(self.folder, SCROLLBACK).unwrap_or_default();
                connection.send(&before);
            }
            Request::Shell { columns, rows } => {
                match say(control, &ToInit::Shell { columns, rows }) {
                    Ok(()) => connection.stage = Stage::WaitingForShell,
                    Err(error) => connection.refuse(format!("the server does not listen: {error}")),
                }
            }
            Request::Stop => match say(control, &ToInit::Stop) {
                Ok(()) => {
                    self.stop_asked = true;
                    connection.finish(&Answer { error: None });
                }
                Err(error) => connection.refuse(format!("the server does not listen: {error}")),
            },
            Request::Kill => {
                self.kill_asked = true;
                let killed =
                    rustix::process::pidfd_send_signal(&self.started.process, Signal::KILL);
                connection.finish(&Answer { error: killed.err().map(|error| error.to_string()) });
            }
        }
    }

    fn tell(&mut self, event: &Event) {
        for connection in &mut self.connections {
            if matches!(connection.stage, Stage::Watch) {
                connection.event(event);
            }
        }
    }

    /// The first process has ended, and with it every process of the server.
    fn end(&mut self) -> io::Result<Exit> {
        // What was printed last.
        while self.console_open {
            let mut buffer = [0; CHUNK];
            match rustix::io::read(&self.started.console, &mut buffer) {
                Ok(length) if length > 0 => {
                    self.log.write(buffer.get(..length).unwrap_or_default());
                }
                _ => break,
            }
        }
        let status = rustix::process::waitpid(Some(self.started.pid), WaitOptions::empty())?;
        let status = status.map(|(_, status)| status);
        let signal = status.and_then(rustix::process::WaitStatus::terminating_signal);
        let (why, detail) =
            match (status.and_then(rustix::process::WaitStatus::exit_status), signal) {
                // The signals are how the kernel ends a process-id namespace on reboot(2).
                (Some(0), _) | (_, Some(libc::SIGINT)) => (Why::Stopped, None),
                (Some(EXIT_REBOOT), _) | (_, Some(libc::SIGHUP)) => (Why::Reboot, None),
                (_, Some(_)) if self.kill_asked => (Why::Killed, None),
                (Some(code), _) => {
                    (Why::Killed, Some(format!("its first process failed ({code})")))
                }
                (_, Some(signal)) => {
                    (Why::Killed, Some(format!("its first process was ended by signal {signal}")))
                }
                (None, None) => (Why::Killed, Some("nobody knows how".into())),
            };
        let exit = Exit { run: self.plan.run, why, detail };
        self.tell(&Event::Exited(exit.clone()));
        for connection in &mut self.connections {
            connection.flush();
        }
        Ok(exit)
    }
}

/// A descriptor from inside is only used when it is a terminal: anything else could make this
/// process wait.
fn terminal(descriptor: OwnedFd) -> Result<OwnedFd, String> {
    if !rustix::termios::isatty(&descriptor) {
        return Err("the server passed something that is no terminal".into());
    }
    rustix::fs::fcntl_getfl(&descriptor)
        .and_then(|flags| rustix::fs::fcntl_setfl(&descriptor, flags | OFlags::NONBLOCK))
        .map_err(|error| error.to_string())?;
    Ok(descriptor)
}

fn say(control: &OwnedFd, message: &ToInit) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    rustix::net::send(control, &bytes, rustix::net::SendFlags::NOSIGNAL)?;
    Ok(())
}
