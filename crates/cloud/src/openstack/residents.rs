//! Who is at an address, for the panel to vouch for it to anybody who asks.
//!
//! Projects may give themselves any addresses, and two may have the same. So this speaks of networks
//! only that give each address once: those outside (floating addresses) and those that projects
//! share. Asking Nova who has an address now takes the panel's own account, an administrator's.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, Weak};
use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;

use super::{Openstack, lock, server_view};
use crate::accounts::OwnAccounts;
use crate::cloud::{Caller, OwnAddresses, Resident, Role};
use crate::{Error, Result};

/// Networks are looked at this often; after a failure, sooner.
const LOOK_EVERY: Duration = Duration::from_secs(600);
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// What Nova said of an address is repeated for this long: anybody may ask.
const REPEATED_FOR: Duration = Duration::from_secs(5);
const REPEATED_MAX: usize = 10_000;

/// What is remembered of it.
#[derive(Default)]
pub(super) struct Residents {
    ranges: Mutex<Vec<String>>,
    said: Mutex<HashMap<IpAddr, (Instant, Option<Uuid>)>>,
}

impl Openstack {
    /// Looks at the networks from time to time, where the panel has an account.
    pub(super) fn begin_to_look(&self) {
        if self.config.account.is_none() || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let me: Weak<Self> = self.me.clone();
        tokio::spawn(async move {
            while let Some(me) = me.upgrade() {
                let looked = me.look_at_networks().await;
                drop(me);
                if let Err(error) = &looked {
                    tracing::info!(%error, "the cloud's networks are not known: nothing is vouched for");
                }
                tokio::time::sleep(if looked.is_ok() { LOOK_EVERY } else { LOOK_AGAIN }).await;
            }
        });
    }

    async fn look_at_networks(&self) -> Result<()> {
        let caller = self.service().await?;
        let mut found = BTreeSet::new();
        if caller.role == Role::Admin {
            for region in self.region_list(&caller).await? {
                let Some(neutron) = self.neutron(&caller, &region.id)? else { continue };
                let networks = neutron.list("/networks?limit=500", "networks").await?;
                let subnets = neutron.list("/subnets?limit=500", "subnets").await?;
                found.extend(unique(&networks, &subnets));
            }
        }
        let ranges: Vec<(String, String)> = found.into_iter().collect();
        *lock(&self.residents.ranges) = without_doubles(&ranges);
        Ok(())
    }

    pub(super) fn known_ranges(&self) -> OwnAddresses {
        OwnAddresses { ranges: lock(&self.residents.ranges).clone(), ports: Vec::new() }
    }

    pub(super) async fn who_is_at(&self, address: IpAddr, port: u16) -> Result<Resident> {
        let covered = lock(&self.residents.ranges).iter().any(|range| contains(range, address));
        if !covered {
            return Ok(Resident::default());
        }
        let mut host_keys = self.records.host_keys_at(&address.to_string(), port).await?;
        let said = lock(&self.residents.said).get(&address).copied();
        let server_id = if let Some((at, server_id)) = said
            && at.elapsed() < REPEATED_FOR
        {
            server_id
        } else {
            let server_id = self.ask_who_is_at(address).await?;
            let mut said = lock(&self.residents.said);
            said.retain(|_, (at, _)| at.elapsed() < REPEATED_FOR);
            if said.len() < REPEATED_MAX {
                said.insert(address, (Instant::now(), server_id));
            }
            server_id
        };
        // A floating address may have come after the keys were read.
        if let Some(id) = server_id
            && !host_keys.iter().any(|key| key.server_id == id && key.retired_at.is_none())
        {
            let mut keys = self.records.host_keys(id).await?;
            keys.retain(|key| key.retired_at.is_none() && key.port == port);
            host_keys.splice(0..0, keys);
        }
        Ok(Resident { server_id, host_keys })
    }

    /// The one server that has the address, of whatever project and region.
    async fn ask_who_is_at(&self, address: IpAddr) -> Result<Option<Uuid>> {
        let caller = self.service().await?;
        let mut found = BTreeSet::new();
        for region in self.region_list(&caller).await? {
            found.extend(self.servers_at(&caller, &region.id, address).await?);
        }
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(Error::Conflict(format!("Several servers have {address}."))),
            (only, _) => Ok(only),
        }
    }

    async fn servers_at(
        &self,
        caller: &Caller,
        region: &str,
        address: IpAddr,
    ) -> Result<Vec<Uuid>> {
        let nova = self.nova(caller, region).await?;
        // By a part of the address, which Nova or Neutron looks for; what is found has it whole.
        let field = if address.is_ipv4() { "ip" } else { "ip6" };
        let text = address.to_string().replace(':', "%3A");
        let path = format!("/servers/detail?all_tenants=1&limit=500&{field}={text}");
        let found = nova.list(&path, "servers").await?;
        let servers = found.iter().filter_map(|value| server_view::server(value, region));
        Ok(servers
            .filter(|server| server.addresses.iter().any(|one| one.address == address))
            .map(|server| server.id)
            .collect())
    }
}

/// Ranges, each with its network's identifier, of networks that give each address once.
fn unique(networks: &[Value], subnets: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    networks
        .iter()
        .filter(|network| network["shared"] == true || network["router:external"] == true)
        .flat_map(|network| {
            let of = subnets.iter().filter(|subnet| subnet["network_id"] == network["id"]);
            of.map(|subnet| (text(&subnet["cidr"]), text(&network["id"])))
        })
        .filter(|(range, _)| split(range).is_some())
        .collect()
}

/// Those that no other network's overlap.
fn without_doubles(ranges: &[(String, String)]) -> Vec<String> {
    let overlaps = |one: &str, other: &str| match (split(one), split(other)) {
        (Some((a, _)), Some((b, _))) => contains(one, b) || contains(other, a),
        _ => false,
    };
    ranges
        .iter()
        .filter(|(range, network)| {
            !ranges.iter().any(|(other, of)| of != network && overlaps(range, other))
        })
        .map(|(range, _)| range.clone())
        .collect()
}

fn split(range: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = range.split_once('/')?;
    let (address, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
    (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, bits))
}

fn contains(range: &str, address: IpAddr) -> bool {
    let Some((net, bits)) = split(range) else { return false };
    let (net, address, all) = match (net, address) {
        (IpAddr::V4(net), IpAddr::V4(address)) => {
            (u128::from(u32::from(net)), u128::from(u32::from(address)), 32)
        }
        (IpAddr::V6(net), IpAddr::V6(address)) => (u128::from(net), u128::from(address), 128),
        _ => return false,
    };
    (net ^ address).checked_shr(all - bits).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ranges_that_are_spoken_of() {
        let network = |id: &str, shared: bool, external: bool| json!({"id": id, "shared": shared, "router:external": external});
        let subnet = |of: &str, cidr: &str| json!({"network_id": of, "cidr": cidr});
        let networks = [
            network("a", true, false),
            network("b", false, true),
            network("c", false, false),
            network("d", true, false),
        ];
        let subnets = [
            subnet("a", "10.20.0.0/16"),
            subnet("b", "203.0.113.0/24"),
            subnet("c", "192.168.0.0/24"),
            subnet("d", "10.20.7.0/24"),
            subnet("b", "2001:db8::/64"),
            subnet("b", "nonsense"),
        ];
        let found = unique(&networks, &subnets);
        assert_eq!(found.len(), 4);
        assert_eq!(without_doubles(&found), ["203.0.113.0/24", "2001:db8::/64"]);
        let twice: Vec<_> = [&found[1..3], &found[1..3]].concat();
        assert_eq!(without_doubles(&twice).len(), 4, "one network seen in two regions");
    }

    #[test]
    fn addresses_in_ranges() {
        let at = |range, address: &str| contains(range, address.parse().unwrap());
        assert!(at("10.20.0.0/16", "10.20.255.1") && !at("10.20.0.0/16", "10.21.0.1"));
        assert!(at("0.0.0.0/0", "1.2.3.4") && at("::/0", "2001:db8::1"));
        assert!(!at("0.0.0.0/0", "::1") && !at("10.0.0.0/33", "10.0.0.0"));
        assert!(at("2001:db8::/64", "2001:db8::7") && !at("2001:db8::/64", "2001:db8:1::"));
    }
}
