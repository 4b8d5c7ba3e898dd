//! How long a command takes on a connection that is there already.

use std::time::Instant;

use keyway_testkit::Implementation::{OpenSsh, Ours};

use crate::Effort;
use crate::proc;
use crate::report::{Table, median_time, milliseconds, times_better};
use crate::rig::{self, Pair};

/// Who uses a connection, and who keeps it; the base first.
const PAIRS: [Pair; 4] = [
    Pair { client: OpenSsh, server: OpenSsh },
    Pair { client: Ours, server: Ours },
    Pair { client: Ours, server: OpenSsh },
    Pair { client: OpenSsh, server: Ours },
];

/// `ssh host true` over a shared connection, one after another, to OpenSSH's server.
pub fn section(effort: &Effort) -> String {
    let mut table = Table::new(
        "`ssh host true` over a shared connection",
        &["client over keeper", "wall", "ratio", "CPU of the client", "ratio"],
    );
    let server = rig::start(OpenSsh);
    let mut base = None;
    for (number, pair) in PAIRS.into_iter().enumerate() {
        let path = server.folder().join(format!("control-{number}"));
        let path = format!("ControlPath={}", path.display());
        let keeper = Pair { client: pair.server, server: OpenSsh };
        let keeps = [path.as_str(), "ControlMaster=yes", "ControlPersist=yes"];
        let mut first = rig::client(keeper, &server, &keeps, "true");
        let command = rig::quiet(&mut first);
        let status = command.status();
        rig::check(command, status);
        let mut walls = Vec::new();
        let before = proc::children_time();
        let count = effort.logins.max(1) as u32 * 4;
        for _ in 0..count {
            let mut client = rig::client(pair, &server, &[&path], "true");
            let command = rig::quiet(&mut client);
            let began = Instant::now();
            let status = command.status();
            walls.push(began.elapsed());
            rig::check(command, status);
        }
        let cpu = proc::children_time().saturating_sub(before) / count;
        let mut last = rig::client(keeper, &server, &[&path], "").arg("-O").arg("exit");
        // A keeper that stays ends with its server.
        let _ = rig::quiet(&mut last).status();
        let wall = median_time(&walls);
        let (base_wall, base_cpu) = *base.get_or_insert((wall, cpu));
        table.row(&[
            pair.to_string().replace(" to ", " over "),
            milliseconds(wall),
            times_better(base_wall.as_secs_f64(), wall.as_secs_f64()),
            milliseconds(cpu),
            times_better(base_cpu.as_secs_f64(), cpu.as_secs_f64()),
        ]);
    }
    table.finish(&format!(
        "Median wall of {} commands. The server starts a program for each, which costs all the same.",
        effort.logins.max(1) * 4
    ))
}
