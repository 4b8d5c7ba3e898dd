//! What follows a request's id, read and written.

use wire::{Reader, Writer};

use super::{Numbers, OpenFlags, Request, RequestKind};
use crate::Attributes;

use super::RequestKind as Kind;

impl<'a> Request<'a> {
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
