//! The kinds of requests: one table of their names, numbers and extensions.

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
}
