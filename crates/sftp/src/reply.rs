//! What a server answers. draft-02 §7.

use std::borrow::Cow;

use wire::{Reader, Writer};

use crate::request::RequestKind as Kind;
use crate::{Attributes, Status, StatusCode};

/// `SSH_FXP_VERSION`. draft-02 §4.
pub(crate) const VERSION: u8 = 2;
pub(crate) const STATUS: u8 = 101;
pub(crate) const HANDLE: u8 = 102;
pub(crate) const DATA: u8 = 103;
pub(crate) const NAME: u8 = 104;
pub(crate) const ATTRS: u8 = 105;
pub(crate) const EXTENDED_REPLY: u8 = 201;

/// Words of a server's that are kept; the rest of them is cut off.
const TEXT_BYTES: usize = 1024;

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<'a> {
    /// It went so; the only answer to some requests, the one to any that fails.
    Status(Status),
    /// To OPEN and OPENDIR: what names the file from now on.
    Handle(&'a [u8]),
    /// To READ: as much as there was, not more than was asked for.
    Data(&'a [u8]),
    /// To READDIR, REALPATH, READLINK and others that have a path for an answer.
    Names(Names<'a>),
    /// To STAT, LSTAT and FSTAT.
    Attributes(Attributes),
    /// To `statvfs@openssh.com` and `fstatvfs@openssh.com`.
    Volume(Volume),
    /// To `limits@openssh.com`.
    Limits(Limits),
    /// To `users-groups-by-id@openssh.com`.
    Accounts {
        /// Names of users, empty where there is none.
        users: Strings<'a>,
        /// Names of groups.
        groups: Strings<'a>,
    },
}

/// About a file system. OpenSSH's PROTOCOL §4.4.
#[expect(missing_docs, reason = "the fields are those of statvfs(3)")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Volume {
    pub f_bsize: u64,
    pub f_frsize: u64,
    pub f_blocks: u64,
    pub f_bfree: u64,
    pub f_bavail: u64,
    pub f_files: u64,
    pub f_ffree: u64,
    pub f_favail: u64,
    pub f_fsid: u64,
    pub f_flag: u64,
    pub f_namemax: u64,
}

impl Volume {
    /// In `f_flag`: nothing can be written.
    pub const READ_ONLY: u64 = 1;
    /// In `f_flag`: programs run without the rights of their files' owners.
    pub const NO_SET_USER_ID: u64 = 2;

    pub(crate) fn write(&self, to: &mut impl Writer) {
        for field in self.fields() {
            to.put_u64(field);
        }
    }

    fn fields(&self) -> [u64; 11] {
        [
            self.f_bsize,
            self.f_frsize,
            self.f_blocks,
            self.f_bfree,
            self.f_bavail,
            self.f_files,
            self.f_ffree,
            self.f_favail,
            self.f_fsid,
            self.f_flag,
            self.f_namemax,
        ]
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, wire::Error> {
        Ok(Self {
            f_bsize: r.u64()?,
            f_frsize: r.u64()?,
            f_blocks: r.u64()?,
            f_bfree: r.u64()?,
            f_bavail: r.u64()?,
            f_files: r.u64()?,
            f_ffree: r.u64()?,
            f_favail: r.u64()?,
            f_fsid: r.u64()?,
            f_flag: r.u64()?,
            f_namemax: r.u64()?,
        })
    }
}

/// What a server takes; 0 for what it does not say. OpenSSH's PROTOCOL §4.8.
#[expect(missing_docs, reason = "the fields are the document's")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    pub max_packet_length: u64,
    pub max_read_length: u64,
    pub max_write_length: u64,
    pub max_open_handles: u64,
}

impl Limits {
    pub(crate) fn write(&self, to: &mut impl Writer) {
        to.put_u64(self.max_packet_length);
        to.put_u64(self.max_read_length);
        to.put_u64(self.max_write_length);
        to.put_u64(self.max_open_handles);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, wire::Error> {
        Ok(Self {
            max_packet_length: r.u64()?,
            max_read_length: r.u64()?,
            max_write_length: r.u64()?,
            max_open_handles: r.u64()?,
        })
    }
}

/// One name of a folder's, or a path. What a server says may hold anything, slashes and `..` too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a> {
    /// The name or path itself.
    pub file_name: &'a [u8],
    /// A line as `ls -l` has it.
    pub long_name: &'a [u8],
    /// As LSTAT has them.
    pub attributes: Attributes,
}

impl<'a> Name<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, wire::Error> {
        Ok(Self {
            file_name: r.string()?,
            long_name: r.string()?,
            attributes: Attributes::read(r)?,
        })
    }
}

/// Names, all checked to be whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names<'a> {
    count: u32,
    bytes: &'a [u8],
}

impl<'a> Names<'a> {
    /// How many.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Name<'a>> + use<'a> {
        let mut reader = Reader::new(self.bytes);
        (0..self.count).map_while(move |_| Name::read(&mut reader).ok())
    }

    /// The only one, as REALPATH and READLINK have it.
    pub fn only(&self) -> Option<&'a [u8]> {
        if self.count == 1 { self.iter().next().map(|name| name.file_name) } else { None }
    }

    fn read(r: &mut Reader<'a>) -> Result<Self, wire::Error> {
        let names = Names { count: r.u32()?, bytes: r.rest() };
        for _ in 0..names.count {
            Name::read(r)?;
        }
        Ok(names)
    }
}

/// Strings one after the other, all checked to be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strings<'a>(&'a [u8]);

impl<'a> Strings<'a> {
    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || reader.string().ok())
    }

    fn read(r: &mut Reader<'a>) -> Result<Self, wire::Error> {
        let bytes = r.string()?;
        let mut inside = Reader::new(bytes);
        while !inside.is_empty() {
            inside.string()?;
        }
        Ok(Self(bytes))
    }
}

/// Why an answer is none.
pub(crate) enum Unfit {
    /// It is malformed.
    Malformed,
    /// It answers another kind of request.
    Unexpected,
}

impl From<wire::Error> for Unfit {
    fn from(_: wire::Error) -> Self {
        Self::Malformed
    }
}

impl<'a> Reply<'a> {
    /// Reads the answer to a request of that kind, from behind the request id.
    pub(crate) fn read(asked: Kind, packet: u8, mut r: Reader<'a>) -> Result<Self, Unfit> {
        let r = &mut r;
        Ok(match (packet, asked) {
            (STATUS, _) => Self::Status(read_status(r)?),
            (HANDLE, Kind::Open | Kind::Opendir) => Self::Handle(r.string()?),
            (DATA, Kind::Read) => Self::Data(r.string()?),
            (
                NAME,
                Kind::Readdir
                | Kind::Realpath
                | Kind::Readlink
                | Kind::ExpandPath
                | Kind::HomeDirectory,
            ) => Self::Names(Names::read(r)?),
            (ATTRS, Kind::Stat | Kind::Lstat | Kind::Fstat) => {
                Self::Attributes(Attributes::read(r)?)
            }
            (EXTENDED_REPLY, Kind::Statvfs | Kind::Fstatvfs) => Self::Volume(Volume::read(r)?),
            (EXTENDED_REPLY, Kind::Limits) => Self::Limits(Limits::read(r)?),
            (EXTENDED_REPLY, Kind::UsersGroupsById) => {
                Self::Accounts { users: Strings::read(r)?, groups: Strings::read(r)? }
            }
            _ => return Err(Unfit::Unexpected),
        })
    }
}

fn read_status(r: &mut Reader<'_>) -> Result<Status, wire::Error> {
    let code = StatusCode::from_number(r.u32()?);
    // Servers of earlier versions have no text; those of a confused kind half of it.
    let text = r.string().unwrap_or_default();
    let text = String::from_utf8_lossy(text.get(..TEXT_BYTES).unwrap_or(text)).into_owned();
    Ok(Status { code, text: if text == code.text() { Cow::Borrowed("") } else { text.into() } })
}
