//! What the cloud, the shims and the servers' first processes say to each other.
//!
//! A shim is asked over its socket: one line of JSON, answered by one line. After that the
//! connection is a stream of events (one line each), or a terminal: bytes from the shim, frames to
//! it. The first process talks to its shim in datagrams of JSON; it runs among the tenant's
//! processes, so the shim believes nothing that could matter outside.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::settings::Runtime;

/// A request or an answer is not longer than this.
pub(super) const LINE_MAX: usize = 4096;
/// A datagram between shim and first process is not longer than this.
pub(super) const DATAGRAM_MAX: usize = 4096;
/// A frame to a terminal begins with its kind and the length of what follows.
pub(super) const FRAME_HEADER: usize = 3;
/// Bytes typed.
pub(super) const FRAME_DATA: u8 = 0;
/// Columns and rows, two octets each.
pub(super) const FRAME_RESIZE: u8 = 1;

/// The descriptor by which the first process talks to its shim.
pub(super) const CONTROL_DESCRIPTOR: i32 = 3;
/// Where the programs are inside a server.
pub(super) const PROGRAMS: &str = "/run/keyway";
/// The exit status of a first process that wants to be started again.
pub(super) const EXIT_REBOOT: i32 = 10;

/// All a shim has to know, in `shim.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The server.
    pub id: Uuid,
    /// This start of it.
    pub run: Uuid,
    /// What it calls itself.
    pub hostname: String,
    /// The image's root file system.
    pub image: PathBuf,
    /// Whether the machine's `/usr` is put into it.
    pub system_usr: bool,
    /// The server's own changes to it, and the folder overlayfs works in.
    pub disk: PathBuf,
    /// The program for the first process.
    pub program: PathBuf,
    /// The program with the server's sshd.
    pub keyway: PathBuf,
    /// How it is kept apart.
    pub isolation: Isolation,
    /// Where its sshd listens.
    pub address: Ipv4Addr,
    /// On which port.
    pub port: u16,
    /// Whether cloud-init is to be run.
    pub cloud_init: bool,
    /// Its size.
    pub memory_mib: u32,
    /// Its share of processors.
    pub vcpus: u32,
}

/// How a server is kept apart.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Isolation {
    /// By root.
    Full {
        /// The first of its user ids outside.
        uid_base: u32,
        /// The machine's end of its interface.
        interface: String,
        /// Its Ethernet address.
        mac: [u8; 6],
        /// Whether packets from it go on to other servers.
        #[serde(default)]
        forwarding: bool,
        /// What makes its namespaces.
        #[serde(default)]
        runtime: Runtime,
        /// Its control group, from the hierarchy's root; none where there are none to use.
        cgroup: Option<String>,
    },
    /// By an ordinary user.
    User {
        /// The subordinate ids, first and count; none when there is only the user's own.
        subordinate: Option<(u32, u32)>,
    },
}

/// What a shim is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(super) enum Request {
    /// Tell of every change from now on.
    Watch,
    /// Connect to the console, after the end of what it printed.
    Console,
    /// Connect to a new shell of root.
    Shell {
        /// Its terminal's width.
        columns: u16,
        /// Its terminal's height.
        rows: u16,
    },
    /// Let the first process stop the server.
    Stop,
    /// Kill it.
    Kill,
}

/// How a shim answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    /// Why not.
    pub error: Option<String>,
}

/// What a shim tells those who watch.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    /// Said first: how things stand.
    State {
        /// Which start of the server this is.
        run: Uuid,
        /// The first process, as the machine numbers it.
        pid: u32,
        /// Whether its sshd listens.
        ready: bool,
        /// Whether it was asked to stop.
        #[serde(default)]
        stopping: bool,
    },
    /// Its sshd listens; the host keys are on the disk.
    Ready,
    /// There are more host keys on the disk.
    HostKeys,
    /// It is over; the last that is said.
    Exited(Exit),
}

/// How a server's run ended; also in `exit.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Exit {
    /// Which run.
    pub run: Uuid,
    /// Why.
    pub why: Why,
    /// For a person, where there is more to say.
    pub detail: Option<String>,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Why {
    /// It never began.
    NotStarted,
    /// The server stopped, from inside or asked to.
    Stopped,
    /// It wants to be started again.
    Reboot,
    /// It was killed.
    Killed,
}

/// What a first process is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToInit {
    /// Open a terminal with a shell and pass it.
    Shell {
        /// Its width.
        columns: u16,
        /// Its height.
        rows: u16,
    },
    /// Stop everything and exit.
    Stop,
}

/// What a first process tells.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromInit {
    /// The sshd listens.
    Ready,
    /// More host keys.
    HostKeys,
    /// Here is the terminal, passed with this; or why there is none.
    Shell {
        /// Why there is none.
        error: Option<String>,
    },
}
