//! Who asks, of which region, in which version: what every handler behind a token begins with.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, RawPathParams};
use axum::http::header;
use axum::http::request::Parts;
use cloud::{Caller, Role};

use super::body::shown;
use super::fault::{Fault, Outcome};
use super::microversion::Microversion;
use super::service::RequestId;
use crate::accounts::Token;
use crate::state::State;

/// A good token, whatever its scope.
pub(super) struct Authenticated {
    pub(super) state: Arc<State>,
    pub(super) token: Token,
    pub(super) request_id: String,
    pub(super) address: String,
}

impl Authenticated {
    /// Whether the token's role is that of an administrator, who is one everywhere.
    pub(super) fn is_admin(&self) -> bool {
        self.token.scope.as_ref().is_some_and(|(_, role)| *role == Role::Admin)
    }
}

/// Where the request came from; empty where that is not known.
pub(super) struct RemoteAddress(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for RemoteAddress {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Outcome<Self> {
        Ok(Self(address_of(parts)))
    }
}

/// Refuses where accounts are a real cloud's own: its clients talk to that cloud itself.
pub(super) fn own_accounts(state: &State) -> Outcome<()> {
    if state.cloud.capabilities().own_accounts {
        return Err(Fault::new(
            axum::http::StatusCode::NOT_IMPLEMENTED,
            "This panel drives an OpenStack cloud: use that cloud's own API.",
        ));
    }
    Ok(())
}

impl FromRequestParts<Arc<State>> for Authenticated {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Outcome<Self> {
        own_accounts(state)?;
        let secret = presented(parts).ok_or_else(Fault::unauthorized)?;
        let token =
            state.accounts.validate_token(&secret).await?.ok_or_else(Fault::unauthorized)?;
        let request_id =
            parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        Ok(Self { state: Arc::clone(state), token, request_id, address: address_of(parts) })
    }
}

/// The token as OpenStack's clients send it, or as everybody else does.
fn presented(parts: &Parts) -> Option<zeroize::Zeroizing<String>> {
    if let Some(value) = parts.headers.get("x-auth-token") {
        return value.to_str().ok().map(|text| text.to_owned().into());
    }
    let text = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim().to_owned().into())
}

/// A token scoped to a project, and the region in the address where it names one.
pub(super) struct Api {
    pub(super) state: Arc<State>,
    pub(super) caller: Caller,
    pub(super) version: Microversion,
    /// Empty for services without regions.
    pub(super) region: String,
    /// Where the request came from; empty where that is not known.
    address: String,
}

impl FromRequestParts<Arc<State>> for Api {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Outcome<Self> {
        let authenticated = Authenticated::from_request_parts(parts, state).await?;
        let Authenticated { token, request_id, address, .. } = authenticated;
        let (project, role) = token.scope.ok_or_else(|| {
            Fault::new(
                axum::http::StatusCode::UNAUTHORIZED,
                "The token is not scoped to a project.",
            )
        })?;
        let caller = crate::state::caller(&token.user, &project.id, role, &request_id);
        let region = region_of(parts, state).await?;
        if !region.is_empty() {
            let regions = state.cloud.regions(&caller).await?;
            if !regions.iter().any(|known| known.id == region) {
                return Err(Fault::not_found(format_args!(
                    "There is no region {}.",
                    shown(&region)
                )));
            }
        }
        Ok(Self {
            state: Arc::clone(state),
            caller,
            version: parts.extensions.get().copied().unwrap_or(Microversion::MIN),
            region,
            address,
        })
    }
}

impl Api {
    /// Refuses readers: for everything that changes something.
    pub(super) fn may_change(&self) -> Outcome<()> {
        self.need(Role::Member)
    }

    /// Refuses whoever is less than this.
    pub(super) fn need(&self, role: Role) -> Outcome<()> {
        if self.caller.role >= role {
            return Ok(());
        }
        Err(Fault::forbidden(format_args!(
            "Policy doesn't allow this: it needs the role {}.",
            crate::accounts::role_name(role)
        )))
    }

    pub(super) fn is_admin(&self) -> bool {
        self.caller.role == Role::Admin
    }

    pub(super) fn cloud(&self) -> &dyn cloud::Cloud {
        self.state.cloud.as_ref()
    }

    /// The panel's own address, without a slash at the end.
    pub(super) fn base(&self) -> &str {
        self.state.settings.public_url.trim_end_matches('/')
    }

    /// `http://.../compute/REGION/v2.1`.
    pub(super) fn compute(&self) -> String {
        format!("{}/compute/{}/v2.1", self.base(), self.region)
    }

    /// The same without the version, as Nova's bookmarks are.
    pub(super) fn bookmark(&self) -> String {
        format!("{}/compute/{}", self.base(), self.region)
    }

    /// Notes a change in the audit log.
    pub(super) async fn audit(&self, action: &str, target: &str, detail: &str) {
        let entry = crate::audit::Entry {
            user_id: &self.caller.user_id,
            user_name: &self.caller.user_name,
            project_id: &self.caller.project_id,
            action,
            target,
            detail,
            address: &self.address,
            request_id: &self.caller.request_id,
        };
        // What was done is done: a log that cannot be written is said in the program's own.
        if let Err(error) = self.state.store.audit(entry).await {
            tracing::error!(%error, action, target, "the audit log could not be written");
        }
    }
}

/// The other end of the connection.
fn address_of(parts: &Parts) -> String {
    parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|info| info.0.ip().to_string())
        .unwrap_or_default()
}

async fn region_of(parts: &mut Parts, state: &Arc<State>) -> Outcome<String> {
    let params = RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|_| Fault::not_found("The resource could not be found."))?;
    Ok(params
        .iter()
        .find(|(name, _)| *name == "region")
        .map(|(_, region)| region.to_owned())
        .unwrap_or_default())
}
