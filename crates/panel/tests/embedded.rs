//! The panel itself with this machine as its cloud, in a network of the test's own: what servers
//! are told about themselves, and what is left when the panel is killed at any moment.

#![expect(clippy::unwrap_used, reason = "in a test that should end it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

struct Panel {
    folder: tempfile::TempDir,
    child: Option<Child>,
}

/// None where this user may not make networks.
fn panel() -> Option<Panel> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can make networks");
        return None;
    }
    #[expect(deprecated, reason = "its flags that need care are not used")]
    let alone = rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNET);
    alone.unwrap();
    run("ip", &["link", "set", "lo", "up"]);
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()]);
    let mut panel = Panel { folder, child: None };
    panel.start();
    panel.order(&["key", "add", "key", &format!("{}.pub", key.display())]);
    Some(panel)
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Panel {
    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyway-panel"));
        command.arg("--state").arg(self.state());
        command
    }

    fn start(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = self.command();
        command
            .args(["--listen", "127.0.0.1:18080", "--keyway"])
            .arg(testkit::program::keyway())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.child = Some(command.spawn().unwrap());
        let begin = Instant::now();
        while !self.command().arg("fingerprint").output().unwrap().status.success() {
            assert!(begin.elapsed() < Duration::from_secs(60), "{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// At once, or as it is asked to.
    fn end(&mut self, signal: &str) {
        let Some(mut child) = self.child.take() else { return };
        let _ = Command::new("kill").args([signal, &child.id().to_string()]).status();
        child.wait().unwrap();
    }

    fn order(&self, words: &[&str]) -> String {
        let output = self.command().args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}\n{}", self.log());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Name, status and address of every server.
    fn servers(&self) -> Vec<[String; 3]> {
        let list = self.order(&["server", "list"]);
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        list.lines()
            .map(|line| match words(line).as_slice() {
                [_, name, status, address, ..] => [name.clone(), status.clone(), address.clone()],
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn ssh(&self, address: &str, command: &str) -> Output {
        Command::new("/usr/bin/ssh")
            .args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"])
            .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-i"])
            .arg(self.folder.path().join("key"))
            .args([&format!("root@{address}"), command])
            .output()
            .unwrap()
    }

    fn inside(&self, address: &str, command: &str) -> String {
        let output = self.ssh(address, command);
        assert!(output.status.success(), "{command}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// What is on this machine for servers, besides rows.
    fn left(&self) -> BTreeMap<&'static str, usize> {
        let count = |entries: std::io::Result<std::fs::ReadDir>| entries.map_or(0, Iterator::count);
        let interfaces = run("ip", &["-o", "link"]).matches(": kw").count();
        let state = self.state();
        let shims = std::fs::read_dir("/proc").unwrap().flatten().filter(|process| {
            let words = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).into_owned();
            words.contains("\0shim\0") && words.contains(state.to_str().unwrap())
        });
        let table = run("nft", &["list", "tables"]);
        let instance = table.split("keyway_").nth(1).map(|rest| rest.trim().to_owned());
        let groups = instance.map_or(0, |instance| {
            let group = |root: &Path| count_folders(&root.join(format!("keyway-{instance}")));
            let root = Path::new("/sys/fs/cgroup");
            group(root).max(group(&root.join("memory")))
        });
        BTreeMap::from([
            ("folders", count(std::fs::read_dir(state.join("cloud/servers")))),
            ("interfaces", interfaces),
            ("shims", shims.count()),
            ("control groups", groups),
        ])
    }
}

fn count_folders(path: &Path) -> usize {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().is_dir()).count()
}

impl Drop for Panel {
    fn drop(&mut self) {
        if self.child.is_some() {
            for [name, ..] in self.servers() {
                let _ = self.command().args(["server", "delete", &name]).output();
            }
        }
        self.end("-TERM");
    }
}

#[test]
fn servers_are_told_about_themselves() {
    let Some(mut panel) = panel() else { return };
    let data = panel.folder.path().join("user-data");
    std::fs::write(&data, "#!/bin/sh\necho mine\n").unwrap();
    panel.order(&[
        "server",
        "create",
        "one",
        "--key",
        "key",
        "--user-data",
        data.to_str().unwrap(),
    ]);
    panel.order(&["server", "create", "two", "--key", "key"]);
    let servers = panel.servers();
    let at = |name: &str| servers.iter().find(|[other, ..]| other == name).unwrap()[2].clone();
    let (one, two) = (at("one"), at("two"));
    let ask = |address: &str, path: &str| {
        panel.inside(address, &format!("curl -sf -m 5 http://169.254.169.254/{path} || echo $?"))
    };
    for (name, address) in [("one", &one), ("two", &two)] {
        assert_eq!(ask(address, "latest/meta-data/local-ipv4"), *address);
        assert_eq!(ask(address, "2009-04-04/meta-data/hostname"), name);
        assert_eq!(ask(address, "latest/meta-data/public-keys/"), "0=key");
        let meta: serde_json::Value =
            serde_json::from_str(&ask(address, "openstack/latest/meta_data.json")).unwrap();
        assert_eq!(meta["name"], name);
        assert_eq!(meta["uuid"], ask(address, "latest/meta-data/instance-id"));
    }
    let line = std::fs::read_to_string(panel.folder.path().join("key.pub")).unwrap();
    let key = ask(&one, "latest/meta-data/public-keys/0/openssh-key");
    assert!(
        !key.is_empty() && line.starts_with(key.rsplit_once(' ').map_or(&*key, |(key, _)| key))
    );
    assert_eq!(ask(&one, "latest/user-data"), "#!/bin/sh\necho mine");
    assert_eq!(ask(&one, "openstack/2018-08-27/user_data"), "#!/bin/sh\necho mine");
    assert_eq!(ask(&two, "latest/user-data"), "22", "there is none");
    assert_eq!(ask(&two, "").lines().next_back(), Some("openstack"));

    // The service itself is nobody's but servers', and only by that address.
    for address in ["169.254.1.1", "169.254.169.254"] {
        let url = format!("http://{address}/latest/meta-data/");
        let asked = Command::new("curl").args(["-s", "-m", "2", &url]).output().unwrap();
        assert!(!asked.status.success() && asked.stdout.is_empty(), "{asked:?}");
    }
    let by_gateway = "curl -s -m 2 http://169.254.1.1/latest/meta-data/ || echo refused";
    assert_eq!(panel.inside(&one, by_gateway), "refused");
    let panel_itself = "curl -s -m 2 http://169.254.1.1:18080/ || echo refused";
    assert_eq!(panel.inside(&one, panel_itself), "refused");

    // With the last server, and the panel, everything goes.
    panel.order(&["server", "delete", "one"]);
    panel.order(&["server", "delete", "two"]);
    panel.end("-TERM");
    assert!(!run("nft", &["list", "tables"]).contains("keyway_"));
    assert!(panel.left().values().all(|left| *left == 0), "{:?}", panel.left());
}

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
