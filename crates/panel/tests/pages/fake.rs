//! A cloud without machines whose rows are in the panel's own store, as the embedded cloud's are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cloud::embedded::records::{Records, ServerRow};
use cloud::model::{
    Address, Flavor, HostKey, HostKeySource, Image, ImageStatus, KeyPair, Network, NewKeyPair,
    NewServer, Power, Region, Server, ServerAction, ServerEvent, ServerRequest, Status,
};
use cloud::{
    Caller, Capabilities, Cloud, Console, ConsoleKind, Error, KeyPairQuery, Result, Role,
    ServerList, ServerQuery,
};
use keys::{FingerprintHash, KeyKind, PrivateKey, PublicKey};
use panel::store::{Store, now};
use tokio::sync::broadcast;
use uuid::Uuid;

use super::echo::Echo;

pub const IMAGE: Uuid = Uuid::from_u128(1);

pub struct Fake {
    store: Store,
    events: broadcast::Sender<ServerEvent>,
    authorized: Mutex<BTreeMap<Uuid, String>>,
}

impl Fake {
    pub fn new(store: Store) -> Arc<Self> {
        let (events, _) = broadcast::channel(64);
        Arc::new(Self { store, events, authorized: Mutex::default() })
    }

    async fn find(&self, caller: &Caller, region: &str, id: Uuid) -> Result<ServerRow> {
        let row = self.store.server(id).await?;
        row.filter(|row| {
            row.server.region == region
                && (row.server.project_id == caller.project_id || caller.role == Role::Admin)
        })
        .ok_or_else(|| Error::NotFound("There is no such server.".to_owned()))
    }

    async fn note(&self, caller: &Caller, id: Uuid, action: &str) -> Result<()> {
        let action = ServerAction {
            request_id: caller.request_id.clone(),
            action: action.to_owned(),
            user_id: caller.user_id.clone(),
            project_id: caller.project_id.clone(),
            started_at: now(),
            finished_at: Some(now()),
            message: None,
        };
        self.store.put_action(id, &action).await
    }

    async fn new_host_keys(&self, server: &Server) -> Result<()> {
        let mut keys = Vec::new();
        for kind in [KeyKind::Ed25519, KeyKind::Ecdsa] {
            let key = PrivateKey::generate(kind, None, "").unwrap();
            keys.push(HostKey {
                server_id: server.id,
                region: server.region.clone(),
                address: server.addresses[0].address.to_string(),
                port: server.addresses[0].ssh_port,
                public_key: key.public().to_line(""),
                fingerprint_sha256: key.public().fingerprint(FingerprintHash::Sha256),
                source: HostKeySource::Boot,
                first_seen_at: now(),
                retired_at: None,
            });
        }
        self.store.record_host_keys(server.id, &keys, now()).await
    }

    pub fn tell(&self, server: &Server) {
        let _ = self.events.send(ServerEvent {
            region: server.region.clone(),
            project_id: server.project_id.clone(),
            server_id: server.id,
            status: Some(server.status),
        });
    }
}

#[async_trait]
impl Cloud for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            consoles: true,
            remote_consoles: false,
            authorized_keys: true,
            several_keys: true,
            key_use: true,
            own_accounts: false,
        }
    }

    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    async fn regions(&self, _: &Caller) -> Result<Vec<Region>> {
        let region = |id: &str, name: &str| Region { id: id.into(), name: name.into() };
        Ok(vec![region("ams", "Amsterdam (AMS)"), region("iad", "Northern Virginia (IAD)")])
    }

    async fn key_pairs(&self, caller: &Caller, region: &str) -> Result<Vec<KeyPair>> {
        Records::key_pairs(&self.store, region, &caller.user_id).await
    }

    async fn find_key_pairs(
        &self,
        caller: &Caller,
        regions: &[String],
        query: &KeyPairQuery,
    ) -> Result<(Vec<KeyPair>, u64)> {
        Records::find_key_pairs(&self.store, regions, &caller.user_id, query).await
    }

    async fn key_pair(&self, caller: &Caller, region: &str, name: &str) -> Result<KeyPair> {
        let found = Records::key_pair(&self.store, region, &caller.user_id, name).await?;
        found.ok_or_else(|| Error::NotFound("There is no such key.".to_owned()))
    }

    async fn add_key_pair(
        &self,
        caller: &Caller,
        region: &str,
        key: NewKeyPair,
    ) -> Result<KeyPair> {
        let (public, _) = PublicKey::from_line(&key.public_key)
            .map_err(|error| Error::invalid("public_key", error.to_string()))?;
        self.store
            .insert_key_pair(KeyPair {
                id: 0,
                region: region.to_owned(),
                user_id: caller.user_id.clone(),
                name: key.name,
                kind: key.kind,
                public_key: key.public_key,
                fingerprint_md5: public
                    .fingerprint(FingerprintHash::Md5)
                    .trim_start_matches("MD5:")
                    .to_owned(),
                fingerprint_sha256: public.fingerprint(FingerprintHash::Sha256),
                created_at: now(),
                last_used_at: None,
            })
            .await
    }

    async fn delete_key_pair(&self, caller: &Caller, region: &str, name: &str) -> Result<()> {
        let gone = Records::delete_key_pair(&self.store, region, &caller.user_id, name).await?;
        if gone { Ok(()) } else { Err(Error::NotFound("There is no such key.".to_owned())) }
    }

    async fn images(&self, _: &Caller, _: &str) -> Result<Vec<Image>> {
        Ok(vec![Image {
            id: IMAGE,
            name: "this-system".to_owned(),
            status: ImageStatus::Active,
            size: 1,
            sha256: String::new(),
            created_at: now(),
            uses_cloud_init: false,
        }])
    }

    async fn flavors(&self, _: &Caller, _: &str) -> Result<Vec<Flavor>> {
        Ok([("1", "small", 512, 1), ("2", "medium", 2048, 1), ("3", "large", 4096, 2)]
            .into_iter()
            .map(|(id, name, ram_mib, vcpus)| Flavor {
                id: id.into(),
                name: name.into(),
                ram_mib,
                vcpus,
                disk_gib: 5,
            })
            .collect())
    }

    async fn networks(&self, _: &Caller, _: &str) -> Result<Vec<Network>> {
        Ok(Vec::new())
    }

    async fn find_servers(
        &self,
        caller: &Caller,
        regions: &[String],
        list: &ServerList,
    ) -> Result<Option<(Vec<Server>, u64)>> {
        Records::find_servers(&self.store, regions, &caller.project_id, list).await.map(Some)
    }

    async fn servers(
        &self,
        caller: &Caller,
        region: &str,
        query: &ServerQuery,
    ) -> Result<(Vec<Server>, u64)> {
        let project = (!query.all_projects).then_some(caller.project_id.as_str());
        let (rows, total) = Records::servers(&self.store, region, project, query).await?;
        Ok((rows.into_iter().map(|row| row.server).collect(), total))
    }

    async fn server(&self, caller: &Caller, region: &str, id: Uuid) -> Result<Server> {
        Ok(self.find(caller, region, id).await?.server)
    }

    async fn create_server(&self, caller: &Caller, region: &str, new: NewServer) -> Result<Server> {
        let keys = self.key_pairs(caller, region).await?;
        let lines: Vec<String> = keys
            .into_iter()
            .filter(|key| new.key_names.contains(&key.name))
            .map(|key| key.public_key)
            .collect();
        let flavors = self.flavors(caller, region).await?;
        let flavor = flavors.into_iter().find(|flavor| flavor.id == new.flavor_id);
        let flavor = flavor.ok_or_else(|| Error::invalid("flavor", "There is no such flavor."))?;
        let (caller_copy, region_copy, names) =
            (caller.clone(), region.to_owned(), new.key_names.clone());
        let row = self
            .store
            .insert_server(
                region,
                8000,
                Box::new(move |slot| ServerRow {
                    server: Server {
                        id: Uuid::new_v4(),
                        region: region_copy,
                        project_id: caller_copy.project_id,
                        user_id: caller_copy.user_id,
                        name: new.name,
                        status: Status::Active,
                        task_state: None,
                        power: Power::Running,
                        fault: None,
                        image_id: new.image_id,
                        flavor,
                        key_name: new.key_names.first().cloned(),
                        key_names: new.key_names,
                        addresses: vec![Address {
                            network: "public".to_owned(),
                            address: std::net::Ipv4Addr::from(0x0a4e_0001 + slot).into(),
                            ssh_port: 22,
                            mac: String::new(),
                        }],
                        metadata: BTreeMap::new(),
                        tags: Vec::new(),
                        locked: false,
                        description: new.description,
                        created_at: now(),
                        updated_at: now(),
                        launched_at: Some(now()),
                    },
                    wanted_running: true,
                    slot,
                    public_keys: Vec::new(),
                    user_data: new.user_data,
                    generation: 0,
                }),
            )
            .await?;
        let server = row.server;
        self.store.touch_key_pairs(region, &caller.user_id, &names, now()).await?;
        let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        self.authorized.lock().unwrap_or_else(PoisonError::into_inner).insert(server.id, text);
        self.note(caller, server.id, "create").await?;
        self.new_host_keys(&server).await?;
        self.tell(&server);
        Ok(server)
    }

    async fn request(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
        request: ServerRequest,
    ) -> Result<Server> {
        let mut row = self.find(caller, region, id).await?;
        let name = match &request {
            ServerRequest::Stop => {
                row.server.status = Status::Shutoff;
                "stop"
            }
            ServerRequest::Start => {
                row.server.status = Status::Active;
                "start"
            }
            ServerRequest::Rebuild { .. } => {
                self.new_host_keys(&row.server).await?;
                "rebuild"
            }
            ServerRequest::Lock => {
                row.server.locked = true;
                "lock"
            }
            ServerRequest::Unlock => {
                row.server.locked = false;
                "unlock"
            }
            _ => "reboot",
        };
        self.store.update_server(&row).await?;
        self.note(caller, id, name).await?;
        self.tell(&row.server);
        Ok(row.server)
    }

    async fn delete_server(&self, caller: &Caller, region: &str, id: Uuid) -> Result<()> {
        let row = self.find(caller, region, id).await?;
        Records::delete_server(&self.store, id).await?;
        self.tell(&row.server);
        Ok(())
    }

    async fn actions(&self, caller: &Caller, region: &str, id: Uuid) -> Result<Vec<ServerAction>> {
        self.find(caller, region, id).await?;
        Records::actions(&self.store, id).await
    }

    async fn console_log(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
        _: Option<u32>,
    ) -> Result<Vec<u8>> {
        self.find(caller, region, id).await?;
        Ok(b"\x1b[32mOK\x1b[0m booted <b>\r\n".to_vec())
    }

    async fn open_console(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
        _: ConsoleKind,
    ) -> Result<Box<dyn Console>> {
        self.find(caller, region, id).await?;
        Ok(Box::new(Echo::new()))
    }

    async fn host_keys(&self, caller: &Caller, region: &str, id: Uuid) -> Result<Vec<HostKey>> {
        self.find(caller, region, id).await?;
        Records::host_keys(&self.store, id).await
    }

    async fn authorized_keys(&self, caller: &Caller, region: &str, id: Uuid) -> Result<String> {
        self.find(caller, region, id).await?;
        let authorized = self.authorized.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(authorized.get(&id).cloned().unwrap_or_default())
    }

    async fn set_authorized_keys(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
        text: &str,
    ) -> Result<()> {
        self.find(caller, region, id).await?;
        self.authorized.lock().unwrap_or_else(PoisonError::into_inner).insert(id, text.to_owned());
        Ok(())
    }

    fn subscribe(&self) -> broadcast::Receiver<ServerEvent> {
        self.events.subscribe()
    }
}
