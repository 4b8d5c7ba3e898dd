//! The panel is killed, and nothing else happens.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloud::Cloud;
use cloud::embedded::records::{Records, ServerRow};
use cloud::embedded::{Embedded, MemoryRecords, Settings};
use cloud::model::{Server, ServerRequest, Status};

use crate::fixture::{Fixture, REGION, caller, fixture, helper, make_key, own_network, public_key};

fn row(server: Server, public_key: String, wanted_running: bool) -> ServerRow {
    ServerRow {
        server,
        wanted_running,
        slot: 0,
        public_keys: vec![public_key],
        user_data: Vec::new(),
        generation: 1,
    }
}

async fn store(records: &MemoryRecords, row: ServerRow) {
    let region = row.server.region.clone();
    records.insert_server(&region, 10, Box::new(move |_| row)).await.unwrap();
}

#[test]
fn servers_outlive_the_panel() {
    if !own_network() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    make_key(folder.path());
    let state = folder.path().join("state");
    let mut owner = Command::new(helper())
        .arg("own")
        .arg(&state)
        .arg(testkit::program::keyway())
        .arg(public_key(folder.path()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(owner.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let server: Server = serde_json::from_str(&line).unwrap();
    assert_eq!(server.status, Status::Active, "{server:?}");

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let records = Arc::new(MemoryRecords::default());
    runtime.block_on(store(&records, row(server.clone(), public_key(folder.path()), true)));
    let settings = Settings::new(&state, helper(), testkit::program::keyway());
    let busy = Embedded::new(settings.clone(), records.clone());
    assert!(busy.is_err(), "the folder has an owner");
    owner.kill().unwrap();
    owner.wait().unwrap();

    // A session and the console go on without anybody.
    let cloud = Embedded::new(settings, records.clone()).unwrap();
    let f = Fixture { runtime, cloud, records, folder, keep: false };
    f.runtime.block_on(f.cloud.start()).unwrap();
    assert_eq!(f.server(server.id).status, Status::Active);
    let keys = f.host_keys(server.id);
    assert!(keys.len() >= 2);
    let since = f.inside(&server, "cut -d' ' -f22 /proc/1/stat; echo after > /dev/console");
    patiently(|| f.console_log(server.id).contains("after").then_some(()));
    assert_eq!(f.ask(server.id, ServerRequest::Reboot { hard: false }).status, Status::Active);
    assert_ne!(f.inside(&server, "cut -d' ' -f22 /proc/1/stat"), since);
    assert_eq!(f.host_keys(server.id)[..2], keys[..2]);
}

#[test]
fn servers_come_back_after_the_machine() {
    let Some(f) = fixture(|_| {}) else { return };
    let server = f.create("phoenix");
    let keys = f.host_keys(server.id);
    let key = public_key(f.folder.path());
    // What the machine's end leaves: rows and disks, and a shim that was killed with all else.
    let lock = f.folder.path().join(format!("state/servers/{}/shim.lock", server.id));
    let state = f.folder.path().join("state");
    let half_made = {
        let mut half_made = server.clone();
        half_made.id = uuid::Uuid::new_v4();
        half_made.status = Status::Build;
        half_made
    };
    std::fs::create_dir_all(state.join(format!("servers/{}/disk-1.next/upper", half_made.id)))
        .unwrap();
    let records = Arc::new(MemoryRecords::default());
    f.runtime.block_on(async {
        store(&records, row(server.clone(), key.clone(), true)).await;
        let mut half = row(half_made.clone(), key, true);
        half.slot = 1;
        store(&records, half).await;
        let image = f.cloud.images(&caller(), REGION).await.unwrap();
        records.put_image(&image[0]).await.unwrap();
    });
    let shim = std::fs::read_to_string(&lock).unwrap();
    let folder = end_of(f, shim.trim());

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let settings = Settings::new(&state, helper(), testkit::program::keyway());
    let cloud = patiently(|| Embedded::new(settings.clone(), records.clone()).ok());
    let f = Fixture { runtime, cloud, records, folder, keep: false };
    f.runtime.block_on(f.cloud.start()).unwrap();
    let back = f.settled(server.id);
    assert_eq!(back.status, Status::Active, "{back:?}");
    assert_eq!(f.inside(&back, "echo back"), "back");
    assert_eq!(f.host_keys(server.id)[..2], keys[..2]);
    let half = f.settled(half_made.id);
    assert_eq!(half.status, Status::Error);
    assert!(half.fault.is_some_and(|fault| fault.contains("Delete it")));
    f.delete(half_made.id);
    assert!(!state.join(format!("servers/{}", half_made.id)).exists());
}

/// Ends a cloud without any of its care, and its one server with it.
fn end_of(mut f: Fixture, shim: &str) -> tempfile::TempDir {
    let runtime = std::mem::replace(&mut f.runtime, tokio::runtime::Runtime::new().unwrap());
    runtime.shutdown_timeout(Duration::from_secs(5));
    Command::new("kill").args(["-9", shim]).status().unwrap();
    f.keep = true;
    std::mem::replace(&mut f.folder, tempfile::tempdir().unwrap())
}

fn patiently<T>(attempt: impl Fn() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        assert!(begin.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(20));
    }
}
