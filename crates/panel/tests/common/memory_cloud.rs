//! A cloud without machines: servers become active after a moment, answer actions as real ones do,
//! and print a boot log.

mod actions;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cloud::model::{
    Address, Flavor, HostKey, HostKeySource, Image, ImageStatus, KeyPair, KeyType, Network,
    NewKeyPair, NewServer, Power, Region, Server, ServerAction, ServerEvent, ServerRequest, Status,
};
use cloud::{Caller, Capabilities, Cloud, Console, ConsoleKind, Error, Result, Role, ServerQuery};
use keys::{FingerprintHash, KeyKind, PrivateKey, PublicKey};
use time::OffsetDateTime;
use tokio::sync::broadcast;
use uuid::Uuid;

use super::memory_images::MemoryImages;

/// How long a server takes to do anything.
const MOMENT: Duration = Duration::from_millis(100);
pub const REGIONS: [&str; 2] = ["ams", "fra"];
pub const IMAGE: Uuid = Uuid::from_u128(0x1000_0000_0000_4000_8000_0000_0000_0001);
pub const IMAGE_ALT: Uuid = Uuid::from_u128(0x1000_0000_0000_4000_8000_0000_0000_0002);
pub const NETWORK: Uuid = Uuid::from_u128(0x1000_0000_0000_4000_8000_0000_0000_0003);
const SUBNET: Uuid = Uuid::from_u128(0x1000_0000_0000_4000_8000_0000_0000_0004);

#[derive(Default)]
struct Tables {
    key_pairs: Vec<KeyPair>,
    last_key: i64,
    servers: BTreeMap<Uuid, Server>,
    actions: Vec<(Uuid, String, ServerAction)>,
    host_keys: Vec<HostKey>,
    last_address: u16,
}

/// See the module.
pub struct MemoryCloud {
    tables: Mutex<Tables>,
    events: broadcast::Sender<ServerEvent>,
    me: std::sync::Weak<MemoryCloud>,
    brought: MemoryImages,
}

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

fn missing(id: Uuid) -> Error {
    Error::NotFound(format!("There is no server {id}."))
}

impl MemoryCloud {
    pub fn new() -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            tables: Mutex::default(),
            events: broadcast::channel(64).0,
            me: me.clone(),
            brought: MemoryImages::default(),
        })
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flavors() -> Vec<Flavor> {
        [("small", 128, 1, 1), ("medium", 256, 1, 2), ("large", 512, 2, 4)]
            .into_iter()
            .map(|(name, ram_mib, vcpus, disk_gib)| Flavor {
                id: name.to_owned(),
                name: name.to_owned(),
                ram_mib,
                vcpus,
                disk_gib,
            })
            .collect()
    }

    /// A new server's keys take the place of the old ones.
    fn make_host_keys(&self, server: &Server) {
        let key = PrivateKey::generate(KeyKind::Ed25519, None, "").unwrap();
        let mut tables = self.tables();
        for old in tables.host_keys.iter_mut().filter(|key| key.server_id == server.id) {
            old.retired_at.get_or_insert_with(now);
        }
        let address = &server.addresses[0];
        tables.host_keys.insert(
            0,
            HostKey {
                server_id: server.id,
                region: server.region.clone(),
                address: address.address.to_string(),
                port: address.ssh_port,
                public_key: key.public().to_line("root@server"),
                fingerprint_sha256: key.public().fingerprint(FingerprintHash::Sha256),
                source: HostKeySource::Boot,
                first_seen_at: now(),
                retired_at: None,
            },
        );
    }

    fn find(&self, caller: &Caller, region: &str, id: Uuid) -> Result<Server> {
        self.tables()
            .servers
            .get(&id)
            .filter(|server| server.region == region)
            .filter(|server| server.project_id == caller.project_id || caller.role == Role::Admin)
            .cloned()
            .ok_or_else(|| missing(id))
    }

    fn check_keys(&self, caller: &Caller, region: &str, names: &[String]) -> Result<()> {
        let tables = self.tables();
        for name in names {
            let known = tables.key_pairs.iter().any(|key| {
                key.region == region && key.user_id == caller.user_id && key.name == *name
            });
            if !known {
                return Err(Error::invalid("key_names", format!("There is no key pair {name}.")));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Cloud for MemoryCloud {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            consoles: true,
            remote_consoles: false,
            authorized_keys: false,
            several_keys: true,
            key_use: true,
            own_accounts: false,
        }
    }

    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    async fn regions(&self, _: &Caller) -> Result<Vec<Region>> {
        Ok(REGIONS.map(|id| Region { id: id.to_owned(), name: id.to_uppercase() }).to_vec())
    }

    async fn key_pairs(&self, caller: &Caller, region: &str) -> Result<Vec<KeyPair>> {
        let tables = self.tables();
        let own = tables
            .key_pairs
            .iter()
            .filter(|key| key.region == region && key.user_id == caller.user_id);
        Ok(own.cloned().collect())
    }

    async fn add_key_pair(
        &self,
        caller: &Caller,
        region: &str,
        new: NewKeyPair,
    ) -> Result<KeyPair> {
        let mut tables = self.tables();
        let taken = tables.key_pairs.iter().any(|key| {
            key.region == region && key.user_id == caller.user_id && key.name == new.name
        });
        if taken {
            return Err(Error::Conflict(format!("There is a key pair {} already.", new.name)));
        }
        let (md5, sha256) = match PublicKey::from_line(&new.public_key) {
            Ok((key, _)) if new.kind == KeyType::Ssh => (
                key.fingerprint(FingerprintHash::Md5).trim_start_matches("MD5:").to_owned(),
                key.fingerprint(FingerprintHash::Sha256),
            ),
            _ => ("00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff".to_owned(), String::new()),
        };
        tables.last_key += 1;
        let key = KeyPair {
            id: tables.last_key,
            region: region.to_owned(),
            user_id: caller.user_id.clone(),
            name: new.name,
            kind: new.kind,
            public_key: new.public_key,
            fingerprint_md5: md5,
            fingerprint_sha256: sha256,
            created_at: now(),
            last_used_at: None,
        };
        tables.key_pairs.push(key.clone());
        Ok(key)
    }

    async fn delete_key_pair(&self, caller: &Caller, region: &str, name: &str) -> Result<()> {
        self.tables().key_pairs.retain(|key| {
            !(key.region == region && key.user_id == caller.user_id && key.name == name)
        });
        Ok(())
    }

    fn uploads(&self) -> Option<&dyn cloud::Uploads> {
        Some(&self.brought)
    }

    async fn images(&self, _: &Caller, _: &str) -> Result<Vec<Image>> {
        let image = |id, name: &str, sha256: &str| Image {
            id,
            name: name.to_owned(),
            status: ImageStatus::Active,
            size: 1_048_576,
            sha256: sha256.to_owned(),
            created_at: OffsetDateTime::UNIX_EPOCH,
            uses_cloud_init: false,
        };
        let own =
            [image(IMAGE, "this-system", ""), image(IMAGE_ALT, "debian-12", &"ab".repeat(32))];
        Ok(own.into_iter().chain(self.brought.all()).collect())
    }

    async fn flavors(&self, _: &Caller, _: &str) -> Result<Vec<Flavor>> {
        Ok(Self::flavors())
    }

    async fn networks(&self, _: &Caller, _: &str) -> Result<Vec<Network>> {
        Ok(vec![Network {
            id: NETWORK,
            name: "public".to_owned(),
            subnet_id: SUBNET,
            cidr: "10.78.0.0/16".to_owned(),
        }])
    }

    async fn servers(
        &self,
        caller: &Caller,
        region: &str,
        query: &ServerQuery,
    ) -> Result<(Vec<Server>, u64)> {
        let tables = self.tables();
        let mut servers: Vec<Server> = tables
            .servers
            .values()
            .filter(|server| server.region == region)
            .filter(|server| query.all_projects || server.project_id == caller.project_id)
            .cloned()
            .collect();
        servers.sort_by_key(|server| std::cmp::Reverse(server.created_at));
        let total = servers.len() as u64;
        Ok((servers, total))
    }

    async fn server(&self, caller: &Caller, region: &str, id: Uuid) -> Result<Server> {
        self.find(caller, region, id)
    }

    async fn create_server(&self, caller: &Caller, region: &str, new: NewServer) -> Result<Server> {
        self.check_keys(caller, region, &new.key_names)?;
        let flavor = Self::flavors()
            .into_iter()
            .find(|flavor| flavor.id == new.flavor_id)
            .ok_or_else(|| Error::NotFound("There is no such flavor.".to_owned()))?;
        let id = Uuid::new_v4();
        let server = {
            let mut tables = self.tables();
            tables.last_address += 1;
            let [high, low] = tables.last_address.to_be_bytes();
            let server = Server {
                id,
                region: region.to_owned(),
                project_id: caller.project_id.clone(),
                user_id: caller.user_id.clone(),
                name: new.name,
                status: Status::Build,
                task_state: Some("spawning".to_owned()),
                power: Power::NoState,
                fault: None,
                image_id: new.image_id,
                flavor,
                key_name: new.key_names.first().cloned(),
                key_names: new.key_names,
                addresses: vec![Address {
                    network: "public".to_owned(),
                    address: IpAddr::V4(Ipv4Addr::new(10, 78, high, low)),
                    ssh_port: 22,
                    mac: format!("02:00:00:00:{high:02x}:{low:02x}"),
                }],
                metadata: new.metadata,
                tags: new.tags,
                locked: false,
                description: new.description,
                created_at: now(),
                updated_at: now(),
                launched_at: None,
            };
            tables.servers.insert(id, server.clone());
            server
        };
        self.make_host_keys(&server);
        self.note(caller, id, "create", false);
        self.finish(id, Status::Active, caller.request_id.clone());
        Ok(server)
    }

    async fn request(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
        request: ServerRequest,
    ) -> Result<Server> {
        self.carry_out(caller, self.find(caller, region, id)?, request)
    }

    async fn delete_server(&self, caller: &Caller, region: &str, id: Uuid) -> Result<()> {
        let server = self.find(caller, region, id)?;
        if server.locked && caller.role < Role::Admin {
            return Err(Error::Conflict(format!("Instance {id} is locked")));
        }
        self.note(caller, id, "delete", true);
        let mut tables = self.tables();
        tables.servers.remove(&id);
        for key in tables.host_keys.iter_mut().filter(|key| key.server_id == id) {
            key.retired_at.get_or_insert_with(now);
        }
        Ok(())
    }

    async fn actions(&self, caller: &Caller, _: &str, id: Uuid) -> Result<Vec<ServerAction>> {
        let tables = self.tables();
        let own = tables.actions.iter().filter(|(server, project, _)| {
            *server == id && (*project == caller.project_id || caller.role == Role::Admin)
        });
        Ok(own.map(|(_, _, action)| action.clone()).collect())
    }

    async fn console_log(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
        lines: Option<u32>,
    ) -> Result<Vec<u8>> {
        let server = self.find(caller, region, id)?;
        let log: Vec<String> =
            (1..=100).map(|line| format!("[{line:5}] {} boots\n", server.name)).collect();
        let from = lines.map_or(0, |lines| log.len().saturating_sub(lines as usize));
        Ok(log[from..].concat().into_bytes())
    }

    async fn open_console(
        &self,
        _: &Caller,
        _: &str,
        _: Uuid,
        _: ConsoleKind,
    ) -> Result<Box<dyn Console>> {
        Err(Error::Unsupported("There are no machines behind this cloud.".to_owned()))
    }

    async fn host_keys(&self, caller: &Caller, region: &str, id: Uuid) -> Result<Vec<HostKey>> {
        self.find(caller, region, id)?;
        let tables = self.tables();
        Ok(tables.host_keys.iter().filter(|key| key.server_id == id).cloned().collect())
    }

    async fn authorized_keys(&self, _: &Caller, _: &str, _: Uuid) -> Result<String> {
        Err(Error::Unsupported("There are no machines behind this cloud.".to_owned()))
    }

    async fn set_authorized_keys(&self, _: &Caller, _: &str, _: Uuid, _: &str) -> Result<()> {
        Err(Error::Unsupported("There are no machines behind this cloud.".to_owned()))
    }

    fn subscribe(&self) -> broadcast::Receiver<ServerEvent> {
        self.events.subscribe()
    }
}
