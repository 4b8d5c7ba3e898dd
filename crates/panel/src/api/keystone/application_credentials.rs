//! A user's application credentials. Only their owner sees them.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::super::body::{self, Object, shown};
use super::super::context::Authenticated;
use super::super::fault::{Fault, Outcome};
use super::super::query::Query;
use super::super::when;
use super::{list_links, roles, root};
use crate::accounts::{Credential, NewCredential, Role, role_from_name, role_id};

fn view(who: &Authenticated, credential: &Credential, secret: Option<&str>) -> Value {
    let mut view = json!({
        "id": credential.id,
        "name": credential.name,
        "description": credential.description,
        "user_id": credential.user_id,
        "project_id": credential.project_id,
        "system": null,
        "unrestricted": credential.unrestricted,
        "expires_at": credential.expires_at.map(when::micros),
        "roles": roles(credential.role),
        "links": {"self": address(who, &credential.user_id, &credential.id)},
    });
    if let (Some(secret), Some(fields)) = (secret, view.as_object_mut()) {
        fields.insert("secret".to_owned(), json!(secret));
    }
    view
}

fn address(who: &Authenticated, user_id: &str, tail: &str) -> String {
    format!("{}/users/{user_id}/application_credentials/{tail}", root(&who.state))
}

fn own(who: &Authenticated, user_id: &str) -> Outcome<()> {
    if who.token.user.id == user_id {
        return Ok(());
    }
    Err(Fault::forbidden(
        "You are not authorized to perform the requested action: it is about another user.",
    ))
}

/// A program that holds a restricted credential cannot make itself others.
fn unrestricted(who: &Authenticated) -> Outcome<()> {
    if who.token.unrestricted {
        return Ok(());
    }
    Err(Fault::forbidden(
        "This application credential is not allowed to make or delete application credentials.",
    ))
}

pub(super) async fn list(who: Authenticated, Path(id): Path<String>, query: Query) -> Outcome {
    own(&who, &id)?;
    let mut all = who.state.accounts.credentials_of(&id).await?;
    if let Some(name) = query.get("name") {
        all.retain(|credential| credential.name == name);
    }
    let views: Vec<Value> = all.iter().map(|credential| view(&who, credential, None)).collect();
    let links = list_links(address(&who, &id, "").trim_end_matches('/'));
    Ok(axum::Json(json!({"application_credentials": views, "links": links})).into_response())
}

async fn find(who: &Authenticated, user_id: &str, id: &str) -> Outcome<Credential> {
    own(who, user_id)?;
    who.state
        .accounts
        .credential(id)
        .await?
        .filter(|credential| credential.user_id == user_id)
        .ok_or_else(|| {
            Fault::not_found(format_args!("Could not find Application Credential: {}.", shown(id)))
        })
}

pub(super) async fn show(
    who: Authenticated,
    Path((id, credential)): Path<(String, String)>,
) -> Outcome {
    let found = find(&who, &id, &credential).await?;
    Ok(axum::Json(json!({"application_credential": view(&who, &found, None)})).into_response())
}

pub(super) async fn create(
    who: Authenticated,
    Path(id): Path<String>,
    body::Json(body): body::Json,
) -> Outcome {
    let request = Object::wrapped(&body, "application_credential")?.only(&[
        "name",
        "description",
        "secret",
        "expires_at",
        "roles",
        "unrestricted",
        "access_rules",
        "project_id",
    ])?;
    let name = request.need_text("name", 1..=255)?;
    let description = request.text_or_null("description", 0..=4096)?.flatten().unwrap_or_default();
    let secret = request.text_or_null("secret", 0..=255)?.flatten();
    let expires_at = match request.text_or_null("expires_at", 0..=64)?.flatten() {
        None => None,
        Some(text) => Some(
            when::parse(text)
                .ok_or_else(|| Fault::invalid("expires_at", "expires_at is no time."))?,
        ),
    };
    let role = role(request)?;
    let wants_unrestricted = match request.value("unrestricted") {
        None | Some(Value::Null) => false,
        Some(_) => request.flag("unrestricted")?.unwrap_or(false),
    };
    if request
        .value("access_rules")
        .is_some_and(|rules| rules.as_array().is_some_and(|list| !list.is_empty()))
    {
        return Err(Fault::invalid("access_rules", "Access rules are not supported here."));
    }
    own(&who, &id)?;
    unrestricted(&who)?;
    let Some((project, _)) = &who.token.scope else {
        return Err(Fault::forbidden("The token is not scoped to a project."));
    };
    let (secret, credential) = who
        .state
        .accounts
        .create_credential(NewCredential {
            user_id: &id,
            project_id: &project.id,
            name,
            description,
            secret,
            role,
            unrestricted: wants_unrestricted,
            expires_at,
        })
        .await?;
    audit(&who, "credential.create", &credential).await;
    let secret = zeroize::Zeroizing::new(secret);
    let body = json!({"application_credential": view(&who, &credential, Some(&secret))});
    Ok((StatusCode::CREATED, axum::Json(body)).into_response())
}

/// The highest of the roles that were named; none means the user's own.
fn role(request: Object<'_>) -> Outcome<Option<Role>> {
    let Some(list) = request.list("roles")? else { return Ok(None) };
    let mut highest = None;
    for entry in list {
        let entry = Object::of(entry, "roles")?;
        let role = match entry.text("id", 1..=64)? {
            Some(id) => [Role::Reader, Role::Member, Role::Admin]
                .into_iter()
                .find(|role| role_id(*role) == id),
            None => role_from_name(entry.need_text("name", 1..=255)?),
        };
        let role = role.ok_or_else(|| Fault::invalid("roles", "There is no such role."))?;
        highest = highest.max(Some(role));
    }
    Ok(highest)
}

pub(super) async fn remove(
    who: Authenticated,
    Path((id, credential)): Path<(String, String)>,
) -> Outcome<StatusCode> {
    let found = find(&who, &id, &credential).await?;
    unrestricted(&who)?;
    who.state.accounts.delete_credential(&id, &credential).await?;
    audit(&who, "credential.delete", &found).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn audit(who: &Authenticated, action: &str, credential: &Credential) {
    let entry = crate::audit::Entry {
        user_id: &who.token.user.id,
        user_name: &who.token.user.name,
        project_id: &credential.project_id,
        action,
        target: &credential.name,
        detail: &credential.id,
        address: &who.address,
        request_id: &who.request_id,
    };
    if let Err(error) = who.state.store.audit(entry).await {
        tracing::error!(%error, action, "the audit log could not be written");
    }
}
