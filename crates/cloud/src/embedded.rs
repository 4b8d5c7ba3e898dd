//! This machine as the cloud: servers are real isolated Linux systems.
//!
//! [`Embedded`] is the cloud itself and holds no server: each has a process of its own, the shim
//! ([`shim_main`]), which makes the namespaces, holds the console and outlives this program. The
//! first process inside a server is [`init_main`].

mod cloud_impl;
mod memory_records;
pub mod records;
mod settings;

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::model::ServerEvent;
use crate::{Error, Result};
use records::Records;

pub use memory_records::MemoryRecords;
pub use settings::{Range, RegionSettings, Settings};

/// How many events a slow subscriber may lag behind before it loses some.
const EVENTS: usize = 1024;

/// This machine as a cloud.
pub struct Embedded {
    settings: Settings,
    records: Arc<dyn Records>,
    events: broadcast::Sender<ServerEvent>,
    warnings: Vec<String>,
}

impl Embedded {
    /// Prepares the state folder and looks at what the machine can do. [`Self::start`] comes next.
    ///
    /// # Errors
    /// When the settings cannot work on this machine.
    pub fn new(settings: Settings, records: Arc<dyn Records>) -> Result<Arc<Self>> {
        let (events, _) = broadcast::channel(EVENTS);
        Ok(Arc::new(Self { settings, records, events, warnings: Vec::new() }))
    }

    /// Finds the servers that are still running, starts those that should be, and tidies up after
    /// what was interrupted. To be called once, in a tokio runtime, before anything is asked.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn start(self: &Arc<Self>) -> Result<()> {
        self.records.all_servers().await?;
        Ok(())
    }

    /// The range that a region's addresses come from.
    fn range(&self, region: &RegionSettings) -> Range {
        if self.ordinary_user() { region.user_range } else { region.range }
    }

    fn ordinary_user(&self) -> bool {
        self.settings.as_ordinary_user || !rustix::process::geteuid().is_root()
    }

    fn region(&self, id: &str) -> Result<&RegionSettings> {
        self.settings
            .regions
            .iter()
            .find(|region| region.region.id == id)
            .ok_or_else(|| Error::NotFound(format!("There is no region {id}.")))
    }
}

/// The subcommand `shim` of [`Settings::program`]: holds one server. The arguments are those after
/// the word `shim`; the result is the exit status.
pub fn shim_main(_arguments: &[std::ffi::OsString]) -> i32 {
    eprintln!("keyway-panel shim: not built yet");
    1
}

/// The subcommand `init` of [`Settings::program`]: the first process inside a server.
pub fn init_main(_arguments: &[std::ffi::OsString]) -> i32 {
    eprintln!("keyway-panel init: not built yet");
    1
}
