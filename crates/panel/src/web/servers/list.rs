//! The list.

use std::sync::Arc;

use axum::extract::{Query, State as AxumState};
use axum::response::IntoResponse;
use cloud::model::{Region, Server};
use cloud::{Caller, ServerList, ServerOrder, ServerQuery};
use maud::{Markup, html};

use super::{address_of, of_regions, pill, ssh_command};
use crate::State;
use crate::web::error::{PageError, PageResult};
use crate::web::layout::{copyable, limits, page, silent, when};
use crate::web::regions::Regions;
use crate::web::table::Listing;
use crate::web::viewer::Viewer;

pub(super) async fn show(
    viewer: Viewer,
    AxumState(state): AxumState<Arc<State>>,
    Query(listing): Query<Listing>,
) -> PageResult {
    let caller = viewer.caller()?;
    let regions = Regions::of(&state, &caller).await?;
    let search = listing.q.trim();
    let mut list = list(&listing);
    let asked: Vec<&Region> = regions
        .iter()
        .filter(|region| listing.region.is_empty() || listing.region == region.id)
        .collect();
    let (mut servers, total) = found(&state, &caller, &asked, &list).await?;
    if servers.is_empty() && total > 0 {
        list.page = listing.rows(Some(total));
        servers = found(&state, &caller, &asked, &list).await?.0;
    }
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    let no_filter = search.is_empty() && listing.region.is_empty();
    let body = html! {
        div .heading {
            h1 { "Servers" }
            @if viewer.may_change() {
                a .button.primary href="/servers/new" { "Create Server" }
            }
        }
        (silent(&state))
        div #servers data-live {
            @if servers.is_empty() && no_filter {
                (empty(&viewer))
            } @else {
                (listing.search("/servers", "Name or address", &regions))
                @if servers.is_empty() {
                    p .muted { "No server matches. " a href="/servers" { "Show all servers" } "." }
                } @else {
                    (table(&listing, &servers, &regions))
                    (listing.pages("/servers", total))
                }
            }
        }
        (limits(&state))
    };
    Ok(page(&viewer, "Servers", &body).into_response())
}

fn list(listing: &Listing) -> ServerList {
    let search = listing.q.trim();
    let (column, down) = listing.order();
    ServerList {
        search: (!search.is_empty()).then(|| search.to_owned()),
        order: match column {
            "name" => ServerOrder::Name,
            "region" => ServerOrder::Region,
            "state" => ServerOrder::State,
            "address" => ServerOrder::Address,
            _ => ServerOrder::Created,
        },
        // Newest first, until a person says otherwise.
        descending: down || listing.sort.is_empty(),
        page: listing.rows(None),
    }
}

/// A page, cut by the cloud where it can.
async fn found(
    state: &State,
    caller: &Caller,
    regions: &[&Region],
    list: &ServerList,
) -> Result<(Vec<Server>, u64), PageError> {
    let ids: Vec<String> = regions.iter().map(|region| region.id.clone()).collect();
    if let Some(page) = state.cloud.find_servers(caller, &ids, list).await? {
        return Ok(page);
    }
    let query = ServerQuery { search: list.search.clone(), ..ServerQuery::default() };
    let all = of_regions(state, caller, regions.iter().copied(), &query).await?;
    Ok(list.apply(all))
}

fn empty(viewer: &Viewer) -> Markup {
    html! {
        div .card.empty {
            h2 { "No servers yet" }
            p {
                "A server is a Linux system of its own, with its own address, that you log in to \
                 as root with your SSH key. It takes a moment to make:"
            }
            ol {
                li { a href="/keys/new" { "Add your public key" } " in the region of your choice." }
                li { a href="/servers/new" { "Create a server" } " there, and choose the key under \
                     Advanced Options." }
                li { "Copy the " code { "ssh root@…" } " line from the server's page into a terminal." }
            }
            @if viewer.may_change() {
                p { a .button.primary href="/servers/new" { "Create Server" } }
            }
        }
    }
}

fn table(listing: &Listing, servers: &[Server], regions: &Regions) -> Markup {
    html! {
        table .list {
            thead {
                tr {
                    (listing.head("/servers", "name", "Name"))
                    (listing.head("/servers", "state", "State"))
                    (listing.head("/servers", "address", "Log in by"))
                    (listing.head("/servers", "region", "Region"))
                    th scope="col" { "Size" }
                    (listing.head("/servers", "created", "Created"))
                }
            }
            tbody {
                @for server in servers {
                    tr {
                        td data-label="Name" {
                            a href=(address_of(server)) { strong { (server.name) } }
                            @if let Some(task) = &server.task_state { br; span .muted { (task) } }
                        }
                        td data-label="State" { (pill(server)) }
                        td data-label="Log in by" {
                            @match ssh_command(server) {
                                Some(command) => (copyable(&command)),
                                None => span .muted { "no address yet" },
                            }
                        }
                        td data-label="Region" { (regions.name(&server.region)) }
                        td data-label="Size" { (server.flavor.name) }
                        td data-label="Created" { (when(server.created_at)) }
                    }
                }
            }
        }
    }
}
