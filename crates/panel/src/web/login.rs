//! Logging in and out.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Query, State as AxumState};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{StatusCode, request::Parts};
use axum::response::{IntoResponse, Redirect, Response};
use cloud::accounts::{Credentials, OwnAccounts, Person};
use maud::html;
use serde::Deserialize;

use super::error::{PageError, PageResult};
use super::layout::{Input, bare, go};
use super::posted::{Anonymous, Posted};
use super::proxy::is_secure;
use super::routes::Routes;
use super::viewer::{Viewer, cookie, peer, request_id, session_cookie};
use crate::State;
use crate::accounts::{LoginError, NewSession, User, digest, random_text};
use crate::audit::Entry;

/// Binds the login form to the browser that asked for it.
const FORM_COOKIE: &str = "keyway_login";

pub(super) fn routes(routes: &mut Routes) {
    routes.public_get("/login", show);
    routes.public_post("/login", log_in);
    routes.post("/logout", log_out);
    routes.post("/project", switch_project);
}

#[derive(Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
}

/// What the form shows again.
#[derive(Default)]
struct Form<'a> {
    name: &'a str,
    /// Where accounts are the cloud's own: the domain of the name.
    domain: Option<&'a str>,
    next: &'a str,
    error: Option<String>,
    wants_code: bool,
}

async fn show(
    viewer: Result<Viewer, PageError>,
    origin: Origin,
    AxumState(state): AxumState<Arc<State>>,
    Query(next): Query<Next>,
) -> PageResult {
    if viewer.is_ok() {
        return Ok(Redirect::to(local(&next.next)).into_response());
    }
    let domain = state.cloud.accounts().map(OwnAccounts::domain);
    form(&origin, StatusCode::OK, &Form { next: &next.next, domain, ..Form::default() })
}

fn form(origin: &Origin, status: StatusCode, form: &Form<'_>) -> PageResult {
    let token = random_text()?;
    let body = html! {
        div .narrow.card {
            h1 { "Log in" }
            form method="post" action="/login" {
                input type="hidden" name="token" value=(token);
                input type="hidden" name="next" value=(form.next);
                @if let Some(error) = &form.error { p .notice.alarm role="alert" { (error) } }
                (Input { name: "name", label: "Name", value: form.name, autocomplete: "username",
                    required: true, ..Input::default() }.render())
                (Input { name: "password", label: "Password", kind: "password",
                    autocomplete: "current-password", required: true, ..Input::default() }.render())
                @if let Some(domain) = form.domain {
                    (Input { name: "domain", label: "Domain", value: domain, required: true,
                        hint: "Accounts are the cloud's own.", ..Input::default() }.render())
                }
                @if form.wants_code {
                    (Input { name: "code", label: "Code", autocomplete: "one-time-code",
                        hint: "The six digits that your authenticator shows now.",
                        ..Input::default() }.render())
                }
                button .primary type="submit" { "Log in" }
            }
        }
    };
    let mut response = (status, bare("Log in", &body)).into_response();
    let secure = if origin.secure { "; Secure" } else { "" };
    let cookie = format!(
        "{FORM_COOKIE}={token}; Path=/login; HttpOnly; SameSite=Strict; Max-Age=3600{secure}"
    );
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(response)
}

/// Where the request comes from, for the log and the pace.
struct Origin {
    address: String,
    agent: String,
    request_id: String,
    headers: HeaderMap,
    /// Whether it came by HTTPS.
    secure: bool,
}

impl FromRequestParts<Arc<State>> for Origin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<State>,
    ) -> Result<Self, Self::Rejection> {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self {
            address: peer(parts),
            agent: agent.unwrap_or_default().to_owned(),
            request_id: request_id(parts),
            headers: parts.headers.clone(),
            secure: is_secure(state, &parts.extensions),
        })
    }
}

async fn log_in(
    origin: Origin,
    AxumState(state): AxumState<Arc<State>>,
    Anonymous { fields }: Anonymous,
) -> PageResult {
    let (name, next) = (fields.get("name"), fields.get("next"));
    let own = state.cloud.accounts();
    let domain = own.map(|_| fields.get("domain"));
    let token = cookie(&origin.headers, FORM_COOKIE).unwrap_or_default();
    if token.is_empty() || digest(&token) != digest(fields.raw("token")) {
        let error =
            Some("The form was too old, or your browser takes no cookies. Try again.".to_owned());
        return form(
            &origin,
            StatusCode::FORBIDDEN,
            &Form { name, domain, next, error, ..Form::default() },
        );
    }
    let code = Some(fields.get("code")).filter(|code| !code.is_empty());
    let (accounts, password) = (&state.accounts, fields.raw("password"));
    let tried = match own {
        None => accounts.log_in(name, password, code, &origin.address).await.map(Who::User),
        Some(own) => {
            let domain = domain.unwrap_or_default();
            let with = Credentials { name, domain, password, passcode: code };
            accounts.log_in_elsewhere(own, with, &origin.address).await.map(Who::Guest)
        }
    };
    let entry = |user_id, action, detail| Entry {
        user_id,
        user_name: name,
        action,
        target: name,
        detail,
        address: &origin.address,
        request_id: &origin.request_id,
        ..Entry::default()
    };
    let who = match tried {
        Ok(who) => who,
        Err(LoginError::Failed(error)) => return Err(error.into()),
        Err(error) => {
            let wants_code = matches!(error, LoginError::NeedsCode | LoginError::WrongCode)
                || (own.is_some() && code.is_some());
            let status = match error {
                LoginError::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
                LoginError::NeedsCode => StatusCode::OK,
                LoginError::Cloud(_) => StatusCode::BAD_GATEWAY,
                _ => StatusCode::UNAUTHORIZED,
            };
            let retry = error.retry_after_seconds();
            let text = error.to_string();
            if status != StatusCode::OK {
                state.store.audit(entry("", "login.fail", &text)).await?;
            }
            let again = Form { name, domain, next, error: Some(text), wants_code };
            let mut refusal = form(&origin, status, &again)?;
            if let Some(seconds) = retry {
                refusal.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            return Ok(refusal);
        }
    };
    let (user_id, project) = match &who {
        Who::User(user) => (&user.id, user.default_project.as_deref()),
        Who::Guest(person) => (&person.user_id, person.default_project.as_deref()),
    };
    state.store.audit(entry(user_id, "login.done", &origin.agent)).await?;
    let (secret, session) = state
        .accounts
        .begin_session(NewSession {
            user_id,
            project_id: project.unwrap_or_default(),
            address: &origin.address,
            agent: &origin.agent,
        })
        .await?;
    if let Who::Guest(person) = who {
        state.guests.admit(&session.id, person);
    }
    let mut response = Redirect::to(local(next)).into_response();
    set_session_cookie(&origin, &mut response, &secret, crate::accounts::SESSION_SECONDS);
    Ok(response)
}

/// Whoever logged in.
enum Who {
    /// By an account of the panel's.
    User(User),
    /// By one of the cloud's own.
    Guest(Person),
}

fn set_session_cookie(origin: &Origin, response: &mut Response, secret: &str, seconds: i64) {
    let secure = if origin.secure { "; Secure" } else { "" };
    let name = session_cookie(origin.secure);
    // Lax: a link from a mail to a page here finds its reader logged in. Forms have more to pass.
    let cookie =
        format!("{name}={secret}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

async fn log_out(
    origin: Origin,
    AxumState(state): AxumState<Arc<State>>,
    posted: Posted,
) -> PageResult {
    let viewer = &posted.viewer;
    state.accounts.end_session(&viewer.user.id, &viewer.session.id).await?;
    let tokens = state.guests.dismiss(&viewer.session.id);
    let leaving = Arc::clone(&state);
    // Nobody has to wait for the cloud to forget them.
    tokio::spawn(async move {
        let Some(own) = leaving.cloud.accounts() else { return };
        for token in &tokens {
            own.leave(token).await;
        }
    });
    viewer.audit(&state, "logout", &viewer.user.name, "").await?;
    let mut response = Redirect::to("/login").into_response();
    set_session_cookie(&origin, &mut response, "", 0);
    Ok(response)
}

async fn switch_project(AxumState(state): AxumState<Arc<State>>, posted: Posted) -> PageResult {
    let project = posted.fields.get("project");
    let name = posted.viewer.projects.iter().find(|(other, _)| other.id == project);
    if state.cloud.accounts().is_none() {
        state.accounts.switch_project(&posted.viewer.session, project).await?;
    } else if name.is_some() {
        state.accounts.put_session_in(&posted.viewer.session, project).await?;
    } else {
        return Err(PageError::not_found("There is no such project."));
    }
    let name = name.map_or("another project", |(project, _)| project.name.as_str());
    Ok(go("/servers", &format!("You are now in {name}.")))
}

/// A path of this panel, or the first page: nobody is sent elsewhere by a link.
fn local(next: &str) -> &str {
    let fine = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && !next.chars().any(char::is_control);
    if fine { next } else { "/servers" }
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn only_paths_of_this_panel() {
        assert_eq!(local("/keys?q=1"), "/keys?q=1");
        for elsewhere in ["", "//evil", "https://evil", "/\\evil", "/a\r\nb", "keys"] {
            assert_eq!(local(elsewhere), "/servers", "{elsewhere}");
        }
    }
}
