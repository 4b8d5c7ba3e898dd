//! Users, for administrators.

use std::sync::Arc;

use axum::extract::{Path, Query, State as AxumState};
use axum::response::IntoResponse;
use maud::{Markup, html};

use super::accounts::{Wrong, delete_section, enabled_pill};
use super::error::{PageError, PageResult};
use super::layout::{Input, csrf, go, page, when};
use super::posted::Posted;
use super::routes::Routes;
use super::table::Listing;
use super::viewer::Viewer;
use crate::State;
use crate::accounts::{
    NewUser, Project, Role, User, UserChange, generate_password, role_from_name, role_name,
};

pub(super) fn routes(routes: &mut Routes) {
    routes.get("/users", list);
    routes.post("/users", add);
    routes.get("/users/{id}", show);
    routes.post("/users/{id}", change);
    routes.post("/users/{id}/password", new_password);
    routes.post("/users/{id}/roles", change_roles);
    routes.post("/users/{id}/delete", delete);
}

async fn list(
    viewer: Viewer,
    AxumState(state): AxumState<Arc<State>>,
    Query(listing): Query<Listing>,
) -> PageResult {
    viewer.need_admin()?;
    users_page(&state, &viewer, &listing, ("", ""), &Wrong::default()).await
}

async fn users_page(
    state: &State,
    viewer: &Viewer,
    listing: &Listing,
    typed: (&str, &str),
    wrong: &Wrong,
) -> PageResult {
    let search = listing.q.trim();
    let users = state.accounts.users((!search.is_empty()).then_some(search)).await?;
    let projects = state.accounts.projects().await?;
    let body = html! {
        h1 { "Users" }
        (listing.search("/users", "Name or e-mail", &[]))
        table .list {
            thead { tr {
                th scope="col" { "Name" } th scope="col" { "E-mail" } th scope="col" { "State" }
                th scope="col" { "Second factor" } th scope="col" { "Since" }
            } }
            tbody {
                @for user in listing.cut(&users) {
                    tr {
                        td data-label="Name" { a href=(format!("/users/{}", user.id)) { strong { (user.name) } } }
                        td data-label="E-mail" { (user.email) }
                        td data-label="State" { (enabled_pill(user.enabled)) }
                        td data-label="Second factor" { (if user.has_totp { "on" } else { "off" }) }
                        td data-label="Since" { (when(user.created_at)) }
                    }
                }
            }
        }
        (listing.pages("/users", users.len()))
        section .card {
            h2 { "Add a user" }
            form method="post" action="/users" {
                (csrf(viewer))
                (Input { name: "name", label: "Name", value: typed.0, error: wrong.at("name"), ..Input::default() }.render())
                (Input { name: "email", label: "E-mail", value: typed.1, error: wrong.at("email"), ..Input::default() }.render())
                (role_choice(&projects, "", Role::Member))
                p .hint { "A password is made and shown once, for you to hand over." }
                button .primary type="submit" { "Add the user" }
            }
        }
    };
    Ok((wrong.status(), page(viewer, "Users", &body)).into_response())
}

fn role_choice(projects: &[Project], project: &str, role: Role) -> Markup {
    html! {
        div .together {
            div .field {
                label for="project" { "Project" }
                select #project name="project" {
                    option value="" { "none" }
                    @for other in projects { option value=(other.id) selected[other.id == project] { (other.name) } }
                }
            }
            div .field {
                label for="role" { "Role" }
                select #role name="role" {
                    @for other in [Role::Reader, Role::Member, Role::Admin] {
                        option value=(role_name(other)) selected[other == role] { (role_name(other)) }
                    }
                }
            }
        }
    }
}

async fn add(AxumState(state): AxumState<Arc<State>>, posted: Posted) -> PageResult {
    let Posted { viewer, fields } = &posted;
    viewer.need_admin()?;
    let (name, email) = (fields.get("name"), fields.get("email"));
    let role = role(fields.get("role"))?;
    let project = fields.get("project");
    let password = generate_password()?;
    let made = state
        .accounts
        .create_user(NewUser {
            name,
            email,
            password: Some(&password),
            default_project: (!project.is_empty()).then_some(project),
        })
        .await;
    let user = match made {
        Ok(user) => user,
        Err(error) => {
            let wrong = Wrong::try_from(error)?;
            return users_page(&state, viewer, &Listing::default(), (name, email), &wrong).await;
        }
    };
    viewer.audit(&state, "user.add", &user.name, &user.id).await?;
    if !project.is_empty() {
        state.accounts.assign(&user.id, project, role).await?;
        viewer.audit(&state, "role.give", &user.name, role_name(role)).await?;
    }
    Ok(shown_once(viewer, &user, &password))
}

fn shown_once(viewer: &Viewer, user: &User, password: &str) -> axum::response::Response {
    let body = html! {
        div .narrow.card {
            h1 { "Password of " (user.name) }
            p .notice { "It is shown this once. Hand it over by a safe way; it can be changed on the \
                         account page." }
            p .command { (super::layout::copyable(password)) }
            p { a .button href=(format!("/users/{}", user.id)) { "I have it" } }
        }
    };
    page(viewer, "Password", &body).into_response()
}

fn role(name: &str) -> PageResult<Role> {
    role_from_name(name).ok_or_else(|| PageError::bad("There is no such role."))
}

async fn user(state: &State, viewer: &Viewer, id: &str) -> PageResult<User> {
    viewer.need_admin()?;
    state.accounts.user(id).await?.ok_or_else(|| PageError::not_found("There is no such user."))
}

async fn show(
    viewer: Viewer,
    AxumState(state): AxumState<Arc<State>>,
    Path(id): Path<String>,
) -> PageResult {
    let user = user(&state, &viewer, &id).await?;
    user_page(&state, &viewer, &user, &Wrong::default()).await
}

/// The user's page; the user may be as somebody wants to have them, which is wrong.
async fn user_page(state: &State, viewer: &Viewer, user: &User, wrong: &Wrong) -> PageResult {
    let roles = state.accounts.projects_of(&user.id).await?;
    let projects = state.accounts.projects().await?;
    let at = format!("/users/{}", user.id);
    let body = html! {
        p .crumb { a href="/users" { "Users" } " /" }
        h1 { (user.name) }
        section .card {
            form method="post" action=(at) {
                (csrf(viewer))
                (Input { name: "name", label: "Name", value: &user.name, error: wrong.at("name"), ..Input::default() }.render())
                (Input { name: "email", label: "E-mail", value: &user.email, error: wrong.at("email"), ..Input::default() }.render())
                label .box { input type="checkbox" name="enabled" value="yes" checked[user.enabled]; "May log in" }
                button .primary type="submit" { "Save" }
            }
        }
        section .card {
            h2 { "Roles" }
            @if roles.is_empty() { p .muted { "In no project, so there is nothing this user can do." } }
            @else {
                table .list {
                    thead { tr { th scope="col" { "Project" } th scope="col" { "Role" } th scope="col" { span .hidden-label { "Actions" } } } }
                    tbody {
                        @for (project, role) in &roles {
                            tr {
                                td data-label="Project" { (project.name) }
                                td data-label="Role" { (role_name(*role)) }
                                td .actions {
                                    form method="post" action=(format!("{at}/roles")) .inline {
                                        (csrf(viewer))
                                        input type="hidden" name="remove" value=(project.id);
                                        button .quiet.danger type="submit" { "Take away" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            form method="post" action=(format!("{at}/roles")) {
                (csrf(viewer))
                (role_choice(&projects, "", Role::Member))
                button type="submit" { "Give the role" }
            }
            p .hint { "reader may look, member may make and change, admin may do everything in every project." }
        }
        section .card {
            h2 { "Password and second factor" }
            p { "Second factor: " (if user.has_totp { "on" } else { "off" }) }
            form method="post" action=(format!("{at}/password")) .inline {
                (csrf(viewer))
                button type="submit" { "Make a new password" }
                @if user.has_totp {
                    " " label .box { input type="checkbox" name="totp_off" value="yes"; "and turn the second factor off" }
                }
            }
        }
        (delete_section(viewer, &at, &user.name, "user", "Servers and keys of the user stay.", wrong))
    };
    Ok((wrong.status(), page(viewer, &user.name, &body)).into_response())
}

async fn change(
    AxumState(state): AxumState<Arc<State>>,
    Path(id): Path<String>,
    posted: Posted,
) -> PageResult {
    let Posted { viewer, fields } = &posted;
    let user = user(&state, viewer, &id).await?;
    let change = UserChange {
        name: Some(fields.get("name").to_owned()),
        email: Some(fields.get("email").to_owned()),
        enabled: Some(fields.has("enabled")),
        default_project: None,
    };
    let changed = match state.accounts.update_user(&id, change).await {
        Ok(changed) => changed,
        Err(error) => {
            let wrong = Wrong::try_from(error)?;
            let wanted = User {
                name: fields.get("name").to_owned(),
                email: fields.get("email").to_owned(),
                enabled: fields.has("enabled"),
                ..user
            };
            return user_page(&state, viewer, &wanted, &wrong).await;
        }
    };
    let detail = format!(
        "{} {} {}",
        changed.name,
        changed.email,
        if changed.enabled { "enabled" } else { "disabled" }
    );
    viewer.audit(&state, "user.change", &user.name, &detail).await?;
    Ok(go(&format!("/users/{id}"), "Saved."))
}

async fn new_password(
    AxumState(state): AxumState<Arc<State>>,
    Path(id): Path<String>,
    posted: Posted,
) -> PageResult {
    let Posted { viewer, fields } = &posted;
    let user = user(&state, viewer, &id).await?;
    let password = generate_password()?;
    let keep = (user.id == viewer.user.id).then_some(viewer.session.id.as_str());
    state.accounts.set_password(&id, &password, keep).await?;
    viewer.audit(&state, "password.reset", &user.name, "").await?;
    if fields.has("totp_off") {
        state.accounts.disable_totp(&id).await?;
        viewer.audit(&state, "second-factor.off", &user.name, "").await?;
    }
    Ok(shown_once(viewer, &user, &password))
}

async fn change_roles(
    AxumState(state): AxumState<Arc<State>>,
    Path(id): Path<String>,
    posted: Posted,
) -> PageResult {
    let Posted { viewer, fields } = &posted;
    let user = user(&state, viewer, &id).await?;
    let at = format!("/users/{id}");
    if fields.has("remove") {
        state.accounts.unassign(&id, fields.get("remove")).await?;
        viewer.audit(&state, "role.take", &user.name, fields.get("remove")).await?;
        return Ok(go(&at, "The role is taken away."));
    }
    let role = role(fields.get("role"))?;
    state.accounts.assign(&id, fields.get("project"), role).await?;
    let detail = format!("{} in {}", role_name(role), fields.get("project"));
    viewer.audit(&state, "role.give", &user.name, &detail).await?;
    Ok(go(&at, "The role is given."))
}

async fn delete(
    AxumState(state): AxumState<Arc<State>>,
    Path(id): Path<String>,
    posted: Posted,
) -> PageResult {
    let Posted { viewer, fields } = &posted;
    let user = user(&state, viewer, &id).await?;
    if fields.get("typed") != user.name {
        let wrong = Wrong::field("typed", "This is not the user's name, so nothing was done.");
        return user_page(&state, viewer, &user, &wrong).await;
    }
    if user.id == viewer.user.id {
        let wrong = Wrong::field("typed", "You cannot delete yourself; another administrator can.");
        return user_page(&state, viewer, &user, &wrong).await;
    }
    state.accounts.delete_user(&id).await?;
    viewer.audit(&state, "user.delete", &user.name, &id).await?;
    Ok(go("/users", &format!("{} is deleted.", user.name)))
}
