//! Keeps the keys in memory from other processes, dumps and the swap, as far as the system lets.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::limits;
use crate::messages::debug;

/// Descriptors besides the clients': standard ones, the listener, signals, a question.
const OTHER_DESCRIPTORS: u64 = 32;

/// No other process of the user's may look into this one's memory.
pub fn forbid_tracing() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            debug!("prctl(PR_SET_DUMPABLE): {error}");
        }
    }
}

/// No core dump is written.
pub fn forbid_core_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        debug!("setrlimit(RLIMIT_CORE): {error}");
    }
}

/// Takes as many descriptors as clients may need, and says how many clients there may be.
pub fn room_for_clients() -> usize {
    let wanted = limits::CLIENTS as u64 + OTHER_DESCRIPTORS;
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    let mut allowed = current;
    if current < wanted {
        let raised = wanted.min(limit.maximum.unwrap_or(u64::MAX));
        if setrlimit(Resource::Nofile, Rlimit { current: Some(raised), ..limit }).is_ok() {
            allowed = raised;
        }
    }
    let clients = allowed.saturating_sub(OTHER_DESCRIPTORS).max(1);
    usize::try_from(clients).unwrap_or(limits::CLIENTS).min(limits::CLIENTS)
}

/// Keeps the heap, where the keys are, out of the swap, as far as `RLIMIT_MEMLOCK` goes. To be
/// repeated when it has grown.
///
/// Not all memory, and not in advance: with the usual limit either would make allocations fail.
pub fn lock_memory() {
    #[cfg(target_os = "linux")]
    if let Some((start, end)) = heap()
        && !crate::sys::lock_pages(start, end - start)
    {
        debug!("the system does not allow {} bytes to be locked", end - start);
    }
}

#[cfg(target_os = "linux")]
fn heap() -> Option<(usize, usize)> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.ends_with("[heap]"))?;
    let (start, end) = line.split_whitespace().next()?.split_once('-')?;
    let number = |digits| usize::from_str_radix(digits, 16).ok();
    Some((number(start)?, number(end)?)).filter(|(start, end)| start < end)
}
