//! Nova's servers, as this panel has them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::fault::shown;
use crate::model::{Address, Flavor, Power, Server, ServerAction, Status};

/// Nova remembers one key pair of a server; the names of several are kept in its metadata.
pub(super) const KEYS: &str = "keyway_keys";

/// A server out of Nova's answer; none for one that makes no sense.
pub(super) fn server(value: &Value, region: &str) -> Option<Server> {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let task = value["OS-EXT-STS:task_state"].as_str().map(str::to_owned);
    let (status, unusual) = status(&text("status"));
    let mut metadata: BTreeMap<String, String> = value["metadata"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    let key_name = value["key_name"].as_str().map(str::to_owned);
    let key_names = metadata
        .remove(KEYS)
        .and_then(|text| serde_json::from_str::<Vec<String>>(&text).ok())
        .unwrap_or_else(|| key_name.clone().into_iter().collect());
    Some(Server {
        id: value["id"].as_str()?.parse().ok()?,
        region: region.to_owned(),
        project_id: text("tenant_id"),
        user_id: text("user_id"),
        name: text("name"),
        status,
        task_state: task.or(unusual),
        power: match value["OS-EXT-STS:power_state"].as_i64() {
            Some(1) => Power::Running,
            Some(4) => Power::Shutdown,
            _ => Power::NoState,
        },
        fault: value["fault"]["message"].as_str().map(|text| shown(text, 600)),
        image_id: value["image"]["id"]
            .as_str()
            .and_then(|id| id.parse().ok())
            .unwrap_or(Uuid::nil()),
        flavor: inline_flavor(&value["flavor"]),
        key_name,
        key_names,
        addresses: addresses(&value["addresses"]),
        metadata,
        tags: value["tags"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|tag| tag.as_str().map(str::to_owned))
            .collect(),
        locked: value["locked"].as_bool().unwrap_or_default(),
        description: value["description"].as_str().map(str::to_owned),
        created_at: when(&value["created"]).unwrap_or(OffsetDateTime::UNIX_EPOCH),
        updated_at: when(&value["updated"]).unwrap_or(OffsetDateTime::UNIX_EPOCH),
        launched_at: when(&value["OS-SRV-USG:launched_at"]),
    })
}

/// Nova has more states than the pages have words for: these keep Nova's word beside them.
fn status(text: &str) -> (Status, Option<String>) {
    let plain = match text {
        "BUILD" => Status::Build,
        "ACTIVE" => Status::Active,
        "SHUTOFF" => Status::Shutoff,
        "REBOOT" => Status::Reboot,
        "HARD_REBOOT" => Status::HardReboot,
        "REBUILD" => Status::Rebuild,
        "ERROR" => Status::Error,
        "DELETED" | "SOFT_DELETED" => Status::Deleted,
        _ => {
            let stopped = matches!(text, "PAUSED" | "SUSPENDED" | "SHELVED" | "SHELVED_OFFLOADED");
            let near = if stopped { Status::Shutoff } else { Status::Active };
            return (near, Some(text.to_lowercase().replace('_', " ")));
        }
    };
    (plain, None)
}

/// Whether nothing is being done to it.
pub(super) fn is_settled(value: &Value) -> bool {
    let status = value["status"].as_str().unwrap_or_default();
    value["OS-EXT-STS:task_state"].is_null()
        && !matches!(status, "BUILD" | "REBOOT" | "HARD_REBOOT" | "REBUILD")
}

/// A server says its flavor's content and not its identifier.
fn inline_flavor(value: &Value) -> Flavor {
    let name = value["original_name"].as_str().unwrap_or_default();
    Flavor { id: name.to_owned(), name: name.to_owned(), ..flavor_size(value) }
}

fn flavor_size(value: &Value) -> Flavor {
    let number = |name: &str| value[name].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    Flavor {
        id: String::new(),
        name: String::new(),
        ram_mib: number("ram"),
        vcpus: number("vcpus"),
        disk_gib: number("disk"),
    }
}

/// A flavor of the list.
pub(super) fn flavor(value: &Value) -> Option<Flavor> {
    Some(Flavor {
        id: value["id"].as_str()?.to_owned(),
        name: value["name"].as_str()?.to_owned(),
        ..flavor_size(value)
    })
}

/// Where people reach it first: a floating address, then IPv4, then IPv6.
fn addresses(value: &Value) -> Vec<Address> {
    let mut all: Vec<(u8, Address)> = Vec::new();
    for (network, list) in value.as_object().into_iter().flatten() {
        for one in list.as_array().into_iter().flatten() {
            let Some(address) = one["addr"].as_str().and_then(|text| text.parse().ok()) else {
                continue;
            };
            let address: IpAddr = address;
            let floating = one["OS-EXT-IPS:type"] == "floating";
            let mac = one["OS-EXT-IPS-MAC:mac_addr"].as_str().unwrap_or_default().to_owned();
            let rank = if floating { 0 } else { 1 + u8::from(address.is_ipv6()) };
            all.push((rank, Address { network: network.clone(), address, ssh_port: 22, mac }));
        }
    }
    all.sort_by_key(|(rank, address)| (*rank, address.address));
    all.into_iter().map(|(_, address)| address).collect()
}

/// One of `os-instance-actions`.
pub(super) fn action(value: &Value) -> Option<ServerAction> {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let (started_at, updated) = (when(&value["start_time"])?, when(&value["updated_at"]));
    Some(ServerAction {
        request_id: text("request_id"),
        action: text("action"),
        user_id: text("user_id"),
        project_id: text("project_id"),
        started_at,
        // Nova writes the row again when the action ends; before, both times are the same.
        finished_at: updated.filter(|at| *at > started_at),
        message: value["message"].as_str().map(|text| shown(text, 300)),
    })
}

/// When the last event of one of `os-instance-actions` ended; nothing while one goes on.
pub(super) fn last_finish(value: &Value) -> Option<OffsetDateTime> {
    let events = value["events"].as_array()?;
    let ends: Option<Vec<_>> = events.iter().map(|event| when(&event["finish_time"])).collect();
    ends?.into_iter().max()
}

/// Times come with and without their zone, which is always UTC.
pub(super) fn when(value: &Value) -> Option<OffsetDateTime> {
    let text = value.as_str()?;
    let zoned = if text.ends_with('Z') { text.to_owned() } else { format!("{text}Z") };
    OffsetDateTime::parse(&zoned, &Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What Nova 2.96 answered, shortened.
    fn recorded() -> Value {
        json!({
            "id": "40553cb1-ccff-4005-8a28-c7f36dd08c7f", "name": "s3", "status": "ACTIVE",
            "tenant_id": "5472628b2d634d60b8f2dd2b4ddc3768",
            "user_id": "70822a390b6347aea951f077857b89ee",
            "metadata": {"role": "web"}, "key_name": "mykey", "locked": false, "tags": [],
            "flavor": {"vcpus": 1, "ram": 512, "disk": 1, "ephemeral": 0, "swap": 0,
                       "original_name": "m1.tiny", "extra_specs": {}},
            "image": {"id": "7ddb2dac-9478-4482-9633-9afcc2743e84"},
            "addresses": {"net1": [
                {"version": 4, "addr": "10.20.0.225", "OS-EXT-IPS:type": "fixed",
                 "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:62:11:a2"},
                {"version": 4, "addr": "203.0.113.9", "OS-EXT-IPS:type": "floating",
                 "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:62:11:a2"}]},
            "created": "2026-11-22T06:36:20Z", "updated": "2026-11-22T06:36:24Z",
            "OS-EXT-STS:task_state": null, "OS-EXT-STS:power_state": 1,
            "OS-SRV-USG:launched_at": "2026-11-22T06:36:24.000000", "description": null,
        })
    }

    #[test]
    fn a_recorded_server() {
        let mut value = recorded();
        let one = server(&value, "RegionOne").unwrap();
        assert_eq!((one.status, one.power), (Status::Active, Power::Running));
        assert_eq!(one.flavor.name, "m1.tiny");
        assert_eq!(one.key_names, ["mykey"]);
        let addresses: Vec<String> =
            one.addresses.iter().map(|address| address.address.to_string()).collect();
        assert_eq!(addresses, ["203.0.113.9", "10.20.0.225"]);
        assert!(one.launched_at.is_some() && is_settled(&value));
        value["metadata"] = json!({"role": "web", KEYS: "[\"mykey\",\"other\"]"});
        value["OS-EXT-STS:task_state"] = "rebooting".into();
        let two = server(&value, "RegionOne").unwrap();
        assert_eq!(two.key_names, ["mykey", "other"]);
        assert_eq!(two.metadata.len(), 1);
        assert!(!is_settled(&value));
    }

    #[test]
    fn states_without_a_word_of_ours() {
        let mut value = recorded();
        value["status"] = "SHELVED_OFFLOADED".into();
        value["image"] = "".into();
        let one = server(&value, "RegionOne").unwrap();
        assert_eq!(one.status, Status::Shutoff);
        assert_eq!(one.task_state.as_deref(), Some("shelved offloaded"));
        assert_eq!(one.image_id, Uuid::nil());
        assert_eq!(server(&json!({"id": "no uuid"}), "r"), None);
    }

    #[test]
    fn actions_with_and_without_an_end() {
        let mut value = json!({
            "action": "stop", "request_id": "req-3626c016", "user_id": "u", "project_id": "p",
            "start_time": "2026-11-22T06:37:24.000000", "message": null,
            "updated_at": "2026-11-22T06:37:25.000000",
        });
        assert!(action(&value).unwrap().finished_at.is_some());
        value["updated_at"] = value["start_time"].clone();
        assert_eq!(action(&value).unwrap().finished_at, None);

        let start = "2026-11-22T06:37:24.000000";
        value["events"] = json!([{ "finish_time": start }, { "finish_time": start }]);
        assert_eq!(last_finish(&value), when(&json!(start)));
        value["events"][1]["finish_time"] = Value::Null;
        assert_eq!(last_finish(&value), None);
        value["events"] = json!([]);
        assert_eq!(last_finish(&value), None);
    }
}
