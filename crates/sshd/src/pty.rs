//! Pseudo-terminals for sessions. RFC 4254 §6.2, §6.7, §8.

use crate::accounts;
use net::terminal_modes;
use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, Winsize};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The size of a terminal's window, as a `pty-req` or `window-change` gives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowSize {
    /// Characters across.
    pub columns: u32,
    /// Characters down.
    pub rows: u32,
    /// Pixels across.
    pub width_pixels: u32,
    /// Pixels down.
    pub height_pixels: u32,
}

/// A pseudo-terminal: the master side for the gate, the other for the shell.
pub struct Pty {
    /// What the user types is written here, what he sees is read here.
    pub master: OwnedFd,
    /// The terminal of the shell.
    pub slave: OwnedFd,
    /// The terminal's path, for `SSH_TTY` and the log-in records.
    pub path: PathBuf,
}

impl Pty {
    /// Opens a new pseudo-terminal.
    ///
    /// # Errors
    /// When there is no more, or no `/dev/pts`.
    pub fn open() -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        #[cfg(target_os = "linux")]
        let flags = flags | OpenptFlags::CLOEXEC;
        Self::of_master(net::open::received(rustix::pty::openpt(flags)?)?, None)
    }

    /// Opens a new pseudo-terminal by a directory `/dev` that was opened earlier, for a process that cannot see it
    /// any more. Its path is that of the system, which means nothing to who is locked in.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_in(devices: impl AsFd) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let master = rustix::fs::openat(&devices, c"ptmx", flags, Mode::empty())?;
        Self::of_master(master, Some(devices.as_fd()))
    }

    fn of_master(master: OwnedFd, devices: Option<BorrowedFd<'_>>) -> io::Result<Self> {
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let name = rustix::pty::ptsname(&master, Vec::new())?;
        let path = PathBuf::from(name.to_string_lossy().into_owned());
        let slave = open_slave(&master, devices, &path)?;
        Ok(Self { master, slave, path })
    }

    /// Gives the terminal to a user: nobody else reads it, and writing to it is for the group `tty`. Needs root; as an
    /// ordinary user the terminal is his already and nothing is done.
    ///
    /// # Errors
    /// When the owner cannot be changed.
    pub fn give_to(&self, uid: u32, gid: u32) -> io::Result<()> {
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        // Without the group, writing (write(1), wall(1)) is for everyone, or it would be for none.
        let (gid, mode) = match accounts::group_number(c"tty") {
            Some(tty) => (tty, Mode::RUSR | Mode::WUSR | Mode::WGRP),
            None => (gid, Mode::RUSR | Mode::WUSR | Mode::WGRP | Mode::WOTH),
        };
        set_owner(&self.slave, uid, gid, mode)
    }

    /// Takes the terminal back from its user, at the end of his session.
    ///
    /// # Errors
    /// When the owner cannot be changed.
    pub fn take_back(&self) -> io::Result<()> {
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        set_owner(&self.slave, 0, 0, Mode::from_raw_mode(0o666))
    }

    /// Sets the modes that a `pty-req` carries. Unknown ones are skipped.
    ///
    /// # Errors
    /// When the terminal does not take them.
    pub fn apply_modes(&self, modes: &[u8]) -> io::Result<()> {
        let mut termios = rustix::termios::tcgetattr(&self.slave)?;
        terminal_modes::apply(modes, &mut termios);
        rustix::termios::tcsetattr(&self.slave, OptionalActions::Now, &termios)?;
        Ok(())
    }

    /// Sets the window's size; whoever runs in the terminal is told by a signal.
    ///
    /// # Errors
    /// When it is no terminal any more.
    pub fn set_window_size(&self, size: WindowSize) -> io::Result<()> {
        set_window_size(&self.master, size)
    }
}

/// Sets the window's size through either side of a terminal.
///
/// # Errors
/// When it is no terminal.
pub fn set_window_size(terminal: impl AsFd, size: WindowSize) -> io::Result<()> {
    let bounded = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
    let size = Winsize {
        ws_row: bounded(size.rows),
        ws_col: bounded(size.columns),
        ws_xpixel: bounded(size.width_pixels),
        ws_ypixel: bounded(size.height_pixels),
    };
    rustix::termios::tcsetwinsize(terminal, size)?;
    Ok(())
}

/// By the master where the system can, since a path may mean something else in another mount name space.
#[cfg(target_os = "linux")]
fn open_slave(
    master: &OwnedFd,
    _devices: Option<BorrowedFd<'_>>,
    path: &Path,
) -> io::Result<OwnedFd> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    match rustix::pty::ioctl_tiocgptpeer(master, flags) {
        Ok(slave) => Ok(slave),
        Err(_) => open_path(path),
    }
}

#[cfg(not(target_os = "linux"))]
fn open_slave(
    _master: &OwnedFd,
    devices: Option<BorrowedFd<'_>>,
    path: &Path,
) -> io::Result<OwnedFd> {
    match (devices, path.strip_prefix("/dev")) {
        (Some(devices), Ok(name)) => {
            let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
            Ok(rustix::fs::openat(devices, name, flags, Mode::empty())?)
        }
        _ => open_path(path),
    }
}

fn open_path(path: &Path) -> io::Result<OwnedFd> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NOCTTY.bits().cast_signed();
    let file = File::options().read(true).write(true).custom_flags(flags).open(path)?;
    Ok(file.into())
}

fn set_owner(terminal: &OwnedFd, uid: u32, gid: u32, mode: Mode) -> io::Result<()> {
    let status = rustix::fs::fstat(terminal)?;
    if status.st_uid != uid || status.st_gid != gid {
        match rustix::fs::fchown(terminal, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))) {
            // A user name space that has this user alone, and no group for terminals.
            Err(rustix::io::Errno::INVAL) if status.st_uid == uid => {}
            result => result?,
        }
    }
    if Mode::from_raw_mode(status.st_mode) != mode {
        rustix::fs::fchmod(terminal, mode)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::ChildSetup;
    use rustix::termios::{LocalModes, tcgetattr, tcgetwinsize};
    use std::io::Read;
    use std::process::Command;

    #[test]
    fn modes_and_size() {
        let pty = Pty::open().unwrap();
        assert!(pty.path.starts_with("/dev"));
        // ECHO off.
        pty.apply_modes(&[53, 0, 0, 0, 0, 0]).unwrap();
        assert!(!tcgetattr(&pty.slave).unwrap().local_modes.contains(LocalModes::ECHO));
        let size = WindowSize { columns: 132, rows: 70_000, width_pixels: 5, height_pixels: 6 };
        pty.set_window_size(size).unwrap();
        let seen = tcgetwinsize(&pty.slave).unwrap();
        assert_eq!((seen.ws_col, seen.ws_row), (132, u16::MAX));
        assert_eq!((seen.ws_xpixel, seen.ws_ypixel), (5, 6));
    }

    #[test]
    fn owner() {
        let pty = Pty::open().unwrap();
        pty.give_to(65_534, 65_534).unwrap();
        let status = rustix::fs::fstat(&pty.slave).unwrap();
        if rustix::process::geteuid().is_root() {
            assert_eq!(status.st_uid, 65_534);
            assert_eq!(status.st_mode & 0o755, 0o600);
            pty.take_back().unwrap();
            assert_eq!(rustix::fs::fstat(&pty.slave).unwrap().st_uid, 0);
        }
    }

    #[test]
    fn controlling_terminal_of_a_child() {
        let pty = Pty::open().unwrap();
        let mut command = Command::new("/bin/sh");
        // Only a controlling terminal can be opened by this name.
        command.args(["-c", "echo here >/dev/tty"]);
        command.stdin(pty.slave.try_clone().unwrap());
        ChildSetup { terminal: true, ..ChildSetup::default() }.install(&mut command);
        let mut child = command.spawn().unwrap();
        drop(command);
        assert!(child.wait().unwrap().success());
        let mut seen = [0; 6];
        File::from(pty.master).read_exact(&mut seen).unwrap();
        assert_eq!(&seen, b"here\r\n");
    }
}
