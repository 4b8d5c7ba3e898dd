//! Drives the SSH engine over sockets: one thread, one readiness loop.
//!
//! [`Driver`] owns a [`proto::Connection`], the [`Transport`] below it and the
//! local ends of its channels. Bytes of a descriptor are read straight into
//! the packet being built, and received data is written straight from the
//! input buffer to its descriptor; only what a slow reader does not take is
//! copied, and the channel's window bounds that. Around the loop stand what a
//! client or server needs to get there: [`dial`] and [`proxy`] make transports,
//! [`relay`] connects forwarded channels, [`tunnel`] devices, [`agent`] asks an agent, [`signals`]
//! turns signals into readable bytes.
//!
//! There is no protocol here, no policy and no async runtime. After
//! [`Driver::new`] the loop makes only these system calls, so that it runs in
//! a sandbox: `epoll_wait`, `epoll_ctl`, `read`, `readv`, `write`, `fcntl`, `shutdown`,
//! `close`, and what the allocator and the clock need.

pub mod agent;
mod attached;
mod descriptor;
pub mod dial;
mod driver;
mod endpoint;
mod error_text;
pub mod idle;
mod keep_alive;
mod keystrokes;
pub mod limits;
mod link;
pub mod logging;
pub mod names;
pub mod open;
pub mod places;
pub mod proxy;
mod reactor;
pub mod relay;
mod resolve;
pub mod signals;
mod spill;
mod sys;
pub mod terminal_modes;
mod transport;
pub mod tunnel;

pub use attached::EndpointEvent;
pub use driver::{Application, Driver, End};
pub use endpoint::{Endpoint, Endpoints};
pub use keep_alive::KeepAlive;
pub use keystrokes::Obscure;
pub use link::Link;
pub use reactor::{Interest, Readiness, UserToken};
pub use transport::Transport;
