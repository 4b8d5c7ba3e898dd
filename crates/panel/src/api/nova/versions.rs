//! Version documents, which anybody may read, and the list of extensions that old clients look at.

use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::response::Response;
use serde_json::{Value, json};

use super::super::body::shown;
use super::super::context::Api;
use super::super::fault::{Fault, Outcome};
use super::super::microversion::Microversion;
use super::{Two, json as reply, with_status};
use crate::state::State;

/// When v2.1 was first released; every Nova says so.
const UPDATED: &str = "2013-07-23T11:33:21Z";
const UPDATED_2_0: &str = "2011-01-21T11:33:21Z";

fn root(state: &State, region: &str) -> String {
    format!("{}/compute/{region}", state.settings.public_url.trim_end_matches('/'))
}

fn check_region(region: &str) -> Outcome<()> {
    // It is echoed in links; whether it exists is for those with a token to learn.
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if region.len() <= 64 && region.bytes().all(fine) {
        return Ok(());
    }
    Err(Fault::not_found(format_args!("There is no region {}.", shown(region))))
}

pub(super) async fn list(Shared(state): Shared<Arc<State>>, Path(region): Path<String>) -> Outcome {
    check_region(&region)?;
    Ok(reply(json!({"versions": [{
        "id": "v2.0",
        "status": "SUPPORTED",
        "version": "",
        "min_version": "",
        "updated": UPDATED_2_0,
        "links": [{"rel": "self", "href": format!("{}/v2/", root(&state, &region))}],
    }, {
        "id": "v2.1",
        "status": "CURRENT",
        "version": Microversion::MAX.to_string(),
        "min_version": Microversion::MIN.to_string(),
        "updated": UPDATED,
        "links": [{"rel": "self", "href": format!("{}/v2.1/", root(&state, &region))}],
    }]})))
}

pub(super) async fn show(Shared(state): Shared<Arc<State>>, Path(region): Path<String>) -> Outcome {
    check_region(&region)?;
    Ok(reply(json!({"version": {
        "id": "v2.1",
        "status": "CURRENT",
        "version": Microversion::MAX.to_string(),
        "min_version": Microversion::MIN.to_string(),
        "updated": UPDATED,
        "links": [
            {"rel": "self", "href": format!("{}/v2.1/", root(&state, &region))},
            {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"},
        ],
        "media-types": media_types(),
    }})))
}

/// v2.0 is v2.1 without microversions.
pub(super) async fn show_old(
    Shared(state): Shared<Arc<State>>,
    Path(region): Path<String>,
) -> Outcome {
    check_region(&region)?;
    Ok(reply(json!({"version": {
        "id": "v2.0",
        "status": "SUPPORTED",
        "version": "",
        "min_version": "",
        "updated": UPDATED_2_0,
        "links": [
            {"rel": "self", "href": format!("{}/v2/", root(&state, &region))},
            {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"},
        ],
        "media-types": [{
            "base": "application/json",
            "type": "application/vnd.openstack.compute+json;version=2",
        }],
    }})))
}

fn media_types() -> Value {
    json!([{
        "base": "application/json",
        "type": "application/vnd.openstack.compute+json;version=2.1",
    }])
}

/// An address of a version that is not spoken: 300 with those that are.
pub(super) async fn choices(
    Shared(state): Shared<Arc<State>>,
    Path((region, _, rest)): Path<(String, String, String)>,
) -> Outcome {
    check_region(&region)?;
    let rest: String =
        rest.split('/').map(super::super::query::escaped).collect::<Vec<_>>().join("/");
    Ok(with_status(
        300,
        json!({"choices": [{
            "id": "v2.1",
            "status": "CURRENT",
            "links": [{"rel": "self", "href": format!("{}/v2.1/{rest}", root(&state, &region))}],
            "media-types": media_types(),
        }]}),
    ))
}

/// The old way to ask what there is.
const EXTENSIONS: [(&str, &str, &str); 12] = [
    ("os-keypairs", "Keypairs", "Keypair Support."),
    ("os-availability-zone", "AvailabilityZone", "Availability-zone support."),
    ("os-console-output", "ConsoleOutput", "Console log output support."),
    ("os-consoles", "Consoles", "Interactive Console support."),
    ("os-extended-status", "ExtendedStatus", "Extended Status support."),
    ("os-flavor-access", "FlavorAccess", "Flavor access support."),
    ("os-flavor-extra-specs", "FlavorExtraSpecs", "Flavors extra specs support."),
    ("os-instance-actions", "InstanceActions", "View a log of actions taken on an instance."),
    ("os-lock-server", "LockServer", "Enable lock/unlock server actions API."),
    ("os-quota-sets", "Quotas", "Quotas management support."),
    ("os-server-password", "ServerPassword", "Server password support."),
    ("os-user-data", "UserData", "Add user_data to the Create Server API."),
];

fn extension_of((alias, name, description): (&str, &str, &str)) -> Value {
    json!({
        "alias": alias,
        "name": name,
        "description": description,
        "links": [],
        "namespace": "http://docs.openstack.org/compute/ext/fake_xml",
        "updated": "2014-12-03T00:00:00Z",
    })
}

pub(super) async fn extensions(_api: Api) -> Response {
    reply(json!({"extensions": EXTENSIONS.map(extension_of)}))
}

pub(super) async fn extension(_api: Api, Path((_, alias)): Two) -> Outcome {
    EXTENSIONS
        .into_iter()
        .find(|entry| entry.0 == alias)
        .map(|entry| reply(json!({"extension": extension_of(entry)})))
        .ok_or_else(|| Fault::not_found("The resource could not be found."))
}
