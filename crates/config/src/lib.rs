//! ssh_config and sshd_config: from text to typed settings.
//!
//! Every value keeps the file and line that set it. Nothing here opens a file, runs a command or
//! asks the name service: the caller does, through [`Surroundings`] and [`Files`]. Algorithm names
//! are the caller's too.
//!
//! ```
//! use keyway_config::{ConnectionInfo, RealFiles, ServerConfig, ServerSources};
//!
//! let lists = keyway_config::AlgorithmLists::default();
//! let sources = ServerSources {
//!     options: vec!["PermitRootLogin=no".to_owned()],
//!     ..ServerSources::default()
//! };
//! let server = ServerConfig::load(&sources, &RealFiles, &lists)?;
//! let connection = ConnectionInfo { user: Some("ann"), ..ConnectionInfo::default() };
//! let settings = server.effective(&connection)?;
//! assert_eq!(settings.permit_root_login.value, keyway_config::PermitRootLogin::No);
//! # Ok::<(), keyway_config::Error>(())
//! ```

mod algorithms;
mod choice;
mod client;
mod client_context;
mod client_finish;
mod client_load;
mod client_match;
mod codec;
mod error;
mod files;
mod forward;
mod keyword;
pub mod matching;
mod origin;
mod parse;
mod server;
mod server_load;
mod server_match;
mod snapshot;
mod special;
mod special_agent;
mod special_client;
mod special_server;
mod suggest;
pub mod tokens;
mod trace;
mod value;

pub use client::ClientConfig;
pub use client_context::{
    ClientContext, ClientSources, CommandLineOption, ConfigFiles, LocalUser, Surroundings,
};
pub use error::{Error, Note, NoteLevel, Problem};
pub use files::{Contents, Files, RealFiles, glob};
pub use forward::{
    Direction, parse as parse_forward, parse_jumps, show as show_forward, show_jumps,
};
pub use keyword::{Alias, Keyword, Kind, Place, Retired, Support, Treatment};
pub use origin::{Origin, Setting};
pub use parse::time as parse_time;
pub use server::ServerSettings;
pub use server_load::{ServerConfig, ServerSources};
pub use server_match::{ConnectionInfo, Groups};
pub use snapshot::{Recorder, Snapshot};
pub use suggest::closest;
pub use trace::{Effective, Outcome, Step};
pub use value::*;
