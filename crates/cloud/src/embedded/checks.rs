//! What is asked of servers, before it is done.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Embedded;
use crate::model::{ImageStatus, KeyType, Server, Status};
use crate::{Error, Result};

// OpenStack's limits, which its clients know.
const NAME_MAX: usize = 255;
const METADATA_MAX: usize = 128;
const TAGS_MAX: usize = 50;

impl Embedded {
    /// The image, if servers can be made from it.
    pub(super) async fn image(&self, id: Uuid) -> Result<Uuid> {
        self.records
            .images()
            .await?
            .iter()
            .find(|image| image.id == id && image.status == ImageStatus::Active)
            .map(|image| image.id)
            .ok_or_else(|| Error::invalid("image", format!("Image {id} could not be found.")))
    }

    /// The public keys by these names.
    pub(super) async fn keys(
        &self,
        user_id: &str,
        region: &str,
        names: &[String],
    ) -> Result<Vec<String>> {
        let mut lines = Vec::with_capacity(names.len());
        for name in names {
            match self.records.key_pair(region, user_id, name).await? {
                Some(key) if key.kind == KeyType::Ssh => {
                    lines.push(key.public_key.trim().to_owned());
                }
                Some(_) => {
                    return Err(Error::invalid(
                        "key_name",
                        format!("The key {name} is a certificate; sshd takes SSH keys only."),
                    ));
                }
                None => {
                    return Err(Error::invalid(
                        "key_name",
                        format!("There is no key named {name} in region {region}."),
                    ));
                }
            }
        }
        Ok(lines)
    }
}

/// Refuses what is no name for a server.
pub(super) fn check_name(name: &str) -> Result<()> {
    let length = name.chars().count();
    if length == 0 || length > NAME_MAX || name.trim() != name || name.chars().any(char::is_control)
    {
        return Err(Error::invalid(
            "name",
            "A server's name has 1 to 255 characters, none of them control characters, and no \
             space at its ends.",
        ));
    }
    Ok(())
}

/// Refuses too many or too long words about a server.
pub(super) fn check_words(metadata: &BTreeMap<String, String>, tags: &[String]) -> Result<()> {
    let long = |word: &String| word.chars().count() > 255;
    if metadata.len() > METADATA_MAX
        || metadata.iter().any(|(key, value)| key.is_empty() || long(key) || long(value))
    {
        return Err(Error::invalid(
            "metadata",
            "Metadata has at most 128 entries, of at most 255 characters each side.",
        ));
    }
    if tags.len() > TAGS_MAX || tags.iter().any(|tag| tag.is_empty() || tag.chars().count() > 60) {
        return Err(Error::invalid("tags", "There are at most 50 tags of 1 to 60 characters."));
    }
    Ok(())
}

/// Refuses what cannot be done in the state that a server is in.
pub(super) fn require(server: &Server, action: &str, allowed: &[Status]) -> Result<()> {
    if allowed.contains(&server.status) {
        return Ok(());
    }
    let state = serde_json::to_value(server.status).ok();
    let state = state.as_ref().and_then(|state| state.as_str()).unwrap_or("UNKNOWN").to_lowercase();
    Err(Error::Conflict(format!(
        "Cannot '{action}' instance {} while it is in vm_state {state}",
        server.id
    )))
}
