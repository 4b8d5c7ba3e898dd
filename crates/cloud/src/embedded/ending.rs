//! Ends servers, and takes away what is left of them.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal};
use uuid::Uuid;

use super::client::{self, Shim};
use super::layout::ServerFolder;
use super::life::{LOOK, blocking};
use super::protocol::Request;
use super::{Embedded, link};
use crate::{Error, Result};

/// How long a server may take to stop before it is killed; a little more than its own patience.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);
/// How long a killed one may take to be gone.
const KILL_TIMEOUT: Duration = Duration::from_secs(20);

impl Embedded {
    /// Ends a server and waits until nothing of it runs: politely first, or at once.
    pub(super) async fn stop(&self, id: Uuid, politely: bool) {
        self.runs().remove(&id);
        let folder = self.layout.server(id);
        if politely && client::holder(&folder).is_some() {
            let asked = match Shim::connect(&folder).await {
                Ok(shim) => shim.ask(&Request::Stop).await.is_ok(),
                Err(_) => false,
            };
            if asked && gone(&folder, STOP_TIMEOUT).await {
                self.sweep(id).await;
                return;
            }
        }
        self.halt(id).await;
    }

    /// Ends a server at once, and whatever is left of it besides its disk.
    pub(super) async fn halt(&self, id: Uuid) {
        self.runs().remove(&id);
        let folder = self.layout.server(id);
        if client::holder(&folder).is_some() {
            if let Ok(shim) = Shim::connect(&folder).await {
                let asked = shim.ask(&Request::Kill);
                let _ = tokio::time::timeout(Duration::from_secs(1), asked).await;
            }
            if !gone(&folder, Duration::from_secs(2)).await {
                kill_holder(&folder);
                gone(&folder, KILL_TIMEOUT).await;
            }
        }
        self.sweep(id).await;
    }

    /// What a shim would have taken away, had it not been killed itself.
    async fn sweep(&self, id: Uuid) {
        if self.machine.ordinary_user {
            return;
        }
        if let Ok(Some(row)) = self.records.server(id).await
            && let Ok(interface) = self.interface(&row)
        {
            let _ = blocking(move || {
                link::disconnect(&interface);
                Ok(())
            })
            .await;
        }
        let name = self.control_group(id);
        let _ = blocking(move || {
            for group in control_groups(&name) {
                let _ = std::fs::remove_dir(group);
            }
            Ok(())
        })
        .await;
        let _ = std::fs::remove_dir_all(self.layout.server(id).runtime());
    }

    /// Takes the disks of other generations away, or all of it.
    pub(super) async fn remove_disks(&self, id: Uuid, keep: Option<u32>) -> Result<()> {
        let folder = self.layout.server(id);
        let program = self.settings.program.clone();
        let ordinary_user = self.machine.ordinary_user && self.machine.subordinate.is_some();
        let removed = blocking(move || {
            let kept = keep.map(|generation| folder.disk(generation));
            let paths: Vec<PathBuf> = match &kept {
                None => vec![folder.path().to_path_buf()],
                // No folder is what a disk leaves that there was no room for.
                Some(kept) => std::fs::read_dir(folder.path())
                    .into_iter()
                    .flatten()
                    .filter_map(io::Result::ok)
                    .map(|entry| entry.path())
                    .filter(|path| path != kept && is_disk(path))
                    .collect(),
            };
            for path in paths {
                if ordinary_user {
                    // Files of ids that only a user namespace gives the right to.
                    std::process::Command::new(&program)
                        .args(["shim", "--remove"])
                        .arg(&path)
                        .stdin(Stdio::null())
                        .status()?;
                }
                match std::fs::remove_dir_all(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        });
        removed.await.map_err(|error| Error::Internal(format!("Removing the disk: {error}")))
    }
}

async fn gone(folder: &ServerFolder, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while client::holder(folder).is_some() {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
    true
}

/// Kills a shim that does not answer. The process that has the lock is asked for again right
/// before, and the number is held by a descriptor, so that it can be nobody else's.
fn kill_holder(folder: &ServerFolder) {
    let held = || -> Option<(u32, OwnedFd)> {
        let number = client::holder(folder)?;
        let pid = Pid::from_raw(i32::try_from(number).ok()?)?;
        Some((number, rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?))
    };
    if let Some((number, process)) = held()
        && client::holder(folder) == Some(number)
    {
        let _ = rustix::process::pidfd_send_signal(process, Signal::KILL);
    }
}

fn is_disk(path: &std::path::Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("disk-"))
}

/// A group in every hierarchy that has it.
pub(super) fn control_groups(name: &str) -> Vec<PathBuf> {
    let root = PathBuf::from("/sys/fs/cgroup");
    let mut groups = vec![root.join(name)];
    for entry in std::fs::read_dir(&root).into_iter().flatten().flatten() {
        groups.push(entry.path().join(name));
    }
    groups.retain(|group| group.is_dir());
    groups
}
