//! What a cloud is: regions, key pairs, images, flavors, servers and their consoles.
//!
//! [`Cloud`] is the one trait; nothing above it knows which cloud it is. [`embedded`] makes this
//! machine the cloud, [`openstack`] drives a real one.

pub mod accounts;
mod cloud;
pub mod embedded;
mod error;
pub mod model;
#[cfg(feature = "openstack")]
pub mod openstack;
mod server_list;
mod uploads;

pub use cloud::{
    Caller, Capabilities, Cloud, Console, ConsoleKind, KeyPairOrder, KeyPairQuery, OwnAddresses,
    Page, Resident, Role, ServerQuery,
};
pub use error::{Error, Result};
pub use server_list::{ServerList, ServerOrder, address_rank, state_rank};
pub use uploads::Uploads;
