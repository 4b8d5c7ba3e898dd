//! Keystone v3, as far as logging in and looking around need it: versions, tokens, the catalog,
//! regions, the caller's projects and application credentials. Accounts are changed in the pages.

mod application_credentials;
mod catalog;
mod projects;
mod request;
mod tokens;
mod versions;

use axum::routing::{any, get};
use serde_json::{Value, json};

use super::context::Authenticated;
use super::fault::Fault;
use super::routes::Routes;
use super::service::Service;
use crate::accounts::{Role, role_id, role_name};
use crate::state::State;

pub(super) fn routes() -> Routes {
    let v3 = Routes::default()
        .route("/auth/tokens", get(tokens::show).post(tokens::create).delete(tokens::revoke))
        .route("/auth/catalog", get(catalog::show))
        .route("/auth/projects", get(projects::mine))
        .route("/domains/{id}", get(projects::domain))
        .route("/auth/domains", get(projects::no_domains))
        .route("/regions", get(catalog::regions))
        .route("/regions/{id}", get(catalog::region))
        .route("/projects", get(projects::list))
        .route("/projects/{id}", get(projects::show))
        .route("/users/{id}", get(projects::user))
        .route("/users/{id}/projects", get(projects::of_user))
        .route(
            "/users/{id}/application_credentials",
            get(application_credentials::list).post(application_credentials::create),
        )
        .route(
            "/users/{id}/application_credentials/{credential}",
            get(application_credentials::show).delete(application_credentials::remove),
        )
        .route("/{*rest}", any(unknown));
    Routes::default()
        .route("/identity", get(versions::list))
        .route("/identity/", get(versions::list))
        .route("/identity/v3", get(versions::show))
        .route("/identity/v3/", get(versions::show))
        .nest("/identity/v3", v3)
        .of(Service::Identity)
}

async fn unknown(_who: Authenticated) -> Fault {
    Fault::not_found("The resource could not be found.")
}

/// `http://.../identity/v3`.
fn root(state: &State) -> String {
    format!("{}/identity/v3", state.settings.public_url.trim_end_matches('/'))
}

/// There is one domain, and nobody has to know.
fn domain() -> Value {
    json!({"id": "default", "name": "Default"})
}

/// A role and those that it includes.
fn roles(role: Role) -> Vec<Value> {
    [Role::Admin, Role::Member, Role::Reader]
        .into_iter()
        .filter(|included| *included <= role)
        .map(|role| json!({"id": role_id(role), "name": role_name(role)}))
        .collect()
}

fn list_links(address: &str) -> Value {
    json!({"self": address, "next": null, "previous": null})
}
