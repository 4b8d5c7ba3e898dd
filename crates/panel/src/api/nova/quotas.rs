//! Limits, quotas, usage and the availability zone. The machine is the only quota: what is counted
//! is -1, unlimited, and creation says when there is no room.

use axum::extract::Path;
use cloud::model::Server;
use cloud::{Role, ServerQuery};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::super::body::shown;
use super::super::context::Api;
use super::super::fault::{Fault, Outcome};
use super::super::query::Query;
use super::super::when;
use super::metadata::ITEMS_MAX;
use super::server_view::{ZONE, vm_state};
use super::{Fields, Two, json as reply};

const UNLIMITED: i64 = -1;

async fn own_servers(api: &Api) -> Outcome<Vec<Server>> {
    let (servers, _) =
        api.cloud().servers(&api.caller, &api.region, &ServerQuery::default()).await?;
    Ok(servers)
}

pub(super) async fn limits(api: Api, query: Query) -> Outcome {
    if let Some(project) = query.get("tenant_id")
        && project != api.caller.project_id
        && !api.is_admin()
    {
        return Err(Fault::forbidden("Policy doesn't allow other projects' limits."));
    }
    let servers = own_servers(&api).await?;
    let version = api.version;
    let mut fields = Fields::default();
    fields
        .put("maxTotalInstances", UNLIMITED)
        .put("maxTotalCores", UNLIMITED)
        .put("maxTotalRAMSize", UNLIMITED)
        .put("maxTotalKeypairs", UNLIMITED)
        .put("maxServerMeta", ITEMS_MAX)
        .put("maxServerGroups", 0)
        .put("maxServerGroupMembers", 0)
        .put("totalInstancesUsed", servers.len())
        .put("totalCoresUsed", servers.iter().map(|s| u64::from(s.flavor.vcpus)).sum::<u64>())
        .put("totalRAMUsed", servers.iter().map(|s| u64::from(s.flavor.ram_mib)).sum::<u64>())
        .put("totalServerGroupsUsed", 0)
        .put_if(version.before(39), "maxImageMeta", ITEMS_MAX)
        .put_if(version.before(57), "maxPersonality", 0)
        .put_if(version.before(57), "maxPersonalitySize", 0);
    if version.before(36) {
        for name in [
            "maxSecurityGroups",
            "maxSecurityGroupRules",
            "maxTotalFloatingIps",
            "totalSecurityGroupsUsed",
            "totalFloatingIpsUsed",
        ] {
            fields.put(name, 0);
        }
    }
    Ok(reply(json!({"limits": {"absolute": fields.finish(), "rate": []}})))
}

pub(super) async fn zones(api: Api) -> Outcome {
    api.need(Role::Reader)?;
    Ok(reply(json!({"availabilityZoneInfo": [{
        "zoneName": ZONE,
        "zoneState": {"available": true},
        "hosts": null,
    }]})))
}

/// What the zone is made of is for administrators, and here it is made of nothing to tell.
pub(super) async fn zones_detail(api: Api) -> Outcome {
    api.need(Role::Admin)?;
    Ok(reply(json!({"availabilityZoneInfo": [{
        "zoneName": ZONE,
        "zoneState": {"available": true},
        "hosts": {},
    }]})))
}

fn quotas(api: &Api, project: &str) -> Value {
    let version = api.version;
    let mut fields = Fields::default();
    fields
        .put("id", project)
        .put("instances", UNLIMITED)
        .put("cores", UNLIMITED)
        .put("ram", UNLIMITED)
        .put("key_pairs", UNLIMITED)
        .put("metadata_items", ITEMS_MAX)
        .put("server_groups", 0)
        .put("server_group_members", 0);
    if version.before(36) {
        for name in ["fixed_ips", "floating_ips", "security_groups", "security_group_rules"] {
            fields.put(name, UNLIMITED);
        }
    }
    if version.before(57) {
        for name in ["injected_files", "injected_file_content_bytes", "injected_file_path_bytes"] {
            fields.put(name, 0);
        }
    }
    json!({"quota_set": fields.finish()})
}

fn own_project(api: &Api, project: &str) -> Outcome<()> {
    if project == api.caller.project_id || api.is_admin() {
        return Ok(());
    }
    Err(Fault::forbidden(format_args!(
        "Policy doesn't allow the project {} to be seen.",
        shown(project)
    )))
}

pub(super) async fn quota_set(api: Api, Path((_, project)): Two) -> Outcome {
    own_project(&api, &project)?;
    Ok(reply(quotas(&api, &project)))
}

pub(super) async fn quota_defaults(api: Api, Path((_, project)): Two) -> Outcome {
    // They are the same for everybody, and so no secret.
    Ok(reply(quotas(&api, &project)))
}

/// What the servers that are there now have used between two times.
pub(super) async fn usage(api: Api, Path((_, project)): Two, query: Query) -> Outcome {
    if project != api.caller.project_id {
        return Err(Fault::forbidden("Policy doesn't allow other projects' usage."));
    }
    let now = OffsetDateTime::now_utc();
    let time_of = |name: &'static str, otherwise: OffsetDateTime| match query.get(name) {
        None => Ok(otherwise),
        Some(text) => when::parse(text).ok_or_else(|| {
            Fault::invalid(name, format_args!("Invalid {name}: {} is no time.", shown(text)))
        }),
    };
    let start = time_of("start", now - Duration::weeks(4))?;
    let stop = time_of("end", now)?;
    if start > stop {
        return Err(Fault::bad(
            "Invalid start time. The start time cannot occur after the end time.",
        ));
    }
    let mut totals = [0.0f64; 4];
    let mut items = Vec::new();
    for server in own_servers(&api).await? {
        let Some(launched) = server.launched_at else { continue };
        if launched > stop {
            continue;
        }
        let hours = (stop.min(now) - launched.max(start)).as_seconds_f64().max(0.0) / 3600.0;
        let flavor = &server.flavor;
        let sizes =
            [1.0, f64::from(flavor.vcpus), f64::from(flavor.ram_mib), f64::from(flavor.disk_gib)];
        for (total, size) in totals.iter_mut().zip(sizes) {
            *total += hours * size;
        }
        items.push(json!({
            "instance_id": server.id,
            "name": server.name,
            "tenant_id": server.project_id,
            "flavor": flavor.name,
            "vcpus": flavor.vcpus,
            "memory_mb": flavor.ram_mib,
            "local_gb": flavor.disk_gib,
            "hours": hours,
            "uptime": (now - launched).whole_seconds(),
            "started_at": when::micros(launched),
            "ended_at": null,
            "state": vm_state(server.status),
        }));
    }
    if items.is_empty() {
        return Ok(reply(json!({"tenant_usage": {}})));
    }
    let [hours, vcpus, memory, disk] = totals;
    Ok(reply(json!({"tenant_usage": {
        "tenant_id": project,
        "start": when::micros(start),
        "stop": when::micros(stop),
        "total_hours": hours,
        "total_vcpus_usage": vcpus,
        "total_memory_mb_usage": memory,
        "total_local_gb_usage": disk,
        "server_usages": items,
    }})))
}
