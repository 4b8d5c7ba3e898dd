//! Images that come over the network: a cloud that keeps its own takes their files in.

use std::fs::File;

use async_trait::async_trait;
use uuid::Uuid;

use crate::Result;
use crate::model::Image;

/// What [`crate::Cloud::uploads`] gives. Images are everybody's, so callers see to it that only
/// administrators get here.
#[async_trait]
pub trait Uploads: Send + Sync {
    /// Makes an image without a file yet: it is [`crate::model::ImageStatus::Queued`].
    async fn reserve(&self, name: &str) -> Result<Image>;

    /// The empty file to write a queued image into. Whoever holds it open is the only one who
    /// works at that image.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] while somebody else works at it.
    fn open(&self, id: Uuid) -> Result<File>;

    /// Makes the image out of what was written, while the caller still holds the file: the image
    /// is active then, or it failed for good, with the reason.
    async fn take_in(&self, id: Uuid) -> Result<Image>;

    /// Deletes an image that no server needs and nobody works at.
    async fn remove(&self, id: Uuid) -> Result<()>;
}
