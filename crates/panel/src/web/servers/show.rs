//! A server's page.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State as AxumState};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use cloud::Caller;
use cloud::model::{HostKey, KeyPair, Server, ServerAction, Status};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::create::{KEYS_SHOWN, offered_keys};
use super::{
    address_of, authorized, identity, pill, reached_at, screen, ssh_command, status_words,
};
use crate::State;
use crate::web::error::{PageError, PageResult};
use crate::web::layout::{copyable, page, when};
use crate::web::regions::Regions;
use crate::web::viewer::Viewer;

#[derive(Deserialize)]
pub(super) struct Printed {
    /// What the reader's ssh printed, to be compared.
    #[serde(default)]
    printed: String,
}

/// Everything about one server.
pub(super) struct Details {
    pub(super) server: Server,
    pub(super) image: String,
    /// What people call its region.
    pub(super) region: String,
    pub(super) host_keys: Vec<HostKey>,
    pub(super) actions: Vec<ServerAction>,
    /// Users' names by identifier.
    pub(super) names: BTreeMap<String, String>,
    /// What is in `authorized_keys`, or why that is not known.
    pub(super) authorized: authorized::Present,
    /// Whether host keys come from consoles, not from disks.
    pub(super) by_console: bool,
    /// The first keys of the viewer in this region.
    pub(super) stored: Vec<KeyPair>,
    /// Whether there are others.
    pub(super) more_stored: bool,
}

/// Reads an identifier from a path.
pub(super) fn id(text: &str) -> PageResult<Uuid> {
    Uuid::parse_str(text).map_err(|_| PageError::not_found("There is no such server."))
}

async fn details(state: &State, caller: &Caller, region: &str, id: Uuid) -> PageResult<Details> {
    let cloud = &state.cloud;
    let server = cloud.server(caller, region, id).await?;
    let image = cloud.images(caller, region).await?;
    let image = image.into_iter().find(|image| image.id == server.image_id);
    let image = image.map_or_else(|| "an image that is gone".to_owned(), |image| image.name);
    let region_name = Regions::of(state, caller).await?.name(region).to_owned();
    let host_keys = cloud.host_keys(caller, region, id).await?;
    let actions = cloud.actions(caller, region, id).await?;
    let mut names = BTreeMap::new();
    for user in actions.iter().map(|action| &action.user_id).chain([&server.user_id]) {
        if !names.contains_key(user) {
            let name = state.user_name(user).await?.unwrap_or_else(|| user.clone());
            names.insert(user.clone(), name);
        }
    }
    let authorized = if state.cloud.capabilities().authorized_keys {
        match cloud.authorized_keys(caller, region, id).await {
            Ok(text) => authorized::Present::Read(text),
            Err(error) => authorized::Present::Failed(error.to_string()),
        }
    } else {
        authorized::Present::Hidden
    };
    let (stored, total) = offered_keys(state, caller, region, KEYS_SHOWN).await?;
    let more_stored = total > stored.len() as u64;
    let by_console = !cloud.capabilities().authorized_keys;
    Ok(Details {
        server,
        image,
        region: region_name,
        host_keys,
        actions,
        names,
        authorized,
        by_console,
        stored,
        more_stored,
    })
}

pub(super) async fn show(
    viewer: Viewer,
    AxumState(state): AxumState<Arc<State>>,
    Path((region, id_text)): Path<(String, String)>,
    Query(printed): Query<Printed>,
) -> PageResult {
    server_page(&viewer, &state, &region, id(&id_text)?, &printed.printed, None).await
}

/// The page, with what is wrong with a key that was to be added.
pub(super) async fn server_page(
    viewer: &Viewer,
    state: &State,
    region: &str,
    id: Uuid,
    printed: &str,
    refused: Option<&authorized::Refused>,
) -> PageResult {
    let caller = viewer.caller()?;
    let details = details(state, &caller, region, id).await?;
    let server = &details.server;
    let body = html! {
        div .heading {
            div {
                p .crumb { a href="/servers" { "Servers" } " / " }
                h1 { (server.name) }
            }
        }
        div #server data-live data-server=(server.id) {
            (summary(viewer, state, &details))
            (identity::after_rebuild(&details))
            (identity::keys(&details))
        }
        (identity::compare(&details, printed))
        (authorized::section(viewer, &details, refused))
        div #log data-live { (action_log(&details)) }
    };
    let status = match refused {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    };
    Ok((status, page(viewer, &server.name, &body)).into_response())
}

fn summary(viewer: &Viewer, state: &State, details: &Details) -> Markup {
    let server = &details.server;
    let busy = server.task_state.is_some() || status_words(server).0 == "busy";
    html! {
        // What was said about an action goes when nothing goes on any more.
        section .card data-busy[busy] {
            p .status-line {
                (pill(server))
                // Where the state itself says that something goes on, this would say it twice.
                @if let (Some(task), false) = (&server.task_state, status_words(server).0 == "busy") {
                    " " span .muted { (task) }
                }
            }
            @if let Some(fault) = &server.fault { p .notice.alarm { (fault) } }
            @match ssh_command(server) {
                Some(command) => p .command { (copyable(&command)) },
                None => p .muted { "It has no address yet." },
            }
            dl .facts {
                dt { "Address" }
                dd {
                    @match reached_at(server) {
                        Some((address, 22)) => (address),
                        Some((address, port)) => { (address) ", port " (port) },
                        None => "none yet",
                    }
                }
                dt { "Region" } dd { (details.region) }
                dt { "Image" } dd { (details.image) }
                dt { "Size" } dd { (server.flavor.name) }
                dt { "Made" }
                dd { (when(server.created_at)) " by " (details.names.get(&server.user_id).map_or("somebody", String::as_str)) }
                dt { "Made with" }
                dd { @if server.key_names.is_empty() { "no key" } @else { (server.key_names.join(", ")) } }
                @if let Some(text) = &server.description { dt { "Description" } dd { (text) } }
                dt { "Identifier" } dd { code { (server.id) } }
            }
            div .buttons {
                @if state.cloud.capabilities().consoles {
                    a .button href=(format!("{}/console/shell", address_of(server))) { "Open a shell" }
                    a .button.quiet href=(format!("{}/console/system", address_of(server))) { "System console" }
                }
                a .button.quiet href=(format!("{}/log", address_of(server))) { "Console log" }
                @if state.cloud.capabilities().remote_consoles && viewer.may_change() {
                    (screen::button(viewer, server))
                }
            }
            @if viewer.may_change() { (action_buttons(server)) }
        }
    }
}

fn action_buttons(server: &Server) -> Markup {
    let offered: &[(&str, &str)] = match server.status {
        Status::Active => {
            &[("reboot", "Reboot"), ("stop", "Stop"), ("rebuild", "Rebuild"), ("delete", "Delete")]
        }
        Status::Shutoff => &[("start", "Start"), ("rebuild", "Rebuild"), ("delete", "Delete")],
        Status::Error => {
            &[("hard-reboot", "Reboot by force"), ("rebuild", "Rebuild"), ("delete", "Delete")]
        }
        _ => &[("delete", "Delete")],
    };
    html! {
        div .buttons aria-label="Actions" role="group" {
            @for (action, label) in offered {
                a href=(format!("{}/confirm/{action}", address_of(server)))
                    class=(if matches!(*action, "delete" | "rebuild") { "button quiet danger" } else { "button quiet" })
                    { (label) "…" }
            }
            @let (action, label) = if server.locked { ("unlock", "Unlock") } else { ("lock", "Lock") };
            a .button.quiet href=(format!("{}/confirm/{action}", address_of(server))) { (label) "…" }
        }
    }
}

fn action_log(details: &Details) -> Markup {
    html! {
        section .card {
            h2 { "Action log" }
            @if details.actions.is_empty() { p .muted { "Nothing was done to it yet." } }
            @else {
                table .list {
                    thead { tr {
                        th scope="col" { "What" } th scope="col" { "Who" } th scope="col" { "When" }
                        th scope="col" { "Took" } th scope="col" { "Note" }
                    } }
                    tbody {
                        @for action in details.actions.iter().take(100) {
                            tr {
                                td data-label="What" { (action.action) }
                                td data-label="Who" { (details.names.get(&action.user_id).map_or(action.user_id.as_str(), String::as_str)) }
                                td data-label="When" { (when(action.started_at)) }
                                td data-label="Took" {
                                    @match action.finished_at {
                                        Some(end) => { (format!("{:.1} s", (end - action.started_at).as_seconds_f64())) },
                                        None => span .pill.busy { "running" },
                                    }
                                }
                                td data-label="Note" { (action.message.as_deref().unwrap_or("")) }
                            }
                        }
                    }
                }
            }
        }
    }
}
