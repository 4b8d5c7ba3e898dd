//! One request answered from the files, in a reply that is built in place.

mod replies;

use wire::{Reader, Writer};

pub(super) use super::{Answering, is_sound};

pub use self::replies::{AccountNames, Entries};
use crate::files::{Files, Refusal};
use crate::handles::{Handles, Open};
use crate::limits::DATA_BYTES;
use crate::reply::{self};
use crate::request::{self, Request, RequestKind, WireName};
use crate::{Error, Status, StatusCode, VERSION};

impl<F: Files> Answering<'_, F> {
    pub(super) fn packet(&mut self, packet: &[u8], initialised: &mut bool) -> Result<(), Error> {
        let mut reader = Reader::new(packet);
        let kind = reader.u8().map_err(|_| Error::PacketLength(0))?;
        if !*initialised {
            if kind != request::INIT {
                return Err(Error::NotInitialised(kind));
            }
            // A client of a later version takes ours, draft-02 §4; one of an earlier is on its own.
            reader.u32().map_err(|_| Error::Malformed(kind))?;
            *initialised = true;
            self.version();
            return Ok(());
        }
        if kind == request::INIT {
            return Err(Error::InitialisedAgain);
        }
        // Without an id there is nothing to answer to.
        let id = reader.u32().map_err(|_| Error::Malformed(kind))?;
        let known = if kind == request::EXTENDED {
            let Ok(name) = reader.string() else {
                self.status(id, &StatusCode::BadMessage.into());
                return Ok(());
            };
            RequestKind::from_extension(name)
        } else {
            RequestKind::from_number(kind)
        };
        let Some(known) = known else {
            self.status(id, &StatusCode::OpUnsupported.into());
            return Ok(());
        };
        let Some(request) = Request::read(known, reader).filter(is_sound) else {
            self.status(id, &StatusCode::BadMessage.into());
            return Ok(());
        };
        let opens_to_change =
            matches!(request, Request::Open { flags, .. } if flags.changes_anything());
        let refused = if opens_to_change && self.policy.read_only {
            Some(Refusal::ReadOnly)
        } else {
            self.policy.refuses(known)
        };
        if let Some(why) = refused {
            self.files.refused(known, why);
            self.status(id, &StatusCode::PermissionDenied.into());
            return Ok(());
        }
        if let Err(status) = self.answer(id, request) {
            self.status(id, &status);
        }
        Ok(())
    }

    fn version(&mut self) {
        let begun = self.output.begin(reply::VERSION);
        self.output.put_u32(VERSION);
        for row in request::REQUESTS {
            if let WireName::Extension(name, version) = row.wire
                && self.policy.refuses(row.kind).is_none()
            {
                self.output.put_string(name.as_bytes());
                self.output.put_string(version.as_bytes());
            }
        }
        self.output.finish(begun);
    }

    /// Answers with a result, unless there is none.
    fn answer(&mut self, id: u32, request: Request<'_>) -> Result<(), Status> {
        let files = &mut *self.files;
        let done = match request {
            Request::Open { path, flags, attributes } => {
                let open = |files: &mut F| files.open(path, flags, attributes.permissions);
                return self.open(id, |files| open(files).map(Open::File));
            }
            Request::Opendir { path } => {
                return self.open(id, |files| files.open_directory(path).map(Open::Directory));
            }
            Request::Read { handle, offset, length } => {
                return self.read(id, handle, offset, length);
            }
            Request::Readdir { handle } => return self.read_directory(id, handle),
            Request::Write { handle, offset, data } => {
                files.write(file(self.handles, handle)?, offset, data)
            }
            Request::Close { handle } => match self.handles.remove(handle) {
                Some(Open::File(file)) => files.close(file),
                Some(Open::Directory(directory)) => files.close_directory(directory),
                None => Err(StatusCode::NoSuchFile.into()),
            },
            Request::Lstat { path } => {
                let attributes = files.attributes(path, false);
                return self.attributes(id, attributes);
            }
            Request::Stat { path } => {
                let attributes = files.attributes(path, true);
                return self.attributes(id, attributes);
            }
            Request::Fstat { handle } => {
                let attributes = files.file_attributes(file(self.handles, handle)?);
                return self.attributes(id, attributes);
            }
            Request::Setstat { path, attributes } => files.set_attributes(path, &attributes, true),
            Request::Lsetstat { path, attributes } => {
                files.set_attributes(path, &attributes, false)
            }
            Request::Fsetstat { handle, attributes } => {
                files.set_file_attributes(file(self.handles, handle)?, &attributes)
            }
            Request::Remove { path } => files.remove(path),
            Request::Mkdir { path, attributes } => {
                files.make_directory(path, attributes.permissions)
            }
            Request::Rmdir { path } => files.remove_directory(path),
            Request::Realpath { path } => {
                let path = files.real_path(path);
                return self.path(id, path);
            }
            Request::ExpandPath { path } => {
                let path = files.expand_path(path);
                return self.path(id, path);
            }
            Request::Readlink { path } => {
                let path = files.read_link(path);
                return self.path(id, path);
            }
            Request::HomeDirectory { user } => {
                let path = files.home_directory(user);
                return self.path(id, path);
            }
            Request::Rename { old_path, new_path } => files.rename(old_path, new_path, false),
            Request::PosixRename { old_path, new_path } => files.rename(old_path, new_path, true),
            Request::Symlink { target_path, link_path } => files.symlink(target_path, link_path),
            Request::Hardlink { old_path, new_path } => files.hard_link(old_path, new_path),
            Request::Fsync { handle } => files.sync(file(self.handles, handle)?),
            Request::Statvfs { path } => {
                let volume = files.volume(path);
                return self.volume(id, volume);
            }
            Request::Fstatvfs { handle } => {
                let volume = files.file_volume(file(self.handles, handle)?);
                return self.volume(id, volume);
            }
            Request::Limits => {
                self.limits(id);
                return Ok(());
            }
            Request::CopyData {
                read_from_handle,
                read_from_offset,
                read_data_length,
                write_to_handle,
                write_to_offset,
            } => {
                let both = self.handles.files(read_from_handle, write_to_handle);
                let (source, target) = both.ok_or(StatusCode::Failure)?;
                files.copy((source, read_from_offset), read_data_length, (target, write_to_offset))
            }
            Request::UsersGroupsById { users, groups } => {
                return self.account_names(id, users, groups);
            }
        };
        done?;
        self.status(id, &StatusCode::Ok.into());
        Ok(())
    }

    pub(super) fn open(
        &mut self,
        id: u32,
        open: impl FnOnce(&mut F) -> Result<Open<F::File, F::Directory>, Status>,
    ) -> Result<(), Status> {
        if self.handles.is_full() {
            return Err(Status::with_text(StatusCode::Failure, "Too many open handles"));
        }
        let opened = open(self.files)?;
        let handle = self.handles.insert(opened);
        let begun = self.begin(reply::HANDLE, id);
        self.output.put_string(&handle);
        self.output.finish(begun);
        Ok(())
    }

    /// Reads straight into the packet.
    fn read(&mut self, id: u32, handle: &[u8], offset: u64, length: u32) -> Result<(), Status> {
        let file = file(self.handles, handle)?;
        let begun = self.output.begin(reply::DATA);
        self.output.put_u32(id);
        let place = self.output.place_u32();
        let room = self.output.room((length as usize).min(DATA_BYTES));
        let count = if room.is_empty() { Ok(0) } else { self.files.read(file, offset, room) };
        let failed = match count {
            Ok(0) if length > 0 => StatusCode::Eof.into(),
            Ok(count) => {
                self.output.filled(count);
                self.output.set_u32(place, count as u32);
                self.output.finish(begun);
                return Ok(());
            }
            Err(status) => status,
        };
        self.output.cancel(begun);
        Err(failed)
    }

    fn read_directory(&mut self, id: u32, handle: &[u8]) -> Result<(), Status> {
        let directory = self.handles.directory(handle).ok_or(StatusCode::Failure)?;
        let begun = self.output.begin(reply::NAME);
        self.output.put_u32(id);
        let place = self.output.place_u32();
        let mut entries = Entries { output: self.output, begun: &begun, count: 0 };
        let read = self.files.read_directory(directory, &mut entries);
        let count = entries.count;
        match read {
            Ok(()) if count > 0 => {
                self.output.set_u32(place, count);
                self.output.finish(begun);
                Ok(())
            }
            Ok(()) => {
                self.output.cancel(begun);
                Err(StatusCode::Eof.into())
            }
            Err(status) => {
                self.output.cancel(begun);
                Err(status)
            }
        }
    }
}

pub(super) fn file<'h, F, D>(
    handles: &'h mut Handles<F, D>,
    handle: &[u8],
) -> Result<&'h mut F, Status> {
    handles.file(handle).ok_or_else(|| StatusCode::Failure.into())
}
