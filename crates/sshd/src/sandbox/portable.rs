//! Steps into the sandbox that every Unix has.

use super::{Error, Settings};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit};
use std::io;
use std::os::fd::OwnedFd;

pub(super) fn step(step: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::Step { step, source }
}

/// Makes a directory the root if it is root's and empty. Whether it was.
pub(super) fn change_root(path: &str) -> io::Result<bool> {
    let Some(directory) = open_empty_directory(path) else { return Ok(false) };
    rustix::process::fchdir(&directory)?;
    rustix::process::chroot(".")?;
    rustix::process::chdir("/")?;
    Ok(true)
}

/// The directory if it is root's, nobody else may write to it and nothing is in it.
fn open_empty_directory(path: &str) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    let status = rustix::fs::fstat(&directory).ok()?;
    if status.st_uid != 0 || status.st_mode & 0o022 != 0 {
        return None;
    }
    let empty = rustix::fs::Dir::read_from(&directory)
        .ok()?
        .all(|entry| entry.is_ok_and(|entry| matches!(entry.file_name().to_bytes(), b"." | b"..")));
    empty.then_some(directory)
}

#[cfg(target_os = "linux")]
pub(super) fn make_directory(path: &str) {
    // Failure shows when the directory is opened.
    if rustix::fs::mkdir(path, Mode::from_raw_mode(0o755)).is_ok() {
        // The mask may have taken bits away.
        let _ = rustix::fs::chmodat(
            rustix::fs::CWD,
            path,
            Mode::from_raw_mode(0o755),
            rustix::fs::AtFlags::empty(),
        );
    }
}

pub(super) fn limits(settings: &Settings) -> io::Result<()> {
    let mut limits = vec![
        (Resource::Nofile, settings.descriptors_max),
        (Resource::Nproc, 0),
        (Resource::Core, 0),
    ];
    if !settings.may_write_files {
        limits.push((Resource::Fsize, 0));
    }
    for (resource, value) in limits {
        // An ordinary user can only go down.
        let ceiling = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let value = if rustix::process::geteuid().is_root() { value } else { value.min(ceiling) };
        rustix::process::setrlimit(
            resource,
            Rlimit { current: Some(value), maximum: Some(value) },
        )?;
    }
    Ok(())
}
