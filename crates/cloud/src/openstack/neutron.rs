//! Networks, and which one a new server gets.

use serde_json::{Value, json};

use super::Openstack;
use crate::cloud::Caller;
use crate::model::Network;
use crate::{Error, Result};

impl Openstack {
    /// Those that the project may put servers into: its own and shared ones, with a subnet.
    pub(super) async fn list_networks(
        &self,
        caller: &Caller,
        region: &str,
    ) -> Result<Vec<Network>> {
        let Some(neutron) = self.neutron(caller, region)? else { return Ok(Vec::new()) };
        let networks = neutron.list("/networks?limit=500", "networks").await?;
        let subnets = neutron.list("/subnets?limit=500", "subnets").await?;
        Ok(usable(&networks, &subnets, &caller.project_id))
    }

    /// What to say to Nova: the network that was chosen, or the only one, or the usual one.
    pub(super) async fn choose_network(
        &self,
        caller: &Caller,
        region: &str,
        wanted: Option<uuid::Uuid>,
    ) -> Result<Value> {
        if self.neutron(caller, region)?.is_none() {
            return Ok(json!("auto"));
        }
        let networks = self.list_networks(caller, region).await?;
        let usual = self.config.network.as_deref();
        let network = match (wanted, networks.as_slice()) {
            (Some(id), _) => networks.iter().find(|network| network.id == id),
            (None, [only]) => Some(only),
            (None, _) => networks.iter().find(|network| usual == Some(&network.name)),
        };
        if let Some(network) = network {
            return Ok(json!([{ "uuid": network.id }]));
        }
        let names: Vec<&str> = networks.iter().map(|network| network.name.as_str()).collect();
        Err(Error::invalid(
            "network",
            if names.is_empty() {
                format!(
                    "There is no network in {region} that this project may use; make one there \
                         first, with a subnet."
                )
            } else {
                format!("Choose one of {region}'s networks: {}.", names.join(", "))
            },
        ))
    }
}

fn usable(networks: &[Value], subnets: &[Value], project_id: &str) -> Vec<Network> {
    let mut usable = Vec::new();
    for network in networks {
        let own = ["project_id", "tenant_id"].iter().any(|name| network[name] == project_id);
        let shared = network["shared"] == true;
        if !own && !shared || network["admin_state_up"] == false {
            continue;
        }
        let subnet = subnets.iter().find(|subnet| subnet["network_id"] == network["id"]);
        let id = |value: &Value| value["id"].as_str().and_then(|id| id.parse().ok());
        if let (Some(id), Some((subnet_id, subnet))) =
            (id(network), subnet.and_then(|subnet| Some((id(subnet)?, subnet))))
        {
            usable.push(Network {
                id,
                name: network["name"].as_str().unwrap_or_default().to_owned(),
                subnet_id,
                cidr: subnet["cidr"].as_str().unwrap_or_default().to_owned(),
            });
        }
    }
    usable.sort_by(|a, b| a.name.cmp(&b.name));
    usable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_that_a_project_may_use() {
        let id = |n: u8| format!("00000000-0000-4000-8000-0000000000{n:02}");
        let network = |n, project: &str, shared: bool| json!({"id": id(n), "name": format!("n{n}"), "project_id": project, "shared": shared, "admin_state_up": true});
        let subnet = |n, of| json!({"id": id(n), "network_id": id(of), "cidr": "10.20.0.0/16"});
        let networks = [
            network(1, "me", false),
            network(2, "other", true),
            network(3, "other", false),
            network(4, "me", false),
        ];
        let found = usable(&networks, &[subnet(11, 1), subnet(12, 2), subnet(13, 3)], "me");
        let names: Vec<&str> = found.iter().map(|network| network.name.as_str()).collect();
        assert_eq!(names, ["n1", "n2"]);
    }
}
