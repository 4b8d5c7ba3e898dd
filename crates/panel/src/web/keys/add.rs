//! Add Public Key.

use std::sync::Arc;

use axum::extract::State as AxumState;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cloud::model::Region;
use maud::{Markup, html};

use super::{KeyErrors, store_key};
use crate::State;
use crate::web::error::PageResult;
use crate::web::layout::{Input, csrf, field_error, go, page};
use crate::web::posted::Posted;
use crate::web::regions::Regions;
use crate::web::viewer::Viewer;

pub(super) async fn show(viewer: Viewer, AxumState(state): AxumState<Arc<State>>) -> PageResult {
    let caller = viewer.changer()?;
    let regions = Regions::of(&state, &caller).await?;
    let chosen: Vec<String> = regions.first().map(|region| region.id.clone()).into_iter().collect();
    Ok(form(&viewer, &regions, "", "", &chosen, &KeyErrors::default()))
}

fn form(
    viewer: &Viewer,
    regions: &[Region],
    name: &str,
    text: &str,
    chosen: &[String],
    errors: &KeyErrors,
) -> Response {
    let body = html! {
        h1 { "Add Public Key" }
        form .card method="post" action="/keys/new" enctype="multipart/form-data" {
            (csrf(viewer))
            (Input { name: "name", label: "Key name", value: name, error: errors.name.as_deref(),
                hint: "What you call it here. Left empty, the key's own comment is used.",
                ..Input::default() }.render())
            (region_boxes(regions, chosen, errors.regions.as_deref()))
            (public_key_field("public_key", text, errors))
            div .field {
                label for="file" { "or its file" }
                input #file type="file" name="file" accept=".pub,text/plain";
                p .hint { "The file whose name ends in .pub, such as id_ed25519.pub." }
            }
            div .buttons {
                button .primary type="submit" { "Add Public Key" }
                a .button.quiet href="/keys" { "Cancel" }
            }
        }
    };
    let status = if errors.any() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    (status, page(viewer, "Add Public Key", &body)).into_response()
}

fn region_boxes(regions: &[Region], chosen: &[String], error: Option<&str>) -> Markup {
    html! {
        fieldset .field aria-describedby="regions-hint" {
            legend { "Regions" }
            div .boxes {
                @for region in regions {
                    label .box {
                        input type="checkbox" name="region" value=(region.id)
                            checked[chosen.contains(&region.id)];
                        (region.name)
                    }
                }
            }
            p #regions-hint .hint { "A server can only be given keys of its own region." }
            (field_error("regions", error))
        }
    }
}

/// The large field that a public key is pasted into.
pub(in crate::web) fn public_key_field(name: &str, text: &str, errors: &KeyErrors) -> Markup {
    // A private key is not sent back: it would be in one more place.
    let text = if errors.private { "" } else { text };
    html! {
        div .field.bad[errors.public_key.is_some()] {
            label for=(name) { "Public key" }
            textarea id=(name) name=(name) rows="5" spellcheck="false" autocomplete="off"
                data-drop placeholder="ssh-ed25519 AAAAC3Nz… you@computer"
                aria-invalid=[errors.public_key.as_ref().map(|_| "true")]
                aria-describedby=(format!("{name}-hint")) { (text) }
            p .hint id=(format!("{name}-hint")) {
                "Paste the whole line of the .pub file. Wrapped lines are joined again."
            }
            @if errors.private {
                div .notice.alarm role="alert" { (errors.public_key.as_deref().unwrap_or_default()) }
            } @else {
                (field_error(name, errors.public_key.as_deref()))
            }
        }
    }
}

pub(super) async fn add(AxumState(state): AxumState<Arc<State>>, posted: Posted) -> PageResult {
    let Posted { viewer, fields } = &posted;
    let (name, chosen) = (fields.get("name"), fields.all("region"));
    let file = fields.raw("file");
    let text = if file.trim().is_empty() { fields.raw("public_key") } else { file };
    match store_key(&state, viewer, name, text, &chosen).await? {
        Ok((name, repairs)) => {
            let regions = Regions::of(&state, &viewer.caller()?).await?;
            let mut said = format!("Stored {name} in {}.", regions.names(&chosen));
            for repair in &repairs {
                said.push(' ');
                said.push_str(repair);
            }
            Ok(go("/keys", &said))
        }
        Err(errors) => {
            let regions = Regions::of(&state, &viewer.caller()?).await?;
            Ok(form(viewer, &regions, name, text, &chosen, &errors))
        }
    }
}
