//! Making keys, and signing with them through an agent.

#![expect(clippy::expect_used, reason = "what cannot be measured ends the benchmark")]

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ::keys::agent::{RSA_SHA2_512, Request};
use ::keys::{KeyKind, PrivateKey, PublicKey};
use keyway_testkit::Implementation::{self, OpenSsh, Ours};
use keyway_testkit::Running;
use net::agent::AgentClient;

use crate::report::{Table, median_time, milliseconds, times_better};
use crate::{Effort, proc, rig};

const PROGRAMS: [Implementation; 2] = [OpenSsh, Ours];

/// RSA generation, an ed25519 pair, and an agent's signatures.
pub fn section(effort: &Effort) -> String {
    let mut text = making(effort);
    text.push_str(&signing(effort));
    text
}

fn name(implementation: Implementation) -> String {
    if implementation == Ours { "Keyway" } else { "OpenSSH" }.to_owned()
}

/// `ssh-keygen -t ... -N ''`, the files included.
fn making(effort: &Effort) -> String {
    let rounds = effort.rsa_keys;
    let quick_rounds = effort.logins * 5;
    let mut table = Table::new(
        "Making a key pair and saving it without a passphrase",
        &["", "key", "wall", "ratio", "CPU", "ratio"],
    );
    let kinds: [(&str, &[&str], usize); 3] = [
        ("RSA 3072", &["-t", "rsa", "-b", "3072"], rounds),
        ("RSA 4096", &["-t", "rsa", "-b", "4096"], rounds),
        // A tick of the CPU's clock is longer than this takes.
        ("ed25519", &["-t", "ed25519"], quick_rounds),
    ];
    for (kind, flags, rounds) in kinds {
        let mut base = None;
        for implementation in PROGRAMS {
            let program = implementation.tool("ssh-keygen");
            let folder = tempfile::tempdir().expect("temporary folder");
            let mut walls = Vec::new();
            let before = proc::children_time();
            for round in 0..rounds {
                let mut command = Command::new(&program);
                command.args(flags).args(["-q", "-N", "", "-C", "bench", "-f"]);
                command.arg(folder.path().join(round.to_string()));
                command.stdin(Stdio::null()).stdout(Stdio::null());
                let began = Instant::now();
                let status = command.status();
                walls.push(began.elapsed());
                rig::check(&command, status);
            }
            let cpu = proc::children_time().saturating_sub(before) / rounds.max(1) as u32;
            let wall = median_time(&walls);
            let (base_wall, base_cpu) = *base.get_or_insert((wall, cpu));
            table.row(&[
                name(implementation),
                kind.to_owned(),
                milliseconds(wall),
                times_better(base_wall.as_secs_f64(), wall.as_secs_f64()),
                milliseconds(cpu),
                times_better(base_cpu.as_secs_f64(), cpu.as_secs_f64()),
            ]);
        }
    }
    table.finish(&format!(
        "Median wall of {rounds} RSA keys and {quick_rounds} ed25519 keys, mean CPU. How long an \
         RSA key takes is a matter of luck: single runs differ by a factor of ten."
    ))
}

/// One client that asks for signatures one after the other.
fn signing(effort: &Effort) -> String {
    let count = effort.logins * 50;
    let mut table = Table::new(
        "Signatures by an agent, one client",
        &["", "key", "signatures/s", "ratio", "CPU of the agent", "ratio"],
    );
    for (kind, bits, flags) in
        [(KeyKind::Ed25519, None, 0), (KeyKind::Rsa, Some(3072), RSA_SHA2_512)]
    {
        let mut base = None;
        for implementation in PROGRAMS {
            let (rate, cpu) = signatures(implementation, kind, bits, flags, count);
            let (base_rate, base_cpu) = *base.get_or_insert((rate, cpu));
            table.row(&[
                name(implementation),
                if kind == KeyKind::Rsa { "RSA 3072" } else { "ed25519" }.to_owned(),
                format!("{rate:.0}"),
                // More is better here.
                times_better(rate, base_rate),
                milliseconds(cpu),
                times_better(base_cpu.as_secs_f64(), cpu.as_secs_f64()),
            ]);
        }
    }
    table.finish(&format!("{count} signatures of a message as long as a login's."))
}

/// Signatures a second, and the agent's CPU time for one of them.
fn signatures(
    implementation: Implementation,
    kind: KeyKind,
    bits: Option<u32>,
    flags: u32,
    count: usize,
) -> (f64, Duration) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let socket = folder.path().join("socket");
    let mut command = Command::new(implementation.tool("ssh-agent"));
    command.arg("-D").arg("-a").arg(&socket).env("HOME", folder.path());
    let agent = Running::start(&mut command, &folder.path().join("log"));
    let mut client = connect(&socket);
    let public = give_key(&mut client, kind, bits);
    let message = [7; 300];
    let mut sign = || client.sign(&public, &message, flags).expect("a signature");
    sign();
    let before = proc::tree_time(agent.id());
    let began = Instant::now();
    for _ in 0..count {
        sign();
    }
    let wall = began.elapsed();
    let cpu = proc::tree_time(agent.id()).saturating_sub(before);
    (count as f64 / wall.as_secs_f64(), cpu / count.max(1) as u32)
}

fn connect(socket: &Path) -> AgentClient {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return AgentClient::from_stream(stream, Duration::from_secs(60)),
            Err(problem) => assert!(Instant::now() < until, "no agent: {problem}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn give_key(client: &mut AgentClient, kind: KeyKind, bits: Option<u32>) -> PublicKey {
    let key = PrivateKey::generate(kind, bits, "bench").expect("a key");
    let public = key.public().clone();
    let request = Request::AddIdentity { key: Box::new(key), constraints: Vec::new() };
    client.perform(&request).expect("the agent takes the key");
    public
}
