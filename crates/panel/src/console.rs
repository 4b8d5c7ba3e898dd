//! Consoles: tickets for them, and the bytes between a browser or a terminal and a server.

mod local;
mod page;
mod relay;
mod socket;
pub mod tickets;

pub use local::{attach, serve as serve_local};

use crate::web::Routes;

pub(crate) fn routes(routes: &mut Routes) {
    routes.get("/servers/{region}/{id}/console/{kind}", page::show);
    routes.post("/servers/{region}/{id}/console/{kind}/ticket", page::ticket);
    // The ticket is the credential: it was given to somebody logged in, for one use.
    routes.public_get("/console/socket", socket::open);
}
