//! Takes an image in: from a folder, or from an archive in one of the forms of [`super::layers`].

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::archive::Unpacker;
use super::{layers, strip};
use crate::embedded::Embedded;
use crate::embedded::layout::Layout;
use crate::embedded::life::blocking;
use crate::embedded::records::Records;
use crate::model::{Image, ImageStatus};
use crate::{Error, Result};

/// An image to take in. It needs no running cloud, only its state folder and its records.
#[derive(Clone, Debug)]
pub struct ImportImage {
    /// The cloud's state folder.
    pub state: PathBuf,
    /// What to call it; not yet taken.
    pub name: String,
    /// A folder with a root file system, or an archive: tar, or what `docker save` or an OCI tool
    /// wrote; plain or compressed by gzip, xz or zstd.
    pub source: PathBuf,
    /// What the archive's SHA-256 must be, in hexadecimal, where that is known.
    pub sha256: Option<String>,
}

impl ImportImage {
    /// Takes it in: whole, or not at all.
    ///
    /// # Errors
    /// When the archive is refused, with the reason; when the name is taken; when the disk is full.
    pub async fn run(self, records: &dyn Records) -> Result<Image> {
        let image = reserve(records, &self.name).await?;
        let id = image.id;
        match self.fill(records, image).await {
            Ok(image) => Ok(image),
            Err(error) => {
                records.delete_image(id).await?;
                Err(error)
            }
        }
    }

    /// Makes a reserved image out of the source.
    pub(super) async fn fill(self, records: &dyn Records, mut image: Image) -> Result<Image> {
        let layout = Layout::new(&self.state);
        let id = image.id;
        let taken = blocking(move || {
            let outcome = self.take_in(&layout, id);
            if outcome.is_err() {
                let _ = fs::remove_dir_all(layout.image(id));
            }
            outcome
        })
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => Error::invalid("source", shown(&error)),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::Exhausted("The disk of this machine is full.".into())
            }
            _ => Error::invalid("source", format!("The image cannot be read: {}", shown(&error))),
        })?;
        image.status = ImageStatus::Active;
        image.size = taken.size;
        image.sha256 = taken.sha256;
        image.uses_cloud_init = taken.uses_cloud_init;
        records.put_image(&image).await?;
        Ok(image)
    }

    fn take_in(&self, layout: &Layout, id: Uuid) -> io::Result<Taken> {
        let folder = layout.image(id);
        let next = folder.join("rootfs.next");
        let scratch = folder.join("members");
        fs::create_dir_all(&next)?;
        fs::set_permissions(&next, Permissions::from_mode(0o755))?;
        let mut unpacker = Unpacker::new(&next)?;
        let sha256 = if self.source.is_dir() {
            from_folder(&self.source, &mut unpacker)?;
            String::new()
        } else {
            let found = layers::sha256(&mut File::open(&self.source)?)?;
            if let Some(wanted) = &self.sha256
                && !wanted.eq_ignore_ascii_case(&found)
            {
                return Err(super::archive::refused(&format!(
                    "its SHA-256 is {found}, not {wanted}"
                )));
            }
            layers::unpack(&self.source, &scratch, &mut unpacker)?;
            let _ = fs::remove_dir_all(&scratch);
            found
        };
        strip::strip(&next)?;
        // The archive may have said otherwise.
        fs::set_permissions(&next, Permissions::from_mode(0o755))?;
        let uses_cloud_init = next.join("usr/bin/cloud-init").symlink_metadata().is_ok();
        fs::rename(&next, layout.image_root(id))?;
        Ok(Taken { size: unpacker.written(), sha256, uses_cloud_init })
    }
}

/// What is wrong with an archive may be told with bytes of it.
fn shown(error: &io::Error) -> String {
    let text = error.to_string();
    text.chars()
        .filter(|c| !c.is_control() && *c != char::REPLACEMENT_CHARACTER)
        .take(200)
        .collect()
}

/// A queued image by that name, which must be free.
pub(super) async fn reserve(records: &dyn Records, name: &str) -> Result<Image> {
    let length = name.chars().count();
    if length == 0 || length > 255 || name.chars().any(char::is_control) {
        return Err(Error::invalid("name", "An image's name has 1 to 255 characters."));
    }
    if records.images().await?.iter().any(|image| image.name == name) {
        return Err(Error::Conflict(format!("There is an image named {name} already.")));
    }
    let image = Image::queued(name);
    records.put_image(&image).await?;
    Ok(image)
}

struct Taken {
    size: u64,
    sha256: String,
    uses_cloud_init: bool,
}

/// Copies a folder by way of an archive, so that there is one set of rules.
fn from_folder(source: &Path, into: &mut Unpacker) -> io::Result<()> {
    let (reader, writer) = io::pipe()?;
    let source = source.to_path_buf();
    let packed = std::thread::spawn(move || {
        let mut builder = tar::Builder::new(writer);
        builder.follow_symlinks(false);
        builder.append_dir_all("", source)?;
        builder.finish()
    });
    let unpacked = into.unpack(reader, false);
    let packed = packed.join().map_err(|_| io::Error::other("reading the folder"))?;
    // What stopped the one stopped the other; the reader knows why.
    unpacked.and(packed)
}

impl Embedded {
    /// Removes an image that no server was made from.
    ///
    /// # Errors
    /// When there is none, or a server needs it.
    pub async fn delete_image(&self, id: Uuid) -> Result<()> {
        let rows = self.records.all_servers().await?;
        if let Some(row) = rows.iter().find(|row| row.server.image_id == id) {
            return Err(Error::Conflict(format!(
                "The server {} was made from this image.",
                row.server.name
            )));
        }
        if !self.records.delete_image(id).await? {
            return Err(Error::NotFound(format!("No image found with ID {id}")));
        }
        let folder = self.layout.image(id);
        blocking(move || fs::remove_dir_all(folder))
            .await
            .map_err(|error| Error::Internal(format!("Removing the image: {error}")))
    }
}

#[cfg(test)]
mod tests;
