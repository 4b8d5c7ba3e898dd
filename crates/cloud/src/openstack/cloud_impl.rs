//! The [`Cloud`] of a real OpenStack.

use std::net::IpAddr;

use async_trait::async_trait;
use tokio::sync::broadcast;
use uuid::Uuid;

use super::{Openstack, server_view};
use crate::accounts::OwnAccounts;
use crate::cloud::{
    Caller, Capabilities, Cloud, Console, ConsoleKind, KeyPairQuery, OwnAddresses, Resident,
    ServerQuery,
};
use crate::model::{
    Flavor, HostKey, Image, KeyPair, Network, NewKeyPair, NewServer, Region, Server, ServerAction,
    ServerEvent, ServerRequest,
};
use crate::{Error, Result};

fn inside() -> Error {
    Error::Unsupported(
        "OpenStack does not let this panel look into its servers: log in to the server and change \
         its authorized_keys there, or rebuild it with other keys."
            .to_owned(),
    )
}

#[async_trait]
impl Cloud for Openstack {
    fn name(&self) -> &'static str {
        "openstack"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            consoles: false,
            remote_consoles: true,
            authorized_keys: false,
            several_keys: true,
            key_use: false,
            own_accounts: true,
        }
    }

    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    fn silent(&self) -> Vec<String> {
        self.http.silent()
    }

    fn accounts(&self) -> Option<&dyn OwnAccounts> {
        Some(self)
    }

    async fn regions(&self, caller: &Caller) -> Result<Vec<Region>> {
        self.region_list(caller).await
    }

    async fn key_pairs(&self, caller: &Caller, region: &str) -> Result<Vec<KeyPair>> {
        self.list_key_pairs(caller, region).await
    }

    async fn find_key_pairs(
        &self,
        caller: &Caller,
        regions: &[String],
        query: &KeyPairQuery,
    ) -> Result<(Vec<KeyPair>, u64)> {
        let all = self.key_pairs_of(caller, regions, query.lacking_in.as_ref()).await?;
        Ok(query.apply(regions, all))
    }

    async fn add_key_pair(
        &self,
        caller: &Caller,
        region: &str,
        new: NewKeyPair,
    ) -> Result<KeyPair> {
        self.store_key_pair(caller, region, new).await
    }

    async fn delete_key_pair(&self, caller: &Caller, region: &str, name: &str) -> Result<()> {
        self.remove_key_pair(caller, region, name).await
    }

    async fn images(&self, caller: &Caller, region: &str) -> Result<Vec<Image>> {
        self.list_images(caller, region).await
    }

    async fn flavors(&self, caller: &Caller, region: &str) -> Result<Vec<Flavor>> {
        let nova = self.nova(caller, region).await?;
        let found = nova.list("/flavors/detail?limit=1000", "flavors").await?;
        let mut flavors: Vec<Flavor> = found.iter().filter_map(server_view::flavor).collect();
        flavors.sort_by(|a, b| (a.ram_mib, a.vcpus, &a.name).cmp(&(b.ram_mib, b.vcpus, &b.name)));
        Ok(flavors)
    }

    async fn networks(&self, caller: &Caller, region: &str) -> Result<Vec<Network>> {
        self.list_networks(caller, region).await
    }

    async fn servers(
        &self,
        caller: &Caller,
        region: &str,
        query: &ServerQuery,
    ) -> Result<(Vec<Server>, u64)> {
        self.list_servers(caller, region, query).await
    }

    async fn server(&self, caller: &Caller, region: &str, id: Uuid) -> Result<Server> {
        self.one_server(caller, region, id).await
    }

    async fn create_server(&self, caller: &Caller, region: &str, new: NewServer) -> Result<Server> {
        self.make_server(caller, region, new).await
    }

    async fn request(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
        request: ServerRequest,
    ) -> Result<Server> {
        self.ask_server(caller, region, id, request).await
    }

    async fn delete_server(&self, caller: &Caller, region: &str, id: Uuid) -> Result<()> {
        self.remove_server(caller, region, id).await
    }

    async fn actions(&self, caller: &Caller, region: &str, id: Uuid) -> Result<Vec<ServerAction>> {
        self.action_list(caller, region, id).await
    }

    async fn console_log(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
        lines: Option<u32>,
    ) -> Result<Vec<u8>> {
        self.console_text(caller, region, id, lines).await.map(String::into_bytes)
    }

    async fn open_console(
        &self,
        _: &Caller,
        _: &str,
        _: Uuid,
        _: ConsoleKind,
    ) -> Result<Box<dyn Console>> {
        Err(Error::Unsupported(
            "OpenStack's console is a screen in a page of its own, not a terminal here.".to_owned(),
        ))
    }

    async fn remote_console(&self, caller: &Caller, region: &str, id: Uuid) -> Result<String> {
        self.console_address(caller, region, id).await
    }

    async fn host_keys(&self, caller: &Caller, region: &str, id: Uuid) -> Result<Vec<HostKey>> {
        // Nova says whether the caller may see the server at all.
        let server = self.one_server(caller, region, id).await?;
        let mut keys = self.records.host_keys(id).await?;
        let address = server.addresses.first();
        let mut present = false;
        for key in keys.iter_mut().filter(|key| key.retired_at.is_none()) {
            present = true;
            // It may have been given a floating address since.
            if let Some(address) = address {
                key.address = address.address.to_string();
            }
        }
        if !present {
            self.look_for_host_keys(caller, &server);
        }
        Ok(keys)
    }

    async fn authorized_keys(&self, _: &Caller, _: &str, _: Uuid) -> Result<String> {
        Err(inside())
    }

    async fn set_authorized_keys(&self, _: &Caller, _: &str, _: Uuid, _: &str) -> Result<()> {
        Err(inside())
    }

    fn own_addresses(&self) -> OwnAddresses {
        self.known_ranges()
    }

    async fn resident(&self, address: IpAddr, port: u16) -> Result<Resident> {
        self.who_is_at(address, port).await
    }

    fn subscribe(&self) -> broadcast::Receiver<ServerEvent> {
        self.events.subscribe()
    }
}
