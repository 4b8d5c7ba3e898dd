//! The machine's own files behind the SFTP server, with the meaning that OpenSSH's server gives to requests.

mod attributes;
mod copying;
mod log_lines;

use std::os::fd::{AsFd, OwnedFd};
use std::time::{SystemTime, UNIX_EPOCH};

use net::logging::{LogLevel, Separate};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use sftp::{
    AccountNames, Attributes, Entries, Files, Numbers, OpenFlags, Refusal, RequestKind, Status,
    StatusCode, Volume,
};

use self::attributes::{attributes_of, mode_of, set_by_descriptor, set_by_path, volume_of};
use self::log_lines::{shown, status};
use super::accounts::Accounts;
use super::long_name::long_name;
use super::real_path::real_path;

pub(super) use self::log_lines::reason;

/// Descriptors that are left for everything else in the process.
const DESCRIPTORS_SPARED: u64 = 16;

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
        self.tell_open(path, flags, mode);
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
        self.copy_data((source, from), length, (target, to))
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
        set_by_path(path, attributes, follow)
    }

    fn set_file_attributes(
        &mut self,
        file: &mut LocalFile,
        attributes: &Attributes,
    ) -> Result<(), Status> {
        self.tell_set(&file.path, attributes);
        set_by_descriptor(&file.descriptor, attributes)
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
