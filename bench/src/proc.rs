//! What processes have used, from /proc.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Linux counts in hundredths of a second on every architecture it matters on.
const TICK: Duration = Duration::from_millis(10);

struct Stat {
    parent: u32,
    /// Its own time, and that of the children it has waited for.
    ticks: u64,
    waited_ticks: u64,
}

fn stat(process: &str) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold spaces.
    let fields: Vec<&str> = text.rsplit(')').next()?.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        parent: number(1)? as u32,
        ticks: number(11)? + number(12)?,
        waited_ticks: number(13)? + number(14)?,
    })
}

fn all() -> HashMap<u32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((name.parse().ok()?, stat(&name)?))
        })
        .collect()
}

/// The process and everything that descends from it.
pub fn tree(root: u32) -> Vec<u32> {
    let all = all();
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(parent) = tree.get(next).copied() {
        tree.extend(all.iter().filter(|(_, stat)| stat.parent == parent).map(|(id, _)| *id));
        next += 1;
    }
    tree
}

/// CPU time of a tree, of those in it that have ended too.
pub fn tree_time(root: u32) -> Duration {
    let ticks: u64 = tree(root)
        .iter()
        .filter_map(|id| stat(&id.to_string()))
        .map(|stat| stat.ticks + stat.waited_ticks)
        .sum();
    TICK * ticks as u32
}

/// CPU time of the programs this one has started and waited for.
pub fn children_time() -> Duration {
    stat("self").map_or(Duration::ZERO, |stat| TICK * stat.waited_ticks as u32)
}

/// CPU time of this process, all threads.
pub fn own_time() -> Duration {
    stat("self").map_or(Duration::ZERO, |stat| TICK * stat.ticks as u32)
}

/// Memory of one process, shared pages by share.
pub fn pss_kib(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let line = text.lines().find(|line| line.starts_with("Pss:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The program a process runs.
pub fn program(process: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{process}/exe")).ok()
}
