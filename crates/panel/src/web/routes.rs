//! A router that remembers what is in it.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{get, post};

use crate::State;

/// One route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// As axum writes it, with `{name}` for what varies.
    pub path: &'static str,
    /// Whether it answers without credentials.
    pub public: bool,
}

/// Routes, and the list of them.
#[derive(Default)]
pub struct Routes {
    pub(super) router: Router<Arc<State>>,
    pub(super) table: Vec<Route>,
}

impl Routes {
    /// Shows something to whoever is logged in.
    pub(crate) fn get<H: Handler<T, Arc<State>>, T: 'static>(
        &mut self,
        path: &'static str,
        handler: H,
    ) {
        self.add(Route { method: "GET", path, public: false }, get(handler));
    }

    /// Changes something for whoever is logged in.
    pub(crate) fn post<H: Handler<T, Arc<State>>, T: 'static>(
        &mut self,
        path: &'static str,
        handler: H,
    ) {
        self.add(Route { method: "POST", path, public: false }, post(handler));
    }

    /// Shows something to anybody.
    pub(crate) fn public_get<H: Handler<T, Arc<State>>, T: 'static>(
        &mut self,
        path: &'static str,
        handler: H,
    ) {
        self.add(Route { method: "GET", path, public: true }, get(handler));
    }

    /// Takes a form from anybody.
    pub(crate) fn public_post<H: Handler<T, Arc<State>>, T: 'static>(
        &mut self,
        path: &'static str,
        handler: H,
    ) {
        self.add(Route { method: "POST", path, public: true }, post(handler));
    }

    fn add(&mut self, route: Route, handler: axum::routing::MethodRouter<Arc<State>>) {
        self.table.push(route);
        self.router = std::mem::take(&mut self.router).route(route.path, handler);
    }
}
