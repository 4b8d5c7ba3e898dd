//! What the person who runs the machine decides.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::{Flavor, Region};
use crate::{Error, Result};

/// How this machine is made a cloud.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder for disks, images and sockets. Nobody else's; made when it is missing.
    pub state: PathBuf,
    /// The program that has the subcommands `shim` and `init` (see [`super::shim_main`] and
    /// [`super::init_main`]): `keyway-panel` itself.
    pub program: PathBuf,
    /// The program `keyway`, whose `sshd` the servers run.
    pub keyway: PathBuf,
    /// The regions, in the order to show them.
    pub regions: Vec<RegionSettings>,
    /// The sizes of servers.
    pub flavors: Vec<Flavor>,
    /// The first of the user ids that servers get 65,536 each of. Only as root.
    pub uid_base: u32,
    /// The port of servers' sshd where an ordinary user runs the cloud; as root it is 22.
    pub user_ssh_port: u16,
    /// Whether servers reach each other. They never do as Ethernet neighbours.
    pub between_servers: bool,
    /// What starts servers' first processes.
    pub runtime: Runtime,
    /// Whether disks are as large as the flavor says, where root makes servers and the machine can;
    /// otherwise they end with the machine's own.
    pub limit_disks: bool,
    /// Behave as for an ordinary user, even as root: for tests, as root inside is then root outside,
    /// if without its rights.
    pub as_ordinary_user: bool,
}

/// What makes servers' namespaces, where root does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// The library that is in this program, and the program `runc` where that fails.
    #[default]
    Auto,
    /// The library alone.
    Libcontainer,
    /// The program `runc` alone.
    Runc,
}

/// One region.
#[derive(Clone, Debug)]
pub struct RegionSettings {
    /// Its names.
    pub region: Region,
    /// Its servers' addresses, as root.
    pub range: Range,
    /// Its servers' addresses as an ordinary user: within 127.0.0.0/8.
    pub user_range: Range,
}

/// A range of IPv4 addresses, such as `10.78.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    network: u32,
    prefix: u8,
}

impl Settings {
    /// The usual ones.
    pub fn new(
        state: impl Into<PathBuf>,
        program: impl Into<PathBuf>,
        keyway: impl Into<PathBuf>,
    ) -> Self {
        Self {
            state: state.into(),
            program: program.into(),
            keyway: keyway.into(),
            regions: vec![
                RegionSettings::of("ams", "Amsterdam (AMS)", (10, 78), (127, 78)),
                RegionSettings::of("iad", "Northern Virginia (IAD)", (10, 79), (127, 79)),
            ],
            flavors: vec![
                flavor("1", "small", 512, 1, 5),
                flavor("2", "medium", 2048, 1, 20),
                flavor("3", "large", 4096, 2, 40),
            ],
            uid_base: 200_000,
            user_ssh_port: 2200,
            between_servers: false,
            runtime: Runtime::default(),
            limit_disks: true,
            as_ordinary_user: false,
        }
    }
}

impl RegionSettings {
    fn of(id: &str, name: &str, range: (u8, u8), user_range: (u8, u8)) -> Self {
        let sixteen = |(first, second): (u8, u8)| Range {
            network: u32::from_be_bytes([first, second, 0, 0]),
            prefix: 16,
        };
        Self {
            region: Region { id: id.into(), name: name.into() },
            range: sixteen(range),
            user_range: sixteen(user_range),
        }
    }
}

fn flavor(id: &str, name: &str, ram_mib: u32, vcpus: u32, disk_gib: u32) -> Flavor {
    Flavor { id: id.into(), name: name.into(), ram_mib, vcpus, disk_gib }
}

impl Range {
    /// The address of a slot: the network's own address is left out.
    pub fn address(self, slot: u32) -> Option<Ipv4Addr> {
        (slot < self.slots()).then(|| Ipv4Addr::from(self.network + 1 + slot))
    }

    /// How many servers it has addresses for, the network's and the broadcast address left out.
    pub fn slots(self) -> u32 {
        match self.prefix {
            31.. => 0,
            prefix => ((1_u64 << (32 - u32::from(prefix))) - 2) as u32,
        }
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.network), self.prefix)
    }
}

impl FromStr for Range {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::Invalid {
            field: None,
            message: format!("{text} is not an address range such as 10.78.0.0/16"),
        };
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        if !(8..=30).contains(&prefix) {
            return Err(wrong());
        }
        let mask = u32::MAX << (32 - u32::from(prefix));
        Ok(Self { network: u32::from(address) & mask, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_their_addresses() {
        let range: Range = "10.78.0.0/29".parse().unwrap();
        assert_eq!(range.slots(), 6);
        assert_eq!(range.address(0), Some(Ipv4Addr::new(10, 78, 0, 1)));
        assert_eq!(range.address(5), Some(Ipv4Addr::new(10, 78, 0, 6)));
        assert_eq!(range.address(6), None);
        assert_eq!(range.to_string(), "10.78.0.0/29");
        for wrong in ["10.78.0.0", "10.78.0.0/31", "10.78.0.0/7", "x/24", "10.78.0/24"] {
            assert!(wrong.parse::<Range>().is_err(), "{wrong}");
        }
    }
}
