//! What this machine can do for servers, and what it cannot, in plain words.

use std::path::Path;

use super::{Settings, volume};

/// The machine as it was found at the start.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// Servers are kept apart by user ids alone, not by root.
    pub(super) ordinary_user: bool,
    /// That user's subordinate ids, first and count.
    pub(super) subordinate: Option<(u32, u32)>,
    /// Whether control groups can be used.
    pub(super) cgroups: bool,
    /// Whether disks can have an end.
    pub(super) volumes: bool,
    /// For a page to show.
    pub(super) warnings: Vec<String>,
}

impl Machine {
    pub(super) fn look(settings: &Settings) -> Self {
        let ordinary_user = settings.as_ordinary_user || !rustix::process::geteuid().is_root();
        let mut warnings = vec![
            "Servers share this machine's kernel: they are containers, not virtual machines."
                .into(),
        ];
        let cgroups = !ordinary_user && usable_cgroups();
        let mut volumes = false;
        let subordinate = if ordinary_user { subordinate_ids() } else { None };
        if ordinary_user {
            warnings.push(
                "The panel runs as an ordinary user: servers share this machine's network, so each \
                 can reach its local services and use any address of 127.0.0.0/8, and they have no \
                 limits of memory and processors, and there is no metadata service."
                    .into(),
            );
            if subordinate.is_none() {
                warnings.push(
                    "This user has no subordinate ids (newuidmap and a line in /etc/subuid): root \
                     is the only account that works inside servers."
                        .into(),
                );
            }
        } else {
            if !cgroups {
                warnings.push(
                    "No control groups can be used here: servers have no limits of memory, \
                     processors and processes."
                        .into(),
                );
            }
            let why_not = if settings.limit_disks {
                volume::why_not(&settings.state)
            } else {
                Some("the settings say so".into())
            };
            volumes = why_not.is_none();
            warnings.push(match why_not {
                None => "Servers' disks take room as they are filled: all together may promise \
                         more than this machine's disk has."
                    .into(),
                Some(why) => format!(
                    "Disks have no quota ({why}): a server can fill the file system of the state \
                     folder."
                ),
            });
        }
        Self { ordinary_user, subordinate, cgroups, volumes, warnings }
    }
}

/// The layouts that exist: one hierarchy, or one for each controller.
fn usable_cgroups() -> bool {
    let unified = Path::new("/sys/fs/cgroup/cgroup.controllers");
    if let Ok(controllers) = std::fs::read_to_string(unified) {
        return controllers.split_whitespace().any(|name| name == "memory")
            && writable("/sys/fs/cgroup");
    }
    writable("/sys/fs/cgroup/memory") && writable("/sys/fs/cgroup/pids")
}

fn writable(path: &str) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
        && !rustix::fs::statvfs(path)
            .is_ok_and(|about| about.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

/// This user's line in /etc/subuid, when /etc/subgid has the same and the tools are there.
fn subordinate_ids() -> Option<(u32, u32)> {
    let installed = |name: &str| {
        ["/usr/bin", "/bin", "/usr/local/bin"]
            .iter()
            .any(|folder| Path::new(folder).join(name).exists())
    };
    if !installed("newuidmap") || !installed("newgidmap") {
        return None;
    }
    let uid = rustix::process::getuid().as_raw();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    let of = |path: &str| {
        let text = std::fs::read_to_string(path).ok()?;
        text.lines().find_map(|line| {
            let mut fields = line.split(':');
            let owner = fields.next()?;
            if Some(owner) != name.as_deref() && owner.parse() != Ok(uid) {
                return None;
            }
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        })
    };
    let users: (u32, u32) = of("/etc/subuid")?;
    (Some(users) == of("/etc/subgid") && users.1 >= 65_535).then_some(users)
}
