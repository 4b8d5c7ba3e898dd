//! One public key in several regions at once.

use axum::http::StatusCode;
use axum::response::IntoResponse;
use cloud::model::{KeyPair, KeyType, NewKeyPair, Region};
use serde_json::{Value, json};

use super::super::body::{Json, Object, check_name, shown};
use super::super::context::Api;
use super::super::fault::{Fault, Outcome};
use super::super::public_key;
use super::super::query::Query;
use super::super::when;

fn view(key: &KeyPair) -> Value {
    json!({
        "name": key.name,
        "region": key.region,
        "type": key.kind,
        "public_key": key.public_key,
        "fingerprint": key.fingerprint_sha256,
        "fingerprint_md5": key.fingerprint_md5,
        "created_at": when::seconds(key.created_at),
        "last_used_at": key.last_used_at.map(when::seconds),
    })
}

/// The caller's key pairs of every region, or of one.
pub(super) async fn list(api: Api, query: Query) -> Outcome {
    let mut keys = Vec::new();
    for region in chosen(&api, query.get("region").map(|region| vec![region])).await? {
        keys.extend(api.cloud().key_pairs(&api.caller, &region.id).await?.iter().map(view));
    }
    Ok(axum::Json(json!({"key_pairs": keys})).into_response())
}

/// The regions by these names, or all.
async fn chosen(api: &Api, wanted: Option<Vec<&str>>) -> Outcome<Vec<Region>> {
    let regions = api.cloud().regions(&api.caller).await?;
    let Some(wanted) = wanted else { return Ok(regions) };
    if let Some(unknown) = wanted.iter().find(|id| !regions.iter().any(|region| region.id == **id))
    {
        return Err(Fault::invalid(
            "regions",
            format_args!("There is no region {}.", shown(unknown)),
        ));
    }
    Ok(regions.into_iter().filter(|region| wanted.contains(&region.id.as_str())).collect())
}

/// Stores a key in all the regions that are named, or in none: what was stored before one refused
/// is taken back.
pub(super) async fn create(api: Api, Json(body): Json) -> Outcome {
    let request = Object::of(&body, "body")?.only(&["name", "public_key", "regions"])?;
    let name = request.need_text("name", 1..=255)?;
    check_name("name", name)?;
    let key = public_key::check(KeyType::Ssh, request.need_text("public_key", 1..=64 * 1024)?)?;
    let wanted = match request.list("regions")? {
        None => None,
        Some([]) => {
            return Err(Fault::invalid(
                "regions",
                "Name a region, or leave the field out for all.",
            ));
        }
        Some(list) => Some(
            list.iter()
                .map(|value| {
                    value
                        .as_str()
                        .ok_or_else(|| super::super::body::wrong("regions", value, "string"))
                })
                .collect::<Outcome<Vec<_>>>()?,
        ),
    };
    api.may_change()?;
    let regions = chosen(&api, wanted).await?;
    let mut stored: Vec<KeyPair> = Vec::new();
    for region in &regions {
        let new = NewKeyPair { name: name.to_owned(), kind: KeyType::Ssh, public_key: key.clone() };
        match api.cloud().add_key_pair(&api.caller, &region.id, new).await {
            Ok(pair) => stored.push(pair),
            Err(error) => {
                for pair in &stored {
                    // The first error is the one to tell.
                    let _ =
                        api.cloud().delete_key_pair(&api.caller, &pair.region, &pair.name).await;
                }
                let fault = Fault::from(error);
                let message = format!("{}: {}", region.id, fault.message);
                return Err(Fault { message, ..fault });
            }
        }
    }
    for pair in &stored {
        api.audit("key.add", name, &format!("region {}", pair.region)).await;
    }
    let body = json!({"key_pairs": stored.iter().map(view).collect::<Vec<_>>()});
    Ok((StatusCode::CREATED, axum::Json(body)).into_response())
}
