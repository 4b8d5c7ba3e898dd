//! The OpenStack dialect over any [`cloud::Cloud`], and a small API of our own for what OpenStack
//! lacks.
//!
//! `/identity/v3` is Keystone, `/compute/REGION/v2.1` Nova, `/image/REGION/v2` Glance,
//! `/network/REGION/v2.0` Neutron, `/panel/v1` ours. Handlers know nothing of how a service words
//! its errors: they return a [`fault::Fault`], and [`service`] puts it into that service's shape.

mod body;
mod context;
mod extras;
mod fault;
mod glance;
mod keystone;
mod microversion;
mod neutron;
mod nova;
mod own;
mod public_key;
mod query;
mod routes;
mod service;
mod when;

use std::sync::Arc;

use axum::Router;

use crate::state::State;

/// Every route of the API.
pub fn router() -> Router<Arc<State>> {
    all().router
}

/// Their paths, as axum writes them, with `{name}` for what varies.
pub fn paths() -> Vec<String> {
    all().paths
}

fn all() -> routes::Routes {
    keystone::routes()
        .merge(nova::routes())
        .merge(glance::routes())
        .merge(neutron::routes())
        .merge(own::routes())
}
