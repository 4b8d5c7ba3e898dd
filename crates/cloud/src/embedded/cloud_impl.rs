//! The [`Cloud`] of this machine: who may ask what, and the rows behind the answers.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use keys::{FingerprintHash, PublicKey};
use time::OffsetDateTime;
use tokio::sync::broadcast;
use uuid::Uuid;

use super::client::Shim;
use super::life::blocking;
use super::protocol::Request;
use super::records::ServerRow;
use super::{Embedded, console_log};
use crate::cloud::{
    Caller, Capabilities, Cloud, Console, ConsoleKind, KeyPairQuery, OwnAddresses, Resident, Role,
    ServerQuery, no_key_pair,
};
use crate::model::{
    Flavor, HostKey, Image, KeyPair, KeyType, Network, NewKeyPair, NewServer, Region, Server,
    ServerAction, ServerEvent, ServerRequest,
};
use crate::{Error, Result, ServerList};

/// How long a server may take to open a console.
const CONSOLE_TIMEOUT: Duration = Duration::from_secs(10);
/// The name of the one network.
pub(super) const NETWORK: &str = "public";

fn may_change(caller: &Caller) -> Result<()> {
    if caller.role < Role::Member {
        return Err(Error::Forbidden("You may look at this project, not change it.".into()));
    }
    Ok(())
}

impl Embedded {
    /// The row of a server that this caller may see.
    pub(super) async fn row(&self, caller: &Caller, region: &str, id: Uuid) -> Result<ServerRow> {
        self.region(region)?;
        self.records
            .server(id)
            .await?
            .filter(|row| row.server.region == region)
            .filter(|row| caller.role == Role::Admin || row.server.project_id == caller.project_id)
            .ok_or_else(|| no_server(id))
    }
}

fn unreadable(error: &std::io::Error) -> Error {
    Error::Conflict(format!(
        "The server's authorized_keys cannot be reached safely: {error}. Something inside the \
         server may have put a link or a folder in its place."
    ))
}

fn no_server(id: Uuid) -> Error {
    Error::NotFound(format!("Instance {id} could not be found."))
}

/// The same for a name at every start of the panel: networks have no rows.
fn stable_id(text: &str) -> Uuid {
    let digest = crypto::hash::HashAlgorithm::Sha256.digest(&[b"keyway network ", text.as_bytes()]);
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

#[async_trait]
impl Cloud for Embedded {
    fn name(&self) -> &'static str {
        "embedded"
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
        self.machine.warnings.clone()
    }

    async fn regions(&self, _caller: &Caller) -> Result<Vec<Region>> {
        Ok(self.settings.regions.iter().map(|region| region.region.clone()).collect())
    }

    async fn key_pairs(&self, caller: &Caller, region: &str) -> Result<Vec<KeyPair>> {
        self.region(region)?;
        self.records.key_pairs(region, &caller.user_id).await
    }

    async fn find_key_pairs(
        &self,
        caller: &Caller,
        regions: &[String],
        query: &KeyPairQuery,
    ) -> Result<(Vec<KeyPair>, u64)> {
        for region in regions {
            self.region(region)?;
        }
        self.records.find_key_pairs(regions, &caller.user_id, query).await
    }

    async fn key_pair(&self, caller: &Caller, region: &str, name: &str) -> Result<KeyPair> {
        self.region(region)?;
        let found = self.records.key_pair(region, &caller.user_id, name).await?;
        found.ok_or_else(|| no_key_pair(caller, name))
    }

    async fn add_key_pair(
        &self,
        caller: &Caller,
        region: &str,
        key: NewKeyPair,
    ) -> Result<KeyPair> {
        self.region(region)?;
        if key.name.is_empty() || key.name.chars().count() > 255 {
            return Err(Error::invalid("name", "A key's name has 1 to 255 characters."));
        }
        let (fingerprint_md5, fingerprint_sha256) = match key.kind {
            KeyType::Ssh => {
                let (public, _) = PublicKey::from_line(&key.public_key)
                    .map_err(|error| Error::invalid("public_key", error.to_string()))?;
                let md5 = public.fingerprint(FingerprintHash::Md5);
                let bare = md5.strip_prefix("MD5:").unwrap_or(&md5).to_owned();
                (bare, public.fingerprint(FingerprintHash::Sha256))
            }
            KeyType::X509 => (certificate_fingerprint(&key.public_key), String::new()),
        };
        self.records
            .insert_key_pair(KeyPair {
                id: 0,
                region: region.to_owned(),
                user_id: caller.user_id.clone(),
                name: key.name,
                kind: key.kind,
                public_key: key.public_key,
                fingerprint_md5,
                fingerprint_sha256,
                created_at: OffsetDateTime::now_utc(),
                last_used_at: None,
            })
            .await
    }

    async fn delete_key_pair(&self, caller: &Caller, region: &str, name: &str) -> Result<()> {
        self.region(region)?;
        if self.records.delete_key_pair(region, &caller.user_id, name).await? {
            return Ok(());
        }
        Err(no_key_pair(caller, name))
    }

    async fn images(&self, _caller: &Caller, region: &str) -> Result<Vec<Image>> {
        self.region(region)?;
        self.records.images().await
    }

    fn uploads(&self) -> Option<&dyn crate::Uploads> {
        Some(self)
    }

    async fn flavors(&self, _caller: &Caller, region: &str) -> Result<Vec<Flavor>> {
        self.region(region)?;
        Ok(self.settings.flavors.clone())
    }

    async fn networks(&self, _caller: &Caller, region: &str) -> Result<Vec<Network>> {
        let settings = self.region(region)?;
        let range = self.range(settings);
        Ok(vec![Network {
            id: stable_id(region),
            name: NETWORK.into(),
            subnet_id: stable_id(&format!("{region} subnet")),
            cidr: range.to_string(),
        }])
    }

    async fn servers(
        &self,
        caller: &Caller,
        region: &str,
        query: &ServerQuery,
    ) -> Result<(Vec<Server>, u64)> {
        self.region(region)?;
        if query.all_projects && caller.role < Role::Admin {
            return Err(Error::Forbidden(
                "Only administrators list the servers of every project.".into(),
            ));
        }
        let project = (!query.all_projects).then_some(caller.project_id.as_str());
        let (rows, total) = self.records.servers(region, project, query).await?;
        Ok((rows.into_iter().map(|row| row.server).collect(), total))
    }

    async fn find_servers(
        &self,
        caller: &Caller,
        regions: &[String],
        list: &ServerList,
    ) -> Result<Option<(Vec<Server>, u64)>> {
        for region in regions {
            self.region(region)?;
        }
        self.records.find_servers(regions, &caller.project_id, list).await.map(Some)
    }

    async fn server(&self, caller: &Caller, region: &str, id: Uuid) -> Result<Server> {
        Ok(self.row(caller, region, id).await?.server)
    }

    async fn create_server(&self, caller: &Caller, region: &str, new: NewServer) -> Result<Server> {
        self.region(region)?;
        may_change(caller)?;
        self.shared()?.create(caller, region, new).await
    }

    async fn request(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
        request: ServerRequest,
    ) -> Result<Server> {
        self.row(caller, region, id).await?;
        may_change(caller)?;
        self.shared()?.act(caller, region, id, request).await
    }

    async fn delete_server(&self, caller: &Caller, region: &str, id: Uuid) -> Result<()> {
        self.row(caller, region, id).await?;
        may_change(caller)?;
        self.shared()?.delete(caller, region, id).await
    }

    async fn actions(&self, caller: &Caller, region: &str, id: Uuid) -> Result<Vec<ServerAction>> {
        self.region(region)?;
        let project = self.records.project_of(id).await?.ok_or_else(|| no_server(id))?;
        if caller.role < Role::Admin && project != caller.project_id {
            return Err(no_server(id));
        }
        self.records.actions(id).await
    }

    async fn console_log(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
        lines: Option<u32>,
    ) -> Result<Vec<u8>> {
        self.row(caller, region, id).await?;
        let folder = self.layout.server(id);
        blocking(move || console_log::last_lines(&folder, lines))
            .await
            .map_err(|error| Error::Internal(format!("Reading the console log: {error}")))
    }

    async fn open_console(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
        kind: ConsoleKind,
    ) -> Result<Box<dyn Console>> {
        self.row(caller, region, id).await?;
        may_change(caller)?;
        let folder = self.layout.server(id);
        let shim = Shim::connect(&folder).await.map_err(|_| {
            Error::Conflict(format!("Instance {id} is not running, so it has no console."))
        })?;
        let request = match kind {
            ConsoleKind::System => Request::Console,
            ConsoleKind::Shell => Request::Shell { columns: 80, rows: 25 },
        };
        let answer = tokio::time::timeout(CONSOLE_TIMEOUT, shim.ask(&request)).await;
        let shim = answer.unwrap_or_else(|_| {
            Err(Error::Conflict(format!("Instance {id} does not open a console.")))
        })?;
        Ok(Box::new(shim.into_terminal()))
    }

    async fn host_keys(&self, caller: &Caller, region: &str, id: Uuid) -> Result<Vec<HostKey>> {
        self.region(region)?;
        let project = self.records.project_of(id).await?.ok_or_else(|| no_server(id))?;
        if caller.role < Role::Admin && project != caller.project_id {
            return Err(no_server(id));
        }
        self.glance(id).await;
        self.records.host_keys(id).await
    }

    async fn authorized_keys(&self, caller: &Caller, region: &str, id: Uuid) -> Result<String> {
        let row = self.row(caller, region, id).await?;
        let root = self.guest_root(&row).await?;
        blocking(move || root.authorized_keys()).await.map_err(|error| unreadable(&error))
    }

    async fn set_authorized_keys(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
        text: &str,
    ) -> Result<()> {
        let row = self.row(caller, region, id).await?;
        may_change(caller)?;
        let root = self.guest_root(&row).await?;
        let text = text.to_owned();
        blocking(move || root.set_authorized_keys(&text)).await.map_err(|error| unreadable(&error))
    }

    fn own_addresses(&self) -> OwnAddresses {
        let regions = self.settings.regions.iter();
        let ranges = regions.map(|region| self.range(region).to_string()).collect();
        let port = self.settings.user_ssh_port;
        let ports = if self.ordinary_user() { vec![port] } else { Vec::new() };
        OwnAddresses { ranges, ports }
    }

    async fn resident(&self, address: IpAddr, port: u16) -> Result<Resident> {
        let here = self.runs().iter().find(|(_, run)| run.address == address).map(|(id, _)| *id);
        if let Some(id) = here {
            self.glance(id).await;
        }
        let host_keys = self.records.host_keys_at(&address.to_string(), port).await?;
        let present = host_keys.iter().find(|key| key.retired_at.is_none());
        let mut server_id = present.map(|key| key.server_id);
        if server_id.is_none() {
            let rows = self.records.all_servers().await?;
            let here = |row: &&ServerRow| {
                row.server.addresses.iter().any(|at| at.address == address && at.ssh_port == port)
            };
            server_id = rows.iter().find(here).map(|row| row.server.id);
        }
        Ok(Resident { server_id, host_keys })
    }

    fn subscribe(&self) -> broadcast::Receiver<ServerEvent> {
        self.events.subscribe()
    }
}

/// SHA-1 over the certificate's DER, with colons, as Nova shows it.
fn certificate_fingerprint(pem: &str) -> String {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let digest = crypto::hash::HashAlgorithm::Sha1.digest(&[body.as_bytes()]);
    let octets: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    octets.join(":")
}
