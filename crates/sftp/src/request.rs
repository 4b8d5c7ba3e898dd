//! What a client may ask for. draft-02 §6, and OpenSSH's PROTOCOL file for the extensions.

mod codec;
mod fields;
mod kind;

use crate::Attributes;
use crate::limits::DATA_BYTES;

pub use self::fields::{Numbers, OpenFlags};
use self::kind::RequestKind as Kind;
pub use self::kind::{REQUESTS, RequestKind, RequestRow, WireName};

/// `SSH_FXP_INIT`. draft-02 §4.
pub(crate) const INIT: u8 = 1;
/// `SSH_FXP_EXTENDED`. draft-02 §8.
pub(crate) const EXTENDED: u8 = 200;

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

impl Request<'_> {
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

    /// Whether its data are too long for any server.
    pub(crate) fn is_too_long(&self) -> bool {
        matches!(self, Self::Write { data, .. } if data.len() > DATA_BYTES)
    }
}
