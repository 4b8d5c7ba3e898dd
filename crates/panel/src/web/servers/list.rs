//! The list.

use std::sync::Arc;

use axum::extract::{Query, State as AxumState};
use axum::response::IntoResponse;
use cloud::ServerQuery;
use cloud::model::Server;
use maud::{Markup, html};

use super::{address_of, of_regions, pill, ssh_command};
use crate::State;
use crate::web::error::PageResult;
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
    let query = ServerQuery {
        search: (!search.is_empty()).then(|| search.to_owned()),
        ..ServerQuery::default()
    };
    let asked =
        regions.iter().filter(|region| listing.region.is_empty() || listing.region == region.id);
    let mut servers = of_regions(&state, &caller, asked, &query).await?;
    sort(&mut servers, &listing);
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
                    (listing.pages("/servers", servers.len()))
                }
            }
        }
        (limits(&state))
    };
    Ok(page(&viewer, "Servers", &body).into_response())
}

fn sort(servers: &mut [Server], listing: &Listing) {
    // By name first: the sorts are stable, and names are folded once each.
    servers.sort_by_cached_key(|server| server.name.to_lowercase());
    let (column, down) = listing.order();
    match column {
        "name" => {}
        "region" => servers.sort_by(|a, b| a.region.cmp(&b.region)),
        "state" => servers.sort_by_key(|server| super::status_words(server).1),
        "address" => {
            servers.sort_by_key(|server| server.addresses.first().map(|one| one.address));
        }
        _ => servers.sort_by_key(|server| server.created_at),
    }
    // Newest first, until a person says otherwise.
    if down || listing.sort.is_empty() {
        servers.reverse();
    }
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
                @for server in listing.cut(servers) {
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
