//! Rules of this machine's packet filter, read through its own tools: nftables' JSON, and
//! iptables' own format for machines that have the old kernel interface.
//!
//! A ruleset is walked the way a packet would go. What a rule asks that is not known here makes it
//! neither match nor not; a verdict behind such a rule counts only as possible.

mod iptables;
mod nft;

use std::net::IpAddr;
use std::process::{Command, Stdio};

use crate::limits;

/// A packet to think of.
#[derive(Debug, Clone, Copy)]
pub struct Packet {
    /// Whether it leaves this machine.
    pub outgoing: bool,
    /// The other end, when it is known.
    pub remote: Option<IpAddr>,
    /// The port of the service.
    pub port: u16,
}

/// A rule that stops it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// The rule, as its tool would print it.
    pub rule: String,
    /// Whether everything the rule asks is known to hold.
    pub certain: bool,
    /// The sender is told, as against left to wait.
    pub rejects: bool,
    /// How to take it out.
    pub mend: String,
}

/// Whether and how the rules could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// They let the packet through.
    Clear,
    /// They do not.
    Blocked(Obstacle),
    /// Nobody but root may read them, or there is no tool.
    Unknown(String),
}

/// Looks for a rule that stops the packet.
pub fn look(packet: &Packet) -> Look {
    if !rustix::process::geteuid().is_root() {
        return Look::Unknown("only root may read the firewall's rules".to_owned());
    }
    let mut read_any = false;
    if let Some(text) = output("nft", &["-j", "list", "ruleset"]) {
        read_any = true;
        if let Some(found) = nft::find(&text, packet) {
            return Look::Blocked(found);
        }
    }
    let tool = match packet.remote {
        Some(IpAddr::V6(_)) => "ip6tables-legacy-save",
        _ => "iptables-legacy-save",
    };
    if let Some(text) = output(tool, &[]) {
        read_any = true;
        if let Some(found) = iptables::find(&text, packet) {
            return Look::Blocked(found);
        }
    }
    if read_any { Look::Clear } else { Look::Unknown("there is no nft and no iptables".to_owned()) }
}

/// What a tool prints, when it is there and works.
fn output(program: &str, words: &[&str]) -> Option<String> {
    let mut command = None;
    for folder in ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"] {
        let path = std::path::Path::new(folder).join(program);
        if path.exists() {
            command = Some(path);
            break;
        }
    }
    let output = Command::new(command?)
        .args(words)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    if !output.status.success() || output.stdout.len() > limits::RULES_BYTES {
        return None;
    }
    String::from_utf8(output.stdout).ok()
}
