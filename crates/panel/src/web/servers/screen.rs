//! A server's screen, where the cloud has it as a page of its own.

use std::sync::Arc;

use axum::extract::{Path, State as AxumState};
use axum::response::IntoResponse;
use cloud::model::Server;
use maud::{Markup, html};

use super::address_of;
use super::show::id;
use crate::State;
use crate::web::error::PageResult;
use crate::web::layout::{csrf, page};
use crate::web::posted::Posted;
use crate::web::viewer::Viewer;

/// Asked for by a form: each time the cloud makes an address that is good once.
pub(super) fn button(viewer: &Viewer, server: &Server) -> Markup {
    html! {
        form method="post" action=(format!("{}/screen", address_of(server))) .inline {
            (csrf(viewer))
            button .quiet type="submit" { "Screen" }
        }
    }
}

pub(super) async fn open(
    AxumState(state): AxumState<Arc<State>>,
    Path((region, id_text)): Path<(String, String)>,
    posted: Posted,
) -> PageResult {
    let viewer = &posted.viewer;
    let caller = viewer.changer()?;
    let id = id(&id_text)?;
    let server = state.cloud.server(&caller, &region, id).await?;
    let address = state.cloud.remote_console(&caller, &region, id).await?;
    viewer.audit(&state, "server.console", &server.name, "screen").await?;
    let body = html! {
        p .crumb { a href="/servers" { "Servers" } " / " a href=(address_of(&server)) { (server.name) } " /" }
        div .narrow.card {
            h1 { "Screen of " (server.name) }
            p { "The cloud shows it in a page of its own, outside this panel. The link opens it for \
                 some minutes, for whoever has it: keep it to yourself." }
            p { a .button.primary href=(address) target="_blank" rel="noopener noreferrer" { "Open the screen" } }
        }
    };
    Ok(page(viewer, "Screen", &body).into_response())
}
