//! Flavors, which nobody changes by the API: `description` from 2.55, `extra_specs` from 2.61.

use axum::extract::Path;
use cloud::model::Flavor;
use serde_json::{Value, json};

use super::super::body::shown;
use super::super::context::Api;
use super::super::fault::{Fault, Outcome};
use super::super::query::Query;
use super::{Fields, Three, Two, json as reply};

fn links(api: &Api, id: &str) -> Value {
    let id = super::super::query::escaped(id);
    json!([
        {"rel": "self", "href": format!("{}/flavors/{id}", api.compute())},
        {"rel": "bookmark", "href": format!("{}/flavors/{id}", api.bookmark())},
    ])
}

fn brief(api: &Api, flavor: &Flavor) -> Value {
    let mut fields = Fields::default();
    fields
        .put("id", flavor.id.as_str())
        .put("name", flavor.name.as_str())
        .put("links", links(api, &flavor.id))
        .put_if(api.version.since(55), "description", Value::Null);
    fields.finish()
}

fn full(api: &Api, flavor: &Flavor) -> Value {
    let mut fields = Fields::default();
    fields
        .put("id", flavor.id.as_str())
        .put("name", flavor.name.as_str())
        .put("ram", flavor.ram_mib)
        .put("disk", flavor.disk_gib)
        // From 2.75 on a number like all the others.
        .put("swap", if api.version.since(75) { json!(0) } else { json!("") })
        .put("vcpus", flavor.vcpus)
        .put("OS-FLV-EXT-DATA:ephemeral", 0)
        .put("OS-FLV-DISABLED:disabled", false)
        .put("os-flavor-access:is_public", true)
        .put("rxtx_factor", 1.0)
        .put("links", links(api, &flavor.id))
        .put_if(api.version.since(55), "description", Value::Null)
        .put_if(api.version.since(61), "extra_specs", json!({}));
    fields.finish()
}

async fn page(
    api: &Api,
    query: &Query,
    tail: &str,
    view: impl Fn(&Api, &Flavor) -> Value,
) -> Outcome {
    let mut all = api.cloud().flavors(&api.caller, &api.region).await?;
    let min_ram = query.number("minRam")?.unwrap_or(0);
    let min_disk = query.number("minDisk")?.unwrap_or(0);
    all.retain(|flavor| flavor.ram_mib as usize >= min_ram && flavor.disk_gib as usize >= min_disk);
    // All are public: whoever asks for the others gets none. "None" asks for both.
    if query.get("is_public") != Some("None") && query.flag("is_public")? == Some(false) {
        all.clear();
    }
    sort(&mut all, query)?;
    let (page, next) = query.page(all, |flavor| flavor.id.clone())?;
    let mut answer = Fields::default();
    answer.put("flavors", page.iter().map(|flavor| view(api, flavor)).collect::<Vec<_>>());
    if let Some(marker) = next {
        let address = format!("{}/flavors{tail}", api.compute());
        answer.put("flavors_links", query.next_link(&address, &marker));
    }
    Ok(reply(answer.finish()))
}

fn sort(flavors: &mut [Flavor], query: &Query) -> Outcome<()> {
    let bad = |name: &'static str, value: &str| {
        Fault::invalid(name, format_args!("Invalid {name}: {}", shown(value)))
    };
    match query.get("sort_key").unwrap_or("flavorid") {
        // The cloud's own order is from small to large.
        "flavorid" | "id" | "created_at" | "updated_at" | "disabled" | "is_public" | "swap"
        | "ephemeral_gb" | "rxtx_factor" | "vcpu_weight" => {}
        "name" => flavors.sort_by(|a, b| a.name.cmp(&b.name)),
        "memory_mb" => flavors.sort_by_key(|flavor| flavor.ram_mib),
        "root_gb" => flavors.sort_by_key(|flavor| flavor.disk_gib),
        "vcpus" => flavors.sort_by_key(|flavor| flavor.vcpus),
        other => return Err(bad("sort_key", other)),
    }
    match query.get("sort_dir").unwrap_or("asc") {
        "asc" => {}
        "desc" => flavors.reverse(),
        other => return Err(bad("sort_dir", other)),
    }
    Ok(())
}

pub(super) async fn list(api: Api, query: Query) -> Outcome {
    page(&api, &query, "", brief).await
}

pub(super) async fn list_detail(api: Api, query: Query) -> Outcome {
    page(&api, &query, "/detail", full).await
}

async fn find(api: &Api, id: &str) -> Outcome<Flavor> {
    let all = api.cloud().flavors(&api.caller, &api.region).await?;
    all.into_iter()
        .find(|flavor| flavor.id == id)
        .ok_or_else(|| Fault::not_found(format_args!("Flavor {} could not be found.", shown(id))))
}

pub(super) async fn show(api: Api, Path((_, id)): Two) -> Outcome {
    let flavor = find(&api, &id).await?;
    Ok(reply(json!({"flavor": full(&api, &flavor)})))
}

pub(super) async fn extra_specs(api: Api, Path((_, id)): Two) -> Outcome {
    find(&api, &id).await?;
    Ok(reply(json!({"extra_specs": {}})))
}

pub(super) async fn extra_spec(api: Api, Path((_, id, key)): Three) -> Outcome {
    find(&api, &id).await?;
    Err(Fault::not_found(format_args!(
        "Flavor {} has no extra specs with key {}.",
        shown(&id),
        shown(&key)
    )))
}

pub(super) async fn access(api: Api, Path((_, id)): Two) -> Outcome {
    find(&api, &id).await?;
    Err(Fault::not_found("Access list not available for public flavors."))
}
