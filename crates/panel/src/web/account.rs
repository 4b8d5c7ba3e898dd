//! A person's own account: password, second factor, sessions, application credentials.

mod guest;

use std::sync::Arc;

use axum::extract::State as AxumState;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use maud::{Markup, html};
use time::Duration;

use super::error::PageResult;
use super::layout::{Input, copyable, csrf, go, page, when};
use super::posted::Posted;
use super::routes::Routes;
use super::viewer::Viewer;
use crate::State;
use crate::accounts::{Credential, Enrolment, Error, LoginError, NewCredential, Session};

pub(super) fn routes(routes: &mut Routes) {
    routes.get("/account", show);
    routes.post("/account/password", set_password);
    routes.get("/account/second-factor", second_factor);
    routes.post("/account/second-factor", enable_second_factor);
    routes.post("/account/second-factor/off", disable_second_factor);
    routes.post("/account/sessions", end_sessions);
    routes.post("/account/credentials", add_credential);
    routes.post("/account/credentials/delete", delete_credential);
}

#[derive(Default)]
struct Errors {
    password: Option<String>,
    new_password: Option<String>,
    credential: Option<String>,
    totp: Option<String>,
}

async fn show(viewer: Viewer, AxumState(state): AxumState<Arc<State>>) -> PageResult {
    form(&state, &viewer, &Errors::default(), StatusCode::OK).await
}

async fn form(state: &State, viewer: &Viewer, errors: &Errors, status: StatusCode) -> PageResult {
    let sessions = state.accounts.sessions_of(&viewer.user.id).await?;
    if let Some(own) = state.cloud.accounts() {
        return Ok(page(viewer, "Account", &guest::account(viewer, own, &sessions)).into_response());
    }
    let credentials = state.accounts.credentials_of(&viewer.user.id).await?;
    let body = html! {
        h1 { "Account" }
        section .card {
            h2 { (viewer.user.name) }
            dl .facts {
                @if !viewer.user.email.is_empty() { dt { "E-mail" } dd { (viewer.user.email) } }
                dt { "Account since" } dd { (when(viewer.user.created_at)) }
                dt { "Projects" }
                dd {
                    @if viewer.projects.is_empty() { "none" }
                    @for (index, (project, role)) in viewer.projects.iter().enumerate() {
                        @if index > 0 { ", " }
                        (project.name) " (" (crate::accounts::role_name(*role)) ")"
                    }
                }
            }
        }
        (password(viewer, errors))
        (totp(viewer, errors))
        (session_list(viewer, &sessions))
        (credential_list(viewer, &credentials, errors))
    };
    Ok((status, page(viewer, "Account", &body)).into_response())
}

fn password(viewer: &Viewer, errors: &Errors) -> Markup {
    html! {
        section #password-section .card {
            h2 { "Password" }
            p .muted { "Last changed " (when(viewer.user.password_at)) "." }
            form method="post" action="/account/password" {
                (csrf(viewer))
                input type="hidden" name="username" value=(viewer.user.name) autocomplete="username";
                (Input { name: "password", label: "Present password", kind: "password", required: true,
                    autocomplete: "current-password", error: errors.password.as_deref(), ..Input::default() }.render())
                (Input { name: "new_password", label: "New password", kind: "password", required: true,
                    autocomplete: "new-password", error: errors.new_password.as_deref(),
                    hint: "At least 12 characters. Other sessions and API tokens end.", ..Input::default() }.render())
                button type="submit" { "Change the password" }
            }
        }
    }
}

fn totp(viewer: &Viewer, errors: &Errors) -> Markup {
    html! {
        section #second-factor .card {
            h2 { "Second factor" }
            @if viewer.user.has_totp {
                p { span .pill.good { "On" } " Each login asks for a code from your authenticator." }
                form method="post" action="/account/second-factor/off" {
                    (csrf(viewer))
                    (Input { name: "confirm", label: "Password, to turn it off", kind: "password", required: true,
                        autocomplete: "current-password", error: errors.totp.as_deref(), ..Input::default() }.render())
                    button .danger type="submit" { "Turn it off" }
                }
            } @else {
                p { span .pill.off { "Off" } " With a second factor, a stolen password alone lets nobody in." }
                p { a .button href="/account/second-factor" { "Turn it on" } }
            }
        }
    }
}

fn session_list(viewer: &Viewer, sessions: &[Session]) -> Markup {
    html! {
        section #sessions .card {
            h2 { "Sessions" }
            table .list {
                thead { tr {
                    th scope="col" { "Browser" } th scope="col" { "From" } th scope="col" { "Began" }
                    th scope="col" { "Last used" } th scope="col" { span .hidden-label { "Actions" } }
                } }
                tbody {
                    @for session in sessions {
                        tr {
                            td data-label="Browser" { (browser(&session.agent)) }
                            td data-label="From" { (session.address) }
                            td data-label="Began" { (when(session.created_at)) }
                            td data-label="Last used" { (when(session.seen_at)) }
                            td .actions {
                                @if session.id == viewer.session.id { span .pill.good { "This one" } }
                                @else {
                                    form method="post" action="/account/sessions" .inline {
                                        (csrf(viewer))
                                        input type="hidden" name="session" value=(session.id);
                                        button .quiet.danger type="submit" { "End" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @if sessions.len() > 1 {
                form method="post" action="/account/sessions" {
                    (csrf(viewer))
                    input type="hidden" name="others" value="yes";
                    button .quiet type="submit" { "End all other sessions and API tokens" }
                }
            }
        }
    }
}

/// The part of a `User-Agent` that a person recognises.
fn browser(agent: &str) -> String {
    for name in ["Firefox", "Edg", "Chrome", "Safari", "curl"] {
        if agent.contains(&format!("{name}/")) {
            let name = if name == "Edg" { "Edge" } else { name };
            let system = ["Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux"]
                .into_iter()
                .find(|system| agent.contains(system));
            return system.map_or_else(|| name.to_owned(), |system| format!("{name} on {system}"));
        }
    }
    if agent.is_empty() { "unknown".to_owned() } else { agent.chars().take(60).collect() }
}

fn credential_list(viewer: &Viewer, credentials: &[Credential], errors: &Errors) -> Markup {
    html! {
        section #credentials .card {
            h2 { "Application credentials" }
            p .hint { "For programs that use the API: a secret of their own, for this project only, that \
                       can be taken back without changing your password." }
            @if !credentials.is_empty() {
                table .list {
                    thead { tr {
                        th scope="col" { "Name" } th scope="col" { "Identifier" } th scope="col" { "Made" }
                        th scope="col" { "Ends" } th scope="col" { span .hidden-label { "Actions" } }
                    } }
                    tbody {
                        @for credential in credentials {
                            tr {
                                td data-label="Name" { (credential.name) }
                                td data-label="Identifier" { code { (credential.id) } }
                                td data-label="Made" { (when(credential.created_at)) }
                                td data-label="Ends" { @match credential.expires_at { Some(at) => (when(at)), None => "never" } }
                                td .actions {
                                    form method="post" action="/account/credentials/delete" .inline {
                                        (csrf(viewer))
                                        input type="hidden" name="id" value=(credential.id);
                                        button .quiet.danger type="submit" { "Delete" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @if viewer.project.is_some() {
                form method="post" action="/account/credentials" {
                    (csrf(viewer))
                    (Input { name: "credential_name", label: "Name", error: errors.credential.as_deref(),
                        ..Input::default() }.render())
                    div .field {
                        label for="days" { "Ends" }
                        select #days name="days" {
                            option value="30" { "in 30 days" }
                            option value="365" { "in a year" }
                            option value="" { "never" }
                        }
                    }
                    button type="submit" { "Make a credential" }
                }
            }
        }
    }
}

async fn set_password(AxumState(state): AxumState<Arc<State>>, posted: Posted) -> PageResult {
    guest::refuse(&state)?;
    let Posted { viewer, fields } = &posted;
    let mut errors = Errors::default();
    let checked = state
        .accounts
        .confirm_password(&viewer.user, fields.raw("password"), &viewer.address)
        .await;
    match checked {
        Ok(()) => {}
        Err(LoginError::Failed(error)) => return Err(error.into()),
        Err(LoginError::Wrong) => errors.password = Some("This is not your password.".to_owned()),
        Err(error) => errors.password = Some(error.to_string()),
    }
    if errors.password.is_none() {
        let new = fields.raw("new_password");
        match state.accounts.set_password(&viewer.user.id, new, Some(&viewer.session.id)).await {
            Ok(()) => {
                viewer.audit(&state, "password.change", &viewer.user.name, "").await?;
                return Ok(go("/account", "The password is changed; other sessions have ended."));
            }
            Err(Error::Invalid { message, .. }) => errors.new_password = Some(message),
            Err(error) => return Err(error.into()),
        }
    }
    form(&state, viewer, &errors, StatusCode::UNPROCESSABLE_ENTITY).await
}

async fn second_factor(viewer: Viewer, AxumState(state): AxumState<Arc<State>>) -> PageResult {
    guest::refuse(&state)?;
    Ok(enrolment(&viewer, &Enrolment::new(&viewer.user)?, None))
}

fn enrolment(viewer: &Viewer, enrolment: &Enrolment, error: Option<&str>) -> Response {
    let picture = BASE64.encode(enrolment.picture.as_bytes());
    let spaced: Vec<String> = enrolment
        .secret
        .as_bytes()
        .chunks(4)
        .map(|four| String::from_utf8_lossy(four).into_owned())
        .collect();
    let body = html! {
        div .narrow.card {
            h1 { "Turn the second factor on" }
            ol {
                li { "Scan this with an authenticator, or type the secret into it." }
                li { "Type the code that it shows." }
            }
            p { img .qr src=(format!("data:image/svg+xml;base64,{picture}")) alt="The secret, to be scanned" width="220" height="220"; }
            p { code { (spaced.join(" ")) } }
            form method="post" action="/account/second-factor" {
                (csrf(viewer))
                input type="hidden" name="secret" value=(enrolment.secret);
                (Input { name: "code", label: "Code", error, autocomplete: "one-time-code", required: true,
                    ..Input::default() }.render())
                div .buttons {
                    button .primary type="submit" { "Turn it on" }
                    a .button.quiet href="/account" { "Cancel" }
                }
            }
        }
    };
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    (status, page(viewer, "Second factor", &body)).into_response()
}

async fn enable_second_factor(
    AxumState(state): AxumState<Arc<State>>,
    posted: Posted,
) -> PageResult {
    guest::refuse(&state)?;
    let Posted { viewer, fields } = &posted;
    if viewer.user.has_totp {
        return Ok(go("/account", "The second factor is on already."));
    }
    let again = Enrolment::from_secret(&viewer.user, fields.get("secret").to_owned())?;
    match state.accounts.enable_totp(&viewer.user, &again.secret, fields.get("code")).await {
        Ok(()) => {
            viewer.audit(&state, "second-factor.on", &viewer.user.name, "").await?;
            Ok(go("/account", "The second factor is on."))
        }
        Err(LoginError::Failed(error)) => Err(error.into()),
        Err(_) => Ok(enrolment(
            viewer,
            &again,
            Some("This is not the code. Look whether the clock of your device is right."),
        )),
    }
}

async fn disable_second_factor(
    AxumState(state): AxumState<Arc<State>>,
    posted: Posted,
) -> PageResult {
    guest::refuse(&state)?;
    let Posted { viewer, fields } = &posted;
    let checked =
        state.accounts.confirm_password(&viewer.user, fields.raw("confirm"), &viewer.address).await;
    match checked {
        Ok(()) => {
            state.accounts.disable_totp(&viewer.user.id).await?;
            viewer.audit(&state, "second-factor.off", &viewer.user.name, "").await?;
            Ok(go("/account", "The second factor is off."))
        }
        Err(LoginError::Failed(error)) => Err(error.into()),
        Err(error) => {
            let text = match error {
                LoginError::Wrong => "This is not your password.".to_owned(),
                error => error.to_string(),
            };
            let errors = Errors { totp: Some(text), ..Errors::default() };
            form(&state, viewer, &errors, StatusCode::UNPROCESSABLE_ENTITY).await
        }
    }
}

async fn end_sessions(AxumState(state): AxumState<Arc<State>>, posted: Posted) -> PageResult {
    let Posted { viewer, fields } = &posted;
    let said = if fields.has("others") {
        state.accounts.end_other_sessions(&viewer.user.id, &viewer.session.id).await?;
        "All other sessions and API tokens have ended."
    } else if state.accounts.end_session(&viewer.user.id, fields.get("session")).await? {
        "The session has ended."
    } else {
        "That session had ended already."
    };
    viewer.audit(&state, "session.end", &viewer.user.name, said).await?;
    Ok(go("/account#sessions", said))
}

async fn add_credential(AxumState(state): AxumState<Arc<State>>, posted: Posted) -> PageResult {
    guest::refuse(&state)?;
    let Posted { viewer, fields } = &posted;
    let caller = viewer.caller()?;
    let days: Option<i64> =
        fields.get("days").parse().ok().filter(|days| (1..=3650).contains(days));
    let made = state
        .accounts
        .create_credential(NewCredential {
            user_id: &viewer.user.id,
            project_id: &caller.project_id,
            name: fields.get("credential_name"),
            description: "",
            secret: None,
            role: Some(caller.role),
            unrestricted: false,
            expires_at: days.map(|days| crate::store::now() + Duration::days(days)),
        })
        .await;
    let (secret, credential) = match made {
        Ok(made) => made,
        Err(Error::Invalid { message, .. } | Error::Conflict(message)) => {
            let errors = Errors { credential: Some(message), ..Errors::default() };
            return form(&state, viewer, &errors, StatusCode::UNPROCESSABLE_ENTITY).await;
        }
        Err(error) => return Err(error.into()),
    };
    viewer.audit(&state, "credential.add", &credential.name, &credential.id).await?;
    let body = html! {
        div .narrow.card {
            h1 { "Application credential " (credential.name) }
            p .notice { "The secret is shown this once. Nobody can show it again." }
            dl .facts {
                dt { "Identifier" } dd { (copyable(&credential.id)) }
                dt { "Secret" } dd { (copyable(&secret)) }
            }
            p { a .button href="/account#credentials" { "I have it" } }
        }
    };
    Ok(page(viewer, "Application credential", &body).into_response())
}

async fn delete_credential(AxumState(state): AxumState<Arc<State>>, posted: Posted) -> PageResult {
    guest::refuse(&state)?;
    let Posted { viewer, fields } = &posted;
    let id = fields.get("id");
    state.accounts.delete_credential(&viewer.user.id, id).await?;
    viewer.audit(&state, "credential.delete", id, "").await?;
    Ok(go("/account#credentials", "The credential and its tokens are gone."))
}
