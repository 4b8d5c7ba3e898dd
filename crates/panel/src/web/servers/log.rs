//! The console's output so far.

mod printed;

use std::sync::Arc;

use axum::extract::{Path, State as AxumState};
use axum::response::IntoResponse;
use maud::html;

use super::address_of;
use super::show::id;
use crate::State;
use crate::web::error::PageResult;
use crate::web::layout::page;
use crate::web::viewer::Viewer;

/// Lines that are shown.
const LINES: u32 = 1000;

pub(super) async fn show(
    viewer: Viewer,
    AxumState(state): AxumState<Arc<State>>,
    Path((region, id_text)): Path<(String, String)>,
) -> PageResult {
    let caller = viewer.caller()?;
    let id = id(&id_text)?;
    let server = state.cloud.server(&caller, &region, id).await?;
    let log = state.cloud.console_log(&caller, &region, id, Some(LINES)).await?;
    let runs = printed::runs(&log);
    let body = html! {
        p .crumb { a href="/servers" { "Servers" } " / " a href=(address_of(&server)) { (server.name) } " /" }
        h1 { "Console log" }
        div #console-log data-live {
            @if runs.is_empty() { p .muted { "Nothing was printed yet." } }
            @else {
                pre .log tabindex="0" {
                    @for run in &runs {
                        @match run.class() {
                            Some(class) => span class=(class) { (run.text) },
                            None => (run.text),
                        }
                    }
                }
            }
        }
        p .hint { "The last " (LINES) " lines. " a href=(format!("{}/log", address_of(&server))) { "Read again" } }
    };
    Ok(page(&viewer, "Console log", &body).into_response())
}
