//! This machine as the cloud: servers are real isolated Linux systems.
//!
//! [`Embedded`] is the cloud itself and holds no server: each has a process of its own, the shim
//! ([`shim_main`]), which makes the namespaces, holds the console and outlives this program. The
//! first process inside a server is [`init_main`].

mod bundle;
mod checks;
mod client;
mod cloud_impl;
mod console_log;
mod deletion;
mod disk;
mod ending;
mod firewall;
mod guest_files;
mod images;
mod init;
mod layout;
mod life;
mod link;
mod machine;
mod memory_records;
mod metadata;
mod place;
mod protocol;
pub mod records;
mod recovery;
mod requests;
mod settings;
mod shim;
mod sys;
mod volume;
mod witness;

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::broadcast;
use uuid::Uuid;

use crate::model::ServerEvent;
use crate::{Error, Result};
use firewall::Rules;
use layout::Layout;
use life::Run;
use machine::Machine;
use records::Records;

pub use images::ImportImage;
pub use init::init_main;
pub use memory_records::MemoryRecords;
pub use metadata::Asker;
pub use settings::{Range, RegionSettings, Runtime, Settings};
pub use shim::shim_main;

/// User ids that each server has.
const IDS_PER_SERVER: u32 = 65_536;
/// How many events a slow subscriber may lag behind before it loses some.
const EVENTS: usize = 1024;
/// More servers than a machine can run, and few enough for their user ids in several regions.
const SLOTS_MAX: u32 = 8192;

/// This machine as a cloud.
pub struct Embedded {
    this: Weak<Self>,
    settings: Settings,
    records: Arc<dyn Records>,
    events: broadcast::Sender<ServerEvent>,
    machine: Machine,
    layout: Layout,
    /// Told apart from other panels' on the same machine.
    instance: u16,
    locks: Mutex<HashMap<Uuid, Arc<tokio::sync::Mutex<()>>>>,
    runs: Mutex<HashMap<Uuid, Run>>,
    /// Until somebody takes it.
    metadata: Mutex<Option<TcpListener>>,
    /// None where servers share the machine's network, or where there are none.
    rules: Option<Rules>,
    /// Locked for as long as this lives.
    _owner: File,
}

impl Embedded {
    /// Prepares the state folder and looks at what the machine can do. [`Self::start`] comes next.
    ///
    /// # Errors
    /// When the settings cannot work on this machine, or another panel has the state folder.
    pub fn new(mut settings: Settings, records: Arc<dyn Records>) -> Result<Arc<Self>> {
        let failed =
            |what: &str, error: &dyn std::fmt::Display| Error::Internal(format!("{what}: {error}"));
        std::fs::create_dir_all(&settings.state)
            .map_err(|error| failed("The cloud's folder cannot be made", &error))?;
        settings.state =
            settings.state.canonicalize().map_err(|error| failed("The cloud's folder", &error))?;
        for program in [&mut settings.program, &mut settings.keyway] {
            *program = usable_program(program)?;
        }
        let layout = Layout::new(&settings.state);
        let owner = take(&layout).map_err(|error| failed("The cloud's folder", &error))?;
        let digest = crypto::hash::HashAlgorithm::Sha256
            .digest(&[std::os::unix::ffi::OsStrExt::as_bytes(settings.state.as_os_str())]);
        let instance = match digest.as_ref() {
            [first, second, ..] => u16::from_be_bytes([*first, *second]),
            _ => 0,
        };
        let mut machine = Machine::look(&settings);
        let (rules, metadata) = guard(&settings, &mut machine, instance);
        let (events, _) = broadcast::channel(EVENTS);
        Ok(Arc::new_cyclic(|this| Self {
            this: this.clone(),
            settings,
            records,
            events,
            machine,
            layout,
            instance,
            locks: Mutex::default(),
            runs: Mutex::default(),
            metadata: Mutex::new(metadata),
            rules,
            _owner: owner,
        }))
    }

    /// Takes away what is on this machine for servers' sake, when there are none. They go on without
    /// the panel, so what guards the machine from them stays for as long as there are any.
    ///
    /// # Errors
    /// When the store does not answer, or the rules cannot be removed.
    pub async fn close(&self) -> Result<()> {
        if !self.records.all_servers().await?.is_empty() {
            return Ok(());
        }
        if let Some(rules) = &self.rules {
            let removed = rules.remove();
            removed.map_err(|error| Error::Internal(format!("The firewall's rules: {error}")))?;
        }
        Ok(())
    }

    /// This again, to be kept by something that goes on in the background.
    fn shared(&self) -> Result<Arc<Self>> {
        self.this.upgrade().ok_or_else(|| Error::Internal("The cloud is being shut down.".into()))
    }

    /// How many servers a region can have.
    fn slots_max(&self) -> u32 {
        let regions = u32::try_from(self.settings.regions.len()).unwrap_or(u32::MAX).max(1);
        let places = (u32::MAX - self.settings.uid_base) / IDS_PER_SERVER;
        SLOTS_MAX.min(places / regions)
    }

    /// The range that a region's addresses come from.
    fn range(&self, region: &RegionSettings) -> Range {
        if self.ordinary_user() { region.user_range } else { region.range }
    }

    fn ordinary_user(&self) -> bool {
        self.machine.ordinary_user
    }

    fn region(&self, id: &str) -> Result<&RegionSettings> {
        self.settings
            .regions
            .iter()
            .find(|region| region.region.id == id)
            .ok_or_else(|| Error::NotFound(format!("There is no region {id}.")))
    }

    fn lock_of(&self, id: Uuid) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.entry(id).or_default().clone()
    }

    fn forget_lock(&self, id: Uuid) {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<Uuid, Run>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets the rules between servers and this machine, and what they lead to.
fn guard(
    settings: &Settings,
    machine: &mut Machine,
    instance: u16,
) -> (Option<Rules>, Option<TcpListener>) {
    if machine.ordinary_user {
        return (None, None);
    }
    let listener = metadata::listen()
        .inspect_err(|error| {
            machine.warnings.push(format!("There is no metadata service: {error}."));
        })
        .ok();
    let port = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let rules = Rules {
        instance,
        metadata_port: port.map(|at| at.port()),
        between_servers: settings.between_servers,
    };
    match rules.set() {
        Ok(()) => (Some(rules), listener),
        Err(error) => {
            machine.warnings.push(format!(
                "No firewall stands between servers and this machine ({error}): servers reach \
                 whatever listens on all its addresses, and have no metadata service."
            ));
            (None, None)
        }
    }
}

/// Where the program really is, and whether the servers' own users can execute it there: inside a
/// server, this machine's root is nobody.
fn usable_program(path: &std::path::Path) -> Result<std::path::PathBuf> {
    let real = path.canonicalize().map_err(|error| {
        Error::Internal(format!("The program {} cannot be used: {error}", path.display()))
    })?;
    let mode = real.metadata().map_or(0, |about| about.permissions().mode());
    if mode & 0o005 == 0o005 {
        return Ok(real);
    }
    Err(Error::Internal(format!(
        "The program {} must be readable and executable for everybody (chmod 755): it runs inside \
         servers.",
        real.display()
    )))
}

/// Makes the folders and takes the lock.
fn take(layout: &Layout) -> io::Result<File> {
    for folder in [layout.root().to_path_buf(), layout.images(), layout.servers()] {
        std::fs::create_dir_all(&folder)?;
    }
    // Servers' files are theirs alone; the images in here are read through mounts.
    std::fs::set_permissions(layout.root(), std::fs::Permissions::from_mode(0o700))?;
    let owner = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(layout.root().join("owner.lock"))?;
    rustix::fs::flock(&owner, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| io::Error::other("another panel is using it"))?;
    Ok(owner)
}
