//! A router that knows its paths, so that a test can try every one of them without credentials.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::MethodRouter;

use super::service::{self, Service};
use crate::state::State;

/// Routes below a prefix.
#[derive(Default)]
pub(super) struct Routes {
    pub(super) router: Router<Arc<State>>,
    pub(super) paths: Vec<String>,
}

impl Routes {
    pub(super) fn route(mut self, path: &str, methods: MethodRouter<Arc<State>>) -> Self {
        self.paths.push(path.to_owned());
        self.router = self.router.route(path, methods);
        self
    }

    /// Puts others below `prefix`.
    pub(super) fn nest(mut self, prefix: &str, inner: Self) -> Self {
        self.paths.extend(inner.paths.iter().map(|path| format!("{prefix}{path}")));
        self.router = self.router.nest(prefix, inner.router);
        self
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        self.paths.extend(other.paths);
        self.router = self.router.merge(other.router);
        self
    }

    /// Puts a service's layer around all of them.
    pub(super) fn of(mut self, service: Service) -> Self {
        self.router = self
            .router
            .layer(middleware::from_fn(move |request, next| service::wrap(service, request, next)));
        self
    }
}
