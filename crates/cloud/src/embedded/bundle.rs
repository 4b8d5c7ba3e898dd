//! The OCI description of a server, which libcontainer and runc read alike.

use std::path::Path;

use rustix::thread::CapabilitySet;
use serde_json::{Value, json};

use super::protocol::{Isolation, PROGRAMS, Plan};

/// What root inside may do, besides [`FOR_INIT`]: what Docker leaves root, and `reboot`, which in
/// a process-id namespace only ends that namespace.
const CAPABILITIES: [&str; 15] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_BOOT",
    "CAP_SYS_CHROOT",
];

/// What a server's first process has in its environment.
pub(super) const ENVIRONMENT: [&str; 3] = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "TERM=linux",
    "container=keyway",
];

/// Given up by the first process once it has set the system-call filter, for which the kernel
/// wants it where programs such as `su` are still to gain rights.
const FOR_INIT: &str = "CAP_SYS_ADMIN";

/// Processes and threads of one server.
const PIDS_MAX: u32 = 4096;
/// The period over which processor shares are counted, in microseconds.
const CPU_PERIOD: u64 = 100_000;

/// Files of the kernel that tell of the machine or work on all of it.
pub(super) const MASKED: [&str; 13] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
pub(super) const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The description of the server that `plan` is about, whose root file system is at `root`.
pub(super) fn config(plan: &Plan, root: &Path) -> Value {
    let mut capabilities = CAPABILITIES.to_vec();
    capabilities.push(FOR_INIT);
    json!({
        "ociVersion": "1.0.2",
        "hostname": plan.hostname,
        "root": { "path": root, "readonly": false },
        "process": {
            "terminal": true,
            "user": { "uid": 0, "gid": 0 },
            "cwd": "/",
            "args": arguments(plan),
            "env": ENVIRONMENT,
            "capabilities": {
                "bounding": capabilities,
                "effective": capabilities,
                "permitted": capabilities,
                "inheritable": [],
                "ambient": [],
            },
            "noNewPrivileges": false,
        },
        "mounts": mounts(plan),
        "linux": linux(plan),
    })
}

/// How the first process is called.
pub(super) fn arguments(plan: &Plan) -> Vec<String> {
    let mut arguments = vec![
        format!("{PROGRAMS}/init"),
        "init".to_owned(),
        "--address".to_owned(),
        plan.address.to_string(),
        "--port".to_owned(),
        plan.port.to_string(),
    ];
    if plan.cloud_init {
        arguments.push("--cloud-init".to_owned());
    }
    arguments
}

/// The same rights as the kernel has them.
pub(super) fn rights() -> CapabilitySet {
    CapabilitySet::AUDIT_WRITE
        | CapabilitySet::CHOWN
        | CapabilitySet::DAC_OVERRIDE
        | CapabilitySet::FOWNER
        | CapabilitySet::FSETID
        | CapabilitySet::KILL
        | CapabilitySet::MKNOD
        | CapabilitySet::NET_BIND_SERVICE
        | CapabilitySet::NET_RAW
        | CapabilitySet::SETFCAP
        | CapabilitySet::SETGID
        | CapabilitySet::SETPCAP
        | CapabilitySet::SETUID
        | CapabilitySet::SYS_BOOT
        | CapabilitySet::SYS_CHROOT
        | CapabilitySet::SYS_ADMIN
}

fn mounts(plan: &Plan) -> Value {
    let terminals =
        json!(["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]);
    let mut mounts = vec![
        mount("/proc", "proc", json!(["nosuid", "noexec", "nodev"])),
        mount("/dev", "tmpfs", json!(["nosuid", "noexec", "strictatime", "mode=755", "size=64k"])),
        mount("/dev/pts", "devpts", terminals),
        mount("/dev/shm", "tmpfs", json!(["nosuid", "noexec", "nodev", "mode=1777", "size=64m"])),
        mount("/dev/mqueue", "mqueue", json!(["nosuid", "noexec", "nodev"])),
    ];
    // sysfs belongs to a network namespace; who has none of its own cannot mount it.
    if matches!(plan.isolation, Isolation::Full { .. }) {
        mounts.push(mount("/sys", "sysfs", json!(["nosuid", "noexec", "nodev", "ro"])));
    }
    json!(mounts)
}

fn mount(destination: &str, kind: &str, options: Value) -> Value {
    json!({ "destination": destination, "type": kind, "source": kind, "options": options })
}

fn linux(plan: &Plan) -> Value {
    let mut namespaces = vec!["pid", "mount", "uts", "ipc"];
    let mut linux = json!({
        "maskedPaths": MASKED,
        "readonlyPaths": READ_ONLY,
        "rootfsPropagation": "private",
    });
    match &plan.isolation {
        Isolation::Full { uid_base, cgroup, .. } => {
            namespaces.extend(["user", "network", "cgroup"]);
            let ids = json!([{
                "containerID": 0, "hostID": uid_base, "size": super::IDS_PER_SERVER,
            }]);
            linux["uidMappings"] = ids.clone();
            linux["gidMappings"] = ids;
            if let Some(cgroup) = cgroup {
                linux["cgroupsPath"] = json!(cgroup);
                linux["resources"] = json!({
                    "memory": { "limit": u64::from(plan.memory_mib) * 1024 * 1024 },
                    "cpu": {
                        "quota": u64::from(plan.vcpus) * CPU_PERIOD,
                        "period": CPU_PERIOD,
                    },
                    "pids": { "limit": PIDS_MAX },
                });
            }
        }
        Isolation::User { .. } => {}
    }
    linux["namespaces"] =
        namespaces.into_iter().map(|kind| json!({ "type": kind })).collect::<Vec<_>>().into();
    linux
}
