//! Bringing an image, in Glance's two steps: its name first, then its file.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap};
use axum::response::IntoResponse;
use cloud::model::ImageStatus;
use cloud::{Cloud, Role, Uploads};
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;

use super::super::context::Api;
use super::super::fault::{Fault, Outcome};
use super::{find, view};

/// A whole system, packed, with room to spare.
const BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;
/// A client that sends nothing for this long has gone.
const PATIENCE: Duration = Duration::from_secs(60);

fn uploads<'a>(api: &Api, cloud: &'a dyn Cloud) -> Outcome<&'a dyn Uploads> {
    api.need(Role::Admin)?;
    cloud
        .uploads()
        .ok_or_else(|| Fault::forbidden("This cloud's images are brought by its own tools."))
}

fn too_large() -> Fault {
    Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "An image's file has at most 16 GiB.")
}

pub(super) async fn create(api: &Api, name: &str) -> Outcome {
    let image = uploads(api, api.cloud())?.reserve(name).await?;
    api.audit("image.add", &image.name, &image.id.to_string()).await;
    Ok((StatusCode::CREATED, axum::Json(view(&image))).into_response())
}

pub(super) async fn file(
    api: Api,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Outcome {
    let image = find(&api, &id).await?;
    let cloud = Arc::clone(&api.state.cloud);
    let file = {
        let uploads = uploads(&api, cloud.as_ref())?;
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if kind != Some("application/octet-stream") {
            return Err(Fault::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "An image's file is application/octet-stream.",
            ));
        }
        if image.status != ImageStatus::Queued {
            return Err(Fault::conflict("The image has its data already."));
        }
        let length = headers.get(header::CONTENT_LENGTH).and_then(|text| text.to_str().ok());
        if length.and_then(|text| text.parse().ok()).is_some_and(|length: u64| length > BYTES_MAX) {
            return Err(too_large());
        }
        uploads.open(image.id)?
    };
    let file = receive(body, tokio::fs::File::from_std(file)).await?;
    // It goes on where the client does not wait for it.
    let taken = tokio::spawn(async move {
        let Some(uploads) = cloud.uploads() else { return Ok(image) };
        let taken = uploads.take_in(image.id).await;
        drop(file);
        taken
    });
    match taken.await.map_err(Fault::internal)? {
        Ok(image) => {
            api.audit("image.import", &image.name, &format!("{} bytes", image.size)).await;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Err(error) => {
            api.audit("image.fail", &id, &error.to_string()).await;
            Err(error.into())
        }
    }
}

/// Writes the body into the file, which stays open.
async fn receive(body: Body, mut file: tokio::fs::File) -> Outcome<tokio::fs::File> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "The disk of the panel's machine is full.")
        }
        _ => Fault::internal(error),
    };
    let mut pieces = body.into_data_stream();
    let mut length = 0u64;
    loop {
        let piece = tokio::time::timeout(PATIENCE, pieces.next())
            .await
            .map_err(|_| Fault::new(StatusCode::REQUEST_TIMEOUT, "The file stopped coming."))?;
        let Some(piece) = piece else { break };
        let piece = piece.map_err(|_| Fault::bad("The file did not come whole."))?;
        length = length.saturating_add(piece.len() as u64);
        if length > BYTES_MAX {
            return Err(too_large());
        }
        file.write_all(&piece).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    Ok(file)
}

pub(super) async fn delete(api: Api, Path((_, id)): Path<(String, String)>) -> Outcome {
    let image = find(&api, &id).await?;
    uploads(&api, api.cloud())?.remove(image.id).await?;
    api.audit("image.delete", &image.name, &id).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}
