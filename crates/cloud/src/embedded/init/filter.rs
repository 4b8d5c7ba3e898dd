//! What system calls a server may make: those that Docker's default profile leaves to root without
//! special rights. It holds for the first process and all that come from it.

mod calls;

use std::collections::BTreeMap;
use std::io;

use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::embedded::sys;
use calls::{ALLOWED, OLD, REFUSED};

/// Sets the filter, then gives up the right that was needed for it, for good.
pub(super) fn apply() -> io::Result<()> {
    for program in programs()? {
        sys::set_system_call_filter(&program)?;
    }
    give_up(CapabilitySet::SYS_ADMIN)
}

fn give_up(right: CapabilitySet) -> io::Result<()> {
    rustix::thread::remove_capability_from_bounding_set(right)?;
    let CapabilitySets { effective, permitted, inheritable } = rustix::thread::capabilities(None)?;
    rustix::thread::set_capabilities(
        None,
        CapabilitySets {
            effective: effective - right,
            permitted: permitted - right,
            inheritable: inheritable - right,
        },
    )?;
    Ok(())
}

/// Two filters, of which the kernel takes the stricter answer. The first knows what there is: what
/// it does not know "does not exist", so that programs fall back to what came before (clone3, whose
/// flags no filter can see, among it). The second refuses what is there but not for servers.
fn programs() -> io::Result<[BpfProgram; 2]> {
    let mut known: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().chain(OLD).chain(REFUSED).map(|number| (*number, Vec::new())).collect();
    // ioctl(TIOCSTI) is left out by the kernel itself for those without the right to it.
    known.insert(libc::SYS_clone, Vec::new());
    known.insert(libc::SYS_socket, Vec::new());
    known.insert(libc::SYS_personality, Vec::new());

    let mut refused: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|number| (*number, Vec::new())).collect();
    let mut new_name_space = Vec::new();
    for flag in NAME_SPACES {
        let bit = u64::from(flag.unsigned_abs());
        new_name_space.push(rule(0, SeccompCmpOp::MaskedEq(bit), bit)?);
    }
    refused.insert(libc::SYS_clone, new_name_space);
    // Into the machine's hypervisor, and the kernel's cryptography by socket: much code, few users.
    refused.insert(
        libc::SYS_socket,
        vec![
            rule(0, SeccompCmpOp::Eq, u64::from(libc::AF_VSOCK.unsigned_abs()))?,
            rule(0, SeccompCmpOp::Eq, u64::from(libc::AF_ALG.unsigned_abs()))?,
        ],
    );

    let enosys = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let eperm = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    Ok([
        compile(known, enosys, SeccompAction::Allow)?,
        compile(refused, SeccompAction::Allow, eperm)?,
    ])
}

fn rule(argument: u8, operator: SeccompCmpOp, value: u64) -> io::Result<SeccompRule> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
        .and_then(|condition| SeccompRule::new(vec![condition]))
        .map_err(io::Error::other)
}

fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> io::Result<BpfProgram> {
    let machine: TargetArch = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let filter =
        SeccompFilter::new(rules, otherwise, matched, machine).map_err(io::Error::other)?;
    filter.try_into().map_err(io::Error::other)
}

const NAME_SPACES: [i32; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];
