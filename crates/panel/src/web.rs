//! The pages: plain HTML forms that work without JavaScript.
//!
//! Every route is named here once, so that a test can ask each of them without credentials.
//! A handler takes a [`viewer::Viewer`] when it only shows something, and a [`posted::Posted`],
//! which has seen to the CSRF token, when it changes something.

mod account;
mod accounts;
pub(crate) mod assets;
mod audit;
mod downloads;
pub(crate) mod error;
mod events;
mod health;
mod images;
mod keys;
pub(crate) mod layout;
mod login;
pub(crate) mod posted;
mod projects;
pub(crate) mod proxy;
mod regions;
mod routes;
pub(crate) mod security;
mod servers;
mod table;
mod users;
pub(crate) mod viewer;
mod vouch;

use std::sync::Arc;

use axum::Router;
use axum::middleware;

pub use routes::Route;
pub(crate) use security::Peer;

use crate::State;
pub(crate) use routes::Routes;

fn all() -> Routes {
    let mut routes = Routes::default();
    health::routes(&mut routes);
    assets::routes(&mut routes);
    login::routes(&mut routes);
    servers::routes(&mut routes);
    keys::routes(&mut routes);
    account::routes(&mut routes);
    users::routes(&mut routes);
    projects::routes(&mut routes);
    images::routes(&mut routes);
    audit::routes(&mut routes);
    downloads::routes(&mut routes);
    vouch::routes(&mut routes);
    events::routes(&mut routes);
    crate::console::routes(&mut routes);
    routes
}

/// Every page route: method, path, and whether it is meant for anybody.
pub fn table() -> Vec<Route> {
    all().table
}

/// Pages, and the API beside them.
pub fn router(state: Arc<State>) -> Router {
    let pages = all()
        .router
        .fallback(error::not_found)
        .layer(middleware::from_fn_with_state(state.clone(), security::same_origin))
        .layer(axum::extract::DefaultBodyLimit::max(256 * 1024));
    pages
        .merge(crate::api::router())
        .layer(middleware::from_fn_with_state(state.clone(), security::headers))
        .layer(middleware::from_fn_with_state(state.clone(), proxy::seen))
        .with_state(state)
}
