//! A server's host keys, as they were seen out of band.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// How a host key was learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostKeySource {
    /// Read from the server's disk right after its boot.
    Boot,
    /// Read from the console log's key block at boot.
    ConsoleLog,
    /// Found changed later: the server itself did it.
    ChangedByServer,
}

/// One host key of one server, kept for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostKey {
    /// The server.
    pub server_id: Uuid,
    /// The region.
    pub region: String,
    /// Its address at that time, as text without the port.
    pub address: String,
    /// The port of its sshd.
    pub port: u16,
    /// One line: type and base64.
    pub public_key: String,
    /// `SHA256:...`.
    pub fingerprint_sha256: String,
    /// How it was learnt.
    pub source: HostKeySource,
    /// When it was first seen.
    pub first_seen_at: OffsetDateTime,
    /// When it stopped being this server's: a rebuild, a deletion, a change.
    pub retired_at: Option<OffsetDateTime>,
}
