//! Starting up, and the room on disk.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use keyway_testkit::Implementation::{self, OpenSsh, Ours};

use crate::report::{Table, median_time, milliseconds, times_better};
use crate::{Effort, rig};

fn start_up(implementation: Implementation, times: usize) -> std::time::Duration {
    let program = implementation.tool("ssh");
    let mut walls = Vec::new();
    for _ in 0..times {
        let mut command = Command::new(&program);
        command.arg("-V").stdin(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let status = command.status();
        walls.push(began.elapsed());
        rig::check(&command, status);
    }
    median_time(&walls)
}

/// Bytes of the programs, each counted once where links share one.
fn bytes(implementation: Implementation) -> u64 {
    let mut files: Vec<_> = ["ssh", "sshd", "ssh-keygen"]
        .iter()
        .filter_map(|tool| fs::canonicalize(implementation.tool(tool)).ok())
        .collect();
    files.sort();
    files.dedup();
    // Ours has what serves connections in a second file.
    if implementation == Ours
        && let Some(folder) = files.first().and_then(|file| file.parent())
    {
        files.push(folder.join("../libexec/keyway/sshd-connection"));
    }
    files.iter().filter_map(|file| fs::metadata(file).ok()).map(|data| data.len()).sum()
}

/// `ssh -V`, and `ssh`, `sshd`, `ssh-keygen` on disk.
pub fn section(effort: &Effort) -> String {
    let mut table = Table::new(
        "Start-up and size",
        &["", "`ssh -V`", "ratio", "ssh, sshd and ssh-keygen", "ratio"],
    );
    let mut base = None;
    for implementation in [OpenSsh, Ours] {
        let time = start_up(implementation, effort.logins * 2);
        let size = bytes(implementation);
        let (base_time, base_size) = *base.get_or_insert((time, size));
        table.row(&[
            if implementation == Ours { "Keyway" } else { "OpenSSH" }.to_owned(),
            milliseconds(time),
            times_better(base_time.as_secs_f64(), time.as_secs_f64()),
            format!("{} KiB", size >> 10),
            times_better(base_size as f64, size as f64),
        ]);
    }
    table.finish(
        "Debian's programs are linked against its OpenSSL (libcrypto, some 4.6 MiB) and others, \
         which are not counted; Keyway's two files, `keyway` and `sshd-connection`, have their cryptography in them.",
    )
}
