//! The panel is killed at any moment: what it comes back to, and what is left.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::fixture::panel;

#[test]
fn killed_at_any_moment() {
    let Some(mut panel) = panel() else { return };
    panel.order(&["server", "create", "old", "--key", "key"]);
    let moments = [0, 400, 15, 300, 30, 230, 50, 170, 80, 120];
    for (round, moment) in moments.into_iter().enumerate() {
        let name = format!("new{round}");
        let given: &[&[&str]] = match round % 3 {
            0 => &[&["server", "create", &name, "--key", "key"], &["server", "rebuild", "old"]],
            1 => &[&["server", "create", &name, "--key", "key"], &["server", "stop", "old"]],
            _ => &[&["server", "create", &name, "--key", "key"], &["server", "delete", "new0"]],
        };
        let mut orders: Vec<Child> = given
            .iter()
            .map(|words| {
                let mut command = panel.command();
                command.args(*words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
            })
            .collect();
        std::thread::sleep(Duration::from_millis(moment));
        panel.end("-KILL");
        for order in &mut orders {
            order.wait().unwrap();
        }
        panel.start();
    }
    // Every server comes to a state that a person understands.
    let begin = Instant::now();
    let servers = loop {
        let servers = panel.servers();
        // A server whose end was under way when the panel came back is noticed a moment later.
        std::thread::sleep(Duration::from_secs(1));
        let settled = |[_, status, _]: &[String; 3]| {
            ["active", "shutoff", "error"].contains(&status.as_str())
        };
        if servers == panel.servers() && servers.iter().all(settled) {
            break servers;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{servers:?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let mut active = 0;
    for [name, status, address] in &servers {
        if status == "active" {
            active += 1;
            assert_eq!(panel.inside(address, "uname -n"), *name);
        }
    }
    let left = panel.left();
    assert_eq!([left["interfaces"], left["shims"]], [active, active], "{left:?} {servers:?}");
    assert!(
        left["folders"] <= servers.len() && left["control groups"] <= servers.len(),
        "{left:?}"
    );

    for [name, ..] in &servers {
        panel.order(&["server", "delete", name]);
    }
    assert!(panel.left().values().all(|left| *left == 0), "{:?}", panel.left());
}
