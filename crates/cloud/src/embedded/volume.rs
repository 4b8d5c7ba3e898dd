//! A server's disk with an end: a file system of its own in a sparse file, which takes room as it
//! is filled. It is mounted through a loop device that goes with its last user, so that nothing is
//! left of it however that ended.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use super::sys;

/// The file, in a disk's folder.
const FILE: &str = "image";
/// How long whoever had the file may take to let it go.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between tries.
const LOOK: Duration = Duration::from_millis(2);
/// Others on this machine take loop devices, too.
const TRIES: u32 = 100;
const PROBE_BYTES: u64 = 16 << 20;

/// Where a disk's file system is, if it has one of its own.
pub(super) fn of(disk: &Path) -> Option<PathBuf> {
    let file = disk.join(FILE);
    file.is_file().then_some(file)
}

/// Why this machine cannot have such disks in the state folder; tried for real.
pub(super) fn why_not(state: &Path) -> Option<String> {
    let place = state.join("probe");
    let tried = (|| {
        let _ = std::fs::remove_dir_all(&place);
        std::fs::create_dir(&place)?;
        std::fs::create_dir(place.join("empty"))?;
        make(&place, &place.join("empty"), PROBE_BYTES)?;
        mount(&place.join(FILE)).map(drop)
    })();
    let _ = std::fs::remove_dir_all(&place);
    tried.err().map(|error: io::Error| error.to_string())
}

/// Makes a file system of that size in the folder `disk`, with what is in `contents`.
pub(super) fn make(disk: &Path, contents: &Path, bytes: u64) -> io::Result<()> {
    let program = ["/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4", "/usr/local/sbin/mkfs.ext4"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .ok_or_else(|| io::Error::other("the program mkfs.ext4 (e2fsprogs) is not installed"))?;
    let path = disk.join(FILE);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.set_len(bytes)?;
    drop(file);
    let made = Command::new(program)
        .args(["-q", "-F", "-m", "0", "-J", "size=4", "-E"])
        // What is not written reads as zeros: the file is new.
        .arg("lazy_itable_init=1,lazy_journal_init=1,nodiscard")
        .arg("-d")
        .arg(contents)
        .arg(&path)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()?;
    if made.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&made.stderr);
    if said.contains("No space left on device") {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let text = said.lines().last().unwrap_or("it failed").trim();
    Err(io::Error::other(format!("mkfs.ext4: {text}")))
}

/// The file system in `file`, mounted nowhere: to be attached, or used through the descriptor. Two
/// mounts of one file would spoil it, so this waits for another to end: the loop device keeps the
/// file open, and so its lock, for as long as it is mounted.
pub(super) fn mount(file: &Path) -> io::Result<OwnedFd> {
    let file = OpenOptions::new().read(true).write(true).open(file)?;
    lock(&file)?;
    let (device, number) = device(&file)?;
    let context = rustix::mount::fsopen("ext4", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(&context, "source", format!("/dev/loop{number}"))?;
    rustix::mount::fsconfig_set_string(&context, "errors", "remount-ro")?;
    // What is deleted is given back; and zeros need not be written where there are zeros.
    for flag in ["discard", "noinit_itable"] {
        rustix::mount::fsconfig_set_flag(&context, flag)?;
    }
    rustix::mount::fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOATIME;
    let mounted = rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    drop(device);
    Ok(mounted)
}

fn lock(file: &File) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(LOOK);
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(io::Error::other("the disk is still in use"));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// A loop device over the file. It is free again when nothing has it open or mounted.
fn device(file: &File) -> io::Result<(File, u32)> {
    let open = |path: &str| OpenOptions::new().read(true).write(true).open(path);
    let control = open("/dev/loop-control")?;
    for _ in 0..TRIES {
        let number = sys::free_loop_device(control.as_fd())?;
        let device = open(&format!("/dev/loop{number}"))?;
        match sys::configure_loop_device(device.as_fd(), file.as_fd()) {
            Ok(()) => return Ok((device, number)),
            // Somebody else was told the same number.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("no loop device could be had"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(folder: &Path) -> u64 {
        let about = rustix::fs::stat(folder.join(FILE)).unwrap();
        u64::try_from(about.st_blocks).unwrap() * 512
    }

    #[test]
    fn a_disk_has_an_end_and_takes_room_as_it_is_filled() {
        let folder = tempfile::tempdir().unwrap();
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root mounts file systems");
            return;
        }
        if let Some(why) = why_not(folder.path()) {
            eprintln!("skipped: {why}");
            return;
        }
        let contents = folder.path().join("contents");
        std::fs::create_dir_all(contents.join("upper")).unwrap();
        std::fs::write(contents.join("upper/file"), "inside").unwrap();
        make(folder.path(), &contents, 64 << 20).unwrap();
        assert!(used(folder.path()) < 8 << 20, "{}", used(folder.path()));
        let image = of(folder.path()).unwrap();
        let place = |mounted: &OwnedFd| {
            use std::os::fd::AsRawFd;
            PathBuf::from(format!("/proc/self/fd/{}/upper", mounted.as_raw_fd()))
        };
        {
            let mounted = mount(&image).unwrap();
            assert_eq!(std::fs::read(place(&mounted).join("file")).unwrap(), b"inside");
            let much = vec![7; 100 << 20];
            let full = std::fs::write(place(&mounted).join("much"), much).unwrap_err();
            assert_eq!(full.kind(), io::ErrorKind::StorageFull);
            std::fs::remove_file(place(&mounted).join("much")).unwrap();
            std::fs::write(place(&mounted).join("file"), "changed").unwrap();
        }
        // At once again: the first one has to be gone before.
        let mounted = mount(&image).unwrap();
        assert_eq!(std::fs::read(place(&mounted).join("file")).unwrap(), b"changed");
    }
}
