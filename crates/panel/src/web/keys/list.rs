//! The list.

use std::sync::Arc;

use axum::extract::{Query, State as AxumState};
use axum::response::IntoResponse;
use cloud::model::{KeyPair, KeyType, Region};
use cloud::{KeyPairOrder, KeyPairQuery};
use maud::{Markup, html};

use super::{Holders, copy_keys, described, holders};
use crate::State;
use crate::web::error::PageResult;
use crate::web::layout::{count, csrf, escape_query, go, page, silent, when};
use crate::web::posted::Posted;
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
    let asked: Vec<String> = regions
        .iter()
        .map(|region| region.id.clone())
        .filter(|id| listing.region.is_empty() || listing.region == *id)
        .collect();
    let mut query = query(&listing);
    let (mut keys, total) = state.cloud.find_key_pairs(&caller, &asked, &query).await?;
    if keys.is_empty() && total > 0 {
        query.page = listing.rows(Some(total));
        keys = state.cloud.find_key_pairs(&caller, &asked, &query).await?.0;
    }
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    let wanted = listing.q.trim();
    let holders = holders(&state, &caller, &keys).await?;
    let known_use = state.cloud.capabilities().key_use;
    let body = html! {
        div .heading {
            h1 { "SSH Keys" }
            @if viewer.may_change() {
                a .button.primary href="/keys/new" { "Add Public Key" }
            }
        }
        (silent(&state))
        @if total == 0 && wanted.is_empty() && listing.region.is_empty() {
            (empty(&viewer))
        } @else {
            (listing.search("/keys", "Name, fingerprint or comment", &regions))
            @if keys.is_empty() {
                @let chosen = regions.iter().find(|region| region.id == listing.region);
                p .muted {
                    @match chosen {
                        Some(region) if wanted.is_empty() => {
                            "No key is stored in " (region.name) " yet: each region has keys of its \
                             own. Add one there, or copy one from another region."
                        },
                        _ => { "No key matches. " a href="/keys" { "Show all keys" } "." },
                    }
                }
            } @else {
                (table(&viewer, &listing, &keys, &regions, &holders, known_use))
                (listing.pages("/keys", total))
            }
        }
    };
    Ok(page(&viewer, "SSH Keys", &body).into_response())
}

fn query(listing: &Listing) -> KeyPairQuery {
    let wanted = listing.q.trim();
    let (column, descending) = listing.order();
    KeyPairQuery {
        search: (!wanted.is_empty()).then(|| wanted.to_owned()),
        order: match column {
            "region" => KeyPairOrder::Region,
            "used" => KeyPairOrder::Used,
            _ => KeyPairOrder::Name,
        },
        descending,
        page: listing.rows(None),
        ..KeyPairQuery::default()
    }
}

fn empty(viewer: &Viewer) -> Markup {
    html! {
        div .card.empty {
            h2 { "No keys yet" }
            p {
                "A server lets you in by an SSH key instead of a password. You keep the private \
                 half; this page stores the public half, and Create Server puts it into the new \
                 server. A key belongs to a region: store it in each region where you make servers."
            }
            p { "If you have no key pair yet, make one on your own computer:" }
            pre { code { "ssh-keygen -t ed25519" } }
            p { "Then show the public half, and paste it here:" }
            pre { code { "cat ~/.ssh/id_ed25519.pub" } }
            @if viewer.may_change() {
                p { a .button.primary href="/keys/new" { "Add Public Key" } }
            }
        }
    }
}

fn table(
    viewer: &Viewer,
    listing: &Listing,
    keys: &[KeyPair],
    regions: &Regions,
    holders: &Holders,
    known_use: bool,
) -> Markup {
    html! {
        table .list {
            thead {
                tr {
                    (listing.head("/keys", "name", "Name"))
                    th scope="col" { "Fingerprint" }
                    th scope="col" { "Type" }
                    (listing.head("/keys", "region", "Region"))
                    @if known_use { (listing.head("/keys", "used", "Last used")) }
                    th scope="col" { "Servers" }
                    @if viewer.may_change() { th scope="col" { span .hidden-label { "Actions" } } }
                }
            }
            tbody {
                @for key in keys { (row(viewer, key, regions, holders, known_use)) }
            }
        }
    }
}

fn row(
    viewer: &Viewer,
    key: &KeyPair,
    regions: &Regions,
    holders: &Holders,
    known_use: bool,
) -> Markup {
    let parts = described(key);
    let on = holders.get(&(key.region.clone(), key.name.clone()));
    let others: Vec<&Region> = regions.iter().filter(|region| region.id != key.region).collect();
    html! {
        tr {
            td data-label="Name" {
                strong { (key.name) }
                @if let Some((_, comment)) = &parts {
                    @if !comment.is_empty() && *comment != key.name { br; span .muted { (comment) } }
                }
            }
            td data-label="Fingerprint" {
                @if !key.fingerprint_sha256.is_empty() {
                    code .fingerprint { (key.fingerprint_sha256) } br;
                }
                code .fingerprint.muted { "MD5:" (key.fingerprint_md5.trim_start_matches("MD5:")) }
            }
            td data-label="Type" {
                @match (&parts, key.kind) {
                    (Some((public, _)), _) => { (public.type_label()) " " (public.bits()) },
                    (None, KeyType::X509) => "X.509",
                    (None, KeyType::Ssh) => "unreadable",
                }
            }
            td data-label="Region" { (regions.name(&key.region)) }
            @if known_use {
                td data-label="Last used" {
                    @match key.last_used_at {
                        Some(at) => (when(at)),
                        None => span .muted { "never" },
                    }
                }
            }
            td data-label="Servers" {
                @match on {
                    None => span .muted { "none" },
                    Some(servers) => {
                        @for (index, server) in servers.iter().take(3).enumerate() {
                            @if index > 0 { ", " }
                            a href=(format!("/servers/{}/{}", server.region, server.id)) { (server.name) }
                        }
                        @if servers.len() > 3 {
                            " and " (count((servers.len() - 3) as u64, "other", "others"))
                        }
                    }
                }
            }
            @if viewer.may_change() {
                td .actions {
                    @if !others.is_empty() {
                        form method="post" action="/keys/copy" .inline {
                            (csrf(viewer))
                            input type="hidden" name="key" value=(format!("{}/{}", key.region, key.name));
                            @if let [only] = others.as_slice() {
                                input type="hidden" name="to" value=(only.id);
                                button .quiet type="submit" aria-label=(format!("Copy {} to {}", key.name, only.name)) { "Copy to " (only.id) }
                            } @else {
                                label .hidden-label for=(format!("copy-{}", key.id)) { "Copy to region" }
                                select id=(format!("copy-{}", key.id)) name="to" {
                                    @for region in others { option value=(region.id) { "to " (region.name) } }
                                }
                                button .quiet type="submit" { "Copy" }
                            }
                        }
                    }
                    a .button.quiet.danger href=(format!("/keys/delete?region={}&name={}",
                        escape_query(&key.region), escape_query(&key.name)))
                        aria-label=(format!("Delete {}", key.name)) { "Delete" }
                }
            }
        }
    }
}

pub(super) async fn copy(AxumState(state): AxumState<Arc<State>>, posted: Posted) -> PageResult {
    let to = posted.fields.get("to");
    let (copied, refused) =
        copy_keys(&state, &posted.viewer, &posted.fields.all("key"), to).await?;
    let mut said = Vec::new();
    if !copied.is_empty() {
        let regions = Regions::of(&state, &posted.viewer.caller()?).await?;
        said.push(format!("Copied {} to {}.", copied.join(", "), regions.name(to)));
    }
    said.extend(refused);
    if said.is_empty() {
        said.push("No key was chosen.".to_owned());
    }
    Ok(go("/keys", &said.join(" ")))
}
