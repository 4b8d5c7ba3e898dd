//! A server's root file system: the image, its ids shifted, under the server's own changes.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags,
};
use rustix::thread::UnshareFlags;

use super::{at, make_folder};
use crate::embedded::layout::ServerFolder;
use crate::embedded::protocol::{Isolation, Plan};
use crate::embedded::{sys, volume};

pub(super) use crate::embedded::IDS_PER_SERVER as IDS;

/// Puts it together in a mount namespace of the shim's own, so that nothing is left when the shim
/// is gone, however it went. The result is where its root is.
///
/// `uid_base` is what root inside is outside; 0 when the shim is already in the server's user
/// namespace and needs no shift.
pub(super) fn assemble(
    folder: &ServerFolder,
    plan: &Plan,
    uid_base: Option<u32>,
) -> io::Result<PathBuf> {
    make_folder(&folder.bundle())?;
    let shift = uid_base.map(|base| sys::user_namespace(base, IDS)).transpose();
    let shift = shift.map_err(at("make a user namespace"))?;
    if uid_base.is_some() {
        sys::unshare(UnshareFlags::NEWNS).map_err(at("make a mount namespace"))?;
    }
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(at("make mounts private"))?;
    if matches!(plan.isolation, Isolation::Full { cgroup: None, .. }) {
        without_control_groups().map_err(at("do without control groups"))?;
    }
    // The server's root must come here by itself, and may not pass the state folder.
    let place = meeting_place(&[folder.path(), &plan.image, &plan.program, &plan.keyway])?;
    tmpfs(place, 0, "755", "64k").map_err(at("mount a place for the root"))?;
    let root = place.join("rootfs");
    let lower = place.join("image");
    for path in [&root, &lower] {
        make_folder(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    }

    // overlayfs takes ids from its layers' mounts, so the shift of the image is done below it.
    let lower = match &shift {
        Some(shift) => {
            attach(&shifted(&plan.image, shift)?, &lower)?;
            lower
        }
        None => plan.image.clone(),
    };
    // By a path of its own, because the mount's options are shown inside.
    let disk = place.join("disk");
    make_folder(&disk)?;
    match volume::of(&plan.disk) {
        Some(file) => volume::mount(&file).and_then(|volume| Ok(put(&volume, &disk)?)),
        None => rustix::mount::mount_bind(&plan.disk, &disk).map_err(io::Error::from),
    }
    .map_err(at("mount the disk"))?;
    overlay(&lower, &disk, &root, shift.is_none()).map_err(at("mount the disk"))?;

    if plan.system_usr {
        let usr = root.join("usr");
        match &shift {
            Some(shift) => attach(&shifted(Path::new("/usr"), shift)?, &usr)?,
            None => bind(Path::new("/usr"), &usr)?,
        }
        // What the machine's owner put there by hand is nobody else's business.
        hide(&usr.join("local"))?;
    }
    let run = root.join("run");
    tmpfs(&run, uid_base.unwrap_or(0), "755", "16m").map_err(at("mount /run"))?;
    let programs = run.join("keyway");
    make_folder(&programs)?;
    own(&programs, uid_base)?;
    for (program, name) in [(&plan.keyway, "sshd"), (&plan.program, "init")] {
        let target = programs.join(name);
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o755)
            .open(&target)?;
        bind(program, &target)?;
    }
    Ok(root)
}

/// Container runtimes insist on control groups, even where none are to be had: in this mount
/// namespace there is a hierarchy without any controller, and they are content.
fn without_control_groups() -> io::Result<()> {
    let place = Path::new("/sys/fs/cgroup");
    while rustix::mount::unmount(place, UnmountFlags::DETACH).is_ok() {}
    Ok(tmpfs(place, 0, "755", "64k")?)
}

/// A folder that every system has, and that nothing is needed from: it is covered in this mount
/// namespace only.
fn meeting_place(needed: &[&Path]) -> io::Result<&'static Path> {
    ["/mnt", "/media", "/srv", "/opt", "/home"]
        .into_iter()
        .map(Path::new)
        .find(|place| place.is_dir() && !needed.iter().any(|path| path.starts_with(place)))
        .ok_or_else(|| io::Error::other("there is no folder to put the server's root together in"))
}

fn own(path: &Path, uid_base: Option<u32>) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    match uid_base {
        Some(base) => std::os::unix::fs::chown(path, Some(base), Some(base)),
        None => Ok(()),
    }
}

/// A copy of the mount that `path` is on, from there, read only and with shifted ids.
fn shifted(path: &Path, shift: &OwnedFd) -> io::Result<OwnedFd> {
    let tree = rustix::mount::open_tree(
        CWD,
        path,
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    )
    .map_err(at("open the image"))?;
    sys::idmap(tree.as_fd(), shift.as_fd()).map_err(at("shift the image's ids"))?;
    Ok(tree)
}

fn attach(tree: &OwnedFd, target: &Path) -> io::Result<()> {
    put(tree, target).map_err(at("mount"))?;
    read_only(target)
}

/// Gives a mount its place.
fn put(mount: &OwnedFd, target: &Path) -> rustix::io::Result<()> {
    rustix::mount::move_mount(mount, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

fn bind(source: &Path, target: &Path) -> io::Result<()> {
    rustix::mount::mount_bind(source, target)
        .map_err(|error| io::Error::other(format!("mount {}: {error}", source.display())))?;
    read_only(target)
}

/// The flags that the mount has already are kept: in a user namespace they cannot be taken off.
fn read_only(target: &Path) -> io::Result<()> {
    use rustix::fs::StatVfsMountFlags as Has;
    use rustix::mount::MountFlags as Flags;
    let has = rustix::fs::statvfs(target)?.f_flag;
    let mut flags = Flags::BIND | Flags::RDONLY | Flags::NODEV;
    if has.contains(Has::NOSUID) {
        flags |= Flags::NOSUID;
    }
    if has.contains(Has::NOEXEC) {
        flags |= Flags::NOEXEC;
    }
    if has.contains(Has::NOATIME) {
        flags |= Flags::NOATIME;
    }
    rustix::mount::mount_remount(target, flags, "").map_err(at("make a mount read only"))
}

/// Covers a folder with an empty one that stays empty.
fn hide(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        return Ok(());
    }
    tmpfs(path, 0, "555", "4k").map_err(at("hide /usr/local"))?;
    read_only(path)
}

fn tmpfs(target: &Path, uid: u32, mode: &str, size: &str) -> rustix::io::Result<()> {
    let context = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(&context, "mode", mode)?;
    rustix::mount::fsconfig_set_string(&context, "size", size)?;
    rustix::mount::fsconfig_set_string(&context, "uid", uid.to_string())?;
    rustix::mount::fsconfig_set_string(&context, "gid", uid.to_string())?;
    mount(context, target, MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID)
}

/// The newer interface, because it takes paths as they are: in an option string, commas and
/// colons would part them.
fn overlay(
    lower: &Path,
    disk: &Path,
    target: &Path,
    user_attributes: bool,
) -> rustix::io::Result<()> {
    let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(&context, "source", "keyway")?;
    rustix::mount::fsconfig_set_string(&context, "lowerdir", lower)?;
    rustix::mount::fsconfig_set_string(&context, "upperdir", disk.join("upper"))?;
    rustix::mount::fsconfig_set_string(&context, "workdir", disk.join("work"))?;
    if user_attributes {
        rustix::mount::fsconfig_set_flag(&context, "userxattr")?;
    }
    mount(context, target, MountAttrFlags::MOUNT_ATTR_NODEV)
}

fn mount(context: OwnedFd, target: &Path, flags: MountAttrFlags) -> rustix::io::Result<()> {
    rustix::mount::fsconfig_create(&context)?;
    let made = rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags)?;
    put(&made, target)
}

/// Opens a folder to reach a socket in it by a short path.
pub(super) fn open_folder(path: &Path) -> io::Result<File> {
    std::fs::OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(path)
}
