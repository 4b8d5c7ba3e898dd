//! Unpacks an archive that may be hostile into a folder.
//!
//! Nothing outside the folder is ever touched: every entry's place is reached folder by folder
//! without following links, whatever the archive put there before.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use tar::{Archive, Entry, EntryType};

use super::compression::Metered;

/// Entries of one archive; a full desktop has a quarter of this.
const ENTRIES_MAX: u64 = 2_000_000;
/// Bytes of all files of an image, unpacked.
pub(super) const BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;
/// What describes an entry: long names and attributes, which are kept in memory.
pub(super) const DESCRIPTION_MAX: u64 = 1024 * 1024;
/// Ids that a server has; what is beyond them could not be mapped.
const ID_MAX: u64 = 65_535;
/// The beginning of a file name that says that a lower layer's file is gone.
const WHITEOUT: &[u8] = b".wh.";
/// Says that a lower layer's folder shows nothing of below.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Unpacks into a folder, layer upon layer.
pub(super) struct Unpacker {
    root: OwnedFd,
    /// Whether owners can be set.
    owners: bool,
    left: u64,
    entries: u64,
}

impl Unpacker {
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(Self {
            root: rustix::fs::open(path, flags, Mode::empty())?,
            owners: rustix::process::geteuid().is_root(),
            left: BYTES_MAX,
            entries: 0,
        })
    }

    /// Bytes of files so far.
    pub(super) fn written(&self) -> u64 {
        BYTES_MAX - self.left
    }

    /// Unpacks a tar archive. `layer`: it is one of several, and whiteouts mean something.
    pub(super) fn unpack(&mut self, archive: impl Read, layer: bool) -> io::Result<()> {
        let (metered, allowance) = Metered::new(archive);
        let mut archive = Archive::new(metered);
        // Folders get their modes last: one that may not be written to has files in it, too.
        let mut folders: HashMap<PathBuf, u32> = HashMap::new();
        let mut entries = archive.entries()?;
        loop {
            allowance.set(DESCRIPTION_MAX);
            let Some(entry) = entries.next() else { break };
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                return Err(refused("it has too many entries"));
            }
            let mut entry = entry?;
            allowance.set(entry.size().saturating_add(DESCRIPTION_MAX));
            self.entry(&mut entry, layer, &mut folders)?;
        }
        self.set_modes(folders)
    }

    fn entry(
        &mut self,
        entry: &mut Entry<'_, impl Read>,
        layer: bool,
        folders: &mut HashMap<PathBuf, u32>,
    ) -> io::Result<()> {
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader) {
            return Ok(());
        }
        let path = clean(&entry.path()?)?;
        let Some(name) = path.file_name() else { return Ok(()) };
        let parent = self.parent(&path)?;
        if layer && name.as_bytes().starts_with(WHITEOUT) {
            return Self::white_out(&parent, &path, name.as_bytes());
        }
        let mode = entry.header().mode()? & 0o7777;
        let owner = (id(entry.header().uid()?)?, id(entry.header().gid()?)?);
        match kind {
            EntryType::Directory => {
                Self::folder(&parent, name)?;
                self.own(&parent, name, owner)?;
                folders.insert(path, mode);
                Ok(())
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.file(entry, &parent, name, owner, mode)
            }
            EntryType::Symlink => {
                // Where it points to only matters inside servers, which resolve it in their own
                // root; nothing here ever follows it.
                let target = entry.link_name()?.ok_or_else(|| refused("a link has no target"))?;
                Self::clear(&parent, name)?;
                rustix::fs::symlinkat(target.as_ref(), &parent, name)?;
                self.own(&parent, name, owner)
            }
            EntryType::Link => {
                let target = entry.link_name()?.ok_or_else(|| refused("a link has no target"))?;
                self.hard_link(&clean(&target)?, &parent, &path, name)
            }
            // Servers get a /dev and a /run of their own, so what is there is of no use.
            EntryType::Block | EntryType::Char | EntryType::Fifo
                if path.starts_with("dev") || path.starts_with("run") =>
            {
                Ok(())
            }
            EntryType::Block | EntryType::Char | EntryType::Fifo => {
                Err(refused(&format!("{} is a device", path.display())))
            }
            _ => Err(refused(&format!("{} is of an unknown kind", path.display()))),
        }
    }

    fn file(
        &mut self,
        entry: &mut Entry<'_, impl Read>,
        parent: &OwnedFd,
        name: &OsStr,
        owner: (u32, u32),
        mode: u32,
    ) -> io::Result<()> {
        let size = entry.size();
        self.left = self.left.checked_sub(size).ok_or_else(|| refused("it is too large"))?;
        Self::clear(parent, name)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o600))?;
        let mut file = File::from(file);
        io::copy(&mut Read::take(&mut *entry, size), &mut file)?;
        if self.owners {
            let (uid, gid) = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
            rustix::fs::fchown(&file, Some(uid), Some(gid))?;
        }
        // After the owner, whose change takes the set-id bits away.
        Ok(rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?)
    }

    fn hard_link(
        &self,
        target: &Path,
        parent: &OwnedFd,
        path: &Path,
        name: &OsStr,
    ) -> io::Result<()> {
        let from = self.parent(target)?;
        let target = target.file_name().ok_or_else(|| refused("a link points to the root"))?;
        Self::clear(parent, name)?;
        rustix::fs::linkat(&from, target, parent, name, AtFlags::empty())
            .map_err(|error| refused(&format!("a hard link ({}): {error}", path.display())))
    }

    fn set_modes(&self, folders: HashMap<PathBuf, u32>) -> io::Result<()> {
        for (path, mode) in folders {
            let parent = self.parent(&path)?;
            let Some(name) = path.file_name() else { continue };
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            // A later entry may have put something else there.
            if let Ok(folder) = rustix::fs::openat(&parent, name, flags, Mode::empty()) {
                rustix::fs::fchmod(&folder, Mode::from_raw_mode(mode))?;
            }
        }
        Ok(())
    }

    /// Opens the folder that a path's last part is in, making what is missing on the way. Links
    /// on the way are refused, not followed.
    fn parent(&self, path: &Path) -> io::Result<OwnedFd> {
        let mut folder = rustix::io::fcntl_dupfd_cloexec(&self.root, 0)?;
        for part in path.parent().into_iter().flat_map(Path::components) {
            let Component::Normal(name) = part else { continue };
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            match rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            folder = rustix::fs::openat(&folder, name, flags, Mode::empty()).map_err(|_| {
                refused(&format!("{} goes through a link or a file", path.display()))
            })?;
        }
        Ok(folder)
    }

    fn folder(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
        match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
            Err(rustix::io::Errno::EXIST) => {}
            other => return Ok(other?),
        }
        let there = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if rustix::fs::FileType::from_raw_mode(there.st_mode).is_dir() {
            return Ok(());
        }
        // A merged /bin is a link that a later layer's folder means to go through, which Docker
        // does not do either.
        Self::clear(parent, name)?;
        Ok(rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))?)
    }

    /// Makes room for an entry: a later one replaces an earlier one.
    fn clear(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
        match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(rustix::io::Errno::ISDIR | rustix::io::Errno::PERM) => remove_folder(parent, name),
            Err(error) => Err(error.into()),
        }
    }

    fn own(&self, parent: &OwnedFd, name: &OsStr, owner: (u32, u32)) -> io::Result<()> {
        if self.owners {
            rustix::fs::chownat(
                parent,
                name,
                Some(Uid::from_raw(owner.0)),
                Some(Gid::from_raw(owner.1)),
                AtFlags::SYMLINK_NOFOLLOW,
            )?;
        }
        Ok(())
    }

    fn white_out(parent: &OwnedFd, path: &Path, name: &[u8]) -> io::Result<()> {
        if name == OPAQUE {
            for entry in rustix::fs::Dir::read_from(parent)? {
                let entry = entry?;
                let name = entry.file_name().to_bytes();
                if name != b"." && name != b".." {
                    Self::clear(parent, OsStr::from_bytes(name))?;
                }
            }
            return Ok(());
        }
        match name.get(WHITEOUT.len()..) {
            Some(gone) if !gone.is_empty() && gone != b"." && gone != b".." => {
                Self::clear(parent, OsStr::from_bytes(gone))
            }
            _ => Err(refused(&format!("{} is no whiteout", path.display()))),
        }
    }
}

/// Removes a folder with all in it, through descriptors only.
fn remove_folder(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let folder = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    for entry in rustix::fs::Dir::read_from(&folder)? {
        let entry = entry?;
        let inner = entry.file_name().to_bytes();
        if inner == b"." || inner == b".." {
            continue;
        }
        let inner = OsStr::from_bytes(inner);
        match rustix::fs::unlinkat(&folder, inner, AtFlags::empty()) {
            Ok(()) => {}
            Err(rustix::io::Errno::ISDIR | rustix::io::Errno::PERM) => {
                remove_folder(&folder, inner)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

/// The path of an entry, from the root: absolute paths and those that climb are refused.
fn clean(path: &Path) -> io::Result<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            Component::RootDir => {
                return Err(refused(&format!("{} is an absolute path", path.display())));
            }
            Component::ParentDir | Component::Prefix(_) => {
                return Err(refused(&format!("{} leaves the archive", path.display())));
            }
        }
    }
    if clean.as_os_str().len() > 4096 || clean.components().count() > 256 {
        return Err(refused("a path is too long"));
    }
    Ok(clean)
}

fn id(number: u64) -> io::Result<u32> {
    match u32::try_from(number) {
        Ok(id) if number <= ID_MAX => Ok(id),
        _ => Err(refused(&format!("an owner has the id {number}, which servers do not have"))),
    }
}

pub(super) fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the archive is refused: {why}"))
}
