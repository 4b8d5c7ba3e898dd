//! The sandbox out of what Linux has.

use super::portable::{change_root, limits, make_directory, step};
use super::syscalls;
use super::{Error, Landlock, Report, Root, Settings};
use crate::sys::process;
use rustix::fs::FileType;
use rustix::thread::{CapabilitySet, CapabilitySets};
use std::io;
use std::path::Path;

/// Where an empty directory of root's may be, in order of preference. The last is made when none is there.
const EMPTY_DIRECTORIES: [&str; 3] = ["/run/sshd", "/var/empty", "/run/keyway/empty"];

pub(super) fn enter(settings: &Settings) -> Result<Report, Error> {
    let mut report = Report {
        root: Root::System,
        uid: None,
        no_new_privileges: false,
        landlock: Landlock::No,
        seccomp: false,
        missing: Vec::new(),
    };
    if rustix::process::geteuid().is_root() {
        let identity = settings.identity.as_ref().ok_or(Error::NoIdentity)?;
        // Asked while there is a /proc.
        let alone = process::has_one_id();
        report.root = empty_root().map_err(step("empty root directory"))?;
        limits(settings).map_err(step("resource limits"))?;
        if alone {
            // There is nobody to become, but rights that can be given up.
            let none = CapabilitySet::empty();
            let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
            rustix::thread::set_capabilities(None, sets)
                .map_err(|error| step("giving up rights")(error.into()))?;
            report.missing.push("no user besides root in this user name space".into());
        } else {
            process::become_identity(identity).map_err(step("change of user"))?;
            report.uid = Some(identity.uid);
        }
    } else {
        match own_name_space() {
            Ok(()) => report.root = Root::NameSpace,
            Err(error) => report.missing.push(format!("no user name space ({error})")),
        }
        limits(settings).map_err(step("resource limits"))?;
    }
    // A change of the user leaves the process either way depending on the system's settings.
    process::forbid_dumps().map_err(step("forbid dumps"))?;
    if settings.die_with_parent {
        process::die_with_parent().map_err(step("die with parent"))?;
    }
    match process::forbid_new_privileges() {
        Ok(()) => report.no_new_privileges = true,
        Err(error) => report.missing.push(format!("no_new_privs: {error}")),
    }
    match landlock() {
        Ok(status) => report.landlock = status,
        Err(error) => report.missing.push(format!("landlock: {error}")),
    }
    match syscalls::apply() {
        Ok(()) => report.seccomp = true,
        Err(error) => report.missing.push(format!("seccomp: {error}")),
    }
    Ok(report)
}

/// As root: a directory with nothing in it becomes the root. Chroot is the cheap way, and leaving it takes the
/// rights given up right after; the mount name space is for systems where no directory can be made.
fn empty_root() -> io::Result<Root> {
    for path in EMPTY_DIRECTORIES {
        if path == EMPTY_DIRECTORIES[2] {
            make_directory("/run/keyway");
            make_directory(path);
        }
        if change_root(path)? {
            return Ok(Root::EmptyDirectory(path.into()));
        }
    }
    process::unshare(libc::CLONE_NEWNS)?;
    process::replace_root_with_nothing(c"/tmp")
        .or_else(|_| process::replace_root_with_nothing(c"/dev"))?;
    Ok(Root::NameSpace)
}

/// As an ordinary user: a user name space gives the right to a mount name space, which gets an empty root; then
/// the rights inside it go as well.
fn own_name_space() -> io::Result<()> {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    process::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS)?;
    // user_namespaces(7): without this an unprivileged process may not map its group.
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
    let anchor = if is_directory(Path::new("/tmp")) { c"/tmp" } else { c"/dev" };
    process::replace_root_with_nothing(anchor)?;
    let none = rustix::thread::CapabilitySets {
        effective: rustix::thread::CapabilitySet::empty(),
        permitted: rustix::thread::CapabilitySet::empty(),
        inheritable: rustix::thread::CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none)?;
    Ok(())
}

fn is_directory(path: &Path) -> bool {
    rustix::fs::stat(path)
        .is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Directory)
}

/// A landlock domain in which nothing is allowed: no path, no TCP port, no signal or abstract socket outward.
fn landlock() -> Result<Landlock, landlock::RulesetError> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr,
        RulesetStatus, Scope,
    };
    let abi = ABI::V6;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Landlock::Fully,
        RulesetStatus::PartiallyEnforced => Landlock::Partly,
        RulesetStatus::NotEnforced => Landlock::No,
    })
}
