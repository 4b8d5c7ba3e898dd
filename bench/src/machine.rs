//! On what the numbers were taken.

use std::fs;

use keyway_testkit::Implementation;
use keyway_testkit::process::{DEADLINE, run};

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").trim().to_owned()
}

fn version(implementation: Implementation) -> String {
    let mut command = std::process::Command::new(implementation.tool("ssh"));
    let run = run(command.arg("-V"), b"", DEADLINE);
    run.stderr.trim().to_owned()
}

/// A paragraph about this machine.
pub fn describe() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!(
        "{} against {}, on {cores} cores of {model}, Linux {}, TCP congestion control {}, \
         load {} when it began.\n\
         Ratios are OpenSSH's number divided by ours: above 1 means that Keyway is better.\n",
        version(Implementation::Ours),
        version(Implementation::OpenSsh),
        first_line("/proc/sys/kernel/osrelease"),
        first_line("/proc/sys/net/ipv4/tcp_congestion_control"),
        first_line("/proc/loadavg").split(' ').next().unwrap_or("?"),
    )
}
