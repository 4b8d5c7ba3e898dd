//! The caller and its projects.

use axum::Json;
use axum::extract::Path;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::super::body::shown;
use super::super::context::Authenticated;
use super::super::fault::{Fault, Outcome};
use super::super::query::Query;
use super::{list_links, root};
use crate::accounts::{Project, User};

fn view(who: &Authenticated, project: &Project) -> Value {
    json!({
        "id": project.id,
        "name": project.name,
        "description": project.description,
        "enabled": project.enabled,
        "domain_id": "default",
        "parent_id": "default",
        "is_domain": false,
        "tags": [],
        "options": {},
        "links": {"self": format!("{}/projects/{}", root(&who.state), project.id)},
    })
}

fn answer(who: &Authenticated, projects: &[Project], tail: &str) -> Value {
    let views: Vec<Value> = projects.iter().map(|project| view(who, project)).collect();
    json!({"projects": views, "links": list_links(&format!("{}{tail}", root(&who.state)))})
}

async fn projects_of(who: &Authenticated, user_id: &str) -> Outcome<Vec<Project>> {
    let projects = who.state.accounts.projects_of(user_id).await?;
    Ok(projects.into_iter().map(|(project, _)| project).filter(|project| project.enabled).collect())
}

pub(super) async fn mine(who: Authenticated) -> Outcome {
    let projects = projects_of(&who, &who.token.user.id).await?;
    Ok(Json(answer(&who, &projects, "/auth/projects")).into_response())
}

pub(super) async fn no_domains(who: Authenticated) -> Outcome {
    let links = list_links(&format!("{}/auth/domains", root(&who.state)));
    Ok(Json(json!({"domains": [], "links": links})).into_response())
}

/// There is one.
pub(super) async fn domain(who: Authenticated, Path(id): Path<String>) -> Outcome {
    if id != "default" {
        return Err(Fault::not_found(format_args!("Could not find domain: {}.", shown(&id))));
    }
    Ok(Json(json!({"domain": {
        "id": "default",
        "name": "Default",
        "description": "The only domain.",
        "enabled": true,
        "tags": [],
        "options": {},
        "links": {"self": format!("{}/domains/default", root(&who.state))},
    }}))
    .into_response())
}

/// Refuses everybody but the user and administrators; whether there is such a user is not said.
fn own(who: &Authenticated, user_id: &str) -> Outcome<()> {
    if who.token.user.id == user_id || who.is_admin() {
        return Ok(());
    }
    Err(Fault::forbidden(
        "You are not authorized to perform the requested action: it is about another user.",
    ))
}

pub(super) async fn of_user(who: Authenticated, Path(id): Path<String>) -> Outcome {
    own(&who, &id)?;
    let projects = projects_of(&who, &id).await?;
    Ok(Json(answer(&who, &projects, &format!("/users/{id}/projects"))).into_response())
}

/// All of them, for administrators.
pub(super) async fn list(who: Authenticated, query: Query) -> Outcome {
    if !who.is_admin() {
        return Err(Fault::forbidden(
            "You are not authorized to perform the requested action: identity:list_projects.",
        ));
    }
    let mut projects = who.state.accounts.projects().await?;
    if let Some(name) = query.get("name") {
        projects.retain(|project| project.name == name);
    }
    Ok(Json(answer(&who, &projects, "/projects")).into_response())
}

pub(super) async fn show(who: Authenticated, Path(id): Path<String>) -> Outcome {
    let missing = || Fault::not_found(format_args!("Could not find project: {}.", shown(&id)));
    let project = who.state.accounts.project(&id).await?.ok_or_else(missing)?;
    if !who.is_admin() && who.state.accounts.role_in(&who.token.user.id, &id).await?.is_none() {
        return Err(missing());
    }
    Ok(Json(json!({"project": view(&who, &project)})).into_response())
}

fn user_view(who: &Authenticated, user: &User) -> Value {
    json!({
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "enabled": user.enabled,
        "domain_id": "default",
        "default_project_id": user.default_project,
        "password_expires_at": null,
        "options": {},
        "links": {"self": format!("{}/users/{}", root(&who.state), user.id)},
    })
}

pub(super) async fn user(who: Authenticated, Path(id): Path<String>) -> Outcome {
    own(&who, &id)?;
    let user =
        who.state.accounts.user(&id).await?.ok_or_else(|| {
            Fault::not_found(format_args!("Could not find user: {}.", shown(&id)))
        })?;
    Ok(Json(json!({"user": user_view(&who, &user)})).into_response())
}
