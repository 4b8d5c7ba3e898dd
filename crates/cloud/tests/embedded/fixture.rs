//! A cloud for one test.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloud::embedded::{Embedded, MemoryRecords, Settings};
use cloud::model::{KeyType, NewKeyPair, NewServer, Server, ServerRequest, Status};
use cloud::{Caller, Cloud, Role};
use tokio::runtime::Runtime;
use uuid::Uuid;

pub const REGION: &str = "ams";
const PATIENCE: Duration = Duration::from_secs(150);

pub struct Fixture {
    pub runtime: Runtime,
    pub cloud: Arc<Embedded>,
    pub records: Arc<MemoryRecords>,
    pub folder: tempfile::TempDir,
    /// Leave the servers alone at the end.
    pub keep: bool,
}

/// A cloud in a network of its own; none where this user may not make one.
pub fn fixture(change: impl FnOnce(&mut Settings)) -> Option<Fixture> {
    if !own_network() {
        return None;
    }
    let folder = tempfile::tempdir().expect("folder");
    let mut settings =
        Settings::new(folder.path().join("state"), helper(), testkit::program::keyway());
    change(&mut settings);
    make_key(folder.path());
    let records = Arc::new(MemoryRecords::default());
    let runtime = Runtime::new().expect("runtime");
    let cloud = runtime.block_on(async {
        let cloud = Embedded::new(settings, records.clone()).expect("cloud");
        cloud.start().await.expect("start");
        let key = NewKeyPair {
            name: "key".into(),
            kind: KeyType::Ssh,
            public_key: public_key(folder.path()),
        };
        cloud.add_key_pair(&caller(), REGION, key).await.expect("key pair");
        cloud
    });
    Some(Fixture { runtime, cloud, records, folder, keep: false })
}

/// This thread, and all it starts, gets a network with nothing in it.
pub fn own_network() -> bool {
    thread_local! {
        static MADE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    if MADE.get() {
        return true;
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can make networks");
        return false;
    }
    #[expect(deprecated, reason = "its flags that need care are not used")]
    let alone = rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNET);
    alone.expect("a network namespace");
    run("ip", &["link", "set", "lo", "up"]);
    MADE.set(true);
    true
}

/// This thread, and all it starts, sees no mounts made elsewhere from now on, nor the other way.
pub fn own_mounts() -> bool {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can mount");
        return false;
    }
    #[expect(deprecated, reason = "its flags that need care are not used")]
    let alone = rustix::thread::unshare(
        rustix::thread::UnshareFlags::NEWNS | rustix::thread::UnshareFlags::FS,
    );
    alone.expect("a mount namespace");
    run("mount", &["--make-rprivate", "/"]);
    true
}

pub fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).status();
    assert!(done.is_ok_and(|status| status.success()), "{program} {arguments:?}");
}

pub fn helper() -> PathBuf {
    let own = std::env::current_exe().expect("own path");
    own.parent().and_then(Path::parent).expect("target folder").join("examples/helper")
}

pub fn make_key(folder: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(folder.join("key"))
        .status();
    assert!(made.is_ok_and(|status| status.success()), "ssh-keygen");
}

pub fn public_key(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("key.pub")).expect("public key").trim().to_owned()
}

pub fn caller() -> Caller {
    Caller {
        user_id: "user".into(),
        user_name: "user".into(),
        project_id: "project".into(),
        role: Role::Member,
        request_id: format!("req-{}", Uuid::new_v4()),
        token: None,
    }
}

impl Fixture {
    pub fn new_server(&self, name: &str) -> NewServer {
        let images = self.runtime.block_on(self.cloud.images(&caller(), REGION)).expect("images");
        NewServer {
            name: name.into(),
            image_id: images.first().expect("an image").id,
            flavor_id: "1".into(),
            key_names: vec!["key".into()],
            ..NewServer::default()
        }
    }

    pub fn create(&self, name: &str) -> Server {
        let new = self.new_server(name);
        let made = self.runtime.block_on(self.cloud.create_server(&caller(), REGION, new));
        let server = self.settled(made.expect("create").id);
        assert_eq!(
            server.status,
            Status::Active,
            "{:?}\n{}",
            server.fault,
            self.console_log(server.id)
        );
        server
    }

    pub fn ask(&self, id: Uuid, request: ServerRequest) -> Server {
        let asked = self.runtime.block_on(self.cloud.request(&caller(), REGION, id, request));
        asked.expect("request");
        self.settled(id)
    }

    pub fn server(&self, id: Uuid) -> Server {
        self.runtime.block_on(self.cloud.server(&caller(), REGION, id)).expect("server")
    }

    /// The server once nothing is being done to it.
    pub fn settled(&self, id: Uuid) -> Server {
        self.until(id, |server| {
            server.task_state.is_none()
                && matches!(server.status, Status::Active | Status::Shutoff | Status::Error)
        })
    }

    pub fn until(&self, id: Uuid, wanted: impl Fn(&Server) -> bool) -> Server {
        let begin = Instant::now();
        loop {
            let server = self.server(id);
            if wanted(&server) {
                // What was done has also been noted.
                std::thread::sleep(Duration::from_millis(20));
                return server;
            }
            assert!(begin.elapsed() < PATIENCE, "{server:?}\n{}", self.console_log(id));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn delete(&self, id: Uuid) {
        self.runtime.block_on(self.cloud.delete_server(&caller(), REGION, id)).expect("delete");
    }

    pub fn console_log(&self, id: Uuid) -> String {
        let log = self.runtime.block_on(self.cloud.console_log(&caller(), REGION, id, None));
        String::from_utf8_lossy(&log.unwrap_or_default()).into_owned()
    }

    /// The public halves of its present host keys.
    pub fn host_keys(&self, id: Uuid) -> Vec<String> {
        let keys = self.runtime.block_on(self.cloud.host_keys(&caller(), REGION, id));
        let present = keys.expect("host keys").into_iter().filter(|key| key.retired_at.is_none());
        present.map(|key| key.public_key).collect()
    }

    /// Debian's `ssh`, which knows the server by nothing but what the cloud says about it.
    pub fn ssh(&self, server: &Server, command: &str) -> Output {
        self.ssh_with(&mut Command::new("/usr/bin/ssh"), server, command)
    }

    pub fn ssh_with(&self, ssh: &mut Command, server: &Server, command: &str) -> Output {
        let (address, port) = place(server);
        let known = self.folder.path().join(format!("known_hosts-{}", Uuid::new_v4()));
        let name = if port == 22 { address.clone() } else { format!("[{address}]:{port}") };
        let lines: Vec<String> =
            self.host_keys(server.id).iter().map(|key| format!("{name} {key}\n")).collect();
        std::fs::write(&known, lines.concat()).expect("known_hosts");
        ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"])
            .args(["-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=20", "-o"])
            .arg(format!("UserKnownHostsFile={}", known.display()))
            .args(["-o", "GlobalKnownHostsFile=/dev/null", "-p"])
            .arg(port.to_string())
            .arg("-i")
            .arg(self.folder.path().join("key"))
            .arg(format!("root@{address}"))
            .arg(command)
            .output()
            .expect("ssh")
    }

    /// What a command prints as root inside.
    pub fn inside(&self, server: &Server, command: &str) -> String {
        let output = self.ssh(server, command);
        assert!(output.status.success(), "{command}: {output:?}\n{}", self.console_log(server.id));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        self.runtime.block_on(async {
            let query = cloud::ServerQuery::default();
            let rows = self.cloud.servers(&caller(), REGION, &query).await;
            for server in rows.map(|(servers, _)| servers).unwrap_or_default() {
                let _ = self.cloud.delete_server(&caller(), REGION, server.id).await;
            }
        });
    }
}

pub fn place(server: &Server) -> (String, u16) {
    let at = server.addresses.first().expect("an address");
    (at.address.to_string(), at.ssh_port)
}
