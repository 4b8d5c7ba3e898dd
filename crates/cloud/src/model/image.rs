//! What servers are made from and how large they are.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// Whether an image can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageStatus {
    /// Being imported.
    Queued,
    /// Ready.
    Active,
    /// Failed; of no use.
    Killed,
}

/// A root file system that servers start from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its identifier.
    pub id: Uuid,
    /// What people call it, such as `this-system`.
    pub name: String,
    /// Whether it can be used.
    pub status: ImageStatus,
    /// Bytes on disk, where known.
    pub size: u64,
    /// SHA-256 of the imported archive in hexadecimal; empty where there was none.
    pub sha256: String,
    /// When it came.
    pub created_at: OffsetDateTime,
    /// Whether it reads cloud-init's seed.
    pub uses_cloud_init: bool,
}

impl Image {
    /// A name for one that is still to come.
    pub fn queued(name: &str) -> Self {
        Self {
            id: Uuid::new_v4(),
            name: name.to_owned(),
            status: ImageStatus::Queued,
            size: 0,
            sha256: String::new(),
            created_at: OffsetDateTime::now_utc(),
            uses_cloud_init: false,
        }
    }
}

/// A size of server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flavor {
    /// Its identifier, such as `1` or `small`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Memory in MiB.
    pub ram_mib: u32,
    /// Processors; a share of them, where the machine has fewer.
    pub vcpus: u32,
    /// Disk in GiB; 0 means that it is not limited.
    pub disk_gib: u32,
}

/// A network that servers are attached to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its identifier.
    pub id: Uuid,
    /// Its name; the one that servers are reached by is `public`.
    pub name: String,
    /// Its subnet's identifier.
    pub subnet_id: Uuid,
    /// Its range, such as `10.78.0.0/16`.
    pub cidr: String,
}
