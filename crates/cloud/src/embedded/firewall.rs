//! What servers may reach of this machine: the metadata service, and answers to connections that
//! this machine made. An nftables table of the cloud's own, by the program `nft`; nothing else of
//! the machine's rules is touched.

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

use super::link::GATEWAY;

/// Where servers ask about themselves, in every cloud.
pub(super) const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// What the rules depend on.
pub(super) struct Rules {
    /// Whose they are: the beginning of its interfaces' names.
    pub(super) instance: u16,
    /// Where the metadata service listens at the gateway's address.
    pub(super) metadata_port: Option<u16>,
    /// Whether servers reach each other.
    pub(super) between_servers: bool,
}

impl Rules {
    /// Puts them in place, at once and whole, instead of those of an earlier start.
    pub(super) fn set(&self) -> io::Result<()> {
        nft(&self.text())
    }

    /// Takes them away; fine when there are none.
    pub(super) fn remove(&self) -> io::Result<()> {
        let table = self.table();
        // Made first, so that it is there to be deleted.
        nft(&format!("table ip {table}\ndelete table ip {table}\n"))
    }

    fn table(&self) -> String {
        format!("keyway_{:04x}", self.instance)
    }

    fn text(&self) -> String {
        let table = self.table();
        let ours = format!("\"kw{:04x}*\"", self.instance);
        let (mut arriving, mut metadata) = (String::new(), String::new());
        if let Some(port) = self.metadata_port {
            arriving =
                format!("iifname {ours} ip daddr {METADATA} tcp dport 80 redirect to :{port}");
            metadata = format!("ip daddr {GATEWAY} tcp dport {port} ct status dnat accept");
        }
        let between = if self.between_servers {
            format!("iifname {ours} oifname {ours} accept")
        } else {
            format!("iifname {ours} oifname \"kw*\" drop")
        };
        // Who may be forwarded to other servers shall not be forwarded to the world by it.
        let elsewhere = if self.between_servers && !forwards() {
            format!("iifname {ours} drop")
        } else {
            String::new()
        };
        format!(
            "table ip {table}\ndelete table ip {table}\ntable ip {table} {{\n\
             chain arriving {{\ntype nat hook prerouting priority dstnat; policy accept;\n\
             {arriving}\n}}\n\
             chain to_machine {{\ntype filter hook input priority filter; policy accept;\n\
             iifname != {ours} accept\nct state established,related accept\n{metadata}\n\
             meta l4proto tcp reject with tcp reset\nreject\n}}\n\
             chain passing {{\ntype filter hook forward priority filter; policy accept;\n\
             ct state established,related accept\n{between}\n{elsewhere}\n}}\n}}\n"
        )
    }
}

/// Whether this machine is a router by its owner's will.
fn forwards() -> bool {
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").is_ok_and(|text| text.trim() == "1")
}

fn nft(rules: &str) -> io::Result<()> {
    let program = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft", "/usr/local/sbin/nft"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .ok_or_else(|| io::Error::other("the program nft (package nftables) is not installed"))?;
    let mut child = Command::new(program)
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(rules.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("nft: {}", said.lines().next().unwrap_or("it failed").trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_of_ones_own() {
        let rules = Rules { instance: 0xab, metadata_port: None, between_servers: false };
        let text = rules.text();
        assert!(text.contains("table ip keyway_00ab {"), "{text}");
        assert!(text.contains("iifname != \"kw00ab*\" accept"), "{text}");
        assert!(!text.contains("redirect"), "{text}");
        let rules = Rules { metadata_port: Some(4000), ..rules };
        assert!(rules.text().contains("redirect to :4000"));
    }
}
