//! The one trait that everything above stands on.

use std::collections::HashSet;
use std::net::IpAddr;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::accounts::{OwnAccounts, Token};
use crate::model::{
    Flavor, HostKey, Image, KeyPair, Network, NewKeyPair, NewServer, Region, Server, ServerAction,
    ServerEvent, ServerRequest,
};
use crate::{Error, Result, ServerList, Uploads};

/// What a caller may do in a project, each including the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Reader,
    /// Make, change and delete.
    Member,
    /// Everything in every project.
    Admin,
}

/// Who asks, passed with every call: the cloud itself keeps projects apart.
#[derive(Clone)]
pub struct Caller {
    /// The user.
    pub user_id: String,
    /// The user's name, for logs.
    pub user_name: String,
    /// The project the user is in now.
    pub project_id: String,
    /// What the user may do in it.
    pub role: Role,
    /// This request's identifier, `req-...`, for action logs.
    pub request_id: String,
    /// A real cloud's token for this user and project; none with the embedded cloud.
    pub token: Option<Token>,
}

/// Which servers to list, and where the page begins.
#[derive(Clone, Debug, Default)]
pub struct ServerQuery {
    /// Every project's; for administrators.
    pub all_projects: bool,
    /// A part of the name or address, for people's searches.
    pub search: Option<String>,
    /// The page.
    pub page: Page,
}

/// Which key pairs to list, in which order, and where the page begins.
#[derive(Clone, Debug, Default)]
pub struct KeyPairQuery {
    /// A part of the name, the fingerprint or the key's line, for people's searches.
    pub search: Option<String>,
    /// Exactly this key, as [`KeyPair::fingerprint`] names it.
    pub fingerprint: Option<String>,
    /// Only keys that this region has not, each once.
    pub lacking_in: Option<String>,
    /// By what to sort; what is alike there is sorted by name.
    pub order: KeyPairOrder,
    /// The last first.
    pub descending: bool,
    /// The page.
    pub page: Page,
}

/// What key pairs are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyPairOrder {
    /// The name, without regard to case.
    #[default]
    Name,
    /// The region's identifier.
    Region,
    /// When a server was last made with it.
    Used,
    /// When it was stored.
    Added,
}

impl KeyPairQuery {
    /// Exactly this key.
    pub fn same_as(key: &KeyPair) -> Self {
        Self { fingerprint: Some(key.fingerprint().to_owned()), ..Self::default() }
    }

    /// The first ones by name.
    pub fn first(limit: u32) -> Self {
        Self { page: Page { limit: Some(limit), offset: 0 }, ..Self::default() }
    }

    /// The page of these regions out of all that a user has, and how many match: for clouds that
    /// cannot be asked such questions.
    pub fn apply(&self, regions: &[String], all: Vec<KeyPair>) -> (Vec<KeyPair>, u64) {
        let there: HashSet<String> = all
            .iter()
            .filter(|key| self.lacking_in.as_ref() == Some(&key.region))
            .map(|key| key.fingerprint().to_owned())
            .collect();
        let mut keys: Vec<KeyPair> =
            all.into_iter().filter(|key| regions.contains(&key.region)).collect();
        if let Some(wanted) = &self.search {
            let wanted = wanted.to_lowercase();
            keys.retain(|key| key.found_by().contains(&wanted));
        }
        if let Some(wanted) = &self.fingerprint {
            keys.retain(|key| key.fingerprint() == wanted);
        }
        if self.lacking_in.is_some() {
            keys.sort_by_key(|key| key.id);
            let mut seen = there;
            keys.retain(|key| seen.insert(key.fingerprint().to_owned()));
        }
        // By name first: the sorts are stable, and names are folded once each.
        keys.sort_by_cached_key(|key| (key.name.to_lowercase(), key.region.clone()));
        match self.order {
            KeyPairOrder::Name => {}
            KeyPairOrder::Region => keys.sort_by(|a, b| a.region.cmp(&b.region)),
            KeyPairOrder::Used => keys.sort_by_key(|key| key.last_used_at),
            KeyPairOrder::Added => keys.sort_by_key(|key| key.id),
        }
        if self.descending {
            keys.reverse();
        }
        let total = u64::try_from(keys.len()).unwrap_or(u64::MAX);
        (self.page.cut(keys), total)
    }
}

/// One page of a list that may be long.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// How many at most; none means all.
    pub limit: Option<u32>,
    /// How many to leave out before.
    pub offset: u32,
}

impl Page {
    /// The page out of all of them.
    pub fn cut<T>(&self, all: Vec<T>) -> Vec<T> {
        let limit = self.limit.map_or(usize::MAX, |limit| limit as usize);
        all.into_iter().skip(self.offset as usize).take(limit).collect()
    }
}

/// Which console to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleKind {
    /// The one that the server boots on.
    System,
    /// A login shell of root inside it.
    Shell,
}

/// An open console: bytes both ways, and its size.
pub trait Console: AsyncRead + AsyncWrite + Send + Unpin {
    /// The terminal is now this large, in characters.
    fn resize(&mut self, columns: u16, rows: u16);
}

/// What a cloud can do beyond the least, so that pages do not offer what cannot be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// [`ConsoleKind::System`] and [`ConsoleKind::Shell`] can be opened here.
    pub consoles: bool,
    /// A server's screen can be had as a page of the cloud's own.
    pub remote_consoles: bool,
    /// `authorized_keys` of a server can be read and written.
    pub authorized_keys: bool,
    /// A server can be made with several key pairs.
    pub several_keys: bool,
    /// It is known when a key pair was last used.
    pub key_use: bool,
    /// Accounts are the cloud's own (Keystone): the panel logs in by them.
    pub own_accounts: bool,
}

/// The addresses whose host keys this cloud has seen out of band, for a panel to vouch for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnAddresses {
    /// Networks in CIDR form that nobody else gives addresses out of.
    pub ranges: Vec<String>,
    /// The only ports that are its servers', where they share addresses with something else;
    /// empty for all.
    pub ports: Vec<u16>,
}

/// Who is at an address, whatever the project: what anybody who can reach it may learn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resident {
    /// The server that has the address now.
    pub server_id: Option<Uuid>,
    /// Every host key seen there, present ones first.
    pub host_keys: Vec<HostKey>,
}

/// A cloud. Lists are of what the caller may see; a thing that the caller may not see is
/// [`crate::Error::NotFound`].
#[async_trait]
pub trait Cloud: Send + Sync {
    /// `embedded` or `openstack`.
    fn name(&self) -> &'static str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Its own accounts, where [`Capabilities::own_accounts`] says that it has them.
    fn accounts(&self) -> Option<&dyn OwnAccounts> {
        None
    }

    /// What isolation or limit this cloud lacks on this machine, for a page to say plainly.
    fn warnings(&self) -> Vec<String>;

    /// Parts of the cloud that do not answer at the moment.
    fn silent(&self) -> Vec<String> {
        Vec::new()
    }

    /// Its regions, in the order to show them.
    async fn regions(&self, caller: &Caller) -> Result<Vec<Region>>;

    /// The caller's key pairs in a region, by name.
    async fn key_pairs(&self, caller: &Caller, region: &str) -> Result<Vec<KeyPair>>;

    /// The caller's key pairs in these regions: one page, and how many match in all.
    async fn find_key_pairs(
        &self,
        caller: &Caller,
        regions: &[String],
        query: &KeyPairQuery,
    ) -> Result<(Vec<KeyPair>, u64)> {
        let mut all = Vec::new();
        for region in regions {
            all.extend(self.key_pairs(caller, region).await?);
        }
        if let Some(other) = query.lacking_in.as_ref().filter(|region| !regions.contains(region)) {
            all.extend(self.key_pairs(caller, other).await?);
        }
        Ok(query.apply(regions, all))
    }

    /// One of the caller's key pairs by its name.
    async fn key_pair(&self, caller: &Caller, region: &str, name: &str) -> Result<KeyPair> {
        let all = self.key_pairs(caller, region).await?;
        all.into_iter().find(|key| key.name == name).ok_or_else(|| no_key_pair(caller, name))
    }

    /// Stores one. A name in use is a conflict.
    async fn add_key_pair(&self, caller: &Caller, region: &str, key: NewKeyPair)
    -> Result<KeyPair>;

    /// Deletes one. Servers made with it keep their copy.
    async fn delete_key_pair(&self, caller: &Caller, region: &str, name: &str) -> Result<()>;

    /// The images of a region.
    async fn images(&self, caller: &Caller, region: &str) -> Result<Vec<Image>>;

    /// How images are brought to it, where it keeps its own.
    fn uploads(&self) -> Option<&dyn Uploads> {
        None
    }

    /// The flavors of a region.
    async fn flavors(&self, caller: &Caller, region: &str) -> Result<Vec<Flavor>>;

    /// The networks of a region.
    async fn networks(&self, caller: &Caller, region: &str) -> Result<Vec<Network>>;

    /// Servers of the caller's project, newest first, and how many there are in all.
    async fn servers(
        &self,
        caller: &Caller,
        region: &str,
        query: &ServerQuery,
    ) -> Result<(Vec<Server>, u64)>;

    /// A page of the servers of the caller's project in these regions, and how many match in all;
    /// none where the cloud cannot be asked so, and [`ServerList::apply`] has to sort all of them.
    async fn find_servers(
        &self,
        _: &Caller,
        _regions: &[String],
        _: &ServerList,
    ) -> Result<Option<(Vec<Server>, u64)>> {
        Ok(None)
    }

    /// One server.
    async fn server(&self, caller: &Caller, region: &str, id: Uuid) -> Result<Server>;

    /// Begins to make one; it is in [`crate::model::Status::Build`] until events say otherwise.
    async fn create_server(&self, caller: &Caller, region: &str, new: NewServer) -> Result<Server>;

    /// Begins an action; the server's state says when it is done.
    async fn request(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
        request: ServerRequest,
    ) -> Result<Server>;

    /// Deletes it with its disk and gives its address back.
    async fn delete_server(&self, caller: &Caller, region: &str, id: Uuid) -> Result<()>;

    /// What was done to it, newest first; for a deleted one too.
    async fn actions(&self, caller: &Caller, region: &str, id: Uuid) -> Result<Vec<ServerAction>>;

    /// The end of its console's output; `lines` of it, or all that is kept.
    async fn console_log(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
        lines: Option<u32>,
    ) -> Result<Vec<u8>>;

    /// Opens a console. What the system console printed lately comes first.
    async fn open_console(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
        kind: ConsoleKind,
    ) -> Result<Box<dyn Console>>;

    /// The address of a page of the cloud's own with the server's screen, good for some minutes.
    async fn remote_console(&self, _: &Caller, _region: &str, _id: Uuid) -> Result<String> {
        Err(Error::Unsupported("This cloud's consoles are terminals.".to_owned()))
    }

    /// Its host keys, present ones first, with their history.
    async fn host_keys(&self, caller: &Caller, region: &str, id: Uuid) -> Result<Vec<HostKey>>;

    /// What is really in root's `authorized_keys` now.
    async fn authorized_keys(&self, caller: &Caller, region: &str, id: Uuid) -> Result<String>;

    /// Replaces it, modes mended, nothing half written.
    async fn set_authorized_keys(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
        text: &str,
    ) -> Result<()>;

    /// The addresses it can vouch for.
    fn own_addresses(&self) -> OwnAddresses {
        OwnAddresses::default()
    }

    /// Who is at one of [`Self::own_addresses`].
    async fn resident(&self, _address: IpAddr, _port: u16) -> Result<Resident> {
        Ok(Resident::default())
    }

    /// Hears of every change of every server.
    fn subscribe(&self) -> broadcast::Receiver<ServerEvent>;
}

/// That there is no key pair by this name.
pub(crate) fn no_key_pair(caller: &Caller, name: &str) -> Error {
    Error::NotFound(format!("Keypair {name} not found for user {}", caller.user_id))
}
