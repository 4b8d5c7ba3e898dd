//! What a client may ask for. draft-02 §6, and OpenSSH's PROTOCOL file for the extensions.

use wire::{Reader, Writer};

use crate::Attributes;
use crate::limits::{ACCOUNTS, DATA_BYTES};

/// `SSH_FXP_INIT`. draft-02 §4.
pub(crate) const INIT: u8 = 1;
/// `SSH_FXP_EXTENDED`. draft-02 §8.
pub(crate) const EXTENDED: u8 = 200;

/// The kinds of requests.
#[expect(missing_docs, reason = "each is the draft's or OpenSSH's, in REQUESTS")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestKind {
    Open,
    Close,
    Read,
    Write,
    Lstat,
    Fstat,
    Setstat,
    Fsetstat,
    Opendir,
    Readdir,
    Remove,
    Mkdir,
    Rmdir,
    Realpath,
    Stat,
    Rename,
    Readlink,
    Symlink,
    PosixRename,
    Statvfs,
    Fstatvfs,
    Hardlink,
    Fsync,
    Lsetstat,
    Limits,
    ExpandPath,
    CopyData,
    HomeDirectory,
    UsersGroupsById,
}

use RequestKind as Kind;

/// One row of [`REQUESTS`].
#[derive(Debug)]
pub struct RequestRow {
    /// Which.
    pub kind: RequestKind,
    /// As `sftp-server -Q requests` and the options `-p` and `-P` name it.
    pub name: &'static str,
    /// How it is told apart on the wire.
    pub wire: WireName,
    /// Whether it changes anything. OPEN is judged by its flags.
    pub writes: bool,
}

/// How a request is told apart on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireName {
    /// A type of packet.
    Number(u8),
    /// An extension: its name, and the version of it that servers announce.
    Extension(&'static str, &'static str),
}

const fn plain(kind: Kind, name: &'static str, number: u8, writes: bool) -> RequestRow {
    RequestRow { kind, name, wire: WireName::Number(number), writes }
}

const fn extension(
    kind: Kind,
    name: &'static str,
    (wire_name, version): (&'static str, &'static str),
    writes: bool,
) -> RequestRow {
    RequestRow { kind, name, wire: WireName::Extension(wire_name, version), writes }
}

/// Every request, in the order in which OpenSSH lists them.
pub static REQUESTS: &[RequestRow] = &[
    plain(Kind::Open, "open", 3, false),
    plain(Kind::Close, "close", 4, false),
    plain(Kind::Read, "read", 5, false),
    plain(Kind::Write, "write", 6, true),
    plain(Kind::Lstat, "lstat", 7, false),
    plain(Kind::Fstat, "fstat", 8, false),
    plain(Kind::Setstat, "setstat", 9, true),
    plain(Kind::Fsetstat, "fsetstat", 10, true),
    plain(Kind::Opendir, "opendir", 11, false),
    plain(Kind::Readdir, "readdir", 12, false),
    plain(Kind::Remove, "remove", 13, true),
    plain(Kind::Mkdir, "mkdir", 14, true),
    plain(Kind::Rmdir, "rmdir", 15, true),
    plain(Kind::Realpath, "realpath", 16, false),
    plain(Kind::Stat, "stat", 17, false),
    plain(Kind::Rename, "rename", 18, true),
    plain(Kind::Readlink, "readlink", 19, false),
    plain(Kind::Symlink, "symlink", 20, true),
    extension(Kind::PosixRename, "posix-rename", ("posix-rename@openssh.com", "1"), true),
    extension(Kind::Statvfs, "statvfs", ("statvfs@openssh.com", "2"), false),
    extension(Kind::Fstatvfs, "fstatvfs", ("fstatvfs@openssh.com", "2"), false),
    extension(Kind::Hardlink, "hardlink", ("hardlink@openssh.com", "1"), true),
    extension(Kind::Fsync, "fsync", ("fsync@openssh.com", "1"), true),
    extension(Kind::Lsetstat, "lsetstat", ("lsetstat@openssh.com", "1"), true),
    extension(Kind::Limits, "limits", ("limits@openssh.com", "1"), false),
    extension(Kind::ExpandPath, "expand-path", ("expand-path@openssh.com", "1"), false),
    extension(Kind::CopyData, "copy-data", ("copy-data", "1"), true),
    extension(Kind::HomeDirectory, "home-directory", ("home-directory", "1"), false),
    extension(
        Kind::UsersGroupsById,
        "users-groups-by-id",
        ("users-groups-by-id@openssh.com", "1"),
        false,
    ),
];

impl RequestKind {
    /// Its row.
    pub fn row(self) -> &'static RequestRow {
        // Every kind has a row, as a test says.
        REQUESTS.iter().find(|row| row.kind == self).unwrap_or(&REQUESTS[0])
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        REQUESTS.iter().find(|row| row.wire == WireName::Number(number)).map(|row| row.kind)
    }

    /// The extension of that name.
    pub fn from_extension(name: &[u8]) -> Option<Self> {
        let is_it = |row: &&RequestRow| matches!(row.wire, WireName::Extension(known, _) if known.as_bytes() == name);
        REQUESTS.iter().find(is_it).map(|row| row.kind)
    }
}

/// How a file is opened. draft-02 §6.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenFlags {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// Every write goes to the end.
    pub append: bool,
    /// Made where it is not there.
    pub create: bool,
    /// Emptied first.
    pub truncate: bool,
    /// With `create`: it must not be there.
    pub exclusive: bool,
}

impl OpenFlags {
    /// For reading what is there.
    pub const READ: Self = Self {
        read: true,
        write: false,
        append: false,
        create: false,
        truncate: false,
        exclusive: false,
    };

    /// Whether opening or using it may change anything.
    pub fn changes_anything(self) -> bool {
        // Without one of the two it is opened for reading.
        self.write || self.create || self.truncate
    }

    pub(crate) fn from_bits(bits: u32) -> Self {
        let has = |bit| bits & bit != 0;
        Self {
            read: has(1),
            write: has(2),
            append: has(4),
            create: has(8),
            truncate: has(16),
            exclusive: has(32),
        }
    }

    pub(crate) fn bits(self) -> u32 {
        [self.read, self.write, self.append, self.create, self.truncate, self.exclusive]
            .into_iter()
            .enumerate()
            .map(|(place, set)| u32::from(set) << place)
            .sum()
    }
}

/// Numbers of users or groups, each of four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers<'a>(&'a [u8]);

impl<'a> Numbers<'a> {
    /// From [`Self::pack`]ed bytes. `None` when they are no whole numbers or too many.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len().is_multiple_of(4) && bytes.len() / 4 <= ACCOUNTS).then_some(Self(bytes))
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = u32> + use<'a> {
        self.0.chunks_exact(4).filter_map(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes)
    }

    /// As bytes.
    pub fn pack(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }
}

/// One request. Paths are bytes in whatever encoding the server's file system has; handles are the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// Opens a file; the attributes are those of a new one. §6.3.
    Open {
        /// Which file.
        path: &'a [u8],
        /// For what.
        flags: OpenFlags,
        /// Only the permissions count, as with OpenSSH.
        attributes: Attributes,
    },
    /// Gives a handle back. §6.3.
    Close {
        /// Of a file or a folder.
        handle: &'a [u8],
    },
    /// Reads from a place in a file. §6.4.
    Read {
        /// From OPEN.
        handle: &'a [u8],
        /// Where.
        offset: u64,
        /// How much at most.
        length: u32,
    },
    /// Writes to a place in a file. §6.4.
    Write {
        /// From OPEN.
        handle: &'a [u8],
        /// Where.
        offset: u64,
        /// What.
        data: &'a [u8],
    },
    /// Attributes of a path, of a link itself. §6.8.
    Lstat {
        /// Which.
        path: &'a [u8],
    },
    /// Attributes of an open file. §6.8.
    Fstat {
        /// Which.
        handle: &'a [u8],
    },
    /// Changes attributes of a path. §6.9.
    Setstat {
        /// Which.
        path: &'a [u8],
        /// Those that are there are set.
        attributes: Attributes,
    },
    /// Changes attributes of an open file. §6.9.
    Fsetstat {
        /// Which.
        handle: &'a [u8],
        /// Those that are there are set.
        attributes: Attributes,
    },
    /// Opens a folder. §6.7.
    Opendir {
        /// Which.
        path: &'a [u8],
    },
    /// Reads more of a folder. §6.7.
    Readdir {
        /// From OPENDIR.
        handle: &'a [u8],
    },
    /// Removes a file. §6.5.
    Remove {
        /// Which.
        path: &'a [u8],
    },
    /// Makes a folder. §6.6.
    Mkdir {
        /// Which.
        path: &'a [u8],
        /// Only the permissions count.
        attributes: Attributes,
    },
    /// Removes an empty folder. §6.6.
    Rmdir {
        /// Which.
        path: &'a [u8],
    },
    /// Makes a path absolute and canonical. §6.11.
    Realpath {
        /// Which.
        path: &'a [u8],
    },
    /// Attributes of what a path leads to. §6.8.
    Stat {
        /// Which.
        path: &'a [u8],
    },
    /// Renames, where nothing has the new name. §6.5.
    Rename {
        /// Present name.
        old_path: &'a [u8],
        /// Future name.
        new_path: &'a [u8],
    },
    /// Where a link leads. §6.10.
    Readlink {
        /// The link.
        path: &'a [u8],
    },
    /// Makes a symbolic link. §6.10, with the paths in OpenSSH's order, which is not the draft's.
    Symlink {
        /// Where it leads.
        target_path: &'a [u8],
        /// Where it is.
        link_path: &'a [u8],
    },
    /// Renames as POSIX does, over what has the new name. `posix-rename@openssh.com`.
    PosixRename {
        /// Present name.
        old_path: &'a [u8],
        /// Future name.
        new_path: &'a [u8],
    },
    /// About the file system that a path is in. `statvfs@openssh.com`.
    Statvfs {
        /// Which.
        path: &'a [u8],
    },
    /// About the file system that an open file is in. `fstatvfs@openssh.com`.
    Fstatvfs {
        /// Which.
        handle: &'a [u8],
    },
    /// Makes a second name. `hardlink@openssh.com`.
    Hardlink {
        /// Present name.
        old_path: &'a [u8],
        /// Additional name.
        new_path: &'a [u8],
    },
    /// Waits until an open file is on the disk. `fsync@openssh.com`.
    Fsync {
        /// Which.
        handle: &'a [u8],
    },
    /// Changes attributes of a path, of a link itself. `lsetstat@openssh.com`.
    Lsetstat {
        /// Which.
        path: &'a [u8],
        /// Those that are there are set.
        attributes: Attributes,
    },
    /// What the server takes. `limits@openssh.com`.
    Limits,
    /// A path with `~`, made absolute. `expand-path@openssh.com`.
    ExpandPath {
        /// Which.
        path: &'a [u8],
    },
    /// Copies from one open file to another. `copy-data`.
    CopyData {
        /// From this file.
        read_from_handle: &'a [u8],
        /// From here.
        read_from_offset: u64,
        /// So much; 0 for all there is.
        read_data_length: u64,
        /// To this file.
        write_to_handle: &'a [u8],
        /// To here.
        write_to_offset: u64,
    },
    /// A user's home folder. `home-directory`.
    HomeDirectory {
        /// The name; empty for one's own.
        user: &'a [u8],
    },
    /// Names of users and groups. `users-groups-by-id@openssh.com`.
    UsersGroupsById {
        /// Numbers of users.
        users: Numbers<'a>,
        /// Numbers of groups.
        groups: Numbers<'a>,
    },
}

impl<'a> Request<'a> {
    /// Which kind it is.
    pub fn kind(&self) -> RequestKind {
        match self {
            Self::Open { .. } => Kind::Open,
            Self::Close { .. } => Kind::Close,
            Self::Read { .. } => Kind::Read,
            Self::Write { .. } => Kind::Write,
            Self::Lstat { .. } => Kind::Lstat,
            Self::Fstat { .. } => Kind::Fstat,
            Self::Setstat { .. } => Kind::Setstat,
            Self::Fsetstat { .. } => Kind::Fsetstat,
            Self::Opendir { .. } => Kind::Opendir,
            Self::Readdir { .. } => Kind::Readdir,
            Self::Remove { .. } => Kind::Remove,
            Self::Mkdir { .. } => Kind::Mkdir,
            Self::Rmdir { .. } => Kind::Rmdir,
            Self::Realpath { .. } => Kind::Realpath,
            Self::Stat { .. } => Kind::Stat,
            Self::Rename { .. } => Kind::Rename,
            Self::Readlink { .. } => Kind::Readlink,
            Self::Symlink { .. } => Kind::Symlink,
            Self::PosixRename { .. } => Kind::PosixRename,
            Self::Statvfs { .. } => Kind::Statvfs,
            Self::Fstatvfs { .. } => Kind::Fstatvfs,
            Self::Hardlink { .. } => Kind::Hardlink,
            Self::Fsync { .. } => Kind::Fsync,
            Self::Lsetstat { .. } => Kind::Lsetstat,
            Self::Limits => Kind::Limits,
            Self::ExpandPath { .. } => Kind::ExpandPath,
            Self::CopyData { .. } => Kind::CopyData,
            Self::HomeDirectory { .. } => Kind::HomeDirectory,
            Self::UsersGroupsById { .. } => Kind::UsersGroupsById,
        }
    }

    /// Reads what follows the request id, and for an extension its name. What follows the last field is left
    /// unread, as OpenSSH does: later versions of a request may have more.
    pub(crate) fn read(kind: RequestKind, mut reader: Reader<'a>) -> Option<Self> {
        Self::fields(kind, &mut reader).ok().flatten()
    }

    fn fields(kind: Kind, r: &mut Reader<'a>) -> Result<Option<Self>, wire::Error> {
        Ok(Some(match kind {
            Kind::Open => Self::Open {
                path: r.string()?,
                flags: OpenFlags::from_bits(r.u32()?),
                attributes: Attributes::read(r)?,
            },
            Kind::Close => Self::Close { handle: r.string()? },
            Kind::Read => Self::Read { handle: r.string()?, offset: r.u64()?, length: r.u32()? },
            Kind::Write => Self::Write { handle: r.string()?, offset: r.u64()?, data: r.string()? },
            Kind::Lstat => Self::Lstat { path: r.string()? },
            Kind::Fstat => Self::Fstat { handle: r.string()? },
            Kind::Setstat => Self::Setstat { path: r.string()?, attributes: Attributes::read(r)? },
            Kind::Fsetstat => {
                Self::Fsetstat { handle: r.string()?, attributes: Attributes::read(r)? }
            }
            Kind::Opendir => Self::Opendir { path: r.string()? },
            Kind::Readdir => Self::Readdir { handle: r.string()? },
            Kind::Remove => Self::Remove { path: r.string()? },
            Kind::Mkdir => Self::Mkdir { path: r.string()?, attributes: Attributes::read(r)? },
            Kind::Rmdir => Self::Rmdir { path: r.string()? },
            Kind::Realpath => Self::Realpath { path: r.string()? },
            Kind::Stat => Self::Stat { path: r.string()? },
            Kind::Rename => Self::Rename { old_path: r.string()?, new_path: r.string()? },
            Kind::Readlink => Self::Readlink { path: r.string()? },
            Kind::Symlink => Self::Symlink { target_path: r.string()?, link_path: r.string()? },
            Kind::PosixRename => Self::PosixRename { old_path: r.string()?, new_path: r.string()? },
            Kind::Statvfs => Self::Statvfs { path: r.string()? },
            Kind::Fstatvfs => Self::Fstatvfs { handle: r.string()? },
            Kind::Hardlink => Self::Hardlink { old_path: r.string()?, new_path: r.string()? },
            Kind::Fsync => Self::Fsync { handle: r.string()? },
            Kind::Lsetstat => {
                Self::Lsetstat { path: r.string()?, attributes: Attributes::read(r)? }
            }
            Kind::Limits => Self::Limits,
            Kind::ExpandPath => Self::ExpandPath { path: r.string()? },
            Kind::CopyData => Self::CopyData {
                read_from_handle: r.string()?,
                read_from_offset: r.u64()?,
                read_data_length: r.u64()?,
                write_to_handle: r.string()?,
                write_to_offset: r.u64()?,
            },
            Kind::HomeDirectory => Self::HomeDirectory { user: r.string()? },
            Kind::UsersGroupsById => {
                let (users, groups) = (Numbers::new(r.string()?), Numbers::new(r.string()?));
                let (Some(users), Some(groups)) = (users, groups) else { return Ok(None) };
                Self::UsersGroupsById { users, groups }
            }
        }))
    }

    /// Writes what follows the request id and the name of an extension.
    pub(crate) fn write(&self, to: &mut impl Writer) {
        match self {
            Self::Open { path, flags, attributes } => {
                to.put_string(path);
                to.put_u32(flags.bits());
                attributes.write(to);
            }
            Self::Close { handle }
            | Self::Fstat { handle }
            | Self::Readdir { handle }
            | Self::Fstatvfs { handle }
            | Self::Fsync { handle } => to.put_string(handle),
            Self::Read { handle, offset, length } => {
                to.put_string(handle);
                to.put_u64(*offset);
                to.put_u32(*length);
            }
            Self::Write { handle, offset, data } => {
                to.put_string(handle);
                to.put_u64(*offset);
                to.put_string(data);
            }
            Self::Lstat { path }
            | Self::Opendir { path }
            | Self::Remove { path }
            | Self::Rmdir { path }
            | Self::Realpath { path }
            | Self::Stat { path }
            | Self::Readlink { path }
            | Self::Statvfs { path }
            | Self::ExpandPath { path }
            | Self::HomeDirectory { user: path } => to.put_string(path),
            Self::Setstat { path, attributes }
            | Self::Fsetstat { handle: path, attributes }
            | Self::Mkdir { path, attributes }
            | Self::Lsetstat { path, attributes } => {
                to.put_string(path);
                attributes.write(to);
            }
            Self::Rename { old_path: first, new_path: second }
            | Self::PosixRename { old_path: first, new_path: second }
            | Self::Hardlink { old_path: first, new_path: second }
            | Self::Symlink { target_path: first, link_path: second } => {
                to.put_string(first);
                to.put_string(second);
            }
            Self::Limits => {}
            Self::CopyData {
                read_from_handle,
                read_from_offset,
                read_data_length,
                write_to_handle,
                write_to_offset,
            } => {
                to.put_string(read_from_handle);
                to.put_u64(*read_from_offset);
                to.put_u64(*read_data_length);
                to.put_string(write_to_handle);
                to.put_u64(*write_to_offset);
            }
            Self::UsersGroupsById { users, groups } => {
                to.put_string(users.0);
                to.put_string(groups.0);
            }
        }
    }

    /// Whether its data are too long for any server.
    pub(crate) fn is_too_long(&self) -> bool {
        matches!(self, Self::Write { data, .. } if data.len() > DATA_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_row() {
        for row in REQUESTS {
            assert_eq!(row.kind.row().name, row.name);
            match row.wire {
                WireName::Number(number) => {
                    assert_eq!(RequestKind::from_number(number), Some(row.kind));
                }
                WireName::Extension(name, _) => {
                    assert_eq!(RequestKind::from_extension(name.as_bytes()), Some(row.kind));
                }
            }
        }
        assert_eq!(REQUESTS.len(), 29);
    }

    #[test]
    fn flags_there_and_back() {
        for bits in 0..64 {
            assert_eq!(OpenFlags::from_bits(bits).bits(), bits);
        }
    }

    #[test]
    fn requests_there_and_back() {
        let attributes = Attributes::with_permissions(0o600);
        let users = Numbers::pack(&[1, 2, 3]);
        let users = Numbers::new(&users).unwrap();
        assert_eq!(users.iter().collect::<Vec<_>>(), [1, 2, 3]);
        let handle: &[u8] = b"h";
        for request in [
            Request::Open { path: b"p", flags: OpenFlags::READ, attributes },
            Request::Write { handle, offset: 1 << 40, data: b"data" },
            Request::Read { handle, offset: 7, length: 8 },
            Request::Lsetstat { path: b"p", attributes },
            Request::Symlink { target_path: b"t", link_path: b"l" },
            Request::Limits,
            Request::CopyData {
                read_from_handle: b"a",
                read_from_offset: 1,
                read_data_length: 2,
                write_to_handle: b"b",
                write_to_offset: 3,
            },
            Request::UsersGroupsById { users, groups: users },
        ] {
            let mut bytes = Vec::new();
            request.write(&mut bytes);
            assert_eq!(Request::read(request.kind(), Reader::new(&bytes)), Some(request));
            bytes.pop();
            assert_eq!(
                Request::read(request.kind(), Reader::new(&bytes)).is_some(),
                bytes.is_empty() && request == Request::Limits
            );
        }
        assert_eq!(Numbers::new(&[0; 5]), None);
    }
}
