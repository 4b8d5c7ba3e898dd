//! What hangs on a server: addresses, interfaces, and the things that servers here have none of.

use axum::extract::Path;
use cloud::model::{Address, Network, Server};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::body::shown;
use super::super::context::Api;
use super::super::fault::{Fault, Outcome};
use super::{Three, Two, empty, find, json as reply, server_view};

pub(super) async fn addresses(api: Api, Path((_, id)): Two) -> Outcome {
    let server = find(&api, &id).await?;
    Ok(reply(json!({"addresses": server_view::addresses(&server.addresses, false)})))
}

pub(super) async fn addresses_of(api: Api, Path((_, id, network)): Three) -> Outcome {
    let server = find(&api, &id).await?;
    let on_it: Vec<Address> =
        server.addresses.into_iter().filter(|address| address.network == network).collect();
    if on_it.is_empty() {
        return Err(Fault::not_found(format_args!(
            "Instance is not a member of specified network {}",
            shown(&network)
        )));
    }
    Ok(reply(server_view::addresses(&on_it, false)))
}

/// An interface's identifier, which is the same whenever it is asked for.
pub(in crate::api) fn port_id(server: &Server, address: &Address) -> Uuid {
    let digest = crypto::hash::HashAlgorithm::Sha256.digest(&[
        b"port ",
        server.id.as_bytes(),
        address.network.as_bytes(),
        address.address.to_string().as_bytes(),
    ]);
    let mut bytes = [0u8; 16];
    for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

pub(super) async fn interfaces(api: Api, Path((_, id)): Two) -> Outcome {
    let server = find(&api, &id).await?;
    let networks = api.cloud().networks(&api.caller, &api.region).await?;
    let list: Vec<Value> = server
        .addresses
        .iter()
        .filter_map(|address| {
            let network = networks.iter().find(|network| network.name == address.network)?;
            Some(json!({
                "port_state": "ACTIVE",
                "fixed_ips": [{
                    "subnet_id": network.subnet_id,
                    "ip_address": address.address.to_string(),
                }],
                "mac_addr": address.mac,
                "net_id": network.id,
                "port_id": port_id(&server, address),
            }))
        })
        .collect();
    Ok(reply(json!({"interfaceAttachments": list})))
}

pub(super) async fn volumes(api: Api, Path((_, id)): Two) -> Outcome {
    find(&api, &id).await?;
    Ok(reply(json!({"volumeAttachments": []})))
}

pub(super) async fn security_groups(api: Api, Path((_, id)): Two) -> Outcome {
    let server = find(&api, &id).await?;
    Ok(reply(json!({"security_groups": [{
        "id": "default",
        "name": "default",
        "description": "Everything that this cloud routes.",
        "rules": [],
        "tenant_id": server.project_id,
    }]})))
}

/// The password that a server might have told Nova; none does here.
pub(super) async fn password(api: Api, Path((_, id)): Two) -> Outcome {
    find(&api, &id).await?;
    Ok(reply(json!({"password": ""})))
}

pub(super) async fn forget_password(api: Api, Path((_, id)): Two) -> Outcome {
    find(&api, &id).await?;
    api.may_change()?;
    Ok(empty(204))
}

fn tenant_network_of(network: &Network) -> Value {
    json!({"id": network.id, "label": network.name, "cidr": network.cidr})
}

/// Nova's own view of networks, up to 2.35.
async fn old_networks(api: &Api) -> Outcome<Vec<Network>> {
    if api.version.since(36) {
        return Err(Fault::not_found("The resource could not be found."));
    }
    Ok(api.cloud().networks(&api.caller, &api.region).await?)
}

pub(super) async fn tenant_networks(api: Api) -> Outcome {
    let list: Vec<Value> = old_networks(&api).await?.iter().map(tenant_network_of).collect();
    Ok(reply(json!({"networks": list})))
}

pub(super) async fn tenant_network(api: Api, Path((_, id)): Two) -> Outcome {
    old_networks(&api)
        .await?
        .iter()
        .find(|network| network.id.to_string() == id)
        .map(|network| reply(json!({"network": tenant_network_of(network)})))
        .ok_or_else(|| Fault::not_found(format_args!("Network {} not found", shown(&id))))
}
