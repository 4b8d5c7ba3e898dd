//! Attributes as the protocol has them, from what the system has and back.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use sftp::{Attributes, Status, StatusCode, Volume};

use super::status;
use crate::sys::files;

/// Permissions alone, set-user-id and its kin included.
pub(super) fn mode_of(permissions: Option<u32>, default: u32) -> Mode {
    files::mode(permissions.unwrap_or(default) & 0o7777)
}

#[allow(
    clippy::unnecessary_cast,
    clippy::useless_conversion,
    reason = "the widths differ between systems"
)]
pub(super) fn attributes_of(stat: &Stat) -> Attributes {
    // Times outside of what the protocol has, 1970 to 2106, become its first or last moment.
    let time = |seconds: i64| u32::try_from(seconds.max(0)).unwrap_or(u32::MAX);
    Attributes {
        size: Some(stat.st_size.cast_unsigned()),
        owner: Some((stat.st_uid, stat.st_gid)),
        permissions: Some(stat.st_mode as u32),
        times: Some((time(stat.st_atime.into()), time(stat.st_mtime.into()))),
    }
}

pub(super) fn volume_of(found: &rustix::fs::StatVfs) -> Volume {
    use rustix::fs::StatVfsMountFlags as Flags;
    let flag = |set: Flags, bit| if found.f_flag.contains(set) { bit } else { 0 };
    Volume {
        f_bsize: found.f_bsize,
        f_frsize: found.f_frsize,
        f_blocks: found.f_blocks,
        f_bfree: found.f_bfree,
        f_bavail: found.f_bavail,
        f_files: found.f_files,
        f_ffree: found.f_ffree,
        f_favail: found.f_favail,
        f_fsid: found.f_fsid,
        f_flag: flag(Flags::RDONLY, Volume::READ_ONLY)
            | flag(Flags::NOSUID, Volume::NO_SET_USER_ID),
        f_namemax: found.f_namemax,
    }
}

fn times_of((access, change): (u32, u32)) -> Timestamps {
    let time = |seconds: u32| Timespec { tv_sec: i64::from(seconds), tv_nsec: 0 };
    Timestamps { last_access: time(access), last_modification: time(change) }
}

/// The number that means "as it is" is no owner.
fn owner_of((user, group): (u32, u32)) -> (Option<Uid>, Option<Gid>) {
    let known = |number: u32| (number != u32::MAX).then_some(number);
    (known(user).map(Uid::from_raw), known(group).map(Gid::from_raw))
}

/// The last thing that went wrong, as every change is tried.
fn last_error(outcomes: impl IntoIterator<Item = Option<Result<(), Errno>>>) -> Result<(), Status> {
    let failed = outcomes.into_iter().flatten().filter_map(Result::err).last();
    failed.map_or(Ok(()), |errno| Err(status(errno)))
}

pub(super) fn truncate(path: &[u8], size: u64) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    rustix::fs::ftruncate(&file, size)
}

pub(super) fn set_by_path(
    path: &[u8],
    attributes: &Attributes,
    follow: bool,
) -> Result<(), Status> {
    if !follow && attributes.size.is_some() {
        // A link's length is that of what it says.
        return Err(StatusCode::BadMessage.into());
    }
    let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
    last_error([
        attributes.size.map(|size| truncate(path, size)),
        attributes.permissions.map(|mode| {
            let mode = mode_of(Some(mode), 0);
            if follow {
                rustix::fs::chmod(path, mode)
            } else {
                files::change_mode_of_link(path, mode)
            }
        }),
        attributes.times.map(|times| rustix::fs::utimensat(CWD, path, &times_of(times), flags)),
        attributes.owner.map(|owner| {
            let (user, group) = owner_of(owner);
            rustix::fs::chownat(CWD, path, user, group, flags)
        }),
    ])
}

pub(super) fn set_by_descriptor(
    descriptor: &OwnedFd,
    attributes: &Attributes,
) -> Result<(), Status> {
    last_error([
        attributes.size.map(|size| rustix::fs::ftruncate(descriptor, size)),
        attributes.permissions.map(|mode| rustix::fs::fchmod(descriptor, mode_of(Some(mode), 0))),
        attributes.times.map(|times| rustix::fs::futimens(descriptor, &times_of(times))),
        attributes.owner.map(|owner| {
            let (user, group) = owner_of(owner);
            rustix::fs::fchown(descriptor, user, group)
        }),
    ])
}
