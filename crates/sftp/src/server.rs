//! The server: requests in, answers out, one after the other.

use wire::{Reader, Writer};

use crate::files::{Files, Refusal};
use crate::handles::{Handles, Open};
use crate::limits::{self, DATA_BYTES, OUTPUT_BYTES, PACKET_BYTES, PATH_BYTES};
use crate::packet::{Begun, Input, Output};
use crate::reply::{self, Limits, Volume};
use crate::request::{self, Request, RequestKind, WireName};
use crate::{Attributes, Error, Status, StatusCode, VERSION};

/// What a server does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Nothing is changed.
    pub read_only: bool,
    denied: u32,
}

impl Policy {
    /// Everything may be done, or everything that changes nothing.
    pub fn new(read_only: bool) -> Self {
        Self { read_only, ..Self::default() }
    }

    /// Refuses requests of this kind.
    pub fn deny(&mut self, kind: RequestKind) {
        self.denied |= 1 << kind as u32;
    }

    fn refuses(self, kind: RequestKind) -> Option<Refusal> {
        if self.read_only && kind.row().writes {
            Some(Refusal::ReadOnly)
        } else if self.denied & (1 << kind as u32) != 0 {
            Some(Refusal::NotPermitted)
        } else {
            None
        }
    }
}

/// The server's end of one conversation.
///
/// Bytes go in through [`Self::room`] and [`Self::received`], [`Self::run`] handles what has arrived whole, and
/// answers come out of [`Self::output`] and [`Self::sent`].
pub struct Server<F: Files> {
    files: F,
    policy: Policy,
    handles: Handles<F::File, F::Directory>,
    initialised: bool,
    input: Input,
    output: Output,
}

impl<F: Files> Server<F> {
    /// Before the first byte.
    pub fn new(files: F, policy: Policy) -> Self {
        let handles = Handles::new(files.handles_max());
        Self {
            files,
            policy,
            handles,
            initialised: false,
            input: Input::new(),
            output: Output::default(),
        }
    }

    /// Where to put bytes that arrive. Not empty when [`Self::run`] has nothing more to do.
    pub fn room(&mut self) -> &mut [u8] {
        self.input.room()
    }

    /// So many bytes were put into the room.
    pub fn received(&mut self, count: usize) {
        self.input.received(count);
    }

    /// What is to be sent now.
    pub fn output(&self) -> &[u8] {
        self.output.waiting()
    }

    /// So many bytes of it have been sent.
    pub fn sent(&mut self, count: usize) {
        self.output.sent(count);
    }

    /// The file system behind it.
    pub fn files(&mut self) -> &mut F {
        &mut self.files
    }

    /// Handles requests until all that arrived are answered, or enough waits to be sent. Says whether there may be
    /// more to do once that is sent.
    ///
    /// # Errors
    /// When the client breaks the rules so that there is no going on; what waits may still be sent.
    pub fn run(&mut self) -> Result<bool, Error> {
        loop {
            if self.output.waiting().len() >= OUTPUT_BYTES {
                return Ok(true);
            }
            let Some(packet) = self.input.next()? else { return Ok(false) };
            let mut answering = Answering {
                files: &mut self.files,
                handles: &mut self.handles,
                output: &mut self.output,
                policy: self.policy,
            };
            answering.packet(packet, &mut self.initialised)?;
        }
    }

    /// The client has gone: closes what it left open. Says whether it went in the middle of a packet.
    pub fn end(&mut self) -> bool {
        for open in self.handles.drain() {
            // There is nobody to tell.
            let _ = match open {
                Open::File(file) => self.files.close(file),
                Open::Directory(directory) => self.files.close_directory(directory),
            };
        }
        self.input.is_inside_packet()
    }
}

/// All of a server but its input, which the packet at hand is borrowed from.
struct Answering<'s, F: Files> {
    files: &'s mut F,
    handles: &'s mut Handles<F::File, F::Directory>,
    output: &'s mut Output,
    policy: Policy,
}

impl<F: Files> Answering<'_, F> {
    fn packet(&mut self, packet: &[u8], initialised: &mut bool) -> Result<(), Error> {
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
                let attributes = files.attributes(path, false)?;
                self.attributes(id, &attributes);
                return Ok(());
            }
            Request::Stat { path } => {
                let attributes = files.attributes(path, true)?;
                self.attributes(id, &attributes);
                return Ok(());
            }
            Request::Fstat { handle } => {
                let attributes = files.file_attributes(file(self.handles, handle)?)?;
                self.attributes(id, &attributes);
                return Ok(());
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
                let path = files.real_path(path)?;
                return self.path(id, &path);
            }
            Request::ExpandPath { path } => {
                let path = files.expand_path(path)?;
                return self.path(id, &path);
            }
            Request::Readlink { path } => {
                let path = files.read_link(path)?;
                return self.path(id, &path);
            }
            Request::HomeDirectory { user } => {
                let path = files.home_directory(user)?;
                return self.path(id, &path);
            }
            Request::Rename { old_path, new_path } => files.rename(old_path, new_path, false),
            Request::PosixRename { old_path, new_path } => files.rename(old_path, new_path, true),
            Request::Symlink { target_path, link_path } => files.symlink(target_path, link_path),
            Request::Hardlink { old_path, new_path } => files.hard_link(old_path, new_path),
            Request::Fsync { handle } => files.sync(file(self.handles, handle)?),
            Request::Statvfs { path } => {
                let volume = files.volume(path)?;
                self.volume(id, &volume);
                return Ok(());
            }
            Request::Fstatvfs { handle } => {
                let volume = files.file_volume(file(self.handles, handle)?)?;
                self.volume(id, &volume);
                return Ok(());
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

    fn open(
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

    fn begin(&mut self, kind: u8, id: u32) -> Begun {
        let begun = self.output.begin(kind);
        self.output.put_u32(id);
        begun
    }

    fn status(&mut self, id: u32, status: &Status) {
        self.files.answered(status.code);
        let begun = self.begin(reply::STATUS, id);
        self.output.put_u32(status.code.number());
        self.output.put_string(status.message().as_bytes());
        // The language, which nobody says.
        self.output.put_string(b"");
        self.output.finish(begun);
    }

    fn attributes(&mut self, id: u32, attributes: &Attributes) {
        let begun = self.begin(reply::ATTRS, id);
        attributes.write(self.output);
        self.output.finish(begun);
    }

    /// A name alone, without attributes. draft-02 §6.11.
    fn path(&mut self, id: u32, path: &[u8]) -> Result<(), Status> {
        if path.len() > PATH_BYTES {
            return Err(StatusCode::Failure.into());
        }
        let begun = self.begin(reply::NAME, id);
        self.output.put_u32(1);
        self.output.put_string(path);
        self.output.put_string(path);
        Attributes::default().write(self.output);
        self.output.finish(begun);
        Ok(())
    }

    fn volume(&mut self, id: u32, volume: &Volume) {
        let begun = self.begin(reply::EXTENDED_REPLY, id);
        volume.write(self.output);
        self.output.finish(begun);
    }

    fn limits(&mut self, id: u32) {
        let limits = Limits {
            max_packet_length: PACKET_BYTES as u64,
            max_read_length: DATA_BYTES as u64,
            max_write_length: DATA_BYTES as u64,
            max_open_handles: self.handles.max() as u64,
        };
        let begun = self.begin(reply::EXTENDED_REPLY, id);
        limits.write(self.output);
        self.output.finish(begun);
    }

    fn account_names(
        &mut self,
        id: u32,
        users: request::Numbers<'_>,
        groups: request::Numbers<'_>,
    ) -> Result<(), Status> {
        let mut names = AccountNames::default();
        self.files.account_names(users, groups, &mut names)?;
        let AccountNames { users, groups } = names;
        if users.len() + groups.len() > DATA_BYTES {
            return Err(StatusCode::Failure.into());
        }
        let begun = self.begin(reply::EXTENDED_REPLY, id);
        self.output.put_string(&users);
        self.output.put_string(&groups);
        self.output.finish(begun);
        Ok(())
    }
}

fn file<'h, F, D>(handles: &'h mut Handles<F, D>, handle: &[u8]) -> Result<&'h mut F, Status> {
    handles.file(handle).ok_or_else(|| StatusCode::Failure.into())
}

/// No system takes these paths.
fn is_sound(request: &Request<'_>) -> bool {
    let good = |path: &[u8]| path.len() <= PATH_BYTES && !path.contains(&0);
    match request {
        Request::Open { path, .. }
        | Request::Lstat { path }
        | Request::Setstat { path, .. }
        | Request::Opendir { path }
        | Request::Remove { path }
        | Request::Mkdir { path, .. }
        | Request::Rmdir { path }
        | Request::Realpath { path }
        | Request::Stat { path }
        | Request::Readlink { path }
        | Request::Statvfs { path }
        | Request::Lsetstat { path, .. }
        | Request::ExpandPath { path }
        | Request::HomeDirectory { user: path } => good(path),
        Request::Rename { old_path, new_path }
        | Request::PosixRename { old_path, new_path }
        | Request::Hardlink { old_path, new_path }
        | Request::Symlink { target_path: old_path, link_path: new_path } => {
            good(old_path) && good(new_path)
        }
        _ => true,
    }
}

/// Where a folder's names go, straight into the packet.
pub struct Entries<'s> {
    output: &'s mut Output,
    begun: &'s Begun,
    count: u32,
}

impl Entries<'_> {
    /// Whether there is room for another name.
    pub fn has_room(&self) -> bool {
        // The longest name that a file system has is 255 bytes; its line has owners before it.
        (self.count as usize) < limits::NAMES
            && self.output.length(self.begun) + 3 * PATH_BYTES < PACKET_BYTES
    }

    /// Adds a name. `long_name` is a line as `ls -l` has it.
    pub fn add(&mut self, file_name: &[u8], long_name: &[u8], attributes: &Attributes) {
        if file_name.len() > PATH_BYTES || long_name.len() > PATH_BYTES {
            return;
        }
        self.output.put_string(file_name);
        self.output.put_string(long_name);
        attributes.write(self.output);
        self.count += 1;
    }
}

/// Where names of users and groups go.
#[derive(Default)]
pub struct AccountNames {
    users: Vec<u8>,
    groups: Vec<u8>,
}

impl AccountNames {
    /// The next user's name, empty when there is none.
    pub fn add_user(&mut self, name: &[u8]) {
        self.users.put_string(name);
    }

    /// The next group's name, empty when there is none.
    pub fn add_group(&mut self, name: &[u8]) {
        self.groups.put_string(name);
    }
}
