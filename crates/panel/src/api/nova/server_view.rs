//! A server as Nova shows it: one serializer, whose fields come and go by microversion.

use std::collections::BTreeMap;

use cloud::model::{Address, Power, Server, Status};
use crypto::hash::HashAlgorithm;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::super::context::Api;
use super::super::extras::Extras;
use super::super::when;
use super::Fields;

/// Nova's one availability zone where nobody set up others.
pub(super) const ZONE: &str = "nova";

/// For which answer it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `GET /servers/ID`.
    Show,
    /// `GET /servers/detail`.
    List,
    /// After a change; as much as `Show` from 2.75 on.
    Change,
}

pub(super) fn links(api: &Api, server: &Server) -> Value {
    json!([
        {"rel": "self", "href": format!("{}/servers/{}", api.compute(), server.id)},
        {"rel": "bookmark", "href": format!("{}/servers/{}", api.bookmark(), server.id)},
    ])
}

/// `GET /servers`.
pub(super) fn brief(api: &Api, server: &Server) -> Value {
    json!({"id": server.id, "name": server.name, "links": links(api, server)})
}

/// Everything that a version and an answer have, to which some answers add.
pub(super) fn full(api: &Api, server: &Server, extras: &Extras, shape: Shape) -> Fields {
    let version = api.version;
    let whole = shape != Shape::Change || version.since(75);
    let mut fields = Fields::default();
    fields
        .put("id", server.id.to_string())
        .put("name", server.name.as_str())
        .put("status", status_name(server.status))
        .put("tenant_id", server.project_id.as_str())
        .put("user_id", server.user_id.as_str())
        .put("metadata", json!(server.metadata))
        .put("hostId", host_id(server))
        .put("image", image(api, server))
        .put("flavor", flavor(api, server))
        .put("created", when::seconds(server.created_at))
        .put("updated", when::seconds(server.updated_at))
        .put("addresses", addresses(&server.addresses, whole))
        .put("accessIPv4", extras.access_ipv4.as_str())
        .put("accessIPv6", extras.access_ipv6.as_str())
        .put("links", links(api, server))
        .put("OS-DCF:diskConfig", disk_config(extras));
    if matches!(server.status, Status::Active | Status::Build | Status::Rebuild) {
        fields.put("progress", if server.status == Status::Active { 100 } else { 0 });
    }
    if server.status == Status::Error {
        fields.put(
            "fault",
            json!({
                "code": 500,
                "created": when::seconds(server.updated_at),
                "message": server.fault.as_deref().unwrap_or("The server failed."),
            }),
        );
    }
    if whole {
        put_extensions(&mut fields, server);
        fields.put_if(
            version.since(90),
            "OS-EXT-SRV-ATTR:hostname",
            extras.hostname.clone().unwrap_or_else(|| host_name(&server.name)),
        );
        fields.put_if(version.since(96), "pinned_availability_zone", Value::Null);
    }
    fields
        .put_if(version.since(9), "locked", server.locked)
        .put_if(version.since(19), "description", json!(server.description))
        .put_if(version.since(26), "tags", json!(server.tags))
        .put_if(version.since(63), "trusted_image_certificates", Value::Null)
        .put_if(version.since(71) && shape != Shape::List, "server_groups", json!([]))
        .put_if(
            version.since(73),
            "locked_reason",
            json!(extras.locked_reason.as_ref().filter(|_| server.locked)),
        );
    fields
}

fn put_extensions(fields: &mut Fields, server: &Server) {
    let launched = server.launched_at.map(when::micros);
    fields
        .put("key_name", json!(server.key_name))
        .put("config_drive", "")
        .put("security_groups", json!([{"name": "default"}]))
        .put("os-extended-volumes:volumes_attached", json!([]))
        .put("OS-EXT-AZ:availability_zone", if launched.is_some() { ZONE } else { "" })
        .put("OS-EXT-STS:vm_state", vm_state(server.status))
        .put("OS-EXT-STS:task_state", json!(server.task_state))
        .put("OS-EXT-STS:power_state", power_state(server.power))
        .put("OS-SRV-USG:launched_at", json!(launched))
        .put("OS-SRV-USG:terminated_at", Value::Null);
}

/// By network; with the interface's details where the answer has room for them.
pub(super) fn addresses(list: &[Address], details: bool) -> Value {
    let mut networks: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for address in list {
        let mut fields = Fields::default();
        fields
            .put("version", if address.address.is_ipv4() { 4 } else { 6 })
            .put("addr", address.address.to_string())
            .put_if(details, "OS-EXT-IPS:type", "fixed")
            .put_if(
                details && !address.mac.is_empty(),
                "OS-EXT-IPS-MAC:mac_addr",
                address.mac.as_str(),
            );
        networks.entry(&address.network).or_default().push(fields.finish());
    }
    json!(networks)
}

pub(super) fn disk_config(extras: &Extras) -> &'static str {
    if extras.disk_config_auto { "AUTO" } else { "MANUAL" }
}

fn image(api: &Api, server: &Server) -> Value {
    json!({
        "id": server.image_id,
        "links": [{
            "rel": "bookmark",
            "href": format!("{}/images/{}", api.bookmark(), server.image_id),
        }],
    })
}

/// Inline from 2.47 on, since a flavor may have changed or gone.
fn flavor(api: &Api, server: &Server) -> Value {
    let flavor = &server.flavor;
    if api.version.since(47) {
        return json!({
            "original_name": flavor.name,
            "vcpus": flavor.vcpus,
            "ram": flavor.ram_mib,
            "disk": flavor.disk_gib,
            "ephemeral": 0,
            "swap": 0,
            "extra_specs": {},
        });
    }
    let id = super::super::query::escaped(&flavor.id);
    json!({
        "id": flavor.id,
        "links": [{"rel": "bookmark", "href": format!("{}/flavors/{id}", api.bookmark())}],
    })
}

/// A name for the machine that tells a project nothing about other projects.
fn host_id(server: &Server) -> String {
    if server.launched_at.is_none() {
        return String::new();
    }
    let digest = HashAlgorithm::Sha256.digest(&[
        b"host ",
        server.region.as_bytes(),
        b" ",
        server.project_id.as_bytes(),
    ]);
    HEXLOWER.encode(digest.as_ref().get(..28).unwrap_or_default())
}

/// What a server's name becomes as a host name.
fn host_name(name: &str) -> String {
    let mut text: String = name
        .chars()
        .filter_map(|c| match c {
            ' ' | '_' => Some('-'),
            c if c.is_ascii_alphanumeric() || c == '-' || c == '.' => Some(c.to_ascii_lowercase()),
            _ => None,
        })
        .take(63)
        .collect();
    text.truncate(text.trim_end_matches(['-', '.']).len());
    let text = text.trim_start_matches(['-', '.']);
    if text.is_empty() { "server".to_owned() } else { text.to_owned() }
}

/// In OpenStack's words.
pub(super) fn status_name(status: Status) -> &'static str {
    match status {
        Status::Build => "BUILD",
        Status::Active => "ACTIVE",
        Status::Shutoff => "SHUTOFF",
        Status::Reboot => "REBOOT",
        Status::HardReboot => "HARD_REBOOT",
        Status::Rebuild => "REBUILD",
        Status::Error => "ERROR",
        Status::Deleted => "DELETED",
    }
}

pub(super) fn vm_state(status: Status) -> &'static str {
    match status {
        Status::Build => "building",
        Status::Active | Status::Reboot | Status::HardReboot | Status::Rebuild => "active",
        Status::Shutoff => "stopped",
        Status::Error => "error",
        Status::Deleted => "deleted",
    }
}

pub(super) fn power_state(power: Power) -> u8 {
    match power {
        Power::NoState => 0,
        Power::Running => 1,
        Power::Shutdown => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names() {
        assert_eq!(host_name("Web 1_a"), "web-1-a");
        assert_eq!(host_name("..-"), "server");
        assert_eq!(host_name("\u{30c6}"), "server");
        assert_eq!(host_name("a."), "a");
    }
}
