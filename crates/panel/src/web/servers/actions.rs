//! What can be done to a server, each asked again before.

use std::sync::Arc;

use axum::extract::{Path, State as AxumState};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cloud::model::{Image, ImageStatus, Server, ServerRequest};
use maud::html;

use super::address_of;
use super::show::id;
use crate::State;
use crate::web::error::{PageError, PageResult};
use crate::web::layout::{Input, csrf, go, page};
use crate::web::posted::Posted;
use crate::web::viewer::Viewer;

/// What an action is called, and what it means for the person.
struct Action {
    name: &'static str,
    question: &'static str,
    button: &'static str,
    explanation: &'static str,
    done: &'static str,
    /// The server's name has to be typed.
    typed: bool,
}

const ACTIONS: &[Action] = &[
    Action {
        name: "reboot",
        question: "Reboot",
        button: "Reboot the server",
        explanation: "Its processes are asked to end, and it starts again. Disk, address and host \
                      keys stay.",
        done: "is restarting.",
        typed: false,
    },
    Action {
        name: "hard-reboot",
        question: "Reboot by force",
        button: "Reboot by force",
        explanation: "Its processes are ended at once, as by pulling the plug. Disk, address and \
                      host keys stay; what was not written is lost.",
        done: "is restarting.",
        typed: false,
    },
    Action {
        name: "stop",
        question: "Stop",
        button: "Stop the server",
        explanation: "Its processes end. Disk and address stay, and it can be started again.",
        done: "is stopping.",
        typed: false,
    },
    Action {
        name: "start",
        question: "Start",
        button: "Start the server",
        explanation: "It starts from its disk, with the same address and host keys.",
        done: "is starting.",
        typed: false,
    },
    Action {
        name: "lock",
        question: "Lock",
        button: "Lock the server",
        explanation: "Members of the project cannot act on it until it is unlocked.",
        done: "is locked.",
        typed: false,
    },
    Action {
        name: "unlock",
        question: "Unlock",
        button: "Unlock the server",
        explanation: "Members of the project can act on it again.",
        done: "is unlocked.",
        typed: false,
    },
    Action {
        name: "rebuild",
        question: "Rebuild",
        button: "Rebuild: lose everything on it",
        explanation: "EVERYTHING ON ITS DISK IS LOST. It is made anew from the image, with the same \
                      name and address and new host keys: ssh will warn, and this server's page \
                      says what to do then.",
        done: "is being rebuilt.",
        typed: true,
    },
    Action {
        name: "delete",
        question: "Delete",
        button: "Delete: lose everything on it",
        explanation: "EVERYTHING ON ITS DISK IS LOST, and its address goes back to be used by \
                      another server.",
        done: "is deleted.",
        typed: true,
    },
];

fn find(name: &str) -> PageResult<&'static Action> {
    ACTIONS
        .iter()
        .find(|action| action.name == name)
        .ok_or_else(|| PageError::not_found("There is no such action."))
}

pub(super) async fn confirm(
    viewer: Viewer,
    AxumState(state): AxumState<Arc<State>>,
    Path((region, id_text, name)): Path<(String, String, String)>,
) -> PageResult {
    let action = find(&name)?;
    let caller = viewer.changer()?;
    let server = state.cloud.server(&caller, &region, id(&id_text)?).await?;
    let images =
        if name == "rebuild" { state.cloud.images(&caller, &region).await? } else { Vec::new() };
    Ok(question(&viewer, action, &server, &images, None))
}

fn question(
    viewer: &Viewer,
    action: &Action,
    server: &Server,
    images: &[Image],
    error: Option<&str>,
) -> Response {
    let body = html! {
        div .narrow.card {
            h1 { (action.question) " " (server.name) "?" }
            p { (action.explanation) }
            form method="post" action=(format!("{}/do/{}", address_of(server), action.name)) {
                (csrf(viewer))
                @if action.name == "rebuild" {
                    div .field {
                        label for="image" { "From the image" }
                        select #image name="image" {
                            @for image in images.iter().filter(|image| image.status == ImageStatus::Active) {
                                option value=(image.id) selected[image.id == server.image_id] { (image.name) }
                            }
                        }
                    }
                }
                @if action.typed {
                    (Input { name: "typed", label: &format!("Type the server's name, {}, to go on", server.name),
                        error, ..Input::default() }.render())
                }
                div .buttons {
                    button type="submit" class=(if action.typed { "danger" } else { "primary" }) { (action.button) }
                    a .button.quiet href=(address_of(server)) { "Cancel" }
                }
            }
        }
    };
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    (status, page(viewer, action.question, &body)).into_response()
}

pub(super) async fn act(
    AxumState(state): AxumState<Arc<State>>,
    Path((region, id_text, name)): Path<(String, String, String)>,
    posted: Posted,
) -> PageResult {
    let Posted { viewer, fields } = &posted;
    let action = find(&name)?;
    let caller = viewer.changer()?;
    let id = id(&id_text)?;
    let server = state.cloud.server(&caller, &region, id).await?;
    if action.typed && fields.get("typed") != server.name {
        let images = state.cloud.images(&caller, &region).await?;
        let error = "This is not the server's name, so nothing was done.";
        return Ok(question(viewer, action, &server, &images, Some(error)));
    }
    let request = match action.name {
        "reboot" => ServerRequest::Reboot { hard: false },
        "hard-reboot" => ServerRequest::Reboot { hard: true },
        "stop" => ServerRequest::Stop,
        "start" => ServerRequest::Start,
        "lock" => ServerRequest::Lock,
        "unlock" => ServerRequest::Unlock,
        "rebuild" => {
            let image_id = match fields.get("image") {
                "" => None,
                text => Some(
                    uuid::Uuid::parse_str(text)
                        .map_err(|_| PageError::bad("There is no such image."))?,
                ),
            };
            ServerRequest::Rebuild { image_id, key_names: None, name: None }
        }
        _ => {
            state.cloud.delete_server(&caller, &region, id).await?;
            viewer.audit(&state, "server.delete", &server.name, &id.to_string()).await?;
            return Ok(go("/servers", &format!("{} is deleted.", server.name)));
        }
    };
    state.cloud.request(&caller, &region, id, request).await?;
    let what = format!("server.{}", action.name);
    viewer.audit(&state, &what, &server.name, &id.to_string()).await?;
    Ok(go(&address_of(&server), &format!("{} {}", server.name, action.done)))
}
