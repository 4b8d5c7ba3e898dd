//! The things of a cloud, as plain data.

mod host_key;
mod image;
mod key_pair;
mod server;

pub use host_key::{HostKey, HostKeySource};
pub use image::{Flavor, Image, ImageStatus, Network};
pub use key_pair::{KeyPair, KeyType, NewKeyPair};
pub use server::{
    Address, NewServer, Power, Server, ServerAction, ServerEvent, ServerRequest, Status,
};

use serde::{Deserialize, Serialize};

/// A region: key pairs and servers belong to exactly one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Its identifier in catalogs and addresses, such as `ams`.
    pub id: String,
    /// What people call it, such as `Amsterdam (AMS)`.
    pub name: String,
}
