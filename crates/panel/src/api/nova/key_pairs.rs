//! `os-keypairs`: they belong to a user in a region. `type` and the honest status codes come with
//! 2.2, other users' for administrators with 2.10, pages with 2.35, and from 2.92 on the server
//! generates none.

use std::borrow::Cow;

use axum::extract::Path;
use axum::response::Response;
use cloud::Caller;
use cloud::model::{KeyPair, KeyType, NewKeyPair};
use serde_json::{Value, json};

use super::super::body::{self, Json, Object, shown};
use super::super::context::Api;
use super::super::fault::{Fault, Outcome};
use super::super::microversion::Microversion;
use super::super::public_key;
use super::super::query::Query;
use super::super::when;
use super::{Fields, Two, empty, json as reply, with_status};

/// What every answer about a key pair begins with.
fn common(key: &KeyPair, version: Microversion) -> Fields {
    let mut fields = Fields::default();
    fields
        .put("name", key.name.as_str())
        .put("public_key", key.public_key.as_str())
        .put("fingerprint", key.fingerprint_md5.as_str())
        .put_if(version.since(2), "type", kind_name(key.kind));
    fields
}

fn kind_name(kind: KeyType) -> &'static str {
    match kind {
        KeyType::Ssh => "ssh",
        KeyType::X509 => "x509",
    }
}

/// Whose key pairs: the caller's own unless an administrator says otherwise, from 2.10 on.
fn owner<'a>(api: &'a Api, user_id: Option<&str>) -> Outcome<Cow<'a, Caller>> {
    match user_id {
        Some(other) if api.version.since(10) && other != api.caller.user_id => {
            if !api.is_admin() {
                return Err(Fault::forbidden("Policy doesn't allow other users' key pairs."));
            }
            let mut caller = api.caller.clone();
            other.clone_into(&mut caller.user_id);
            Ok(Cow::Owned(caller))
        }
        _ => Ok(Cow::Borrowed(&api.caller)),
    }
}

pub(super) async fn list(api: Api, query: Query) -> Outcome {
    let caller = owner(&api, query.get("user_id"))?;
    query.number("limit")?;
    let mut all = api.cloud().key_pairs(&caller, &api.region).await?;
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let (page, next) =
        if api.version.since(35) { query.page(all, |key| key.name.clone())? } else { (all, None) };
    let items: Vec<Value> =
        page.iter().map(|key| json!({"keypair": common(key, api.version).finish()})).collect();
    let mut answer = Fields::default();
    answer.put("keypairs", items);
    if let Some(marker) = next {
        let address = format!("{}/os-keypairs", api.compute());
        answer.put("keypairs_links", query.next_link(&address, &marker));
    }
    Ok(reply(answer.finish()))
}

async fn find(api: &Api, caller: &Caller, name: &str) -> Outcome<KeyPair> {
    match api.cloud().key_pair(caller, &api.region, name).await {
        Err(cloud::Error::NotFound(_)) => Err(Fault::not_found(format_args!(
            "Keypair {} not found for user {}",
            shown(name),
            caller.user_id
        ))),
        other => Ok(other?),
    }
}

pub(super) async fn show(api: Api, Path((_, name)): Two, query: Query) -> Outcome {
    let caller = owner(&api, query.get("user_id"))?;
    let key = find(&api, &caller, &name).await?;
    let mut fields = common(&key, api.version);
    fields
        .put("user_id", key.user_id.as_str())
        .put("created_at", when::micros(key.created_at))
        .put("deleted", false)
        .put("deleted_at", Value::Null)
        .put("id", key.id)
        .put("updated_at", Value::Null);
    Ok(reply(json!({"keypair": fields.finish()})))
}

pub(super) async fn create(api: Api, Json(body): Json) -> Outcome {
    let request = Object::wrapped(&body, "keypair")?;
    let allowed: &[&str] = match api.version {
        version if version.since(10) => &["name", "public_key", "type", "user_id"],
        version if version.since(2) => &["name", "public_key", "type"],
        _ => &["name", "public_key"],
    };
    let request = request.only(allowed)?;
    let name = request.need_text("name", 1..=255)?;
    check_name(name)?;
    let kind = match request.text("type", 0..=255)? {
        None | Some("ssh") => KeyType::Ssh,
        Some("x509") => KeyType::X509,
        Some(other) => {
            return Err(Fault::invalid(
                "type",
                format_args!(
                    "Invalid input for field/attribute type. {:?} is not one of ['ssh', 'x509']",
                    shown(other)
                ),
            ));
        }
    };
    let given = request.text("public_key", 0..=64 * 1024)?;
    let caller = owner(&api, request.text("user_id", 1..=255)?)?;
    api.may_change()?;
    let (public_key, private_key) = match given {
        Some(text) => (public_key::check(kind, text)?, None),
        None if api.version.since(92) => {
            return Err(Fault::invalid(
                "public_key",
                "Invalid input for field/attribute keypair. 'public_key' is a required property",
            ));
        }
        None => {
            // Not worth a second of a processor for a name that is taken.
            match api.cloud().key_pair(&caller, &api.region, name).await {
                Err(cloud::Error::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => {
                    return Err(Fault::conflict(format_args!("Key pair '{name}' already exists.")));
                }
            }
            let (public, private) = public_key::generate(kind, name).await?;
            (public, Some(private))
        }
    };
    let new = NewKeyPair { name: name.to_owned(), kind, public_key };
    let key = match api.cloud().add_key_pair(&caller, &api.region, new).await {
        Err(cloud::Error::Conflict(_)) => {
            return Err(Fault::conflict(format_args!("Key pair '{name}' already exists.")));
        }
        other => other?,
    };
    api.audit("key.add", name, &format!("region {}", api.region)).await;
    let mut fields = common(&key, api.version);
    fields.put("user_id", key.user_id.as_str());
    if let Some(private) = private_key {
        fields.put("private_key", private.as_str());
    }
    let status = if api.version.since(2) { 201 } else { 200 };
    Ok(with_status(status, json!({"keypair": fields.finish()})))
}

/// Nova's safe characters, with those that it added in 2.92 at any version: people name keys after
/// themselves and their machines.
fn check_name(name: &str) -> Outcome<()> {
    body::check_name("name", name)?;
    let safe = |c: char| c.is_ascii_alphanumeric() || "_- @.".contains(c);
    if name.chars().all(safe) {
        return Ok(());
    }
    Err(Fault::invalid(
        "name",
        "Keypair data is invalid: the name has unsafe characters. It may have letters, digits, \
         spaces and _ - @ . only.",
    ))
}

pub(super) async fn remove(api: Api, Path((_, name)): Two, query: Query) -> Outcome<Response> {
    let caller = owner(&api, query.get("user_id"))?;
    api.may_change()?;
    find(&api, &caller, &name).await?;
    api.cloud().delete_key_pair(&caller, &api.region, &name).await?;
    api.audit("key.delete", &name, &format!("region {}", api.region)).await;
    Ok(empty(if api.version.since(2) { 204 } else { 202 }))
}
