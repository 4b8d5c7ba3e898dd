//! Images of a cloud in memory: what was brought is counted and forgotten.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cloud::model::{Image, ImageStatus};
use cloud::{Error, Result, Uploads};
use uuid::Uuid;

#[derive(Default)]
pub struct MemoryImages(Mutex<BTreeMap<Uuid, (Image, Option<File>)>>);

impl MemoryImages {
    fn table(&self) -> MutexGuard<'_, BTreeMap<Uuid, (Image, Option<File>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn all(&self) -> Vec<Image> {
        self.table().values().map(|(image, _)| image.clone()).collect()
    }
}

fn missing() -> Error {
    Error::NotFound("There is no such image.".to_owned())
}

#[async_trait]
impl Uploads for MemoryImages {
    async fn reserve(&self, name: &str) -> Result<Image> {
        let image = Image::queued(name);
        self.table().insert(image.id, (image.clone(), None));
        Ok(image)
    }

    fn open(&self, id: Uuid) -> Result<File> {
        let file = tempfile::tempfile().map_err(|error| Error::Internal(error.to_string()))?;
        let copy = file.try_clone().map_err(|error| Error::Internal(error.to_string()))?;
        self.table().get_mut(&id).ok_or_else(missing)?.1 = Some(copy);
        Ok(file)
    }

    async fn take_in(&self, id: Uuid) -> Result<Image> {
        let mut table = self.table();
        let (image, file) = table.get_mut(&id).ok_or_else(missing)?;
        let file = file.take().ok_or_else(missing)?;
        image.size = file.metadata().map_err(|error| Error::Internal(error.to_string()))?.len();
        image.status = if image.size > 0 { ImageStatus::Active } else { ImageStatus::Killed };
        if image.size == 0 {
            return Err(Error::invalid("source", "The image is empty."));
        }
        Ok(image.clone())
    }

    async fn remove(&self, id: Uuid) -> Result<()> {
        self.table().remove(&id).map(drop).ok_or_else(missing)
    }
}
