//! The audit log: all of it for administrators, one's own for everybody else.

use std::sync::Arc;

use axum::extract::{Query, State as AxumState};
use axum::response::IntoResponse;
use maud::html;

use super::error::PageResult;
use super::layout::{page, when};
use super::routes::Routes;
use super::table::{Listing, PAGE_ROWS};
use super::viewer::Viewer;
use crate::State;

pub(super) fn routes(routes: &mut Routes) {
    routes.get("/audit", show);
}

async fn show(
    viewer: Viewer,
    AxumState(state): AxumState<Arc<State>>,
    Query(listing): Query<Listing>,
) -> PageResult {
    let whose = (!viewer.admin).then_some(viewer.user.id.as_str());
    let page_number = listing.page.parse::<u32>().unwrap_or(1).clamp(1, 1_000_000);
    let rows = PAGE_ROWS as u32;
    let (records, total) = state
        .store
        .audit_entries(whose, listing.q.trim(), rows, (page_number - 1).saturating_mul(rows))
        .await?;
    let body = html! {
        h1 { "Audit log" }
        p .hint {
            @if viewer.admin { "Every change, by whom and from where. Entries are never changed." }
            @else { "What was done in your name." }
        }
        (listing.search("/audit", "Who, what or on what", &[]))
        @if records.is_empty() { p .muted { "Nothing to show." } }
        @else {
            table .list {
                thead { tr {
                    th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" }
                    th scope="col" { "On" } th scope="col" { "Detail" } th scope="col" { "From" }
                } }
                tbody {
                    @for record in &records {
                        tr title=(record.request_id) {
                            td data-label="When" { (when(record.at)) }
                            td data-label="Who" { (record.user_name) }
                            td data-label="What" { code { (record.action) } }
                            td data-label="On" { (record.target) }
                            td data-label="Detail" .detail { (record.detail) }
                            td data-label="From" { (record.address) }
                        }
                    }
                }
            }
        }
        (listing.pages("/audit", usize::try_from(total).unwrap_or(usize::MAX)))
    };
    Ok(page(&viewer, "Audit log", &body).into_response())
}
