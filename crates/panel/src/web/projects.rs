//! Projects, for administrators.

use std::sync::Arc;

use axum::extract::{Path, State as AxumState};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use maud::html;

use super::error::{PageError, PageResult};
use super::layout::{Input, csrf, go, page, when};
use super::posted::Posted;
use super::routes::Routes;
use super::viewer::Viewer;
use crate::State;
use crate::accounts::{Error, role_name};

pub(super) fn routes(routes: &mut Routes) {
    routes.get("/projects", list);
    routes.post("/projects", add);
    routes.get("/projects/{id}", show);
    routes.post("/projects/{id}", change);
    routes.post("/projects/{id}/delete", delete);
}

async fn list(viewer: Viewer, AxumState(state): AxumState<Arc<State>>) -> PageResult {
    viewer.need_admin()?;
    projects_page(&state, &viewer, "", None, StatusCode::OK).await
}

async fn projects_page(
    state: &State,
    viewer: &Viewer,
    typed: &str,
    error: Option<&str>,
    status: StatusCode,
) -> PageResult {
    let projects = state.accounts.projects().await?;
    let body = html! {
        h1 { "Projects" }
        p .hint { "Servers belong to a project. Who has a role in it can see them." }
        table .list {
            thead { tr {
                th scope="col" { "Name" } th scope="col" { "Description" } th scope="col" { "State" } th scope="col" { "Since" }
            } }
            tbody {
                @for project in &projects {
                    tr {
                        td data-label="Name" { a href=(format!("/projects/{}", project.id)) { strong { (project.name) } } }
                        td data-label="Description" { (project.description) }
                        td data-label="State" {
                            @if project.enabled { span .pill.good { "Enabled" } } @else { span .pill.off { "Disabled" } }
                        }
                        td data-label="Since" { (when(project.created_at)) }
                    }
                }
            }
        }
        section .card {
            h2 { "Add a project" }
            form method="post" action="/projects" {
                (csrf(viewer))
                (Input { name: "name", label: "Name", value: typed, error, ..Input::default() }.render())
                (Input { name: "description", label: "Description", ..Input::default() }.render())
                button .primary type="submit" { "Add the project" }
            }
        }
    };
    Ok((status, page(viewer, "Projects", &body)).into_response())
}

async fn add(AxumState(state): AxumState<Arc<State>>, posted: Posted) -> PageResult {
    let Posted { viewer, fields } = &posted;
    viewer.need_admin()?;
    let name = fields.get("name");
    match state.accounts.create_project(name, fields.get("description")).await {
        Ok(project) => {
            viewer.audit(&state, "project.add", &project.name, &project.id).await?;
            Ok(go(&format!("/projects/{}", project.id), "The project is there."))
        }
        Err(Error::Invalid { message, .. } | Error::Conflict(message)) => {
            projects_page(&state, viewer, name, Some(&message), StatusCode::UNPROCESSABLE_ENTITY)
                .await
        }
        Err(error) => Err(error.into()),
    }
}

async fn show(
    viewer: Viewer,
    AxumState(state): AxumState<Arc<State>>,
    Path(id): Path<String>,
) -> PageResult {
    viewer.need_admin()?;
    let project = state
        .accounts
        .project(&id)
        .await?
        .ok_or_else(|| PageError::not_found("There is no such project."))?;
    let members = state.accounts.members_of(&id).await?;
    let at = format!("/projects/{id}");
    let body = html! {
        p .crumb { a href="/projects" { "Projects" } " /" }
        h1 { (project.name) }
        section .card {
            form method="post" action=(at) {
                (csrf(&viewer))
                (Input { name: "name", label: "Name", value: &project.name, ..Input::default() }.render())
                (Input { name: "description", label: "Description", value: &project.description, ..Input::default() }.render())
                label .box { input type="checkbox" name="enabled" value="yes" checked[project.enabled]; "May be worked in" }
                button .primary type="submit" { "Save" }
            }
        }
        section .card {
            h2 { "Who has a role in it" }
            @if members.is_empty() { p .muted { "Nobody yet. Roles are given on a user's page." } }
            @else {
                table .list {
                    thead { tr { th scope="col" { "User" } th scope="col" { "Role" } } }
                    tbody {
                        @for (user, role) in &members {
                            tr {
                                td data-label="User" { a href=(format!("/users/{}", user.id)) { (user.name) } }
                                td data-label="Role" { (role_name(*role)) }
                            }
                        }
                    }
                }
            }
        }
        section .card {
            h2 { "Delete" }
            form method="post" action=(format!("{at}/delete")) {
                (csrf(&viewer))
                (Input { name: "typed", label: &format!("Type {} to go on", project.name), ..Input::default() }.render())
                button .danger type="submit" { "Delete the project" }
            }
        }
    };
    Ok(page(&viewer, &project.name, &body).into_response())
}

async fn change(
    AxumState(state): AxumState<Arc<State>>,
    Path(id): Path<String>,
    posted: Posted,
) -> PageResult {
    let Posted { viewer, fields } = &posted;
    viewer.need_admin()?;
    let enabled = fields.has("enabled");
    let own = viewer.project.as_ref().is_some_and(|(project, _)| project.id == id);
    if own && !enabled {
        return Err(PageError::bad(
            "You are working in this project; switch to another one first.",
        ));
    }
    let project = state
        .accounts
        .update_project(
            &id,
            Some(fields.get("name")),
            Some(fields.get("description")),
            Some(enabled),
        )
        .await?;
    viewer
        .audit(
            &state,
            "project.change",
            &project.name,
            if enabled { "enabled" } else { "disabled" },
        )
        .await?;
    Ok(go(&format!("/projects/{id}"), "Saved."))
}

async fn delete(
    AxumState(state): AxumState<Arc<State>>,
    Path(id): Path<String>,
    posted: Posted,
) -> PageResult {
    let Posted { viewer, fields } = &posted;
    viewer.need_admin()?;
    let project = state
        .accounts
        .project(&id)
        .await?
        .ok_or_else(|| PageError::not_found("There is no such project."))?;
    if fields.get("typed") != project.name {
        return Err(PageError::bad("This is not the project's name, so nothing was done."));
    }
    state.accounts.delete_project(&id).await?;
    viewer.audit(&state, "project.delete", &project.name, &id).await?;
    Ok(go("/projects", &format!("{} is deleted.", project.name)))
}
