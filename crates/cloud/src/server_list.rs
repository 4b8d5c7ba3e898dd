//! Lists of servers for people: over regions, searched, sorted, a page at a time.

use std::net::IpAddr;

use crate::cloud::Page;
use crate::model::{Server, Status};

/// Which servers to list, in which order, and where the page begins.
#[derive(Clone, Debug, Default)]
pub struct ServerList {
    /// A part of the name, an address, the identifier or a tag.
    pub search: Option<String>,
    /// By what to sort; what is alike there is sorted by name.
    pub order: ServerOrder,
    /// The last first.
    pub descending: bool,
    /// The page.
    pub page: Page,
}

/// What servers are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerOrder {
    /// When it was made.
    #[default]
    Created,
    /// The name, without regard to case.
    Name,
    /// The region's identifier.
    Region,
    /// The state: what failed, then what is being done, then the rest.
    State,
    /// The first address, by its number.
    Address,
}

impl ServerList {
    /// The page out of all that match, and how many there are: for clouds that cannot be asked so.
    pub fn apply(&self, mut servers: Vec<Server>) -> (Vec<Server>, u64) {
        servers.sort_by_cached_key(|server| {
            (server.name.to_lowercase(), server.region.clone(), server.id)
        });
        match self.order {
            ServerOrder::Name => {}
            ServerOrder::Created => servers.sort_by_key(|server| server.created_at),
            ServerOrder::Region => servers.sort_by(|a, b| a.region.cmp(&b.region)),
            ServerOrder::State => servers.sort_by_key(|server| state_rank(server.status)),
            ServerOrder::Address => servers.sort_by_cached_key(address_rank),
        }
        if self.descending {
            servers.reverse();
        }
        let total = u64::try_from(servers.len()).unwrap_or(u64::MAX);
        (self.page.cut(servers), total)
    }
}

/// A state's place in [`ServerOrder::State`]; stores keep it, so numbers stay.
pub fn state_rank(status: Status) -> i64 {
    match status {
        Status::Error => 10,
        Status::Build => 20,
        Status::Rebuild => 30,
        Status::Reboot => 40,
        Status::HardReboot => 50,
        Status::Active => 60,
        Status::Shutoff => 70,
        Status::Deleted => 80,
    }
}

/// A server's place in [`ServerOrder::Address`], as text that sorts byte by byte; stores keep it.
pub fn address_rank(server: &Server) -> String {
    match server.addresses.first().map(|one| one.address) {
        None => String::new(),
        Some(IpAddr::V4(address)) => format!("4{:08x}", u32::from(address)),
        Some(IpAddr::V6(address)) => format!("6{:032x}", u128::from(address)),
    }
}
