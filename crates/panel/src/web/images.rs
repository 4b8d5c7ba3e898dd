//! Images, for administrators: what there is, how far it came, and deleting.

use std::sync::Arc;

use axum::extract::State as AxumState;
use axum::response::IntoResponse;
use cloud::model::{Image, ImageStatus};
use maud::html;

use super::error::{PageError, PageResult};
use super::layout::{csrf, field_error, go, page, when};
use super::posted::Posted;
use super::regions::Regions;
use super::routes::Routes;
use super::viewer::Viewer;
use crate::State;

pub(super) fn routes(routes: &mut Routes) {
    routes.get("/images", list);
    routes.post("/images/delete", delete);
}

async fn list(viewer: Viewer, AxumState(state): AxumState<Arc<State>>) -> PageResult {
    images_page(&state, &viewer, None).await
}

/// The page, with why an image was not deleted.
async fn images_page(
    state: &State,
    viewer: &Viewer,
    refused: Option<(&str, String)>,
) -> PageResult {
    viewer.need_admin()?;
    let caller = viewer.caller()?;
    // Where the cloud keeps its own images, they are the same in every region.
    let own = state.cloud.uploads().is_some();
    let mut images: Vec<(String, Image)> = Vec::new();
    for region in Regions::of(state, &caller).await?.iter() {
        for image in state.cloud.images(&caller, &region.id).await? {
            if !own || !images.iter().any(|(_, other)| other.id == image.id) {
                images.push((region.name.clone(), image));
            }
        }
    }
    let body = html! {
        h1 { "Images" }
        @if own {
            p .hint {
                "What servers are made from. To bring one, as an archive of a root file system or \
                 as docker and OCI tools save it: "
                code { "openstack image create --file FILE NAME" } ", or on this machine "
                code { "keyway-panel image import NAME FILE" } "."
            }
        } @else {
            p .hint { "What servers are made from. They are the cloud's own, and changed by its tools." }
        }
        @if images.is_empty() { p .muted { "No image yet." } }
        @else {
            table .list {
                thead { tr {
                    th scope="col" { "Name" } th scope="col" { "State" } th scope="col" { "Size" }
                    th scope="col" { "Where" } th scope="col" { "Since" }
                    @if own { th scope="col" { span .hidden-label { "Actions" } } }
                } }
                tbody {
                    @for (region, image) in &images {
                        tr {
                            td data-label="Name" {
                                strong { (image.name) }
                                @if !image.sha256.is_empty() { br; code .fingerprint.muted { "SHA-256 " (image.sha256) } }
                                (field_error(&image.id.to_string(), refused.as_ref()
                                    .filter(|(id, _)| *id == image.id.to_string()).map(|(_, why)| why.as_str())))
                            }
                            td data-label="State" {
                                @match image.status {
                                    ImageStatus::Active => span .pill.good { "Ready" },
                                    ImageStatus::Queued => span .pill.busy { "Being imported" },
                                    ImageStatus::Killed => span .pill.wrong { "Failed" },
                                }
                            }
                            td data-label="Size" { (size(image.size)) }
                            td data-label="Where" { @if own { "everywhere" } @else { (region) } }
                            td data-label="Since" { (when(image.created_at)) }
                            @if own {
                                td .actions {
                                    form method="post" action="/images/delete" .inline {
                                        (csrf(viewer))
                                        input type="hidden" name="id" value=(image.id);
                                        button .quiet.danger type="submit" aria-label=(format!("Delete {}", image.name)) { "Delete" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    let status = match refused {
        Some(_) => axum::http::StatusCode::UNPROCESSABLE_ENTITY,
        None => axum::http::StatusCode::OK,
    };
    Ok((status, page(viewer, "Images", &body)).into_response())
}

fn size(bytes: u64) -> String {
    match bytes / (1024 * 1024) {
        _ if bytes == 0 => String::new(),
        0 => format!("{}\u{a0}KiB", bytes.div_ceil(1024)),
        mebibytes => format!("{mebibytes}\u{a0}MiB"),
    }
}

async fn delete(AxumState(state): AxumState<Arc<State>>, posted: Posted) -> PageResult {
    let Posted { viewer, fields } = &posted;
    viewer.need_admin()?;
    let missing = || PageError::not_found("There is no such image.");
    let id = uuid::Uuid::parse_str(fields.get("id")).map_err(|_| missing())?;
    let uploads = state.cloud.uploads().ok_or_else(missing)?;
    match uploads.remove(id).await {
        Ok(()) => {
            viewer.audit(&state, "image.delete", &id.to_string(), "").await?;
            Ok(go("/images", "The image is deleted."))
        }
        Err(cloud::Error::Conflict(why)) => {
            images_page(&state, viewer, Some((fields.get("id"), why))).await
        }
        Err(error) => Err(error.into()),
    }
}
