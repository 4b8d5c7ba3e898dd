//! Who looks at a page.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{self, HeaderMap};
use axum::http::request::Parts;
use cloud::accounts::Token;
use cloud::{Caller, Role};
use data_encoding::BASE64URL_NOPAD;

use super::error::PageError;
use super::proxy::is_secure;
use super::security::{Peer, RequestId};
use crate::State;
use crate::accounts::{Presence, Project, Session, User};
use crate::audit::Entry;
use crate::state::caller;

/// The cookie with a message for the next page.
pub(crate) const FLASH: &str = "keyway_flash";

/// The logged-in person behind a request, and the project the session is in.
#[derive(Clone)]
pub struct Viewer {
    /// The browser's session.
    pub session: Session,
    /// The person.
    pub user: User,
    /// The project, and what the person may do in it; none for someone without any.
    pub project: Option<(Project, Role)>,
    /// The cloud's token for it, where accounts are the cloud's own.
    pub token: Option<Token>,
    /// All projects to switch between.
    pub projects: Vec<(Project, Role)>,
    /// Whether this is an administrator of the panel.
    pub admin: bool,
    /// This request's identifier.
    pub request_id: String,
    /// Where it comes from.
    pub address: String,
    /// The path that was asked for, for the menu.
    pub path: String,
    /// What the last page wanted said.
    pub flash: Option<String>,
    /// The number of the news when the page was asked for, before anything on it was read.
    pub edition: u64,
}

impl Viewer {
    /// Who asks the cloud.
    ///
    /// # Errors
    /// For someone without a project.
    pub fn caller(&self) -> Result<Caller, PageError> {
        let (project, role) = self.project.as_ref().ok_or_else(|| {
            PageError::refused(
                "You are in no project yet, so there is nothing to work with. Ask an \
                 administrator to add you to one.",
            )
        })?;
        let caller = caller(&self.user, &project.id, *role, &self.request_id);
        Ok(Caller { token: self.token.clone(), ..caller })
    }

    /// Who asks, for something that changes the project.
    ///
    /// # Errors
    /// For readers.
    pub fn changer(&self) -> Result<Caller, PageError> {
        let caller = self.caller()?;
        if caller.role < Role::Member {
            return Err(PageError::refused(
                "Your role in this project is reader: you may look, and not change anything.",
            ));
        }
        Ok(caller)
    }

    /// Whether the pages offer changes.
    pub fn may_change(&self) -> bool {
        self.project.as_ref().is_some_and(|(_, role)| *role >= Role::Member)
    }

    /// # Errors
    /// For everybody but administrators, who are told that there is no such page.
    pub fn need_admin(&self) -> Result<(), PageError> {
        if self.admin {
            Ok(())
        } else {
            Err(PageError::not_found("There is no page at this address."))
        }
    }

    /// Writes into the audit log what this person did.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn audit(
        &self,
        state: &State,
        action: &str,
        target: &str,
        detail: &str,
    ) -> Result<(), PageError> {
        let project_id = self.project.as_ref().map_or("", |(project, _)| project.id.as_str());
        state
            .store
            .audit(Entry {
                user_id: &self.user.id,
                user_name: &self.user.name,
                project_id,
                action,
                target,
                detail,
                address: &self.address,
                request_id: &self.request_id,
            })
            .await?;
        Ok(())
    }
}

impl FromRequestParts<Arc<State>> for Viewer {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, PageError> {
        let edition = state.news.edition();
        let path = parts.uri.path().to_owned();
        let back = || {
            // Only pages that can be shown again.
            let shown = parts.method == axum::http::Method::GET;
            let full = parts.uri.path_and_query().map_or("/servers", |full| full.as_str());
            PageError::LogIn(if shown { full.to_owned() } else { String::new() })
        };
        let secret = cookie(&parts.headers, session_cookie(is_secure(state, &parts.extensions)))
            .ok_or_else(back)?;
        let session = state.accounts.session(&secret).await?.ok_or_else(back)?;
        let person = person(state, &session).await?.ok_or_else(back)?;
        let flash = cookie(&parts.headers, FLASH)
            .and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(Self {
            session,
            user: person.user,
            project: person.project,
            token: person.token,
            projects: person.projects,
            admin: person.admin,
            request_id: request_id(parts),
            address: peer(parts),
            path,
            flash,
            edition,
        })
    }
}

/// What there is to know of a session's owner.
struct WhoItIs {
    user: User,
    projects: Vec<(Project, Role)>,
    project: Option<(Project, Role)>,
    token: Option<Token>,
    admin: bool,
}

/// The owner, where the account may be used and the login is not over.
async fn person(state: &State, session: &Session) -> Result<Option<WhoItIs>, PageError> {
    if let Some(own) = state.cloud.accounts() {
        return Ok(state.guests.find(own, session).await?.map(guest));
    }
    let user = state.accounts.user(&session.user_id).await?;
    let Some(user) = user.filter(|user| user.enabled) else { return Ok(None) };
    let mut projects = state.accounts.projects_of(&user.id).await?;
    projects.retain(|(project, _)| project.enabled);
    let admin = projects.iter().any(|(_, role)| *role == Role::Admin);
    let project = projects
        .iter()
        .find(|(project, _)| project.id == session.project_id)
        .or_else(|| projects.first())
        .map(|(project, role)| (project.clone(), if admin { Role::Admin } else { *role }));
    Ok(Some(WhoItIs { user, projects, project, token: None, admin }))
}

/// Nobody administers users and projects here where they are the cloud's own.
fn guest(presence: Presence) -> WhoItIs {
    let here = presence.project.as_ref().map_or(Role::Reader, |(_, role, _)| *role);
    let (project, token) = match presence.project {
        Some((project, role, token)) => (Some((project, role)), Some(token)),
        None => (None, None),
    };
    // Roles elsewhere are known when the person is there.
    let projects = presence.projects.into_iter().map(|project| (project, here)).collect();
    WhoItIs { user: presence.user, projects, project, token, admin: false }
}

/// The session cookie's name: the `__Host-` prefix makes browsers insist on HTTPS.
pub(crate) fn session_cookie(secure: bool) -> &'static str {
    if secure { "__Host-keyway" } else { "keyway" }
}

pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

pub(crate) fn request_id(parts: &Parts) -> String {
    parts.extensions.get::<RequestId>().map_or_else(crate::state::new_request_id, |id| id.0.clone())
}

pub(crate) fn peer(parts: &Parts) -> String {
    parts.extensions.get::<Peer>().map_or_else(|| "-".to_owned(), |peer| peer.0.to_string())
}
