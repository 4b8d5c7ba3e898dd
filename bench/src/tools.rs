//! Tools that are called often: host keys of many hosts, and the configuration of one.

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use keyway_testkit::Implementation::{self, OpenSsh, Ours};
use keyway_testkit::Server;

use crate::Effort;
use crate::proc;
use crate::report::{Table, median_time, milliseconds, times_better};
use crate::rig;

/// Hosts that are asked for their keys.
const HOSTS: usize = 200;
/// `Host` blocks of a long configuration.
const BLOCKS: usize = 2000;

fn name(implementation: Implementation) -> &'static str {
    match implementation {
        Ours => "Keyway",
        OpenSsh => "OpenSSH",
    }
}

/// `ssh-keyscan` of two hundred addresses.
pub fn scan(_: &Effort) -> String {
    let addresses: Vec<String> = (1..=HOSTS).map(|number| format!("127.0.7.{number}")).collect();
    let mut server = Server::new(Ours).config("MaxStartups 2000");
    for address in &addresses {
        server = server.config(format!("ListenAddress {address}"));
    }
    let server = server.start();
    let list = server.folder().join("hosts");
    if let Err(error) = fs::write(&list, addresses.join("\n") + "\n") {
        return format!("keyscan: {error}\n");
    }
    let mut table = Table::new(
        &format!("`ssh-keyscan -f` of {HOSTS} hosts"),
        &[
            "program",
            "one type of key",
            "ratio",
            "CPU",
            "ratio",
            "all types",
            "ratio",
            "keys found",
        ],
    );
    let mut base = None;
    for implementation in [OpenSsh, Ours] {
        let mut found = 0;
        // Two hundred hosts are a sample of their own; OpenSSH takes a quarter of a minute for them.
        let mut scan = |kinds: &[&str]| {
            let before = proc::children_time();
            let mut command = Command::new(implementation.tool("ssh-keyscan"));
            command.args(["-p", &server.port.to_string(), "-T", "20"]).args(kinds);
            command.arg("-f").arg(&list).stderr(Stdio::null());
            let began = Instant::now();
            let output = command.output();
            let wall = began.elapsed();
            found = output.map_or(0, |output| output.stdout.split(|byte| *byte == b'\n').count());
            (wall, proc::children_time().saturating_sub(before))
        };
        let (one, cpu) = scan(&["-t", "ed25519"]);
        let (all, _) = scan(&[]);
        let base = *base.get_or_insert((one, cpu, all));
        table.row(&[
            name(implementation).to_owned(),
            milliseconds(one),
            times_better(base.0.as_secs_f64(), one.as_secs_f64()),
            milliseconds(cpu),
            times_better(base.1.as_secs_f64(), cpu.as_secs_f64()),
            milliseconds(all),
            times_better(base.2.as_secs_f64(), all.as_secs_f64()),
            found.saturating_sub(1).to_string(),
        ]);
    }
    table.finish(
        "The hosts are addresses of this machine and one server, Keyway's, which works on the same cores; CPU is that of \
         `ssh-keyscan` alone, for one type of key.",
    )
}

/// `ssh -G`.
pub fn configuration(effort: &Effort) -> String {
    let mut table = Table::new(
        &format!("`ssh -G host`, and with {BLOCKS} `Host` blocks"),
        &["program", "no file", "ratio", "long file", "ratio", "CPU of the long one"],
    );
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => return format!("config: {error}\n"),
    };
    let mut text = String::new();
    for number in 0..BLOCKS {
        let _ = write!(
            text,
            "Host host{number} *.net{number}.test !not.net{number}.test\n  User user{number}\n  Port 2{number:04}\n  \
             IdentityFile ~/.ssh/id_{number}\n  ForwardAgent no\n"
        );
    }
    let file = folder.path().join("config");
    if let Err(error) = fs::write(&file, text) {
        return format!("config: {error}\n");
    }
    let mut base: Option<[Duration; 2]> = None;
    for implementation in [OpenSsh, Ours] {
        let time = |file: &str| {
            let mut walls = Vec::new();
            let before = proc::children_time();
            let count = effort.logins.max(1) as u32;
            for _ in 0..count {
                let mut command = Command::new(implementation.tool("ssh"));
                command.args(["-G", "-F", file, "host1999"]);
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                let began = Instant::now();
                let status = command.status();
                walls.push(began.elapsed());
                rig::check(&command, status);
            }
            (median_time(&walls), proc::children_time().saturating_sub(before) / count)
        };
        let (short, _) = time("none");
        let (long, cpu) = time(&file.display().to_string());
        let base = *base.get_or_insert([short, long]);
        table.row(&[
            name(implementation).to_owned(),
            milliseconds(short),
            times_better(base[0].as_secs_f64(), short.as_secs_f64()),
            milliseconds(long),
            times_better(base[1].as_secs_f64(), long.as_secs_f64()),
            milliseconds(cpu),
        ]);
    }
    table.finish("The time of a whole process, from its start to its end.")
}
