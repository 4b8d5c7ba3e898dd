//! The replies that are not data. draft-02 §7.

use wire::Writer;

use super::Answering;
use crate::files::Files;
use crate::limits::{self, DATA_BYTES, PACKET_BYTES, PATH_BYTES};
use crate::packet::{Begun, Output};
use crate::reply::{self, Limits, Volume};
use crate::request;
use crate::{Attributes, Status, StatusCode};

impl<F: Files> Answering<'_, F> {
    pub(super) fn begin(&mut self, kind: u8, id: u32) -> Begun {
        let begun = self.output.begin(kind);
        self.output.put_u32(id);
        begun
    }

    pub(super) fn status(&mut self, id: u32, status: &Status) {
        self.files.answered(status.code);
        let begun = self.begin(reply::STATUS, id);
        self.output.put_u32(status.code.number());
        self.output.put_string(status.message().as_bytes());
        // The language, which nobody says.
        self.output.put_string(b"");
        self.output.finish(begun);
    }

    pub(super) fn attributes(
        &mut self,
        id: u32,
        attributes: Result<Attributes, Status>,
    ) -> Result<(), Status> {
        let attributes = attributes?;
        let begun = self.begin(reply::ATTRS, id);
        attributes.write(self.output);
        self.output.finish(begun);
        Ok(())
    }

    /// A name alone, without attributes. draft-02 §6.11.
    pub(super) fn path(&mut self, id: u32, path: Result<Vec<u8>, Status>) -> Result<(), Status> {
        let path = path?;
        if path.len() > PATH_BYTES {
            return Err(StatusCode::Failure.into());
        }
        let begun = self.begin(reply::NAME, id);
        self.output.put_u32(1);
        self.output.put_string(&path);
        self.output.put_string(&path);
        Attributes::default().write(self.output);
        self.output.finish(begun);
        Ok(())
    }

    pub(super) fn volume(&mut self, id: u32, volume: Result<Volume, Status>) -> Result<(), Status> {
        let volume = volume?;
        let begun = self.begin(reply::EXTENDED_REPLY, id);
        volume.write(self.output);
        self.output.finish(begun);
        Ok(())
    }

    pub(super) fn limits(&mut self, id: u32) {
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

    pub(super) fn account_names(
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

/// Where a folder's names go, straight into the packet.
pub struct Entries<'s> {
    pub(super) output: &'s mut Output,
    pub(super) begun: &'s Begun,
    pub(super) count: u32,
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
