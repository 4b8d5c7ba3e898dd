//! Images that come over the network. The file lies in the image's own folder and is locked by
//! whoever works at it, so that what a crash left is anybody's again.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use rustix::fs::FlockOperation;
use uuid::Uuid;

use super::import::{self, ImportImage};
use crate::embedded::Embedded;
use crate::model::{Image, ImageStatus};
use crate::{Error, Result, Uploads};

impl Embedded {
    fn upload(&self, id: Uuid) -> PathBuf {
        self.layout.image(id).join("upload")
    }

    async fn image_by_id(&self, id: Uuid) -> Result<Image> {
        let images = self.records.images().await?;
        let found = images.into_iter().find(|image| image.id == id);
        found.ok_or_else(|| Error::NotFound(format!("No image found with ID {id}")))
    }
}

fn lock(file: &File) -> Result<()> {
    rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| Error::Conflict("Somebody is at work on this image.".into()))
}

#[async_trait]
impl Uploads for Embedded {
    async fn reserve(&self, name: &str) -> Result<Image> {
        import::reserve(self.records.as_ref(), name).await
    }

    fn open(&self, id: Uuid) -> Result<File> {
        let failed = |error: io::Error| Error::Internal(format!("The image's file: {error}"));
        fs::create_dir_all(self.layout.image(id)).map_err(failed)?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.upload(id))
            .map_err(failed)?;
        lock(&file)?;
        file.set_len(0).map_err(failed)?;
        Ok(file)
    }

    async fn take_in(&self, id: Uuid) -> Result<Image> {
        let mut image = self.image_by_id(id).await?;
        if image.status != ImageStatus::Queued {
            return Err(Error::Conflict("The image has its data already.".into()));
        }
        let file = self.upload(id);
        let import = ImportImage {
            state: self.layout.root().to_path_buf(),
            name: image.name.clone(),
            source: file.clone(),
            sha256: None,
        };
        match import.fill(self.records.as_ref(), image.clone()).await {
            Ok(image) => {
                let _ = fs::remove_file(file);
                Ok(image)
            }
            Err(error) => {
                image.status = ImageStatus::Killed;
                self.records.put_image(&image).await?;
                Err(error)
            }
        }
    }

    async fn remove(&self, id: Uuid) -> Result<()> {
        let image = self.image_by_id(id).await?;
        let held = File::open(self.upload(id));
        if let Ok(file) = &held {
            lock(file)?;
        }
        // Neither of these was ever used, and there may be no folder.
        if image.status != ImageStatus::Active {
            fs::create_dir_all(self.layout.image(id))
                .map_err(|error| Error::Internal(format!("Removing the image: {error}")))?;
        }
        self.delete_image(id).await
    }
}
