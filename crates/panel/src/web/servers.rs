//! Servers.

mod actions;
mod authorized;
mod create;
mod identity;
mod list;
mod log;
mod screen;
mod show;

use cloud::model::{Region, Server, Status};
use cloud::{Caller, ServerQuery};
use futures_util::future::join_all;
use maud::{Markup, html};

use super::error::PageError;
use super::routes::Routes;
use crate::State;

pub(super) fn routes(routes: &mut Routes) {
    routes.get("/servers", list::show);
    routes.get("/servers/new", create::show);
    routes.post("/servers/new", create::create);
    routes.get("/servers/{region}/{id}", show::show);
    routes.get("/servers/{region}/{id}/log", log::show);
    routes.post("/servers/{region}/{id}/screen", screen::open);
    routes.get("/servers/{region}/{id}/confirm/{action}", actions::confirm);
    routes.post("/servers/{region}/{id}/do/{action}", actions::act);
    routes.post("/servers/{region}/{id}/keys", authorized::change);
}

/// The servers of these regions, which are asked at once. While one answers, those that do not are
/// left out: the cloud says which they are.
pub(super) async fn of_regions(
    state: &State,
    caller: &Caller,
    regions: impl IntoIterator<Item = &Region>,
    query: &ServerQuery,
) -> Result<Vec<Server>, PageError> {
    let asked = regions.into_iter().map(|region| state.cloud.servers(caller, &region.id, query));
    let (mut servers, mut silent, mut answered) = (Vec::new(), None, false);
    for answer in join_all(asked).await {
        match answer {
            Ok((more, _)) => {
                servers.extend(more);
                answered = true;
            }
            Err(error @ cloud::Error::Unreachable(_)) => silent = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    match silent {
        Some(error) if !answered => Err(error.into()),
        _ => Ok(servers),
    }
}

/// A server's page.
pub(super) fn address_of(server: &Server) -> String {
    format!("/servers/{}/{}", server.region, server.id)
}

/// The address people log in to, and its port.
pub(super) fn reached_at(server: &Server) -> Option<(String, u16)> {
    server.addresses.first().map(|address| (address.address.to_string(), address.ssh_port))
}

/// What to type to log in.
pub(super) fn ssh_command(server: &Server) -> Option<String> {
    reached_at(server).map(|(address, port)| {
        if port == 22 {
            format!("ssh root@{address}")
        } else {
            format!("ssh -p {port} root@{address}")
        }
    })
}

/// The name that known_hosts has for it: with its port when that is not 22.
pub(super) fn known_as(address: &str, port: u16) -> String {
    keys::known_hosts::HostName::new(address, port).as_str().to_owned()
}

/// A state as a person would say it.
pub(super) fn status_words(server: &Server) -> (&'static str, &'static str) {
    match server.status {
        Status::Build => ("busy", "Being made"),
        Status::Active => ("good", "Running"),
        Status::Shutoff => ("off", "Stopped"),
        Status::Reboot | Status::HardReboot => ("busy", "Restarting"),
        Status::Rebuild => ("busy", "Being rebuilt"),
        Status::Error => ("wrong", "Failed"),
        Status::Deleted => ("off", "Deleted"),
    }
}

/// The state as a small sign.
pub(super) fn pill(server: &Server) -> Markup {
    let (class, words) = status_words(server);
    html! {
        span class=(format!("pill {class}")) { (words) }
        @if server.locked { " " span .pill.off { "Locked" } }
    }
}
