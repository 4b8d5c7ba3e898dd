//! Glance v2: images to look at and to start servers from. Everybody sees all of them;
//! administrators bring and delete them where the cloud keeps its own.

mod upload;

use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use cloud::model::{Image, ImageStatus};
use serde_json::{Value, json};

use super::body::{Json, Object, shown};
use super::context::Api;
use super::fault::{Fault, Outcome};
use super::query::{Query, escaped};
use super::routes::Routes;
use super::service::Service;
use super::when;
use crate::state::State;

pub(super) fn routes() -> Routes {
    Routes::default()
        .route("/image/{region}", get(versions))
        .route("/image/{region}/", get(versions))
        .route("/image/{region}/versions", get(versions))
        .route("/image/{region}/v2/images", get(list).post(create))
        .route(
            "/image/{region}/v2/images/{id}",
            get(show).patch(refuse_change).delete(upload::delete),
        )
        .route("/image/{region}/v2/images/{id}/file", get(no_download).put(upload::file))
        .route("/image/{region}/v2/images/{id}/members", get(members))
        .route("/image/{region}/v2/schemas/image", get(image_schema))
        .route("/image/{region}/v2/schemas/images", get(images_schema))
        .route("/image/{region}/{*rest}", any(unknown))
        .of(Service::Image)
}

async fn unknown(_api: Api) -> Fault {
    Fault::not_found("The resource could not be found.")
}

async fn versions(Shared(state): Shared<Arc<State>>, Path(region): Path<String>) -> Response {
    let base = state.settings.public_url.trim_end_matches('/');
    let link = format!("{base}/image/{}/v2/", escaped(&region));
    let list: Vec<Value> = (0..=9)
        .rev()
        .map(|minor| {
            json!({
                "id": format!("v2.{minor}"),
                "status": if minor == 9 { "CURRENT" } else { "SUPPORTED" },
                "links": [{"rel": "self", "href": link}],
            })
        })
        .collect();
    (StatusCode::MULTIPLE_CHOICES, axum::Json(json!({"versions": list}))).into_response()
}

fn status_name(status: ImageStatus) -> &'static str {
    match status {
        ImageStatus::Queued => "queued",
        ImageStatus::Active => "active",
        ImageStatus::Killed => "killed",
    }
}

fn view(image: &Image) -> Value {
    let hash = (!image.sha256.is_empty()).then_some(image.sha256.as_str());
    json!({
        "id": image.id,
        "name": image.name,
        "status": status_name(image.status),
        "visibility": "public",
        "protected": false,
        "disk_format": "raw",
        "container_format": "bare",
        "size": image.size,
        "virtual_size": image.size,
        "checksum": null,
        "os_hash_algo": hash.map(|_| "sha256"),
        "os_hash_value": hash,
        "os_hidden": false,
        "min_ram": 0,
        "min_disk": 0,
        "owner": null,
        "tags": [],
        "created_at": when::seconds(image.created_at),
        "updated_at": when::seconds(image.created_at),
        "self": format!("/v2/images/{}", image.id),
        "file": format!("/v2/images/{}/file", image.id),
        "schema": "/v2/schemas/image",
    })
}

async fn list(api: Api, query: Query) -> Outcome {
    let mut images = api.cloud().images(&api.caller, &api.region).await?;
    images.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.name.cmp(&b.name)));
    for (name, of) in FILTERS {
        if let Some(wanted) = query.get(name) {
            images.retain(|image| one_of(wanted, &of(image)));
        }
    }
    // All are public, visible, owned by nobody and without tags.
    if query.get("visibility").is_some_and(|wanted| !["public", "all"].contains(&wanted))
        || query.flag("os_hidden")? == Some(true)
        || query.get("owner").is_some()
        || query.get("tag").is_some()
    {
        images.clear();
    }
    if let Some(limit) = query.number("size_min")? {
        images.retain(|image| image.size >= limit as u64);
    }
    if let Some(limit) = query.number("size_max")? {
        images.retain(|image| image.size <= limit as u64);
    }
    sort(&mut images, &query)?;
    let (page, next) = query.page(images, |image| image.id.to_string())?;
    let mut body = json!({
        "images": page.iter().map(view).collect::<Vec<_>>(),
        "first": "/v2/images",
        "schema": "/v2/schemas/images",
    });
    if let (Some(marker), Some(fields)) = (next, body.as_object_mut()) {
        let links = query.next_link("/v2/images", &marker);
        let next = links.pointer("/0/href").cloned().unwrap_or_default();
        fields.insert("next".to_owned(), next);
    }
    Ok(axum::Json(body).into_response())
}

type TextOf = fn(&Image) -> String;

const FILTERS: [(&str, TextOf); 5] = [
    ("name", |image| image.name.clone()),
    ("id", |image| image.id.to_string()),
    ("status", |image| status_name(image.status).to_owned()),
    ("disk_format", |_| "raw".to_owned()),
    ("container_format", |_| "bare".to_owned()),
];

/// `in:a,b` or one value.
fn one_of(wanted: &str, is: &str) -> bool {
    match wanted.strip_prefix("in:") {
        Some(list) => list.split(',').any(|item| item.trim_matches('"') == is),
        None => wanted == is,
    }
}

/// `sort=key:dir` or `sort_key` and `sort_dir`.
fn sort(images: &mut [Image], query: &Query) -> Outcome<()> {
    let given = query.get("sort").and_then(|text| text.split(',').next());
    let (key, direction) = match given {
        Some(text) => text.split_once(':').unwrap_or((text, "desc")),
        None if query.get("sort_key").is_none() && query.get("sort_dir").is_none() => return Ok(()),
        None => {
            (query.get("sort_key").unwrap_or("created_at"), query.get("sort_dir").unwrap_or("desc"))
        }
    };
    match key {
        "name" => images.sort_by(|a, b| a.name.cmp(&b.name)),
        "id" => images.sort_by_key(|image| image.id),
        "size" => images.sort_by_key(|image| image.size),
        "created_at" | "updated_at" => images.sort_by_key(|image| image.created_at),
        "status" => images.sort_by_key(|image| status_name(image.status)),
        "disk_format" | "container_format" | "owner" | "checksum" | "min_ram" | "min_disk"
        | "visibility" => {}
        other => {
            return Err(Fault::invalid(
                "sort",
                format_args!("Unsupported sort key {}", shown(other)),
            ));
        }
    }
    match direction {
        "asc" => Ok(()),
        "desc" => {
            images.reverse();
            Ok(())
        }
        other => {
            Err(Fault::invalid("sort", format_args!("Unsupported sort direction {}", shown(other))))
        }
    }
}

async fn find(api: &Api, id: &str) -> Outcome<Image> {
    let images = api.cloud().images(&api.caller, &api.region).await?;
    images
        .into_iter()
        .find(|image| image.id.to_string() == id)
        .ok_or_else(|| Fault::not_found(format_args!("No image found with ID {}", shown(id))))
}

async fn show(api: Api, Path((_, id)): Path<(String, String)>) -> Outcome {
    Ok(axum::Json(view(&find(&api, &id).await?)).into_response())
}

fn imported_elsewhere() -> Fault {
    Fault::forbidden("This cloud's images are not changed here.")
}

/// What is wrong with the request is said before that it is not done here.
async fn create(api: Api, Json(body): Json) -> Outcome {
    let request = Object::of(&body, "body")?;
    let known = |name: &'static str, formats: &[&str]| -> Outcome<()> {
        match request.text_or_null(name, 0..=64)?.flatten() {
            Some(format) if !formats.contains(&format) => {
                Err(Fault::invalid(name, format_args!("Invalid {name}: {}", shown(format))))
            }
            _ => Ok(()),
        }
    };
    known(
        "container_format",
        &["bare", "docker", "ova", "ovf", "ami", "aki", "ari", "compressed"],
    )?;
    known(
        "disk_format",
        &["raw", "qcow2", "iso", "vhd", "vhdx", "vmdk", "vdi", "ploop", "ami", "aki", "ari"],
    )?;
    let name = request.text_or_null("name", 0..=255)?.flatten().unwrap_or_default();
    if let Some(name) =
        ["owner_id", "created_at", "updated_at", "status", "size", "checksum", "self", "file"]
            .into_iter()
            .find(|name| request.has(name))
    {
        return Err(Fault::forbidden(format_args!("Attribute '{name}' is read-only.")));
    }
    upload::create(&api, name).await
}

async fn refuse_change(api: Api, Path((_, id)): Path<(String, String)>) -> Outcome {
    find(&api, &id).await?;
    api.may_change()?;
    Err(imported_elsewhere())
}

async fn no_download(api: Api, Path((_, id)): Path<(String, String)>) -> Outcome {
    find(&api, &id).await?;
    Err(Fault::forbidden("An image's data is a folder on the panel's machine, not a file."))
}

async fn members(api: Api, Path((_, id)): Path<(String, String)>) -> Outcome {
    find(&api, &id).await?;
    Err(Fault::forbidden("Only shared images have members."))
}

/// The image's members and their types, as clients ask before they change one.
fn properties() -> Value {
    let text = json!({"type": ["null", "string"]});
    let number = json!({"type": ["null", "integer"]});
    let flag = json!({"type": "boolean"});
    json!({
        "id": {"type": "string", "pattern": "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"},
        "name": {"type": ["null", "string"], "maxLength": 255},
        "status": {"type": "string", "enum": ["queued", "active", "killed"]},
        "visibility": {"type": "string", "enum": ["public"]},
        "protected": flag, "os_hidden": flag,
        "disk_format": text, "container_format": text, "checksum": text,
        "os_hash_algo": text, "os_hash_value": text, "owner": text,
        "size": number, "virtual_size": number, "min_ram": number, "min_disk": number,
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 255}},
        "created_at": {"type": "string"}, "updated_at": {"type": "string"},
        "self": {"type": "string"}, "file": {"type": "string"}, "schema": {"type": "string"},
    })
}

async fn image_schema(_api: Api) -> Response {
    axum::Json(json!({
        "name": "image",
        "properties": properties(),
        "additionalProperties": {"type": "string"},
        "links": [{"rel": "self", "href": "{self}"}, {"rel": "describedby", "href": "{schema}"}],
    }))
    .into_response()
}

async fn images_schema(_api: Api) -> Response {
    axum::Json(json!({
        "name": "images",
        "properties": {
            "images": {"type": "array", "items": {"name": "image", "properties": properties()}},
            "first": {"type": "string"},
            "next": {"type": "string"},
            "schema": {"type": "string"},
        },
        "links": [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}],
    }))
    .into_response()
}
