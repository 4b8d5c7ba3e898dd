//! A panel of the test's own, in a network of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use panel::accounts::{Accounts, Role};
use panel::store::Store;

use crate::people;

/// Where it listens: nobody else is in this network.
pub const ADDRESS: &str = "127.0.0.1:18080";

pub struct Panel {
    pub folder: tempfile::TempDir,
    child: Option<Child>,
}

/// None where this user may not make networks.
pub fn panel() -> Option<Panel> {
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

pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Panel {
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyway-panel"));
        command.arg("--state").arg(self.state());
        command
    }

    pub fn start(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = self.command();
        command
            .args(["--listen", ADDRESS, "--keyway"])
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

    /// Somebody with a project of the same name, and `people::PASSWORD`.
    pub fn member(&self, name: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let database = format!("sqlite:{}", self.state().join("panel.db").display());
            let store = Store::open(&database).await.unwrap();
            people::user(&Accounts::new(store.clone()), name, name, Role::Member).await;
            store.close().await;
        });
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// At once, or as it is asked to.
    pub fn end(&mut self, signal: &str) {
        let Some(mut child) = self.child.take() else { return };
        let _ = Command::new("kill").args([signal, &child.id().to_string()]).status();
        child.wait().unwrap();
    }

    pub fn order(&self, words: &[&str]) -> String {
        let output = self.command().args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}\n{}", self.log());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Name, status and address of every server.
    pub fn servers(&self) -> Vec<[String; 3]> {
        let list = self.order(&["server", "list"]);
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        list.lines()
            .map(|line| match words(line).as_slice() {
                [_, name, status, address, ..] => [name.clone(), status.clone(), address.clone()],
                other => panic!("{other:?}"),
            })
            .collect()
    }

    pub fn ssh_command(&self, address: &str, command: &str) -> Command {
        let mut ssh = Command::new("/usr/bin/ssh");
        ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"])
            .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"])
            .args(["-o", "ConnectTimeout=5", "-i"])
            .arg(self.folder.path().join("key"))
            .args([&format!("root@{address}"), command]);
        ssh
    }

    pub fn ssh(&self, address: &str, command: &str) -> Output {
        self.ssh_command(address, command).output().unwrap()
    }

    /// Whether it is what its name says that answers.
    pub fn answers(&self, address: &str, name: &str) -> bool {
        let output = self.ssh(address, "uname -n");
        output.status.success() && String::from_utf8_lossy(&output.stdout).trim() == name
    }

    pub fn inside(&self, address: &str, command: &str) -> String {
        let output = self.ssh(address, command);
        assert!(output.status.success(), "{command}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// What is on this machine for servers, besides rows.
    pub fn left(&self) -> BTreeMap<&'static str, usize> {
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
            // In one hierarchy, or in each controller's.
            ["", "memory", "pids", "cpu", "blkio", "systemd"]
                .into_iter()
                .map(|part| {
                    let root = Path::new("/sys/fs/cgroup").join(part);
                    named(&root, &format!("keyway-{instance}"))
                })
                .max()
                .unwrap_or_default()
        });
        let backing = |device: &Path| std::fs::read_to_string(device.join("loop/backing_file"));
        let loops = std::fs::read_dir("/sys/block").unwrap().flatten().filter(|device| {
            backing(&device.path()).is_ok_and(|file| file.starts_with(state.to_str().unwrap()))
        });
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        BTreeMap::from([
            ("folders", count(std::fs::read_dir(state.join("cloud/servers")))),
            ("interfaces", interfaces),
            ("shims", shims.count()),
            ("control groups", groups),
            ("disks in use", loops.count()),
            ("mounts", mounts.matches(state.to_str().unwrap()).count()),
        ])
    }
}

fn named(folder: &Path, beginning: &str) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(beginning)).count()
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
