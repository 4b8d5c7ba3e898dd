//! What the embedded cloud keeps in the panel's store: a small trait, so that this crate knows no
//! SQL and the store knows no namespaces.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::cloud::{KeyPairQuery, ServerQuery};
use crate::model::{HostKey, Image, KeyPair, Server, ServerAction};
use crate::{Result, ServerList};

/// A server's row: what people see of it, and what only the machine needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerRow {
    /// What people see.
    pub server: Server,
    /// The state it is to be in, whatever it is in now: started again after the machine's reboot.
    pub wanted_running: bool,
    /// The number that its user-id range, its interface names and its address come from; no two
    /// servers have the same at one time.
    pub slot: u32,
    /// Public key lines that it was made with.
    pub public_keys: Vec<String>,
    /// cloud-init's user data.
    pub user_data: Vec<u8>,
    /// Counts up at each rebuild: it names the disk.
    pub generation: u32,
}

/// The embedded cloud's rows. Every call is one transaction.
#[async_trait]
pub trait Records: Send + Sync {
    /// All key pairs of a user in a region, by name.
    async fn key_pairs(&self, region: &str, user_id: &str) -> Result<Vec<KeyPair>>;
    /// One of them.
    async fn key_pair(&self, region: &str, user_id: &str, name: &str) -> Result<Option<KeyPair>>;
    /// A page of a user's key pairs in these regions, and how many match in all.
    async fn find_key_pairs(
        &self,
        regions: &[String],
        user_id: &str,
        query: &KeyPairQuery,
    ) -> Result<(Vec<KeyPair>, u64)>;
    /// Stores one and gives it its number; a name in use is [`crate::Error::Conflict`].
    async fn insert_key_pair(&self, key: KeyPair) -> Result<KeyPair>;
    /// Deletes one; `false` when there was none.
    async fn delete_key_pair(&self, region: &str, user_id: &str, name: &str) -> Result<bool>;
    /// Notes that a server was made with them.
    async fn touch_key_pairs(
        &self,
        region: &str,
        user_id: &str,
        names: &[String],
        at: OffsetDateTime,
    ) -> Result<()>;

    /// All images; they are the same in every region.
    async fn images(&self) -> Result<Vec<Image>>;
    /// Stores or replaces one by its identifier.
    async fn put_image(&self, image: &Image) -> Result<()>;
    /// Deletes one.
    async fn delete_image(&self, id: Uuid) -> Result<bool>;

    /// Stores a new server with the lowest free slot below `slots` of its region, which it
    /// returns; [`crate::Error::Exhausted`] when all are taken. Two at once never get the same.
    /// `fill` turns the slot into the row to store.
    async fn insert_server(
        &self,
        region: &str,
        slots: u32,
        fill: Box<dyn FnOnce(u32) -> ServerRow + Send>,
    ) -> Result<ServerRow>;
    /// Replaces a server's row (not its slot); `NotFound` when it is gone.
    async fn update_server(&self, row: &ServerRow) -> Result<()>;
    /// Removes it and frees its slot; its actions and host keys stay.
    async fn delete_server(&self, id: Uuid) -> Result<bool>;
    /// One server, whatever its project.
    async fn server(&self, id: Uuid) -> Result<Option<ServerRow>>;
    /// Servers of a region; of one project unless it is `None`; newest first; with the total.
    async fn servers(
        &self,
        region: &str,
        project_id: Option<&str>,
        query: &ServerQuery,
    ) -> Result<(Vec<ServerRow>, u64)>;
    /// A page of a project's servers in these regions, and how many match in all.
    async fn find_servers(
        &self,
        regions: &[String],
        project_id: &str,
        list: &ServerList,
    ) -> Result<(Vec<Server>, u64)>;
    /// Every server of every region: what to bring back after a restart.
    async fn all_servers(&self) -> Result<Vec<ServerRow>>;

    /// Adds or replaces (by request id and server) an action.
    async fn put_action(&self, server_id: Uuid, action: &ServerAction) -> Result<()>;
    /// A server's actions, newest first, deleted servers' too.
    async fn actions(&self, server_id: Uuid) -> Result<Vec<ServerAction>>;
    /// The project a server belonged to, deleted ones too: who may read its actions.
    async fn project_of(&self, server_id: Uuid) -> Result<Option<String>>;

    /// The server's present keys are these from now on: new ones are added, ones no longer there
    /// retired, others left alone.
    async fn record_host_keys(
        &self,
        server_id: Uuid,
        present: &[HostKey],
        at: OffsetDateTime,
    ) -> Result<()>;
    /// Retires all of a server's keys.
    async fn retire_host_keys(&self, server_id: Uuid, at: OffsetDateTime) -> Result<()>;
    /// A server's keys, present ones first.
    async fn host_keys(&self, server_id: Uuid) -> Result<Vec<HostKey>>;
    /// Every key ever seen at that address and port, present ones first.
    async fn host_keys_at(&self, address: &str, port: u16) -> Result<Vec<HostKey>>;
}
