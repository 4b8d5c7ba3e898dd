//! The machine's own files behind the SFTP server, with the meaning that OpenSSH's server gives to requests.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{SystemTime, UNIX_EPOCH};

use net::logging::{LogLevel, Separate};
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps, Uid,
};
use rustix::io::Errno;
use sftp::{
    AccountNames, Attributes, Entries, Files, Numbers, OpenFlags, Refusal, RequestKind, Status,
    StatusCode, Volume,
};

use super::accounts::Accounts;
use super::long_name::long_name;
use super::real_path::real_path;
use crate::sys::files;

/// Descriptors that are left for everything else in the process.
const DESCRIPTORS_SPARED: u64 = 16;
/// Copied at once where the kernel does not copy by itself.
const COPY_BYTES: usize = 256 * 1024;

/// The files, as the process's user may use them.
pub(super) struct LocalFiles {
    log: Separate,
    accounts: Accounts,
}

/// An open file.
pub(super) struct LocalFile {
    descriptor: OwnedFd,
    path: Vec<u8>,
    append: bool,
    bytes_read: u64,
    bytes_written: u64,
}

/// An open folder.
pub(super) struct LocalDirectory {
    descriptor: OwnedFd,
    entries: Dir,
    path: Vec<u8>,
}

impl LocalFiles {
    pub(super) fn new(log: Separate, accounts: Accounts) -> Self {
        LocalFiles { log, accounts }
    }

    pub(super) fn log(&self) -> &Separate {
        &self.log
    }

    fn tell(&self, level: LogLevel, line: impl FnOnce() -> String) {
        if self.log.wants(level) {
            self.log.write(level, &line());
        }
    }

    fn tell_set(&self, name: &[u8], attributes: &Attributes) {
        let path = shown(name);
        if let Some(size) = attributes.size {
            self.tell(LogLevel::Info, || format!("set \"{path}\" size {size}"));
        }
        if let Some(mode) = attributes.permissions {
            self.tell(LogLevel::Info, || format!("set \"{path}\" mode {mode:04o}"));
        }
        if let Some((_, changed)) = attributes.times {
            self.tell(LogLevel::Info, || format!("set \"{path}\" modtime {changed}"));
        }
        if let Some((user, group)) = attributes.owner {
            self.tell(LogLevel::Info, || format!("set \"{path}\" owner {user} group {group}"));
        }
    }
}

/// What the system says, in words.
pub(super) fn reason(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// What the client is told. What has no code of its own comes with the system's words.
fn status(errno: Errno) -> Status {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::BADF | Errno::LOOP => StatusCode::NoSuchFile.into(),
        Errno::PERM | Errno::ACCESS | Errno::FAULT => StatusCode::PermissionDenied.into(),
        Errno::NAMETOOLONG | Errno::INVAL => StatusCode::BadMessage.into(),
        Errno::NOSYS => StatusCode::OpUnsupported.into(),
        errno => Status::with_text(StatusCode::Failure, reason(errno)),
    }
}

fn shown(path: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(path)
}

/// Permissions alone, set-user-id and its kin included.
fn mode_of(permissions: Option<u32>, default: u32) -> Mode {
    files::mode(permissions.unwrap_or(default) & 0o7777)
}

#[allow(
    clippy::unnecessary_cast,
    clippy::useless_conversion,
    reason = "the widths differ between systems"
)]
fn attributes_of(stat: &Stat) -> Attributes {
    // Times outside of what the protocol has, 1970 to 2106, become its first or last moment.
    let time = |seconds: i64| u32::try_from(seconds.max(0)).unwrap_or(u32::MAX);
    Attributes {
        size: Some(stat.st_size.cast_unsigned()),
        owner: Some((stat.st_uid, stat.st_gid)),
        permissions: Some(stat.st_mode as u32),
        times: Some((time(stat.st_atime.into()), time(stat.st_mtime.into()))),
    }
}

fn volume_of(found: &rustix::fs::StatVfs) -> Volume {
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

fn truncate(path: &[u8], size: u64) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    rustix::fs::ftruncate(&file, size)
}

impl Files for LocalFiles {
    type File = LocalFile;
    type Directory = LocalDirectory;

    fn open(
        &mut self,
        path: &[u8],
        flags: OpenFlags,
        mode: Option<u32>,
    ) -> Result<LocalFile, Status> {
        let mut how = match (flags.read, flags.write) {
            (true, true) => OFlags::RDWR,
            (false, true) => OFlags::WRONLY,
            (_, false) => OFlags::RDONLY,
        };
        how |= OFlags::CLOEXEC | OFlags::NOCTTY;
        for (set, flag) in [
            (flags.append, OFlags::APPEND),
            (flags.create, OFlags::CREATE),
            (flags.truncate, OFlags::TRUNC),
            (flags.exclusive, OFlags::EXCL),
        ] {
            how.set(flag, set);
        }
        let mode = mode_of(mode, 0o666);
        self.tell(LogLevel::Info, || {
            let words = [
                (flags.read, "READ"),
                (flags.write, "WRITE"),
                (flags.append, "APPEND"),
                (flags.create, "CREATE"),
                (flags.truncate, "TRUNCATE"),
                (flags.exclusive, "EXCL"),
            ];
            let words = words.into_iter().filter(|word| word.0).map(|word| word.1);
            let words = words.collect::<Vec<_>>().join(",");
            format!("open \"{}\" flags {words} mode 0{:o}", shown(path), mode.as_raw_mode())
        });
        // A pipe that nobody has at the other end would be waited for, and nothing else be served.
        let descriptor = match rustix::fs::open(path, how | OFlags::NONBLOCK, mode) {
            // Another program has a lease on the file, and is asked to give it back.
            Err(Errno::AGAIN) => rustix::fs::open(path, how, mode),
            opened => opened,
        };
        let descriptor = descriptor.map_err(status)?;
        Ok(LocalFile {
            descriptor,
            path: path.to_vec(),
            append: flags.append,
            bytes_read: 0,
            bytes_written: 0,
        })
    }

    fn read(
        &mut self,
        file: &mut LocalFile,
        offset: u64,
        room: &mut [u8],
    ) -> Result<usize, Status> {
        loop {
            match rustix::io::pread(&file.descriptor, &mut *room, offset) {
                Ok(count) => {
                    file.bytes_read += count as u64;
                    return Ok(count);
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(status(errno)),
            }
        }
    }

    fn write(&mut self, file: &mut LocalFile, offset: u64, data: &[u8]) -> Result<(), Status> {
        let mut rest = data;
        let mut offset = offset;
        while !rest.is_empty() {
            let written = if file.append {
                rustix::io::write(&file.descriptor, rest)
            } else {
                rustix::io::pwrite(&file.descriptor, rest, offset)
            };
            match written {
                Ok(0) => return Err(StatusCode::Failure.into()),
                Ok(count) => {
                    file.bytes_written += count as u64;
                    offset = offset.saturating_add(count as u64);
                    rest = rest.get(count..).unwrap_or_default();
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(status(errno)),
            }
        }
        Ok(())
    }

    fn sync(&mut self, file: &mut LocalFile) -> Result<(), Status> {
        rustix::fs::fsync(&file.descriptor).map_err(status)
    }

    fn close(&mut self, file: LocalFile) -> Result<(), Status> {
        self.tell(LogLevel::Info, || {
            let LocalFile { path, bytes_read, bytes_written, .. } = &file;
            let path = shown(path);
            format!("close \"{path}\" bytes read {bytes_read} written {bytes_written}")
        });
        // The kernel tells of errors at writing here at the latest, for some file systems.
        crate::sys::descriptors::close(file.descriptor)
            .map_err(|error| status(Errno::from_io_error(&error).unwrap_or(Errno::IO)))
    }

    fn copy(
        &mut self,
        (source, from): (&mut LocalFile, u64),
        length: u64,
        (target, to): (&mut LocalFile, u64),
    ) -> Result<(), Status> {
        self.tell(LogLevel::Info, || {
            let (old, new) = (shown(&source.path), shown(&target.path));
            format!("copy-data from \"{old}\" to \"{new}\" offset {from} length {length}")
        });
        let identity = |file: &LocalFile| {
            let stat = rustix::fs::fstat(&file.descriptor).map_err(status)?;
            Ok::<_, Status>((stat.st_dev, stat.st_ino))
        };
        if identity(source)? == identity(target)? {
            return Err(StatusCode::Failure.into());
        }
        let mut left = if length == 0 { u64::MAX } else { length };
        let (mut from, mut to) = (from, to);
        let mut by_kernel = !target.append;
        let mut buffer = Vec::new();
        while left > 0 {
            let mut count = 0;
            if by_kernel {
                let step = usize::try_from(left).unwrap_or(usize::MAX).min(1 << 30);
                let (source, target) = (&source.descriptor, &target.descriptor);
                match files::copy((source, &mut from), (target, &mut to), step) {
                    Ok(copied) => count = copied,
                    Err(Errno::INTR) => continue,
                    Err(_) => by_kernel = false,
                }
            }
            // Some file systems have files that say they are empty, and are not.
            if count == 0 {
                by_kernel = false;
                buffer.resize(COPY_BYTES, 0);
                let step = usize::try_from(left).unwrap_or(COPY_BYTES).min(COPY_BYTES);
                let room = buffer.get_mut(..step).unwrap_or_default();
                count = self.read(source, from, room)?;
                let data = buffer.get(..count).unwrap_or_default();
                self.write(target, to, data)?;
                from = from.saturating_add(count as u64);
                to = to.saturating_add(count as u64);
            }
            if count == 0 {
                return if length == 0 { Ok(()) } else { Err(StatusCode::Eof.into()) };
            }
            left -= (count as u64).min(left);
        }
        Ok(())
    }

    fn attributes(&mut self, path: &[u8], follow: bool) -> Result<Attributes, Status> {
        let (name, flags) =
            if follow { ("stat", AtFlags::empty()) } else { ("lstat", AtFlags::SYMLINK_NOFOLLOW) };
        self.tell(LogLevel::Verbose, || format!("{name} name \"{}\"", shown(path)));
        let stat = rustix::fs::statat(CWD, path, flags).map_err(status)?;
        Ok(attributes_of(&stat))
    }

    fn file_attributes(&mut self, file: &mut LocalFile) -> Result<Attributes, Status> {
        self.tell(LogLevel::Verbose, || format!("fstat name \"{}\"", shown(&file.path)));
        Ok(attributes_of(&rustix::fs::fstat(&file.descriptor).map_err(status)?))
    }

    fn set_attributes(
        &mut self,
        path: &[u8],
        attributes: &Attributes,
        follow: bool,
    ) -> Result<(), Status> {
        self.tell_set(path, attributes);
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

    fn set_file_attributes(
        &mut self,
        file: &mut LocalFile,
        attributes: &Attributes,
    ) -> Result<(), Status> {
        self.tell_set(&file.path, attributes);
        let descriptor = &file.descriptor;
        last_error([
            attributes.size.map(|size| rustix::fs::ftruncate(descriptor, size)),
            attributes
                .permissions
                .map(|mode| rustix::fs::fchmod(descriptor, mode_of(Some(mode), 0))),
            attributes.times.map(|times| rustix::fs::futimens(descriptor, &times_of(times))),
            attributes.owner.map(|owner| {
                let (user, group) = owner_of(owner);
                rustix::fs::fchown(descriptor, user, group)
            }),
        ])
    }

    fn open_directory(&mut self, path: &[u8]) -> Result<LocalDirectory, Status> {
        self.tell(LogLevel::Info, || format!("opendir \"{}\"", shown(path)));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::open(path, flags, Mode::empty()).map_err(status)?;
        let entries = Dir::read_from(&descriptor).map_err(status)?;
        Ok(LocalDirectory { descriptor, entries, path: path.to_vec() })
    }

    fn read_directory(
        &mut self,
        directory: &mut LocalDirectory,
        entries: &mut Entries<'_>,
    ) -> Result<(), Status> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        while entries.has_room() {
            let Some(entry) = directory.entries.read() else { break };
            let entry = entry.map_err(status)?;
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            // It may have gone since.
            let found = rustix::fs::statat(&directory.descriptor, entry.file_name(), flags);
            let Ok(stat) = found else { continue };
            let name = entry.file_name().to_bytes();
            let line = long_name(name, &stat, now, &mut self.accounts);
            entries.add(name, &line, &attributes_of(&stat));
        }
        Ok(())
    }

    fn close_directory(&mut self, directory: LocalDirectory) -> Result<(), Status> {
        self.tell(LogLevel::Info, || format!("closedir \"{}\"", shown(&directory.path)));
        Ok(())
    }

    fn remove(&mut self, path: &[u8]) -> Result<(), Status> {
        self.tell(LogLevel::Info, || format!("remove name \"{}\"", shown(path)));
        rustix::fs::unlink(path).map_err(status)
    }

    fn make_directory(&mut self, path: &[u8], mode: Option<u32>) -> Result<(), Status> {
        let mode = mode_of(mode, 0o777);
        self.tell(LogLevel::Info, || {
            format!("mkdir name \"{}\" mode 0{:o}", shown(path), mode.as_raw_mode())
        });
        rustix::fs::mkdir(path, mode).map_err(status)
    }

    fn remove_directory(&mut self, path: &[u8]) -> Result<(), Status> {
        self.tell(LogLevel::Info, || format!("rmdir name \"{}\"", shown(path)));
        rustix::fs::rmdir(path).map_err(status)
    }

    fn real_path(&mut self, path: &[u8]) -> Result<Vec<u8>, Status> {
        self.tell(LogLevel::Verbose, || format!("realpath \"{}\"", shown(path)));
        real_path(path).map_err(status)
    }

    fn expand_path(&mut self, path: &[u8]) -> Result<Vec<u8>, Status> {
        self.tell(LogLevel::Verbose, || format!("expand-path \"{}\"", shown(path)));
        let Some(rest) = path.strip_prefix(b"~") else {
            return real_path(path).map_err(status);
        };
        let at = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
        let (user, below) = (rest.get(..at).unwrap_or_default(), rest.get(at..));
        let home = if user.is_empty() {
            Some(self.accounts.own_home())
        } else {
            self.accounts.home_of(user)
        };
        let mut expanded =
            home.ok_or_else(|| Status::with_text(StatusCode::NoSuchFile, "no such user"))?;
        expanded.extend_from_slice(below.unwrap_or_default());
        real_path(&expanded).map_err(status)
    }

    fn rename(&mut self, old: &[u8], new: &[u8], replace: bool) -> Result<(), Status> {
        self.tell(LogLevel::Info, || {
            let name = if replace { "posix-rename" } else { "rename" };
            format!("{name} old \"{}\" new \"{}\"", shown(old), shown(new))
        });
        if replace {
            return rustix::fs::rename(old, new).map_err(status);
        }
        match rustix::fs::renameat_with(CWD, old, CWD, new, RenameFlags::NOREPLACE) {
            // Not every file system and not every kernel can.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => rename_carefully(old, new),
            done => done.map_err(status),
        }
    }

    fn read_link(&mut self, path: &[u8]) -> Result<Vec<u8>, Status> {
        self.tell(LogLevel::Verbose, || format!("readlink \"{}\"", shown(path)));
        let target = rustix::fs::readlink(path, Vec::new()).map_err(status)?;
        Ok(target.into_bytes())
    }

    fn symlink(&mut self, target: &[u8], link: &[u8]) -> Result<(), Status> {
        self.tell(LogLevel::Info, || {
            format!("symlink old \"{}\" new \"{}\"", shown(target), shown(link))
        });
        rustix::fs::symlink(target, link).map_err(status)
    }

    fn hard_link(&mut self, old: &[u8], new: &[u8]) -> Result<(), Status> {
        self.tell(LogLevel::Info, || {
            format!("hardlink old \"{}\" new \"{}\"", shown(old), shown(new))
        });
        rustix::fs::link(old, new).map_err(status)
    }

    fn volume(&mut self, path: &[u8]) -> Result<Volume, Status> {
        self.tell(LogLevel::Info, || format!("statvfs \"{}\"", shown(path)));
        Ok(volume_of(&rustix::fs::statvfs(path).map_err(status)?))
    }

    fn file_volume(&mut self, file: &mut LocalFile) -> Result<Volume, Status> {
        self.tell(LogLevel::Info, || format!("fstatvfs \"{}\"", shown(&file.path)));
        Ok(volume_of(&rustix::fs::fstatvfs(file.descriptor.as_fd()).map_err(status)?))
    }

    fn home_directory(&mut self, user: &[u8]) -> Result<Vec<u8>, Status> {
        self.tell(LogLevel::Info, || format!("home-directory \"{}\"", shown(user)));
        if user.is_empty() {
            return Ok(self.accounts.own_home());
        }
        let home = self.accounts.home_of(user);
        home.ok_or_else(|| Status::with_text(StatusCode::Failure, "no such user"))
    }

    fn account_names(
        &mut self,
        users: Numbers<'_>,
        groups: Numbers<'_>,
        names: &mut AccountNames,
    ) -> Result<(), Status> {
        for uid in users.iter() {
            names.add_user(self.accounts.user(uid).unwrap_or_default());
        }
        for gid in groups.iter() {
            names.add_group(self.accounts.group(gid).unwrap_or_default());
        }
        Ok(())
    }

    fn handles_max(&self) -> usize {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let descriptors = limit.unwrap_or(u64::MAX).saturating_sub(DESCRIPTORS_SPARED);
        // An open folder has two.
        usize::try_from(descriptors).unwrap_or(usize::MAX).min(sftp::limits::HANDLES)
    }

    fn refused(&mut self, request: RequestKind, why: Refusal) {
        let name = request.row().name;
        match why {
            Refusal::ReadOnly => self
                .tell(LogLevel::Verbose, || format!("Refusing {name} request in read-only mode")),
            Refusal::NotPermitted => {
                self.tell(LogLevel::Debug2, || format!("Refusing denylisted {name} request"));
            }
        }
    }

    fn answered(&mut self, code: StatusCode) {
        let level = match code {
            StatusCode::Ok | StatusCode::Eof => LogLevel::Debug1,
            _ => LogLevel::Info,
        };
        self.tell(level, || format!("sent status {code}"));
    }
}

/// Renames without replacing where the kernel cannot do it in one step: a file by a second name, which only one of
/// two can make; anything else after a look.
fn rename_carefully(old: &[u8], new: &[u8]) -> Result<(), Status> {
    let stat = rustix::fs::lstat(old).map_err(status)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
        match rustix::fs::link(old, new) {
            Ok(()) => {
                return rustix::fs::unlink(old).map_err(|errno| {
                    // Back to what was.
                    let _ = rustix::fs::unlink(new);
                    status(errno)
                });
            }
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::XDEV | Errno::PERM) => {}
            Err(errno) => return Err(status(errno)),
        }
    }
    match rustix::fs::lstat(new) {
        Err(Errno::NOENT) => rustix::fs::rename(old, new).map_err(status),
        Err(errno) => Err(status(errno)),
        Ok(_) => Err(status(Errno::EXIST)),
    }
}
