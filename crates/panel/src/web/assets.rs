//! Files of our own and of xterm.js, inside the program. `NOTICE.md` beside them says what is
//! whose.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use crypto::hash::HashAlgorithm;
use data_encoding::HEXLOWER;

use super::error::PageError;
use super::routes::Routes;

const FILES: &[(&str, &str, &[u8])] = &[
    ("panel.css", "text/css; charset=utf-8", include_bytes!("assets/panel.css")),
    ("panel.js", "text/javascript; charset=utf-8", include_bytes!("assets/panel.js")),
    ("console.js", "text/javascript; charset=utf-8", include_bytes!("assets/console.js")),
    ("icon.svg", "image/svg+xml", include_bytes!("assets/icon.svg")),
    ("xterm.js", "text/javascript; charset=utf-8", include_bytes!("assets/xterm/xterm.js")),
    ("xterm.css", "text/css; charset=utf-8", include_bytes!("assets/xterm/xterm.css")),
    ("addon-fit.js", "text/javascript; charset=utf-8", include_bytes!("assets/xterm/addon-fit.js")),
];

/// A part of each file's digest, which makes its address change with its content.
static TAGS: LazyLock<Vec<(&str, String)>> = LazyLock::new(|| {
    FILES
        .iter()
        .map(|(name, _, content)| {
            let digest = HEXLOWER.encode(HashAlgorithm::Sha256.digest(&[content]).as_ref());
            (*name, digest.chars().take(12).collect())
        })
        .collect()
});

pub(super) fn routes(routes: &mut Routes) {
    routes.public_get("/assets/{tag}/{name}", file);
}

/// Where a file is; it may be kept for good.
pub(crate) fn address(name: &str) -> String {
    let tag = TAGS.iter().find(|(file, _)| *file == name).map_or("0", |(_, tag)| tag.as_str());
    format!("/assets/{tag}/{name}")
}

async fn file(Path((_, name)): Path<(String, String)>) -> Response {
    match FILES.iter().find(|(file, _, _)| *file == name) {
        Some((_, kind, content)) => (
            [
                (header::CONTENT_TYPE, *kind),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ],
            *content,
        )
            .into_response(),
        None => PageError::not_found("There is no such file.").into_response(),
    }
}
