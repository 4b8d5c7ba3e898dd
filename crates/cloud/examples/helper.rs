//! What `keyway-panel` is to the embedded cloud, for the tests: shim and first process, and an
//! owner that can be killed.

#![expect(clippy::expect_used, reason = "for tests, which it should end")]

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloud::embedded::{Embedded, MemoryRecords, Settings, init_main, shim_main};
use cloud::model::{KeyType, NewKeyPair, NewServer, Server, Status};
use cloud::{Caller, Cloud, Role};

/// Under this name, a shim lacks a system call that libcontainer needs and `runc` does not.
const HINDERED: &str = "hindered";

fn main() {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let status = match arguments.split_first() {
        Some((word, rest)) if word == "shim" => {
            if std::env::current_exe().is_ok_and(|own| own.ends_with(HINDERED)) {
                forbid_new_mounts();
            }
            shim_main(rest)
        }
        Some((word, rest)) if word == "init" => init_main(rest),
        Some((word, [state, keyway, public_key])) if word == "own" => {
            own(state, keyway, &public_key.to_string_lossy())
        }
        Some((word, [state, keyway, key, count])) if word == "measure" => {
            measure(state, keyway, key, count.to_string_lossy().parse().unwrap_or(20))
        }
        _ => 2,
    };
    std::process::exit(status);
}

/// The newer way of mounting, as libcontainer uses it: unlike the shim, without a flag.
fn forbid_new_mounts() {
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule,
    };
    let machine = std::env::consts::ARCH.try_into().expect("a machine with filters");
    let without_flags =
        SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, 0).expect("condition");
    let rule = SeccompRule::new(vec![without_flags]).expect("rule");
    let rules = [(libc::SYS_fsopen, vec![rule])].into();
    let forbid = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, forbid, machine);
    let program: BpfProgram = filter.expect("filter").try_into().expect("program");
    seccompiler::apply_filter(&program).expect("filter set");
}

fn caller() -> Caller {
    Caller {
        user_id: "user".into(),
        user_name: "user".into(),
        project_id: "project".into(),
        role: Role::Member,
        request_id: "req-1".into(),
        token: None,
    }
}

/// A cloud with a key, and the server to make with it.
async fn cloud(
    state: &OsString,
    keyway: &OsString,
    public_key: &str,
) -> (Arc<Embedded>, NewServer) {
    let program = std::env::current_exe().expect("own path");
    let settings = Settings::new(state, program, keyway);
    let cloud = Embedded::new(settings, Arc::new(MemoryRecords::default())).expect("cloud");
    cloud.start().await.expect("start");
    let key = NewKeyPair {
        name: "key".into(),
        kind: KeyType::Ssh,
        public_key: public_key.trim().to_owned(),
    };
    cloud.add_key_pair(&caller(), "ams", key).await.expect("key");
    let images = cloud.images(&caller(), "ams").await.expect("images");
    let new = NewServer {
        name: "owned".into(),
        image_id: images.first().expect("an image").id,
        flavor_id: "1".into(),
        key_names: vec!["key".into()],
        ..NewServer::default()
    };
    (cloud, new)
}

async fn create(cloud: &Embedded, new: NewServer) -> Server {
    let made = cloud.create_server(&caller(), "ams", new).await.expect("create");
    loop {
        let server = cloud.server(&caller(), "ams", made.id).await.expect("server");
        if server.status != Status::Build {
            return server;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Makes one server, says what it is, and waits to be killed.
fn own(state: &OsString, keyway: &OsString, public_key: &str) -> i32 {
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    runtime.block_on(async {
        let (cloud, new) = cloud(state, keyway, public_key).await;
        let server = create(&cloud, new).await;
        println!("{}", serde_json::to_string(&server).expect("json"));
        std::future::pending::<()>().await;
    });
    0
}

/// Makes servers one after the other and logs in to each with the system's `ssh`; says how long
/// it took from the request to the login, what a server takes of memory, and deletes them.
fn measure(state: &OsString, keyway: &OsString, key: &OsString, count: usize) -> i32 {
    let public = std::fs::read_to_string(format!("{}.pub", key.to_string_lossy())).expect("key");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    runtime.block_on(async {
        let (cloud, new) = cloud(state, keyway, &public).await;
        let mut servers = Vec::new();
        let (mut logins, mut boots, mut deletes) = (Vec::new(), Vec::new(), Vec::new());
        let begin = Instant::now();
        for _ in 0..count {
            let asked = Instant::now();
            let server = create(&cloud, new.clone()).await;
            assert_eq!(server.status, Status::Active, "{server:?}");
            boots.push(asked.elapsed());
            let address = server.addresses.first().expect("address").address;
            let login = std::process::Command::new("/usr/bin/ssh")
                .args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"])
                .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-i"])
                .arg(key)
                .args([&format!("root@{address}"), "true"])
                .status();
            assert!(login.is_ok_and(|status| status.success()), "ssh");
            logins.push(asked.elapsed());
            servers.push(server.id);
        }
        println!("{count} servers made and logged in to in {:.1} s", begin.elapsed().as_secs_f64());
        tokio::time::sleep(Duration::from_secs(15)).await;
        println!("memory of a server's control group: {:?} KiB (median)", memory(&servers));
        for id in servers {
            let asked = Instant::now();
            cloud.delete_server(&caller(), "ams", id).await.expect("delete");
            deletes.push(asked.elapsed());
        }
        for (what, times) in
            [("running", &mut boots), ("first login", &mut logins), ("deleted", &mut deletes)]
        {
            times.sort();
            let at =
                |part: usize| times.get(times.len() * part / 100).map_or(0, Duration::as_millis);
            println!("{what}: median {} ms, 95 % {} ms", at(50), at(95));
        }
    });
    0
}

fn memory(servers: &[uuid::Uuid]) -> Option<u64> {
    let mut found: Vec<u64> = servers
        .iter()
        .filter_map(|id| {
            let pattern = format!("find /sys/fs/cgroup -path '*{id}/memory.usage_in_bytes' -o -path '*{id}/memory.current'");
            let output = std::process::Command::new("sh").args(["-c", &pattern]).output().ok()?;
            let path = String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned();
            std::fs::read_to_string(path).ok()?.trim().parse().ok()
        })
        .map(|bytes: u64| bytes / 1024)
        .collect();
    found.sort_unstable();
    found.get(found.len() / 2).copied()
}
