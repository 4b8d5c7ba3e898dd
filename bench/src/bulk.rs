//! A gibibyte each way, beside what the machine could do at most.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::Effort;
use crate::limit::{self, Direction};
use crate::report::{Table, median, times_better};
use crate::rig::{self, Cost, PAIRS, Pair};

const CIPHERS: [&str; 2] = ["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com"];

/// Bytes that no compression shrinks, in memory where there is a place for it.
fn data(bytes: u64) -> io::Result<(tempfile::TempDir, PathBuf)> {
    let shared = Path::new("/dev/shm");
    let folder = if shared.is_dir() { tempfile::tempdir_in(shared)? } else { tempfile::tempdir()? };
    let path = folder.path().join("data");
    let mut noise = vec![0; 1 << 20];
    File::open("/dev/urandom")?.read_exact(&mut noise)?;
    let mut file = File::create(&path)?;
    for _ in 0..bytes >> 20 {
        file.write_all(&noise)?;
    }
    // The server's user may be another.
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    Ok((folder, path))
}

fn transfer(pair: Pair, cipher: &str, direction: Direction, path: &Path) -> Cost {
    let server = rig::start(pair.server);
    let remote = match direction {
        Direction::Up => "cat >/dev/null".to_owned(),
        Direction::Down => format!("cat {}", path.display()),
    };
    let option = format!("Ciphers={cipher}");
    let mut client = rig::client(pair, &server, &[&option], &remote);
    let command = rig::quiet(&mut client);
    if direction == Direction::Up {
        let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        command.stdin(Stdio::from(file));
    }
    rig::measure(&server, command)
}

struct Row {
    name: String,
    costs: Vec<Cost>,
}

impl Row {
    fn middle(&self, part: impl Fn(&Cost) -> Duration) -> f64 {
        let times: Vec<Duration> = self.costs.iter().map(part).collect();
        median(&times).unwrap_or_default().as_secs_f64()
    }
}

/// Both ciphers, both directions, all pairs.
pub fn section(effort: &Effort) -> String {
    let (_folder, path) = match data(effort.bytes) {
        Ok(made) => made,
        Err(error) => return format!("bulk: no room for {} bytes: {error}\n", effort.bytes),
    };
    let gibibytes = effort.bytes as f64 / f64::from(1 << 30);
    let mut text = String::new();
    for cipher in CIPHERS {
        for direction in [Direction::Up, Direction::Down] {
            let mut rows: Vec<Row> = PAIRS
                .iter()
                .map(|pair| Row { name: pair.to_string(), costs: Vec::new() })
                .collect();
            let mut most = Row { name: "what the machine can do".to_owned(), costs: Vec::new() };
            // In turns, so that what else the machine does hits all alike.
            for _ in 0..effort.transfers {
                for (pair, row) in PAIRS.iter().zip(&mut rows) {
                    row.costs.push(transfer(*pair, cipher, direction, &path));
                }
                match limit::run(cipher, direction, &path) {
                    Ok(cost) => most.costs.push(cost),
                    Err(error) => return format!("the limit program failed: {error}\n"),
                }
            }
            let base = (rows[0].middle(|cost| cost.wall), rows[0].middle(Cost::cpu));
            let command = match direction {
                Direction::Up => "`ssh host 'cat >/dev/null' < file`",
                Direction::Down => "`ssh host 'cat file' > /dev/null`",
            };
            let mut table = Table::new(
                &format!("{command}, {cipher}"),
                &["client to server", "MiB/s", "ratio", "CPU s/GiB", "client", "server", "ratio"],
            );
            for row in rows.iter().chain([&most]) {
                let wall = row.middle(|cost| cost.wall);
                let cpu = row.middle(Cost::cpu);
                table.row(&[
                    row.name.clone(),
                    format!("{:.0}", gibibytes * 1024.0 / wall),
                    times_better(base.0, wall),
                    format!("{:.2}", cpu / gibibytes),
                    format!("{:.2}", row.middle(|cost| cost.client) / gibibytes),
                    format!("{:.2}", row.middle(|cost| cost.server) / gibibytes),
                    times_better(base.1, cpu),
                ]);
            }
            text.push_str(&table.finish(
                "CPU is that of every process of both ends, `cat` too. The last row is one \
                 program of threads that only reads, seals, passes through loopback TCP, opens, \
                 and passes through the same pipe.",
            ));
        }
    }
    text
}
