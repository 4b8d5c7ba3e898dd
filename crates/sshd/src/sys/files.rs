//! Files, where systems have other calls or other numbers. Nothing here is unsafe.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, RawMode};
use rustix::io::Result;

/// The names of terminals up to their numbers.
#[cfg(target_os = "linux")]
pub const TERMINALS: &str = "/dev/pts/";
/// The names of terminals up to their numbers.
#[cfg(not(target_os = "linux"))]
pub const TERMINALS: &str = "/dev/ttys";

/// Opens a folder only to open what is in it.
#[cfg(target_os = "linux")]
pub const ONLY_A_PLACE: OFlags = OFlags::PATH;
/// Opens a folder only to open what is in it.
#[cfg(not(target_os = "linux"))]
pub const ONLY_A_PLACE: OFlags = OFlags::RDONLY;

/// Permissions out of their number.
#[must_use]
pub fn mode(bits: u32) -> Mode {
    Mode::from_raw_mode(bits as RawMode)
}

/// Changes the mode of anything but a link, which has none.
///
/// # Errors
/// What the system reports.
#[cfg(target_os = "linux")]
pub fn change_mode_of_link(path: &[u8], mode: Mode) -> Result<()> {
    use std::os::fd::AsRawFd;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Symlink {
        return Err(rustix::io::Errno::OPNOTSUPP);
    }
    // The one way to what is open without the right to read it.
    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::chmod(name, mode)
}

/// Changes the mode of anything; links have their own here.
///
/// # Errors
/// What the system reports.
#[cfg(not(target_os = "linux"))]
pub fn change_mode_of_link(path: &[u8], mode: Mode) -> Result<()> {
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chmodat(rustix::fs::CWD, path, mode, flags)
}

/// Copies from one file to another inside the kernel; both positions advance.
///
/// # Errors
/// What the system reports, as that it cannot.
pub fn copy(
    (source, from): (&OwnedFd, &mut u64),
    (target, to): (&OwnedFd, &mut u64),
    bytes: usize,
) -> Result<usize> {
    #[cfg(target_os = "linux")]
    return rustix::fs::copy_file_range(source, Some(from), target, Some(to), bytes);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (source, from, target, to, bytes);
        Err(rustix::io::Errno::NOSYS)
    }
}

/// Puts bytes where those who are given the descriptor can read them, and nobody can change them any more.
///
/// # Errors
/// What the system reports.
#[cfg(target_os = "linux")]
pub fn seal(bytes: &[u8]) -> io::Result<OwnedFd> {
    use rustix::fs::{MemfdFlags, SealFlags};
    use std::io::Write;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = std::fs::File::from(rustix::fs::memfd_create(c"sshd-settings", flags)?);
    file.write_all(bytes)?;
    rustix::fs::fcntl_add_seals(
        &file,
        SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
    )?;
    Ok(file.into())
}

/// Puts bytes where those who are given the descriptor can read them: a file without a name that is open for reading
/// only. It has a name, for this user only, until the bytes are written to it.
///
/// # Errors
/// What the system reports.
#[cfg(not(target_os = "linux"))]
pub fn seal(bytes: &[u8]) -> io::Result<OwnedFd> {
    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    let mut random = [0; 16];
    crypto::random::fill(&mut random);
    let path = std::env::temp_dir().join(format!("sshd-{:032x}", u128::from_ne_bytes(random)));
    let mut writer = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let reader = File::open(&path);
    std::fs::remove_file(&path)?;
    let reader = reader?;
    let (ours, read) = (writer.metadata()?, reader.metadata()?);
    if (ours.dev(), ours.ino()) != (read.dev(), read.ino()) {
        return Err(io::Error::other("a file in the folder for temporary files was replaced"));
    }
    writer.write_all(bytes)?;
    Ok(reader.into())
}
