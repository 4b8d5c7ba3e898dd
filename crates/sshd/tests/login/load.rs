//! Many at once, and nothing left of them afterwards.

use std::time::{Duration, Instant};

use super::Test;
use super::support::{Running, Server, connect, outcome, wait_until};

pub const TESTS: &[Test] =
    &[("many_logins_at_once", many_logins_at_once), ("many_idle", many_idle)];

/// How many connections; `KEYWAY_TEST_CONNECTIONS` says otherwise.
fn size() -> usize {
    let asked = std::env::var("KEYWAY_TEST_CONNECTIONS").ok();
    asked.and_then(|number| number.parse().ok()).unwrap_or(60)
}

/// All processes below this one.
pub fn descendants(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let children = text.split_whitespace().filter_map(|word| word.parse::<u32>().ok());
    children.flat_map(|child| [vec![child], descendants(child)].concat()).collect()
}

/// How many descriptors a process has.
pub fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// KiB of memory that a process has to itself.
pub fn memory(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("Private_Dirty:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Waits until the listener is alone again, with the descriptors that it had before.
pub fn assert_clean(server: &Server, before: usize) {
    let until = Instant::now() + Duration::from_secs(30);
    while !descendants(server.pid()).is_empty() {
        let left = descendants(server.pid());
        assert!(Instant::now() < until, "processes are left: {left:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Its last descriptor of them goes a moment after they do.
    wait_until("the descriptors", || descriptors(server.pid()) <= before);
}

fn raised() -> String {
    let size = size() * 2 + 10;
    format!("MaxStartups {size}:100:{size}\nLoginGraceTime 600\nLogLevel ERROR")
}

fn many_logins_at_once() {
    let server = Server::start_quiet(&raised());
    assert_eq!(server.login("echo in").out, "in\n");
    wait_until("its end", || descendants(server.pid()).is_empty());
    let (before, memory_before) = (descriptors(server.pid()), memory(server.pid()));
    let begun = Instant::now();
    let server = &server;
    let good = std::thread::scope(|scope| {
        let all: Vec<_> = (0..size())
            .map(|number| {
                scope.spawn(move || {
                    let target = server.folder.target();
                    let command = format!("echo number {number}");
                    let ssh = server.folder.ssh(&["-o", "ConnectTimeout=300", &target, &command]);
                    let seen = super::support::outcome_within(ssh, Duration::from_secs(300));
                    let good = seen.out == format!("number {number}\n");
                    if !good {
                        println!("  {number}: {:?} {} {}", seen.status, seen.out, seen.err);
                    }
                    usize::from(good)
                })
            })
            .collect();
        all.into_iter().map(|login| login.join().unwrap_or(0)).sum::<usize>()
    });
    println!("  {good} logins in {:.1} seconds", begun.elapsed().as_secs_f32());
    assert_eq!(good, size());
    assert_clean(server, before);
    let grown = memory(server.pid()).saturating_sub(memory_before);
    println!("  the listener grew by {grown} KiB");
    assert!(grown < 2048, "{grown} KiB");
}

fn many_idle() {
    // Half of them logged in, half never say a word.
    let server = Server::start_quiet(&raised());
    // The connection that found it listening.
    wait_until("its end", || descendants(server.pid()).is_empty());
    let before = descriptors(server.pid());
    let target = server.folder.target();
    let silent: Vec<_> = (0..size() / 2).map(|_| connect(server.folder.port)).collect();
    let inside: Vec<Running> = (0..size() / 2)
        .map(|_| Running::ready(server.folder.ssh(&[&target, "echo ready; exec sleep 600"])))
        .collect();
    let processes = descendants(server.pid());
    let together: u64 = processes.iter().map(|pid| memory(*pid)).sum();
    let each = together / size().max(1) as u64;
    println!("  {} connections, {} processes, {each} KiB each", size(), processes.len());
    assert!(processes.len() >= size() / 2 * 2 + size() / 2 * 3, "{}", processes.len());
    // All of a debug build.
    assert!(each < 6 * 1024, "{each} KiB");
    let seen = outcome(server.folder.ssh(&[&target, "echo one more"]));
    assert_eq!(seen.out, "one more\n", "{}", seen.err);
    drop(silent);
    drop(inside);
    assert_clean(&server, before);
}
