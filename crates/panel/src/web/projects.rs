//! Projects, for administrators.

use std::sync::Arc;

use axum::extract::{Path, State as AxumState};
use axum::response::IntoResponse;
use maud::html;

use super::accounts::{Wrong, delete_section, enabled_pill};
use super::error::{PageError, PageResult};
use super::layout::{Input, csrf, field_error, go, page, when};
use super::posted::Posted;
use super::routes::Routes;
use super::viewer::Viewer;
use crate::State;
use crate::accounts::{Project, role_name};

pub(super) fn routes(routes: &mut Routes) {
    routes.get("/projects", list);
    routes.post("/projects", add);
    routes.get("/projects/{id}", show);
    routes.post("/projects/{id}", change);
    routes.post("/projects/{id}/delete", delete);
}

async fn list(viewer: Viewer, AxumState(state): AxumState<Arc<State>>) -> PageResult {
    viewer.need_admin()?;
    projects_page(&state, &viewer, ("", ""), &Wrong::default()).await
}

async fn projects_page(
    state: &State,
    viewer: &Viewer,
    typed: (&str, &str),
    wrong: &Wrong,
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
                        td data-label="State" { (enabled_pill(project.enabled)) }
                        td data-label="Since" { (when(project.created_at)) }
                    }
                }
            }
        }
        section .card {
            h2 { "Add a project" }
            form method="post" action="/projects" {
                (csrf(viewer))
                (Input { name: "name", label: "Name", value: typed.0, error: wrong.at("name"), ..Input::default() }.render())
                (Input { name: "description", label: "Description", value: typed.1,
                    error: wrong.at("description"), ..Input::default() }.render())
                button .primary type="submit" { "Add the project" }
            }
        }
    };
    Ok((wrong.status(), page(viewer, "Projects", &body)).into_response())
}

async fn add(AxumState(state): AxumState<Arc<State>>, posted: Posted) -> PageResult {
    let Posted { viewer, fields } = &posted;
    viewer.need_admin()?;
    let typed = (fields.get("name"), fields.get("description"));
    match state.accounts.create_project(typed.0, typed.1).await {
        Ok(project) => {
            viewer.audit(&state, "project.add", &project.name, &project.id).await?;
            Ok(go(&format!("/projects/{}", project.id), "The project is there."))
        }
        Err(error) => projects_page(&state, viewer, typed, &Wrong::try_from(error)?).await,
    }
}

async fn show(
    viewer: Viewer,
    AxumState(state): AxumState<Arc<State>>,
    Path(id): Path<String>,
) -> PageResult {
    let project = project(&state, &viewer, &id).await?;
    project_page(&state, &viewer, &project, &Wrong::default()).await
}

async fn project(state: &State, viewer: &Viewer, id: &str) -> PageResult<Project> {
    viewer.need_admin()?;
    let project = state.accounts.project(id).await?;
    project.ok_or_else(|| PageError::not_found("There is no such project."))
}

/// The project's page; the project may be as somebody wants to have it, which is wrong.
async fn project_page(
    state: &State,
    viewer: &Viewer,
    project: &Project,
    wrong: &Wrong,
) -> PageResult {
    let members = state.accounts.members_of(&project.id).await?;
    let at = format!("/projects/{}", project.id);
    let body = html! {
        p .crumb { a href="/projects" { "Projects" } " /" }
        h1 { (project.name) }
        section .card {
            form method="post" action=(at) {
                (csrf(viewer))
                (Input { name: "name", label: "Name", value: &project.name, error: wrong.at("name"), ..Input::default() }.render())
                (Input { name: "description", label: "Description", value: &project.description,
                    error: wrong.at("description"), ..Input::default() }.render())
                label .box { input type="checkbox" name="enabled" value="yes" checked[project.enabled]; "May be worked in" }
                (field_error("enabled", wrong.at("enabled")))
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
        (delete_section(viewer, &at, &project.name, "project", "", wrong))
    };
    Ok((wrong.status(), page(viewer, &project.name, &body)).into_response())
}

async fn change(
    AxumState(state): AxumState<Arc<State>>,
    Path(id): Path<String>,
    posted: Posted,
) -> PageResult {
    let Posted { viewer, fields } = &posted;
    let now = project(&state, viewer, &id).await?;
    let enabled = fields.has("enabled");
    let wanted = Project {
        name: fields.get("name").to_owned(),
        description: fields.get("description").to_owned(),
        enabled,
        ..now
    };
    let own = viewer.project.as_ref().is_some_and(|(project, _)| project.id == id);
    if own && !enabled {
        let text = "You are working in this project; switch to another one first.";
        return project_page(&state, viewer, &wanted, &Wrong::field("enabled", text)).await;
    }
    let changed = state
        .accounts
        .update_project(&id, Some(&wanted.name), Some(&wanted.description), Some(enabled))
        .await;
    let changed = match changed {
        Ok(changed) => changed,
        Err(error) => {
            return project_page(&state, viewer, &wanted, &Wrong::try_from(error)?).await;
        }
    };
    let detail = if enabled { "enabled" } else { "disabled" };
    viewer.audit(&state, "project.change", &changed.name, detail).await?;
    Ok(go(&format!("/projects/{id}"), "Saved."))
}

async fn delete(
    AxumState(state): AxumState<Arc<State>>,
    Path(id): Path<String>,
    posted: Posted,
) -> PageResult {
    let Posted { viewer, fields } = &posted;
    let project = project(&state, viewer, &id).await?;
    if fields.get("typed") != project.name {
        let wrong = Wrong::field("typed", "This is not the project's name, so nothing was done.");
        return project_page(&state, viewer, &project, &wrong).await;
    }
    state.accounts.delete_project(&id).await?;
    viewer.audit(&state, "project.delete", &project.name, &id).await?;
    Ok(go("/projects", &format!("{} is deleted.", project.name)))
}
