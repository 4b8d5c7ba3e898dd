//! The panel is killed at any moment: what it comes back to, and what is left.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::fixture::{Panel, panel};

/// More with `KEYWAY_KILLS`.
const ROUNDS: u64 = 20;
/// Within which a server that is called active answers.
const PATIENCE: Duration = Duration::from_secs(10);
/// More servers than this are deleted between rounds.
const SERVERS_MAX: usize = 2;

/// Moments that are the same in every run.
struct Moments(u64);

impl Moments {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn killed_at_any_moment() {
    let Some(mut panel) = panel() else { return };
    panel.order(&["server", "create", "old", "--key", "key"]);
    let old = panel.servers()[0][2].clone();
    let rounds = std::env::var("KEYWAY_KILLS").ok().and_then(|text| text.parse().ok());
    let mut moments = Moments(std::env::var("KEYWAY_SEED").map_or(1, |seed| seed.parse().unwrap()));
    for round in 0..rounds.unwrap_or(ROUNDS) {
        let (new, before) = (format!("new{round}"), format!("new{}", round.saturating_sub(1)));
        let second: &[&str] = match moments.below(6) {
            0 | 1 => &["server", "rebuild", "old"],
            2 | 3 => &["server", "delete", &before],
            4 => &["server", "stop", "old"],
            _ => &["reboot"],
        };
        let orders = [&["server", "create", &new, "--key", "key"], second].map(|words| {
            // The server itself can restart, too.
            let mut command = match words {
                ["reboot"] => panel.ssh_command(&old, "reboot"),
                words => {
                    let mut command = panel.command();
                    command.args(words);
                    command
                }
            };
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        });
        std::thread::sleep(Duration::from_millis(moments.below(500)));
        panel.end("-KILL");
        for mut order in orders {
            order.wait().unwrap();
        }
        panel.start();
        active_ones_answer(&panel, &format!("round {round}, {second:?}"));
        make_room(&panel);
    }

    let servers = settled(&panel);
    let active = servers.iter().filter(|[_, status, _]| status == "active").count();
    come_to(&panel, |what, left| match what {
        "interfaces" | "shims" | "disks in use" | "control groups" => left == active || left == 0,
        "folders" => left <= servers.len(),
        _ => left == 0,
    });
    for [name, ..] in &servers {
        panel.order(&["server", "delete", name]);
    }
    come_to(&panel, |_, left| left == 0);
}

/// What is on the machine becomes right: a disk that nobody has mounted any more is let go of in
/// the background.
fn come_to(panel: &Panel, right: impl Fn(&str, usize) -> bool) {
    let begin = Instant::now();
    while !panel.left().iter().all(|(what, left)| right(what, *left)) {
        assert!(begin.elapsed() < PATIENCE, "{:?} {:?}", panel.left(), panel.servers());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What is called active is asked, and may be called something else meanwhile.
fn active_ones_answer(panel: &Panel, when: &str) {
    let begin = Instant::now();
    loop {
        let servers = panel.servers();
        let silent = servers
            .iter()
            .find(|[name, status, address]| status == "active" && !panel.answers(address, name));
        let Some(silent) = silent else { return };
        assert!(begin.elapsed() < PATIENCE, "{when}: {silent:?}\n{}", panel.log());
    }
}

fn make_room(panel: &Panel) {
    let servers = panel.servers();
    let names = servers.iter().map(|[name, ..]| name).filter(|name| *name != "old");
    let mut names: Vec<&String> = names.collect();
    names.sort();
    for name in names.iter().skip(SERVERS_MAX) {
        panel.order(&["server", "delete", name]);
    }
    match servers.iter().find(|[name, ..]| name == "old") {
        Some([_, status, _]) if status == "shutoff" => {
            drop(panel.order(&["server", "start", "old"]));
        }
        Some([_, status, _]) if status == "error" => {
            drop(panel.order(&["server", "rebuild", "old"]));
        }
        _ => {}
    }
}

/// Every server in a state that a person understands.
fn settled(panel: &Panel) -> Vec<[String; 3]> {
    let begin = Instant::now();
    loop {
        let servers = panel.servers();
        let settled = |[_, status, _]: &[String; 3]| {
            ["active", "shutoff", "error"].contains(&status.as_str())
        };
        if servers.iter().all(settled) {
            return servers;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{servers:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
