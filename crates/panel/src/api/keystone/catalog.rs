//! What there is and where: the catalog and the regions.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use cloud::model::Region;
use crypto::hash::HashAlgorithm;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::super::body::shown;
use super::super::context::Authenticated;
use super::super::fault::{Fault, Outcome};
use super::super::query::escaped;
use super::{list_links, root};
use crate::accounts::{Role, User};
use crate::state::{self, State};

/// The services: type, name, and the address in a region.
const SERVICES: [(&str, &str); 4] =
    [("identity", "keystone"), ("compute", "nova"), ("image", "glance"), ("network", "neutron")];

pub(super) async fn of(state: &State, user: &User, project_id: &str, role: Role) -> Outcome<Value> {
    let caller = state::caller(user, project_id, role, "");
    let regions = state.cloud.regions(&caller).await?;
    let services: Vec<Value> = SERVICES
        .iter()
        .map(|(kind, name)| {
            let endpoints: Vec<Value> =
                regions.iter().flat_map(|region| endpoints(state, kind, region)).collect();
            json!({"id": id_of(kind), "type": kind, "name": name, "endpoints": endpoints})
        })
        .collect();
    Ok(json!(services))
}

fn endpoints(state: &State, kind: &str, region: &Region) -> Vec<Value> {
    let base = state.settings.public_url.trim_end_matches('/');
    let id = escaped(&region.id);
    let url = match kind {
        "compute" => format!("{base}/compute/{id}/v2.1"),
        "image" => format!("{base}/image/{id}"),
        "network" => format!("{base}/network/{id}"),
        _ => root(state),
    };
    ["public", "internal", "admin"]
        .into_iter()
        .map(|interface| {
            json!({
                "id": id_of(&format!("{kind} {} {interface}", region.id)),
                "interface": interface,
                "region": region.id,
                "region_id": region.id,
                "url": url,
            })
        })
        .collect()
}

/// The same for the same thing, whoever asks and whenever.
fn id_of(text: &str) -> String {
    let digest = HashAlgorithm::Sha256.digest(&[b"catalog ", text.as_bytes()]);
    HEXLOWER.encode(digest.as_ref().get(..16).unwrap_or_default())
}

pub(super) async fn show(who: Authenticated) -> Outcome {
    let Some((project, role)) = &who.token.scope else {
        return Err(Fault::forbidden("The token is not scoped to a project: it has no catalog."));
    };
    let catalog = of(&who.state, &who.token.user, &project.id, *role).await?;
    let links = list_links(&format!("{}/auth/catalog", root(&who.state)));
    Ok(axum::Json(json!({"catalog": catalog, "links": links})).into_response())
}

async fn all(who: &Authenticated) -> Outcome<Vec<Region>> {
    let (project, role) = match &who.token.scope {
        Some((project, role)) => (project.id.as_str(), *role),
        None => ("", Role::Reader),
    };
    let caller = state::caller(&who.token.user, project, role, &who.request_id);
    Ok(who.state.cloud.regions(&caller).await?)
}

fn view(state: &State, region: &Region) -> Value {
    json!({
        "id": region.id,
        "description": region.name,
        "parent_region_id": null,
        "links": {"self": format!("{}/regions/{}", root(state), escaped(&region.id))},
    })
}

pub(super) async fn regions(who: Authenticated) -> Outcome {
    let regions: Vec<Value> =
        all(&who).await?.iter().map(|region| view(&who.state, region)).collect();
    let links = list_links(&format!("{}/regions", root(&who.state)));
    Ok((StatusCode::OK, axum::Json(json!({"regions": regions, "links": links}))).into_response())
}

pub(super) async fn region(who: Authenticated, Path(id): Path<String>) -> Outcome {
    let regions = all(&who).await?;
    let found = regions
        .iter()
        .find(|region| region.id == id)
        .ok_or_else(|| Fault::not_found(format_args!("Could not find region: {}.", shown(&id))))?;
    Ok(axum::Json(json!({"region": view(&who.state, found)})).into_response())
}
