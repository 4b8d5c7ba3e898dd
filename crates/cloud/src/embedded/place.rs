//! Where a server is on this machine: its ids, its interface, its folder.

use uuid::Uuid;

use super::images::this_system;
use super::life::{address_of, hostname, mac_of};
use super::protocol::{Isolation, Plan};
use super::records::ServerRow;
use super::{Embedded, IDS_PER_SERVER};
use crate::{Error, Result};

impl Embedded {
    /// All that the shim has to know.
    pub(super) fn plan(&self, row: &ServerRow, run: Uuid) -> Result<Plan> {
        let server = &row.server;
        let folder = self.layout.server(server.id);
        let (address, port) = address_of(server)?;
        Ok(Plan {
            id: server.id,
            run,
            hostname: hostname(&server.name),
            image: self.layout.image_root(server.image_id),
            system_usr: this_system::is(server.image_id),
            disk: folder.disk(row.generation),
            program: self.settings.program.clone(),
            keyway: self.settings.keyway.clone(),
            isolation: self.isolation(row)?,
            address,
            port,
            cloud_init: self.layout.image_root(server.image_id).join("usr/bin/cloud-init").exists(),
            memory_mib: server.flavor.ram_mib,
            vcpus: server.flavor.vcpus,
        })
    }

    fn isolation(&self, row: &ServerRow) -> Result<Isolation> {
        if self.machine.ordinary_user {
            return Ok(Isolation::User { subordinate: self.machine.subordinate });
        }
        let (address, _) = address_of(&row.server)?;
        Ok(Isolation::Full {
            uid_base: self.uid_base(row)?,
            interface: self.interface(row)?,
            mac: mac_of(address),
            forwarding: self.settings.between_servers && self.rules.is_some(),
            runtime: self.settings.runtime,
            cgroup: self.machine.cgroups.then(|| format!("/{}", self.control_group(row.server.id))),
        })
    }

    /// Not in a group of the panel's: that would be left empty, and be removed while a server's is
    /// made in it.
    pub(super) fn control_group(&self, id: Uuid) -> String {
        format!("keyway-{:04x}-{id}", self.instance)
    }

    fn region_index(&self, row: &ServerRow) -> Result<u32> {
        self.settings
            .regions
            .iter()
            .position(|region| region.region.id == row.server.region)
            .and_then(|index| u32::try_from(index).ok())
            .ok_or_else(|| {
                Error::Conflict(format!("The region {} is no longer set up.", row.server.region))
            })
    }

    fn uid_base(&self, row: &ServerRow) -> Result<u32> {
        let place = self.region_index(row)? * self.slots_max() + row.slot;
        Ok(self.settings.uid_base + place * IDS_PER_SERVER)
    }

    /// Within the fifteen characters that the kernel has for names, and not another panel's.
    pub(super) fn interface(&self, row: &ServerRow) -> Result<String> {
        Ok(format!("kw{:04x}{:x}{:05x}", self.instance, self.region_index(row)?, row.slot))
    }

    /// What root inside is outside, where that is not the panel's own user.
    pub(super) fn owner(&self, row: &ServerRow) -> Result<Option<u32>> {
        if self.machine.ordinary_user { Ok(None) } else { self.uid_base(row).map(Some) }
    }
}
