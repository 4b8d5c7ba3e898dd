//! Neutron v2.0, read only: one network named `public`, its subnet, and a port for each address of
//! the project's servers. What else clients list is empty here.

use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use cloud::ServerQuery;
use cloud::model::{Address, Network, Server};
use serde_json::{Map, Value, json};

use super::body::shown;
use super::context::Api;
use super::fault::{Fault, Outcome};
use super::nova;
use super::query::{Query, escaped};
use super::routes::Routes;
use super::service::Service;
use super::when;
use crate::state::State;

type Two = Path<(String, String)>;

pub(super) fn routes() -> Routes {
    let v2 = Routes::default()
        .route("/networks", get(networks).post(read_only))
        .route("/networks/{id}", get(network).put(read_only).delete(read_only))
        .route("/subnets", get(subnets).post(read_only))
        .route("/subnets/{id}", get(subnet).put(read_only).delete(read_only))
        .route("/ports", get(ports).post(read_only))
        .route("/ports/{id}", get(port).put(read_only).delete(read_only))
        .route("/security-groups", get(security_groups).post(read_only))
        .route("/extensions", get(extensions))
        .route("/routers", get(routers))
        .route("/floatingips", get(floating_ips).post(read_only))
        .route("/{*rest}", any(unknown));
    Routes::default()
        .route("/network/{region}", get(versions))
        .route("/network/{region}/", get(versions))
        .route("/network/{region}/v2.0", get(resources))
        .route("/network/{region}/v2.0/", get(resources))
        .nest("/network/{region}/v2.0", v2)
        .of(Service::Network)
}

async fn unknown(_api: Api) -> Fault {
    Fault::not_found("The resource could not be found.")
}

async fn read_only(_api: Api) -> Fault {
    Fault::forbidden(
        "The network of this cloud is made when the panel starts: it is read only here.",
    )
}

async fn versions(Shared(state): Shared<Arc<State>>, Path(region): Path<String>) -> Response {
    let base = state.settings.public_url.trim_end_matches('/');
    let link = format!("{base}/network/{}/v2.0/", escaped(&region));
    axum::Json(json!({"versions": [{
        "id": "v2.0",
        "status": "CURRENT",
        "links": [{"rel": "self", "href": link}],
    }]}))
    .into_response()
}

async fn resources(Shared(state): Shared<Arc<State>>, Path(region): Path<String>) -> Response {
    let base = state.settings.public_url.trim_end_matches('/');
    let list: Vec<Value> = ["network", "subnet", "port"]
        .iter()
        .map(|name| {
            let href = format!("{base}/network/{}/v2.0/{name}s", escaped(&region));
            json!({
                "name": name,
                "collection": format!("{name}s"),
                "links": [{"rel": "self", "href": href}],
            })
        })
        .collect();
    axum::Json(json!({"resources": list})).into_response()
}

async fn all(api: &Api) -> Outcome<Vec<Network>> {
    Ok(api.cloud().networks(&api.caller, &api.region).await?)
}

fn network_view(network: &Network) -> Value {
    json!({
        "id": network.id,
        "name": network.name,
        "status": "ACTIVE",
        "admin_state_up": true,
        "shared": true,
        "router:external": true,
        "is_default": true,
        "mtu": 1500,
        "port_security_enabled": true,
        "description": "",
        "subnets": [network.subnet_id],
        "tenant_id": "",
        "project_id": "",
        "availability_zone_hints": [],
        "availability_zones": [],
        "ipv4_address_scope": null,
        "ipv6_address_scope": null,
        "tags": [],
        "revision_number": 1,
    })
}

fn subnet_view(network: &Network) -> Value {
    json!({
        "id": network.subnet_id,
        "name": network.name,
        "network_id": network.id,
        "cidr": network.cidr,
        "ip_version": if network.cidr.contains(':') { 6 } else { 4 },
        "enable_dhcp": false,
        "gateway_ip": null,
        "dns_nameservers": [],
        "host_routes": [],
        "allocation_pools": [],
        "ipv6_ra_mode": null,
        "ipv6_address_mode": null,
        "description": "",
        "tenant_id": "",
        "project_id": "",
        "tags": [],
        "revision_number": 1,
    })
}

fn port_view(server: &Server, address: &Address, network: &Network) -> Value {
    json!({
        "id": nova::port_id(server, address),
        "name": "",
        "network_id": network.id,
        "status": "ACTIVE",
        "admin_state_up": true,
        "mac_address": address.mac,
        "fixed_ips": [{
            "subnet_id": network.subnet_id,
            "ip_address": address.address.to_string(),
        }],
        "device_id": server.id,
        "device_owner": "compute:nova",
        "security_groups": [],
        "tenant_id": server.project_id,
        "project_id": server.project_id,
        "description": "",
        "port_security_enabled": true,
        "created_at": when::seconds(server.created_at),
        "updated_at": when::seconds(server.updated_at),
        "tags": [],
        "revision_number": 1,
    })
}

/// Neutron's lists: any member is a filter, `fields` picks members, pages have limit and marker.
fn listed(query: &Query, name: &str, items: Vec<Value>) -> Outcome {
    let Some(sample) = items.first().cloned() else {
        return Ok(axum::Json(json!({name: []})).into_response());
    };
    let mut kept = items;
    for key in sample
        .as_object()
        .map(|fields| fields.keys().cloned().collect::<Vec<_>>())
        .unwrap_or_default()
    {
        let wanted: Vec<&str> = query.all(&key).collect();
        if !wanted.is_empty() {
            kept.retain(|item| wanted.iter().any(|text| is(item.get(&key), text)));
        }
    }
    let (page, next) = query
        .page(kept, |item| item.get("id").and_then(Value::as_str).unwrap_or_default().to_owned())?;
    let fields: Vec<&str> = query.all("fields").collect();
    let page: Vec<Value> = page.into_iter().map(|item| pick(item, &fields)).collect();
    let mut body = json!({name: page});
    if let (Some(marker), Some(members)) = (next, body.as_object_mut()) {
        members.insert(format!("{name}_links"), query.next_link("", &marker));
    }
    Ok(axum::Json(body).into_response())
}

fn is(value: Option<&Value>, text: &str) -> bool {
    match value {
        Some(Value::String(own)) => own == text,
        Some(Value::Bool(own)) => {
            let said = text.to_ascii_lowercase();
            if *own { said == "true" || said == "1" } else { said == "false" || said == "0" }
        }
        Some(Value::Number(own)) => own.to_string() == text,
        _ => false,
    }
}

fn pick(item: Value, fields: &[&str]) -> Value {
    match item {
        Value::Object(members) if !fields.is_empty() => Value::Object(
            members
                .into_iter()
                .filter(|(name, _)| fields.contains(&name.as_str()))
                .collect::<Map<_, _>>(),
        ),
        other => other,
    }
}

fn missing(what: &str, id: &str) -> Fault {
    Fault::not_found(format_args!("{what} {} could not be found.", shown(id)))
}

async fn networks(api: Api, query: Query) -> Outcome {
    listed(&query, "networks", all(&api).await?.iter().map(network_view).collect())
}

async fn network(api: Api, Path((_, id)): Two) -> Outcome {
    let networks = all(&api).await?;
    let found = networks.iter().find(|network| network.id.to_string() == id);
    let found = found.ok_or_else(|| missing("Network", &id))?;
    Ok((StatusCode::OK, axum::Json(json!({"network": network_view(found)}))).into_response())
}

async fn subnets(api: Api, query: Query) -> Outcome {
    listed(&query, "subnets", all(&api).await?.iter().map(subnet_view).collect())
}

async fn subnet(api: Api, Path((_, id)): Two) -> Outcome {
    let networks = all(&api).await?;
    let found = networks.iter().find(|network| network.subnet_id.to_string() == id);
    let found = found.ok_or_else(|| missing("Subnet", &id))?;
    Ok(axum::Json(json!({"subnet": subnet_view(found)})).into_response())
}

async fn all_ports(api: &Api) -> Outcome<Vec<Value>> {
    let networks = all(api).await?;
    let (servers, _) =
        api.cloud().servers(&api.caller, &api.region, &ServerQuery::default()).await?;
    Ok(servers
        .iter()
        .flat_map(|server| server.addresses.iter().map(move |address| (server, address)))
        .filter_map(|(server, address)| {
            let network = networks.iter().find(|network| network.name == address.network)?;
            Some(port_view(server, address, network))
        })
        .collect())
}

async fn ports(api: Api, query: Query) -> Outcome {
    listed(&query, "ports", all_ports(&api).await?)
}

async fn port(api: Api, Path((_, id)): Two) -> Outcome {
    let found = all_ports(&api)
        .await?
        .into_iter()
        .find(|port| is(port.get("id"), &id))
        .ok_or_else(|| missing("Port", &id))?;
    Ok(axum::Json(json!({"port": found})).into_response())
}

async fn security_groups(api: Api, query: Query) -> Outcome {
    let group = json!({
        "id": format!("default-{}", api.caller.project_id),
        "name": "default",
        "description": "Everything that this cloud routes.",
        "tenant_id": api.caller.project_id,
        "project_id": api.caller.project_id,
        "security_group_rules": [],
        "stateful": true,
        "tags": [],
        "revision_number": 1,
    });
    listed(&query, "security_groups", vec![group])
}

async fn extensions(_api: Api) -> Response {
    axum::Json(json!({"extensions": []})).into_response()
}

async fn routers(_api: Api) -> Response {
    axum::Json(json!({"routers": []})).into_response()
}

async fn floating_ips(_api: Api) -> Response {
    axum::Json(json!({"floatingips": []})).into_response()
}
