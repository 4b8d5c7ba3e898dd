//! An ordinary user's server, without a container runtime: this process is root of a user
//! namespace already, and there are no control groups to set up, which is what a runtime insists on.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::process::Pid;
use rustix::thread::{CapabilitySet, UnshareFlags};

use super::{at, make_folder};
use crate::embedded::bundle;
use crate::embedded::protocol::{CONTROL_DESCRIPTOR, Isolation, Plan};
use crate::embedded::sys;

/// Devices that servers have; bound one by one, since no user may make any.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Starts the first process with `root` as its root. The result is its number and the console.
pub(super) fn start(plan: &Plan, root: &Path) -> io::Result<(Pid, OwnedFd)> {
    devices(plan, &root.join("dev")).map_err(at("make /dev"))?;
    let (master, terminal) = console(root).map_err(at("make the console"))?;
    sys::unshare(
        UnshareFlags::NEWPID
            | UnshareFlags::NEWUTS
            | UnshareFlags::NEWIPC
            | UnshareFlags::NEWCGROUP,
    )
    .map_err(at("make namespaces"))?;
    let arguments = bundle::arguments(plan);
    let environment = bundle::ENVIRONMENT.map(str::to_owned);
    let pid = sys::fork(|| {
        enter(plan, root)?;
        rustix::process::setsid()?;
        rustix::process::ioctl_tiocsctty(&terminal)?;
        for standard in 0..3 {
            sys::put_standard(&terminal, standard)?;
        }
        let text = |words: &[String]| -> io::Result<Vec<CString>> {
            words.iter().map(|word| CString::new(word.as_str()).map_err(io::Error::other)).collect()
        };
        Err(sys::execute(&text(&arguments)?, &text(&environment)?, CONTROL_DESCRIPTOR))
    })
    .map_err(at("start the first process"))?;
    Ok((pid, master))
}

fn devices(plan: &Plan, dev: &Path) -> io::Result<()> {
    rustix::mount::mount(
        "tmpfs",
        dev,
        "tmpfs",
        MountFlags::NOSUID | MountFlags::NOEXEC,
        c"mode=755,size=64k",
    )?;
    for name in DEVICES {
        let target = dev.join(name);
        std::fs::write(&target, "")?;
        rustix::mount::mount_bind(Path::new("/dev").join(name), &target)?;
    }
    for folder in ["pts", "shm", "mqueue"] {
        make_folder(&dev.join(folder))?;
    }
    // A group of the image's, unless there is only one id to have.
    let options = match plan.isolation {
        Isolation::User { subordinate: None } => c"newinstance,ptmxmode=0666,mode=0620",
        _ => c"newinstance,ptmxmode=0666,mode=0620,gid=5",
    };
    let inert = MountFlags::NOSUID | MountFlags::NOEXEC;
    rustix::mount::mount("devpts", dev.join("pts"), "devpts", inert, options)?;
    rustix::mount::mount("tmpfs", dev.join("shm"), "tmpfs", inert, c"mode=1777,size=64m")?;
    for (name, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, dev.join(name))?;
    }
    std::fs::set_permissions(dev, std::fs::Permissions::from_mode(0o755))
}

/// A terminal of the server's own, so that it has a name inside.
fn console(root: &Path) -> io::Result<(OwnedFd, OwnedFd)> {
    let pts = root.join("dev/pts");
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = rustix::fs::openat(CWD, pts.join("ptmx"), flags, Mode::empty())?;
    rustix::pty::unlockpt(&master)?;
    let terminal = rustix::pty::ioctl_tiocgptpeer(
        &master,
        rustix::pty::OpenptFlags::RDWR
            | rustix::pty::OpenptFlags::NOCTTY
            | rustix::pty::OpenptFlags::CLOEXEC,
    )?;
    let target = root.join("dev/console");
    std::fs::write(&target, "")?;
    rustix::mount::mount_bind(format!("/proc/self/fd/{}", terminal.as_raw_fd()), &target)?;
    Ok((master, terminal))
}

/// In the new process: its own mounts, name and root, and no more rights than servers have.
fn enter(plan: &Plan, root: &Path) -> io::Result<()> {
    sys::unshare(UnshareFlags::NEWNS)?;
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let inert = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV;
    rustix::mount::mount("proc", root.join("proc"), "proc", inert, None)
        .map_err(at("mount /proc"))?;
    rustix::mount::mount("mqueue", root.join("dev/mqueue"), "mqueue", inert, None)?;
    for path in bundle::MASKED {
        mask(&root.join(path.trim_start_matches('/')))?;
    }
    for path in bundle::READ_ONLY {
        let path = root.join(path.trim_start_matches('/'));
        if path.exists() {
            rustix::mount::mount_bind_recursive(&path, &path)?;
            rustix::mount::mount_remount(
                &path,
                inert | MountFlags::BIND | MountFlags::RDONLY,
                c"",
            )?;
        }
    }
    rustix::system::sethostname(plan.hostname.as_bytes())?;
    rustix::process::chdir(root)?;
    rustix::process::pivot_root(".", ".").map_err(at("change the root"))?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")?;
    for right in CapabilitySet::all().iter() {
        if !bundle::rights().contains(right) {
            // Unknown to this kernel, perhaps.
            let _ = rustix::thread::remove_capability_from_bounding_set(right);
        }
    }
    Ok(())
}

fn mask(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(about) if about.is_dir() => {
            rustix::mount::mount("tmpfs", path, "tmpfs", MountFlags::RDONLY, c"size=0k")?;
            Ok(())
        }
        Ok(_) => Ok(rustix::mount::mount_bind("/dev/null", path)?),
        Err(_) => Ok(()),
    }
}
