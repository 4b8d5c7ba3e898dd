//! Images.

use serde_json::Value;
use time::OffsetDateTime;

use super::{Openstack, server_view};
use crate::Result;
use crate::cloud::Caller;
use crate::model::{Image, ImageStatus};

impl Openstack {
    pub(super) async fn list_images(&self, caller: &Caller, region: &str) -> Result<Vec<Image>> {
        let glance = self.glance(caller, region)?;
        let found = glance.list("/images?limit=100&sort=name:asc", "images").await?;
        Ok(found.iter().filter_map(image).collect())
    }
}

fn image(value: &Value) -> Option<Image> {
    let text = |name: &str| value[name].as_str().unwrap_or_default();
    let status = match text("status") {
        "active" => ImageStatus::Active,
        "queued" | "saving" | "uploading" | "importing" => ImageStatus::Queued,
        _ => ImageStatus::Killed,
    };
    let hash = if text("os_hash_algo") == "sha256" { text("os_hash_value") } else { "" };
    Some(Image {
        id: value["id"].as_str()?.parse().ok()?,
        name: match text("name") {
            "" => text("id").to_owned(),
            name => name.to_owned(),
        },
        status,
        size: value["size"].as_u64().unwrap_or_default(),
        sha256: hash.to_owned(),
        created_at: server_view::when(&value["created_at"]).unwrap_or(OffsetDateTime::UNIX_EPOCH),
        // Glance does not say; images of clouds have it, but for Windows'.
        uses_cloud_init: text("os_type") != "windows",
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_recorded_image() {
        let value = json!({
            "name": "debian-12", "id": "7ddb2dac-9478-4482-9633-9afcc2743e84", "size": 1048576,
            "status": "active", "os_hash_algo": "sha512", "os_hash_value": "d6292685b380e338e025",
            "created_at": "2026-11-22T06:32:40Z", "visibility": "public",
        });
        let one = image(&value).unwrap();
        assert_eq!((one.status, one.sha256.as_str()), (ImageStatus::Active, ""));
        assert!(one.uses_cloud_init);
        assert!(image(&json!({"id": "x"})).is_none());
    }
}
