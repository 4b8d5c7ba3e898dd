//! What a server needs of the file system behind it.

#![expect(clippy::missing_errors_doc, reason = "all fail alike: with what the client is told")]

use crate::reply::Volume;
use crate::request::{Numbers, OpenFlags, RequestKind};
use crate::server::{AccountNames, Entries};
use crate::{Attributes, Status, StatusCode};

/// Why a request was refused before the file system was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The server changes nothing.
    ReadOnly,
    /// The request is one of those that are denied, or not one of those that are allowed.
    NotPermitted,
}

/// A file system.
///
/// Paths are as the client sent them: of any bytes but NUL and perhaps empty or relative. An error is what the
/// client is told. What is opened here is closed when it is dropped, too, which happens to whatever a client
/// leaves open.
pub trait Files {
    /// An open file.
    type File;
    /// An open folder.
    type Directory;

    /// Opens a file; `mode` is that of a new one.
    fn open(
        &mut self,
        path: &[u8],
        flags: OpenFlags,
        mode: Option<u32>,
    ) -> Result<Self::File, Status>;

    /// Reads from a place in a file into `room`, which is not empty; 0 is the end of the file.
    fn read(
        &mut self,
        file: &mut Self::File,
        offset: u64,
        room: &mut [u8],
    ) -> Result<usize, Status>;

    /// Writes all of `data` to a place in a file, or to the end of one opened so.
    fn write(&mut self, file: &mut Self::File, offset: u64, data: &[u8]) -> Result<(), Status>;

    /// Waits until the file is on the disk.
    fn sync(&mut self, file: &mut Self::File) -> Result<(), Status>;

    /// Closes a file.
    fn close(&mut self, file: Self::File) -> Result<(), Status>;

    /// Copies from one file to another; `length` 0 means up to the end.
    fn copy(
        &mut self,
        source: (&mut Self::File, u64),
        length: u64,
        target: (&mut Self::File, u64),
    ) -> Result<(), Status>;

    /// Attributes of a path, of the link itself unless `follow`.
    fn attributes(&mut self, path: &[u8], follow: bool) -> Result<Attributes, Status>;

    /// Attributes of an open file.
    fn file_attributes(&mut self, file: &mut Self::File) -> Result<Attributes, Status>;

    /// Sets those that are there, of the link itself unless `follow`.
    fn set_attributes(
        &mut self,
        path: &[u8],
        attributes: &Attributes,
        follow: bool,
    ) -> Result<(), Status>;

    /// Sets those that are there of an open file.
    fn set_file_attributes(
        &mut self,
        file: &mut Self::File,
        attributes: &Attributes,
    ) -> Result<(), Status>;

    /// Opens a folder.
    fn open_directory(&mut self, path: &[u8]) -> Result<Self::Directory, Status>;

    /// Adds what comes next in the folder, as long as there is room; nothing at the end.
    fn read_directory(
        &mut self,
        directory: &mut Self::Directory,
        entries: &mut Entries<'_>,
    ) -> Result<(), Status>;

    /// Closes a folder.
    fn close_directory(&mut self, directory: Self::Directory) -> Result<(), Status>;

    /// Removes a file or a link.
    fn remove(&mut self, path: &[u8]) -> Result<(), Status>;

    /// Makes a folder.
    fn make_directory(&mut self, path: &[u8], mode: Option<u32>) -> Result<(), Status>;

    /// Removes an empty folder.
    fn remove_directory(&mut self, path: &[u8]) -> Result<(), Status>;

    /// The path, absolute and without links; its last part need not exist.
    fn real_path(&mut self, path: &[u8]) -> Result<Vec<u8>, Status>;

    /// The same of a path that may begin with `~` or `~user`.
    fn expand_path(&mut self, path: &[u8]) -> Result<Vec<u8>, Status>;

    /// Renames; without `replace` only to a name that nothing has.
    fn rename(&mut self, old: &[u8], new: &[u8], replace: bool) -> Result<(), Status>;

    /// Where a link leads.
    fn read_link(&mut self, path: &[u8]) -> Result<Vec<u8>, Status>;

    /// Makes a symbolic link at `link` that leads to `target`.
    fn symlink(&mut self, target: &[u8], link: &[u8]) -> Result<(), Status>;

    /// Gives a file a second name.
    fn hard_link(&mut self, old: &[u8], new: &[u8]) -> Result<(), Status>;

    /// About the file system that a path is in.
    fn volume(&mut self, path: &[u8]) -> Result<Volume, Status>;

    /// About the file system that an open file is in.
    fn file_volume(&mut self, file: &mut Self::File) -> Result<Volume, Status>;

    /// A user's home folder; one's own for an empty name.
    fn home_directory(&mut self, user: &[u8]) -> Result<Vec<u8>, Status>;

    /// Names of users and groups, in the order of the numbers.
    fn account_names(
        &mut self,
        users: Numbers<'_>,
        groups: Numbers<'_>,
        names: &mut AccountNames,
    ) -> Result<(), Status>;

    /// How many handles may be open at once.
    fn handles_max(&self) -> usize {
        crate::limits::HANDLES
    }

    /// A request was refused before it came here; for a log.
    fn refused(&mut self, _request: RequestKind, _why: Refusal) {}

    /// A request got this answer; for a log.
    fn answered(&mut self, _code: StatusCode) {}
}
