//! The page with the terminal, and the tickets that it asks for.

use std::sync::Arc;

use axum::extract::{Path, State as AxumState};
use axum::response::{IntoResponse, Response};
use cloud::ConsoleKind;
use cloud::model::Status;
use maud::html;
use uuid::Uuid;

use super::tickets::{Ticket, kind_from_name, kind_name};
use crate::State;
use crate::web::assets;
use crate::web::error::{PageError, PageResult};
use crate::web::layout::page;
use crate::web::posted::Posted;
use crate::web::viewer::Viewer;

type Which = Path<(String, String, String)>;

fn which(kind: &str, id: &str) -> PageResult<(ConsoleKind, Uuid)> {
    kind_from_name(kind)
        .zip(Uuid::parse_str(id).ok())
        .ok_or_else(|| PageError::not_found("There is no such console."))
}

pub(super) async fn show(
    viewer: Viewer,
    AxumState(state): AxumState<Arc<State>>,
    Path((region, id, kind)): Which,
) -> PageResult {
    let (kind, id) = which(&kind, &id)?;
    let caller = viewer.changer()?;
    let server = state.cloud.server(&caller, &region, id).await?;
    let at = format!("/servers/{region}/{id}");
    let name = match kind {
        ConsoleKind::Shell => "Shell",
        ConsoleKind::System => "System console",
    };
    let body = html! {
        p .crumb { a href="/servers" { "Servers" } " / " a href=(at) { (server.name) } " /" }
        div .heading {
            h1 { (name) " of " (server.name) }
            div .buttons {
                span #console-state .muted role="status" { }
                button #console-again .quiet type="button" hidden { "Connect again" }
            }
        }
        @if server.status != Status::Active {
            p .notice { "The server is not running, so there is nobody at the other end." }
        }
        noscript {
            p .notice {
                "A terminal in a page needs JavaScript. Without it, use the "
                a href=(format!("{at}/log")) { "console log" } ", or on the panel's own machine: "
                code { "keyway-panel console " (server.name) }
            }
        }
        div #terminal .terminal data-ticket=(format!("{at}/console/{}/ticket", kind_name(kind)))
            data-csrf=(viewer.session.csrf) {}
        p .hint {
            @if kind == ConsoleKind::Shell {
                "A login shell of root, by the panel, not by SSH. To see the host keys as the server \
                 has them: " code { "for f in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $f; done" }
            } @else {
                "What the server prints as it boots, and its own login. What it printed lately comes first."
            }
        }
        link rel="stylesheet" href=(assets::address("xterm.css"));
        script src=(assets::address("xterm.js")) defer {}
        script src=(assets::address("addon-fit.js")) defer {}
        script src=(assets::address("console.js")) defer {}
    };
    Ok(page(&viewer, name, &body).into_response())
}

pub(super) async fn ticket(
    AxumState(state): AxumState<Arc<State>>,
    Path((region, id, kind)): Which,
    posted: Posted,
) -> PageResult<Response> {
    let viewer = &posted.viewer;
    let (kind, server_id) = which(&kind, &id)?;
    let caller = viewer.changer()?;
    let server = state.cloud.server(&caller, &region, server_id).await?;
    let ticket =
        Ticket { user_id: caller.user_id, project_id: caller.project_id, region, server_id, kind };
    let secret = state.store.issue_ticket(&ticket).await?;
    viewer.audit(&state, "server.console", &server.name, kind_name(kind)).await?;
    Ok(secret.into_response())
}
