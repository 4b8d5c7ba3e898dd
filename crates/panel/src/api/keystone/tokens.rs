//! `/v3/auth/tokens`: given for a password, another token, or an application credential.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::super::body;
use super::super::context::{Authenticated, RemoteAddress};
use super::super::fault::{Fault, Outcome};
use super::super::query::Query;
use super::super::when;
use super::request::{AuthRequest, Proof, Scope, Which, Who};
use super::{catalog, domain, roles};
use crate::accounts::{Error, LoginError, Token, TokenRequest, User};
use crate::state::State;

/// A proof that held: whose, by which method, and what it narrows.
struct Proved {
    user: User,
    method: &'static str,
    credential: Option<crate::accounts::Credential>,
    from: Option<Token>,
}

pub(super) async fn create(
    Shared(state): Shared<Arc<State>>,
    address: RemoteAddress,
    query: Query,
    body::Json(body): body::Json,
) -> Outcome {
    super::super::context::own_accounts(&state)?;
    let request = AuthRequest::read(&body)?;
    let proved = prove(&state, request.proof, &address.0).await?;
    let project_id = scope(&state, &proved, request.scope).await?;
    let role_cap = match (&proved.credential, &proved.from) {
        (Some(credential), _) => Some(credential.role),
        (None, Some(token)) => token.scope.as_ref().map(|(_, role)| *role).filter(|_| {
            // What an application credential narrowed stays narrow.
            token.credential_id.is_some()
        }),
        (None, None) => None,
    };
    let credential_id = proved
        .credential
        .as_ref()
        .map(|credential| credential.id.clone())
        .or_else(|| proved.from.as_ref().and_then(|token| token.credential_id.clone()));
    let ends = proved
        .from
        .as_ref()
        .map(|token| token.expires_at)
        .or_else(|| proved.credential.as_ref().and_then(|credential| credential.expires_at));
    let wanted = TokenRequest {
        user_id: &proved.user.id,
        project_id: project_id.as_deref(),
        method: proved.method,
        credential_id: credential_id.as_deref(),
        expires_at: ends,
        role_cap,
    };
    let (secret, token) = match state.accounts.issue_token(wanted).await {
        Err(Error::NotFound(_)) => return Err(Fault::unauthorized()),
        other => other?,
    };
    let body = view(&state, &token, query.get("nocatalog").is_none()).await?;
    with_subject(StatusCode::CREATED, &Zeroizing::new(secret), body)
}

async fn prove(state: &State, proof: Proof, address: &str) -> Outcome<Proved> {
    match proof {
        Proof::Password { user, password, code } => {
            let accounts = &state.accounts;
            let result = match &user {
                Who::Id(id) => accounts.log_in_by_id(id, &password, code.as_deref(), address).await,
                Who::Name(name) => accounts.log_in(name, &password, code.as_deref(), address).await,
            };
            match result {
                Ok(user) => Ok(Proved { user, method: "password", credential: None, from: None }),
                Err(error) => {
                    let (Who::Id(name) | Who::Name(name)) = &user;
                    Err(refused(state, name, address, error).await)
                }
            }
        }
        Proof::Token(secret) => {
            let token =
                state.accounts.validate_token(&secret).await?.ok_or_else(Fault::unauthorized)?;
            Ok(Proved {
                user: token.user.clone(),
                method: "token",
                credential: None,
                from: Some(token),
            })
        }
        Proof::Credential { which, secret } => {
            let found = match &which {
                Which::Id(id) => state.accounts.verify_credential(Ok(id), &secret).await?,
                Which::Name { user, name } => {
                    let user_id = match user {
                        Who::Id(id) => Some(id.clone()),
                        Who::Name(name) => {
                            state.accounts.user_by_name(name).await?.map(|user| user.id)
                        }
                    };
                    let user_id = user_id.unwrap_or_default();
                    state.accounts.verify_credential(Err((&user_id, name)), &secret).await?
                }
            };
            let (user, credential) = found.ok_or_else(Fault::unauthorized)?;
            Ok(Proved {
                user,
                method: "application_credential",
                credential: Some(credential),
                from: None,
            })
        }
    }
}

async fn refused(state: &State, name: &str, address: &str, error: LoginError) -> Fault {
    let message = error.to_string();
    let fault = match error {
        LoginError::Wrong | LoginError::WrongCode | LoginError::Refused(_) => Fault::unauthorized(),
        LoginError::Cloud(error) => error.into(),
        LoginError::NeedsCode => Fault::new(
            StatusCode::UNAUTHORIZED,
            "This account needs a second factor: use the methods password and totp, or an \
             application credential.",
        ),
        LoginError::TooMany { .. } => Fault::new(StatusCode::TOO_MANY_REQUESTS, &message),
        LoginError::Failed(error) => return error.into(),
    };
    let entry = crate::audit::Entry {
        user_name: name,
        action: "login.fail",
        target: "api",
        detail: &message,
        address,
        ..crate::audit::Entry::default()
    };
    if let Err(error) = state.store.audit(entry).await {
        tracing::error!(%error, "the audit log could not be written");
    }
    fault
}

/// The project's identifier, or none for a token without a scope.
async fn scope(state: &State, proved: &Proved, wanted: Scope) -> Outcome<Option<String>> {
    if let Some(credential) = &proved.credential {
        // An application credential is for its project and no other.
        return match wanted {
            Scope::Default => Ok(Some(credential.project_id.clone())),
            Scope::Project(Who::Id(id)) if id == credential.project_id => Ok(Some(id)),
            _ => Err(Fault::unauthorized()),
        };
    }
    let narrowed = proved.from.as_ref().filter(|token| token.credential_id.is_some());
    let project_id = match wanted {
        Scope::Unscoped => None,
        Scope::Default => match &proved.from {
            Some(token) => token.scope.as_ref().map(|(project, _)| project.id.clone()),
            None => proved.user.default_project.clone(),
        },
        Scope::Project(Who::Id(id)) => Some(id),
        Scope::Project(Who::Name(name)) => {
            let project = state.accounts.project_by_name(&name).await?;
            Some(project.ok_or_else(Fault::unauthorized)?.id)
        }
    };
    if let Some(token) = narrowed {
        let own = token.scope.as_ref().map(|(project, _)| project.id.as_str());
        if project_id.as_deref() != own {
            return Err(Fault::unauthorized());
        }
    }
    Ok(project_id)
}

fn with_subject(status: StatusCode, secret: &str, body: Value) -> Outcome<Response> {
    let mut value = HeaderValue::from_str(secret).map_err(Fault::internal)?;
    value.set_sensitive(true);
    Ok((status, [("x-subject-token", value)], axum::Json(body)).into_response())
}

async fn view(state: &State, token: &Token, with_catalog: bool) -> Outcome<Value> {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("methods", json!([token.method]));
    put(
        "user",
        json!({
            "id": token.user.id,
            "name": token.user.name,
            "domain": domain(),
            "password_expires_at": null,
        }),
    );
    put("audit_ids", json!([token.audit_id]));
    put("issued_at", json!(when::micros_z(token.issued_at)));
    put("expires_at", json!(when::micros_z(token.expires_at)));
    if let Some((project, role)) = &token.scope {
        put("project", json!({"id": project.id, "name": project.name, "domain": domain()}));
        put("is_domain", json!(false));
        put("roles", json!(roles(*role)));
        if with_catalog {
            let catalog = catalog::of(state, &token.user, &project.id, *role).await?;
            put("catalog", catalog);
        }
    }
    if let Some(id) = &token.credential_id {
        put("application_credential", json!({"id": id, "restricted": !token.unrestricted}));
    }
    Ok(json!({"token": fields}))
}

fn subject(headers: &HeaderMap) -> Outcome<Zeroizing<String>> {
    headers
        .get("x-subject-token")
        .and_then(|value| value.to_str().ok())
        .map(|text| Zeroizing::new(text.to_owned()))
        .ok_or_else(|| Fault::bad("The header X-Subject-Token names the token in question."))
}

/// The token in question: one's own, or anybody's for an administrator; others are not there.
async fn inspected(who: &Authenticated, secret: &str) -> Outcome<Token> {
    let missing = || Fault::not_found("Could not find token.");
    let token = who.state.accounts.validate_token(secret).await?.ok_or_else(missing)?;
    if token.user.id == who.token.user.id || who.is_admin() {
        return Ok(token);
    }
    Err(missing())
}

pub(super) async fn show(who: Authenticated, headers: HeaderMap, query: Query) -> Outcome {
    let secret = subject(&headers)?;
    let token = inspected(&who, &secret).await?;
    let body = view(&who.state, &token, query.get("nocatalog").is_none()).await?;
    with_subject(StatusCode::OK, &secret, body)
}

pub(super) async fn revoke(who: Authenticated, headers: HeaderMap) -> Outcome<StatusCode> {
    let secret = subject(&headers)?;
    inspected(&who, &secret).await?;
    who.state.accounts.revoke_token(&secret).await?;
    Ok(StatusCode::NO_CONTENT)
}
