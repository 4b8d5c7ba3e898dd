//! A server's tags, from 2.26 on.

use axum::extract::Path;
use axum::http::header;
use axum::response::IntoResponse;
use cloud::model::{Server, ServerRequest};
use serde_json::{Value, json};

use super::super::body::{Json, Object, shown, wrong};
use super::super::context::Api;
use super::super::fault::{Fault, Outcome};
use super::super::query::escaped;
use super::{Three, Two, empty, find, json as reply};

/// Nova's limit.
const TAGS_MAX: usize = 50;

/// Tags of 1 to 60 characters, each once, without the separators of filters and addresses.
pub(super) fn read(list: &[Value]) -> Outcome<Vec<String>> {
    let mut tags: Vec<String> = Vec::new();
    for value in list {
        let Value::String(tag) = value else { return Err(wrong("tags", value, "string")) };
        check(tag)?;
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    check_count(&tags)?;
    Ok(tags)
}

fn check(tag: &str) -> Outcome<()> {
    if (1..=60).contains(&tag.chars().count())
        && !tag.contains(['/', ','])
        && !tag.chars().any(char::is_control)
    {
        return Ok(());
    }
    Err(Fault::invalid(
        "tags",
        format_args!(
            "The tag {:?} is not of 1 to 60 characters without slash and comma.",
            shown(tag)
        ),
    ))
}

fn check_count(tags: &[String]) -> Outcome<()> {
    if tags.len() <= TAGS_MAX {
        return Ok(());
    }
    Err(Fault::invalid("tags", format_args!("The number of tags exceeds the limit {TAGS_MAX}")))
}

/// The server, if the version has tags at all.
async fn tagged(api: &Api, id: &str) -> Outcome<Server> {
    if api.version.before(26) {
        return Err(Fault::not_found("The resource could not be found."));
    }
    find(api, id).await
}

async fn store(api: &Api, server: &Server, tags: Vec<String>) -> Outcome<Vec<String>> {
    let change =
        ServerRequest::Describe { name: None, description: None, metadata: None, tags: Some(tags) };
    let server = api.cloud().request(&api.caller, &api.region, server.id, change).await?;
    api.audit("server.tags", &server.name, &server.id.to_string()).await;
    Ok(server.tags)
}

pub(super) async fn list(api: Api, Path((_, id)): Two) -> Outcome {
    let server = tagged(&api, &id).await?;
    Ok(reply(json!({"tags": server.tags})))
}

pub(super) async fn replace(api: Api, Path((_, id)): Two, Json(body): Json) -> Outcome {
    let request = Object::of(&body, "body")?.only(&["tags"])?;
    let list = request.list("tags")?.ok_or_else(|| {
        Fault::invalid(
            "tags",
            "Invalid input for field/attribute body. 'tags' is a required property",
        )
    })?;
    let new = read(list)?;
    let server = tagged(&api, &id).await?;
    api.may_change()?;
    Ok(reply(json!({"tags": store(&api, &server, new).await?})))
}

pub(super) async fn remove_all(api: Api, Path((_, id)): Two) -> Outcome {
    let server = tagged(&api, &id).await?;
    api.may_change()?;
    store(&api, &server, Vec::new()).await?;
    Ok(empty(204))
}

fn check_one(server: &Server, tag: &str) -> Outcome<()> {
    if server.tags.iter().any(|known| known == tag) {
        return Ok(());
    }
    Err(Fault::not_found(format_args!("Server {} has no tag '{}'", server.id, shown(tag))))
}

pub(super) async fn check_tag(api: Api, Path((_, id, tag)): Three) -> Outcome {
    let server = tagged(&api, &id).await?;
    check_one(&server, &tag)?;
    Ok(empty(204))
}

pub(super) async fn add(api: Api, Path((_, id, tag)): Three) -> Outcome {
    check(&tag)?;
    let server = tagged(&api, &id).await?;
    api.may_change()?;
    if server.tags.contains(&tag) {
        return Ok(empty(204));
    }
    let mut tags = server.tags.clone();
    tags.push(tag.clone());
    check_count(&tags)?;
    store(&api, &server, tags).await?;
    let location = format!("{}/servers/{}/tags/{}", api.compute(), server.id, escaped(&tag));
    Ok(([(header::LOCATION, location)], empty(201)).into_response())
}

pub(super) async fn remove(api: Api, Path((_, id, tag)): Three) -> Outcome {
    let server = tagged(&api, &id).await?;
    check_one(&server, &tag)?;
    api.may_change()?;
    let mut tags = server.tags.clone();
    tags.retain(|known| *known != tag);
    store(&api, &server, tags).await?;
    Ok(empty(204))
}
