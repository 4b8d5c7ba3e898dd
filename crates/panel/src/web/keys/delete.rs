//! Deleting a key, after saying which servers keep it.

use std::sync::Arc;

use axum::extract::{Query, State as AxumState};
use axum::response::IntoResponse;
use maud::html;
use serde::Deserialize;

use super::holders;
use crate::State;
use crate::web::error::PageResult;
use crate::web::layout::{csrf, go, page};
use crate::web::posted::Posted;
use crate::web::regions::Regions;
use crate::web::viewer::Viewer;

#[derive(Deserialize)]
pub(super) struct Which {
    region: String,
    name: String,
}

pub(super) async fn show(
    viewer: Viewer,
    AxumState(state): AxumState<Arc<State>>,
    Query(which): Query<Which>,
) -> PageResult {
    let caller = viewer.changer()?;
    let key = state.cloud.key_pair(&caller, &which.region, &which.name).await?;
    let holders = holders(&state, &caller, std::slice::from_ref(&key)).await?;
    let regions = Regions::of(&state, &caller).await?;
    let on = holders.get(&(key.region.clone(), key.name.clone()));
    let body = html! {
        div .narrow.card {
            h1 { "Delete " (key.name) "?" }
            p { "The key is taken out of " (regions.name(&key.region)) ": no new server there can be made with it." }
            p { code .fingerprint { (key.fingerprint_sha256) } }
            @match on {
                None => p { "No server was made with it." },
                Some(servers) => {
                    p { strong { "These servers were made with it, and keep it:" } }
                    ul {
                        @for server in servers {
                            li { a href=(format!("/servers/{}/{}", server.region, server.id)) { (server.name) } }
                        }
                    }
                    p { "Whoever has the private half can still log in to them. To stop that, remove \
                         the key on each server's own page." }
                }
            }
            form method="post" action="/keys/delete" {
                (csrf(&viewer))
                input type="hidden" name="region" value=(key.region);
                input type="hidden" name="name" value=(key.name);
                div .buttons {
                    button .danger type="submit" { "Delete the key" }
                    a .button.quiet href="/keys" { "Cancel" }
                }
            }
        }
    };
    Ok(page(&viewer, "Delete key", &body).into_response())
}

pub(super) async fn delete(AxumState(state): AxumState<Arc<State>>, posted: Posted) -> PageResult {
    let (region, name) = (posted.fields.get("region"), posted.fields.get("name"));
    let caller = posted.viewer.changer()?;
    state.cloud.delete_key_pair(&caller, region, name).await?;
    posted.viewer.audit(&state, "key.delete", &format!("{name} in {region}"), "").await?;
    let regions = Regions::of(&state, &caller).await?;
    Ok(go("/keys", &format!("Deleted {name} from {}.", regions.name(region))))
}
