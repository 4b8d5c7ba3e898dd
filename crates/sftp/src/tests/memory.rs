//! A file system in memory, for tests: no folders but one, no rights.

use std::collections::BTreeMap;

use crate::{
    AccountNames, Attributes, Entries, Files, Numbers, OpenFlags, Refusal, RequestKind, Status,
    StatusCode, Volume,
};

#[derive(Default)]
pub(super) struct Memory {
    pub(super) files: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) refused: Vec<(RequestKind, Refusal)>,
    pub(super) closed: usize,
    pub(super) handles_max: usize,
}

type Answer<T> = Result<T, Status>;

impl Memory {
    fn get(&mut self, path: &[u8]) -> Answer<&mut Vec<u8>> {
        self.files.get_mut(path).ok_or_else(|| StatusCode::NoSuchFile.into())
    }
}

impl Files for Memory {
    type File = Vec<u8>;
    type Directory = Vec<Vec<u8>>;

    fn open(&mut self, path: &[u8], flags: OpenFlags, _: Option<u32>) -> Answer<Vec<u8>> {
        if flags.create {
            self.files.entry(path.to_vec()).or_default();
        }
        self.get(path)?;
        Ok(path.to_vec())
    }

    fn read(&mut self, file: &mut Vec<u8>, offset: u64, room: &mut [u8]) -> Answer<usize> {
        let data = self.get(file)?;
        let rest = data.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(room.len());
        room[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write(&mut self, file: &mut Vec<u8>, offset: u64, data: &[u8]) -> Answer<()> {
        let contents = self.get(file)?;
        let end = offset as usize + data.len();
        contents.resize(contents.len().max(end), 0);
        contents[offset as usize..end].copy_from_slice(data);
        Ok(())
    }

    fn sync(&mut self, _: &mut Vec<u8>) -> Answer<()> {
        Ok(())
    }

    fn close(&mut self, _: Vec<u8>) -> Answer<()> {
        self.closed += 1;
        Ok(())
    }

    fn copy(
        &mut self,
        (source, from): (&mut Vec<u8>, u64),
        length: u64,
        (target, to): (&mut Vec<u8>, u64),
    ) -> Answer<()> {
        let data = self.get(source)?.get(from as usize..).unwrap_or_default().to_vec();
        let length = if length == 0 { data.len() } else { (length as usize).min(data.len()) };
        self.write(target, to, &data[..length])
    }

    fn attributes(&mut self, path: &[u8], _: bool) -> Answer<Attributes> {
        let size = self.get(path)?.len() as u64;
        Ok(Attributes { size: Some(size), ..Attributes::default() })
    }

    fn file_attributes(&mut self, file: &mut Vec<u8>) -> Answer<Attributes> {
        let path = file.clone();
        self.attributes(&path, true)
    }

    fn set_attributes(&mut self, path: &[u8], attributes: &Attributes, _: bool) -> Answer<()> {
        let size = attributes.size.ok_or(StatusCode::OpUnsupported)?;
        self.get(path)?.truncate(size as usize);
        Ok(())
    }

    fn set_file_attributes(&mut self, file: &mut Vec<u8>, to: &Attributes) -> Answer<()> {
        let path = file.clone();
        self.set_attributes(&path, to, true)
    }

    fn open_directory(&mut self, _: &[u8]) -> Answer<Vec<Vec<u8>>> {
        Ok(self.files.keys().cloned().collect())
    }

    fn read_directory(
        &mut self,
        directory: &mut Vec<Vec<u8>>,
        entries: &mut Entries<'_>,
    ) -> Answer<()> {
        while entries.has_room() {
            let Some(name) = directory.pop() else { break };
            entries.add(&name, b"-", &Attributes::default());
        }
        Ok(())
    }

    fn close_directory(&mut self, _: Vec<Vec<u8>>) -> Answer<()> {
        self.closed += 1;
        Ok(())
    }

    fn remove(&mut self, path: &[u8]) -> Answer<()> {
        self.files.remove(path).map(drop).ok_or_else(|| StatusCode::NoSuchFile.into())
    }

    fn make_directory(&mut self, _: &[u8], _: Option<u32>) -> Answer<()> {
        Err(Status::with_text(StatusCode::Failure, "No space left on device"))
    }

    fn remove_directory(&mut self, _: &[u8]) -> Answer<()> {
        Err(StatusCode::PermissionDenied.into())
    }

    fn real_path(&mut self, path: &[u8]) -> Answer<Vec<u8>> {
        Ok([b"/", path].concat())
    }

    fn expand_path(&mut self, path: &[u8]) -> Answer<Vec<u8>> {
        self.real_path(path)
    }

    fn rename(&mut self, old: &[u8], new: &[u8], replace: bool) -> Answer<()> {
        if !replace && self.files.contains_key(new) {
            return Err(StatusCode::Failure.into());
        }
        let data = self.files.remove(old).ok_or(StatusCode::NoSuchFile)?;
        self.files.insert(new.to_vec(), data);
        Ok(())
    }

    fn read_link(&mut self, path: &[u8]) -> Answer<Vec<u8>> {
        self.get(path).cloned()
    }

    fn symlink(&mut self, target: &[u8], link: &[u8]) -> Answer<()> {
        self.files.insert(link.to_vec(), target.to_vec());
        Ok(())
    }

    fn hard_link(&mut self, old: &[u8], new: &[u8]) -> Answer<()> {
        let data = self.get(old)?.clone();
        self.files.insert(new.to_vec(), data);
        Ok(())
    }

    fn volume(&mut self, _: &[u8]) -> Answer<Volume> {
        Ok(Volume { f_bsize: 4096, f_namemax: 255, ..Volume::default() })
    }

    fn file_volume(&mut self, _: &mut Vec<u8>) -> Answer<Volume> {
        self.volume(b"")
    }

    fn home_directory(&mut self, user: &[u8]) -> Answer<Vec<u8>> {
        Ok([b"/home/", user].concat())
    }

    fn account_names(
        &mut self,
        users: Numbers<'_>,
        groups: Numbers<'_>,
        names: &mut AccountNames,
    ) -> Answer<()> {
        for number in users.iter() {
            names.add_user(if number == 0 { b"root" } else { b"" });
        }
        for number in groups.iter() {
            names.add_group(number.to_string().as_bytes());
        }
        Ok(())
    }

    fn handles_max(&self) -> usize {
        self.handles_max
    }

    fn refused(&mut self, request: RequestKind, why: Refusal) {
        self.refused.push((request, why));
    }
}
