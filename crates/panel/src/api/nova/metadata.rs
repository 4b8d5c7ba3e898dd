//! A server's metadata, whole and by item.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::http::StatusCode;
use cloud::model::{Server, ServerRequest};
use serde_json::{Value, json};

use super::super::body::{Json, Object, shown, wrong};
use super::super::context::Api;
use super::super::fault::{Fault, Outcome};
use super::{Three, Two, empty, find, json as reply};

/// Nova's default quota.
pub(super) const ITEMS_MAX: usize = 128;

type Metadata = BTreeMap<String, String>;

/// Keys of 1 to 255 harmless characters, values of at most 255 characters.
pub(super) fn read(object: Object<'_>) -> Outcome<Metadata> {
    let mut metadata = Metadata::new();
    for (key, value) in object.members() {
        check_key(key)?;
        let Value::String(text) = value else {
            return Err(wrong("metadata", value, "string"));
        };
        if text.chars().count() > 255 {
            return Err(Fault::invalid(
                "metadata",
                "Invalid input for field/attribute metadata. A value has at most 255 characters.",
            ));
        }
        metadata.insert(key.clone(), text.clone());
    }
    check_count(&metadata)?;
    Ok(metadata)
}

fn check_key(key: &str) -> Outcome<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_:. ".contains(c);
    if (1..=255).contains(&key.chars().count()) && key.chars().all(fine) {
        return Ok(());
    }
    Err(Fault::invalid(
        "metadata",
        format_args!(
            "Invalid input for field/attribute metadata. The key {:?} is not of 1 to 255 letters, \
             digits, spaces and - _ : . characters.",
            shown(key)
        ),
    ))
}

fn check_count(metadata: &Metadata) -> Outcome<()> {
    if metadata.len() <= ITEMS_MAX {
        return Ok(());
    }
    Err(Fault::new(
        StatusCode::FORBIDDEN,
        format_args!("Maximum number of metadata items exceeds {ITEMS_MAX}"),
    ))
}

async fn store(api: &Api, server: &Server, metadata: Metadata) -> Outcome<Metadata> {
    check_count(&metadata)?;
    let change = ServerRequest::Describe {
        name: None,
        description: None,
        metadata: Some(metadata),
        tags: None,
    };
    let server = api.cloud().request(&api.caller, &api.region, server.id, change).await?;
    api.audit("server.metadata", &server.name, &server.id.to_string()).await;
    Ok(server.metadata)
}

pub(super) async fn list(api: Api, Path((_, id)): Two) -> Outcome {
    let server = find(&api, &id).await?;
    Ok(reply(json!({"metadata": server.metadata})))
}

pub(super) async fn merge(api: Api, Path((_, id)): Two, Json(body): Json) -> Outcome {
    let new = read(Object::wrapped(&body, "metadata")?)?;
    let server = find(&api, &id).await?;
    api.may_change()?;
    let mut metadata = server.metadata.clone();
    metadata.extend(new);
    Ok(reply(json!({"metadata": store(&api, &server, metadata).await?})))
}

pub(super) async fn replace(api: Api, Path((_, id)): Two, Json(body): Json) -> Outcome {
    let new = read(Object::wrapped(&body, "metadata")?)?;
    let server = find(&api, &id).await?;
    api.may_change()?;
    Ok(reply(json!({"metadata": store(&api, &server, new).await?})))
}

pub(super) async fn show(api: Api, Path((_, id, key)): Three) -> Outcome {
    let server = find(&api, &id).await?;
    let value = server.metadata.get(&key).ok_or_else(no_item)?;
    Ok(reply(json!({"meta": {key: value}})))
}

fn no_item() -> Fault {
    Fault::not_found("Metadata item was not found")
}

pub(super) async fn set(api: Api, Path((_, id, key)): Three, Json(body): Json) -> Outcome {
    let item = read(Object::wrapped(&body, "meta")?)?;
    if item.len() != 1 || !item.contains_key(&key) {
        return Err(Fault::invalid("meta", "Request body and URI mismatch"));
    }
    let server = find(&api, &id).await?;
    api.may_change()?;
    let mut metadata = server.metadata.clone();
    metadata.extend(item.clone());
    store(&api, &server, metadata).await?;
    Ok(reply(json!({"meta": item})))
}

pub(super) async fn remove(api: Api, Path((_, id, key)): Three) -> Outcome {
    let server = find(&api, &id).await?;
    api.may_change()?;
    let mut metadata = server.metadata.clone();
    metadata.remove(&key).ok_or_else(no_item)?;
    store(&api, &server, metadata).await?;
    Ok(empty(204))
}
