use wire::{Error, Reader, Writer};

const SIZE: u32 = 1;
const UIDGID: u32 = 2;
const PERMISSIONS: u32 = 4;
const ACMODTIME: u32 = 8;
const EXTENDED: u32 = 0x8000_0000;

/// What is known of a file, or is to be changed about it. draft-02 §5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// In bytes.
    pub size: Option<u64>,
    /// Numbers of the user and the group that it belongs to.
    pub owner: Option<(u32, u32)>,
    /// The mode with the bits of the file type, as `stat` has it.
    pub permissions: Option<u32>,
    /// Seconds since 1970 of the last access and the last change.
    pub times: Option<(u32, u32)>,
}

/// What kind of thing a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A file with contents.
    Regular,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, a pipe, a socket.
    Other,
}

impl Attributes {
    /// Only the mode.
    pub fn with_permissions(mode: u32) -> Self {
        Self { permissions: Some(mode), ..Self::default() }
    }

    /// What the mode says it is; a server need not tell.
    pub fn kind(&self) -> Option<FileKind> {
        Some(match self.permissions? & 0o170_000 {
            0 => return None,
            0o100_000 => FileKind::Regular,
            0o040_000 => FileKind::Directory,
            0o120_000 => FileKind::Symlink,
            _ => FileKind::Other,
        })
    }

    /// Whether it is a folder for sure.
    pub fn is_directory(&self) -> bool {
        self.kind() == Some(FileKind::Directory)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let flags = reader.u32()?;
        let mut attributes = Self::default();
        if flags & SIZE != 0 {
            attributes.size = Some(reader.u64()?);
        }
        if flags & UIDGID != 0 {
            attributes.owner = Some((reader.u32()?, reader.u32()?));
        }
        if flags & PERMISSIONS != 0 {
            attributes.permissions = Some(reader.u32()?);
        }
        if flags & ACMODTIME != 0 {
            attributes.times = Some((reader.u32()?, reader.u32()?));
        }
        if flags & EXTENDED != 0 {
            // Nobody has defined any. A count that lies ends with the packet.
            for _ in 0..reader.u32()? {
                reader.string()?;
                reader.string()?;
            }
        }
        Ok(attributes)
    }

    pub(crate) fn write(&self, to: &mut impl Writer) {
        let flag = |is_there: bool, bit| if is_there { bit } else { 0 };
        to.put_u32(
            flag(self.size.is_some(), SIZE)
                | flag(self.owner.is_some(), UIDGID)
                | flag(self.permissions.is_some(), PERMISSIONS)
                | flag(self.times.is_some(), ACMODTIME),
        );
        if let Some(size) = self.size {
            to.put_u64(size);
        }
        if let Some((user, group)) = self.owner {
            to.put_u32(user);
            to.put_u32(group);
        }
        if let Some(permissions) = self.permissions {
            to.put_u32(permissions);
        }
        if let Some((access, change)) = self.times {
            to.put_u32(access);
            to.put_u32(change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let all = Attributes {
            size: Some(1 << 40),
            owner: Some((1, 2)),
            permissions: Some(0o100_644),
            times: Some((3, 4)),
        };
        for attributes in [all, Attributes::default(), Attributes::with_permissions(0o700)] {
            let mut bytes = Vec::new();
            attributes.write(&mut bytes);
            let mut reader = Reader::new(&bytes);
            assert_eq!(Attributes::read(&mut reader), Ok(attributes));
            assert_eq!(reader.finish(), Ok(()));
        }
        assert_eq!(all.kind(), Some(FileKind::Regular));
        assert_eq!(Attributes::with_permissions(0o700).kind(), None);
    }

    #[test]
    fn extended_ones_are_skipped_and_lies_about_their_number_end() {
        let mut bytes = Vec::new();
        bytes.put_u32(EXTENDED);
        bytes.put_u32(1);
        bytes.put_string(b"a");
        bytes.put_string(b"b");
        assert_eq!(Attributes::read(&mut Reader::new(&bytes)), Ok(Attributes::default()));
        bytes[4..8].copy_from_slice(&[0xff; 4]);
        assert_eq!(Attributes::read(&mut Reader::new(&bytes)), Err(Error::Truncated));
    }
}
