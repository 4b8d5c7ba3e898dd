//! Servers and what happens to them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Flavor;

/// A server's state, in OpenStack's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Being made.
    Build,
    /// Running.
    Active,
    /// Stopped; its disk is kept.
    Shutoff,
    /// Restarting, politely.
    Reboot,
    /// Restarting, by force.
    HardReboot,
    /// Being made anew from an image.
    Rebuild,
    /// It failed; [`Server::fault`] says why.
    Error,
    /// Gone; shown only while OpenStack's API wants it.
    Deleted,
}

/// Whether its processes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Power {
    /// They do.
    Running,
    /// They do not.
    Shutdown,
    /// Not known yet.
    NoState,
}

/// One of a server's addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The network's name.
    pub network: String,
    /// The address.
    pub address: IpAddr,
    /// The port its sshd listens on: 22 but where an ordinary user runs the cloud.
    pub ssh_port: u16,
    /// The interface's Ethernet address, where it has one.
    pub mac: String,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Its identifier for all its life, rebuilds included.
    pub id: Uuid,
    /// The region it is in.
    pub region: String,
    /// The project it belongs to.
    pub project_id: String,
    /// The user who made it.
    pub user_id: String,
    /// What people call it.
    pub name: String,
    /// Its state.
    pub status: Status,
    /// What is being done to it, in OpenStack's words (`spawning`, `rebooting`), or nothing.
    pub task_state: Option<String>,
    /// Whether its processes run.
    pub power: Power,
    /// Why it failed, for a person.
    pub fault: Option<String>,
    /// The image it was made from.
    pub image_id: Uuid,
    /// Its size.
    pub flavor: Flavor,
    /// The first key pair's name at the time it was made (OpenStack shows one).
    pub key_name: Option<String>,
    /// Names of all key pairs it was made with.
    pub key_names: Vec<String>,
    /// Where it is reached.
    pub addresses: Vec<Address>,
    /// Free text by key.
    pub metadata: BTreeMap<String, String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Locked against actions by its project's members.
    pub locked: bool,
    /// A free description.
    pub description: Option<String>,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
    /// When it was first running.
    pub launched_at: Option<OffsetDateTime>,
}

/// A server to make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewServer {
    /// See [`Server::name`].
    pub name: String,
    /// The image.
    pub image_id: Uuid,
    /// The flavor's identifier.
    pub flavor_id: String,
    /// The network, where the cloud has several to choose from.
    pub network_id: Option<Uuid>,
    /// Names of the caller's key pairs in this region. None is the caller's explicit choice.
    pub key_names: Vec<String>,
    /// Free text by key.
    pub metadata: BTreeMap<String, String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// A free description.
    pub description: Option<String>,
    /// cloud-init's user data, decoded; empty for none.
    pub user_data: Vec<u8>,
}

/// What can be asked of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerRequest {
    /// Restart it; the host keys stay.
    Reboot {
        /// By force.
        hard: bool,
    },
    /// Stop its processes.
    Stop,
    /// Start them.
    Start,
    /// Make it anew: a new disk and new host keys, the same identifier and address.
    Rebuild {
        /// From this image, or the one it has.
        image_id: Option<Uuid>,
        /// With these key pairs, or the keys it was made with.
        key_names: Option<Vec<String>>,
        /// A new name.
        name: Option<String>,
    },
    /// Keep the project's members from acting on it.
    Lock,
    /// Let them again.
    Unlock,
    /// Change what is said about it.
    Describe {
        /// A new name.
        name: Option<String>,
        /// A new description; `Some(None)` takes it away.
        description: Option<Option<String>>,
        /// All the metadata, replaced.
        metadata: Option<BTreeMap<String, String>>,
        /// All the tags, replaced.
        tags: Option<Vec<String>>,
    },
}

/// Something that was done to a server, for its action log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerAction {
    /// The request's identifier, `req-...`.
    pub request_id: String,
    /// In OpenStack's words: `create`, `reboot`, `rebuild`, `stop`, `start`, `delete`, `lock`.
    pub action: String,
    /// Who asked.
    pub user_id: String,
    /// In which project.
    pub project_id: String,
    /// When it began.
    pub started_at: OffsetDateTime,
    /// When it ended; none while it runs.
    pub finished_at: Option<OffsetDateTime>,
    /// Why it failed, or what is worth knowing.
    pub message: Option<String>,
}

/// Told to whoever subscribed: something about this server is new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerEvent {
    /// The region.
    pub region: String,
    /// The project.
    pub project_id: String,
    /// The server.
    pub server_id: Uuid,
    /// Its state now; `None` when it is gone.
    pub status: Option<Status>,
}
