//! A server from its creation to its end.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use cloud::embedded::Embedded;
use cloud::model::{Server, ServerRequest, Status};
use cloud::{Cloud, ConsoleKind, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fixture::{Fixture, REGION, caller, fixture, helper, place};

#[test]
fn a_server_lives() {
    let Some(f) = fixture(|_| {}) else { return };
    let server = f.create("web-01");
    let first = f.host_keys(server.id);
    assert!(first.len() >= 2, "{first:?}");
    assert_eq!(f.inside(&server, "uname -n; id -u; cat /etc/hostname"), "web-01\n0\nweb-01");
    disk_ends_where_it_should(&f, &server);
    let ours =
        f.ssh_with(Command::new(testkit::program::keyway()).arg("ssh"), &server, "echo hello");
    assert_eq!(String::from_utf8_lossy(&ours.stdout), "hello\n", "{ours:?}");
    assert_eq!(
        f.inside(&server, "stat -c '%a %U' /root/.ssh /root/.ssh/authorized_keys"),
        "700 root\n600 root"
    );
    let log = f.console_log(server.id);
    for part in ["-----BEGIN SSH HOST KEY KEYS-----", "web-01 login:", first[0].as_str()] {
        assert!(log.contains(part), "{part}: {log}");
    }

    f.inside(&server, "echo kept > /root/note");
    let booted =
        "cat /proc/sys/kernel/random/boot_id > /dev/null; cat /proc/1/stat | cut -d' ' -f22";
    let before = f.inside(&server, booted);
    for hard in [false, true] {
        let again = f.ask(server.id, ServerRequest::Reboot { hard });
        assert_eq!(again.status, Status::Active, "{again:?}");
        assert_eq!(f.host_keys(server.id)[..2], first[..2], "a reboot keeps the host keys");
        assert_eq!(f.inside(&server, "cat /root/note"), "kept");
        assert_ne!(f.inside(&server, booted), before);
    }

    let stopped = f.ask(server.id, ServerRequest::Stop);
    assert_eq!(stopped.status, Status::Shutoff);
    assert!(!f.ssh(&server, "true").status.success());
    let refused = f.runtime.block_on(f.cloud.request(
        &caller(),
        REGION,
        server.id,
        ServerRequest::Reboot { hard: false },
    ));
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    assert_eq!(f.ask(server.id, ServerRequest::Start).status, Status::Active);
    assert_eq!(f.inside(&server, "cat /root/note"), "kept");

    let rebuild =
        ServerRequest::Rebuild { image_id: None, key_names: None, name: Some("web-02".into()) };
    let rebuilt = f.ask(server.id, rebuild);
    assert_eq!(rebuilt.status, Status::Active, "{rebuilt:?}");
    assert_eq!(place(&rebuilt), place(&server), "a rebuild keeps the address");
    let second = f.host_keys(server.id);
    assert!(second.iter().all(|key| !first.contains(key)), "a rebuild makes new host keys");
    assert_eq!(f.inside(&rebuilt, "uname -n; ls /root"), "web-02");

    let actions = f.runtime.block_on(f.cloud.actions(&caller(), REGION, server.id)).unwrap();
    let names: Vec<&str> = actions.iter().map(|action| action.action.as_str()).collect();
    assert_eq!(names, ["rebuild", "start", "stop", "reboot", "reboot", "create"]);
    assert!(actions.iter().all(|action| action.finished_at.is_some() && action.message.is_none()));

    f.delete(server.id);
    assert!(!f.folder.path().join(format!("state/servers/{}", server.id)).exists());
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(&server.id.to_string()), "{mounts}");
    let links = Command::new("ip").args(["-o", "link"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&links.stdout).contains("kw"), "{links:?}");
    let named = format!("*{}*", server.id);
    let groups = Command::new("find").args(["/sys/fs/cgroup", "-name", &named]).output();
    assert!(groups.unwrap().stdout.is_empty());
    let keys = f.runtime.block_on(f.cloud.host_keys(&caller(), REGION, server.id)).unwrap();
    assert!(keys.len() >= 4 && keys.iter().all(|key| key.retired_at.is_some()));
}

#[test]
fn consoles_and_keys_from_outside() {
    let Some(f) = fixture(|_| {}) else { return };
    let server = f.create("console");
    let shell = async |kind, typed: &str, wanted: &str| {
        let mut console = f.cloud.open_console(&caller(), REGION, server.id, kind).await.unwrap();
        console.resize(132, 43);
        console.write_all(typed.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&seen).contains(wanted) {
            let read = tokio::time::timeout(Duration::from_secs(20), console.read(&mut buffer));
            let length =
                read.await.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&seen)));
            let length = length.unwrap();
            assert!(length > 0, "{}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&buffer[..length]);
        }
    };
    f.runtime.block_on(async {
        // What is typed comes through as it is, and the size with it.
        shell(
            ConsoleKind::Shell,
            "echo 'a|b>c$d_e'; stty size; tty\n",
            "a|b>c$d_e\r\n43 132\r\n/dev/pts/",
        )
        .await;
        shell(ConsoleKind::System, "", "-----END SSH HOST KEY KEYS-----").await;
        // No account has a password, so nobody comes in here.
        shell(ConsoleKind::System, "root\n", "Password:").await;
    });

    let read = || f.runtime.block_on(f.cloud.authorized_keys(&caller(), REGION, server.id));
    let write = |text: &str| {
        f.runtime.block_on(f.cloud.set_authorized_keys(&caller(), REGION, server.id, text))
    };
    let original = read().unwrap();
    assert!(original.contains("ssh-ed25519"));
    write("").unwrap();
    assert!(!f.ssh(&server, "true").status.success());
    write(&format!("# from outside\n{original}")).unwrap();
    assert_eq!(
        f.inside(&server, "head -1 .ssh/authorized_keys; stat -c '%a %U' .ssh/authorized_keys"),
        "# from outside\n600 root"
    );
    // A tenant's link is followed neither to read nor to write.
    f.inside(&server, "cp -r .ssh keep; rm -r .ssh; ln -s /etc .ssh");
    assert!(read().is_err());
    assert!(write("x").is_err());
}

#[test]
fn it_ends_and_restarts_from_inside() {
    let Some(f) = fixture(|_| {}) else { return };
    let server = f.create("inside");
    // The kernel's own way, which in a process-id namespace ends that namespace.
    f.ssh(&server, "nohup sh -c 'sleep 0.2; kill -INT 1' >/dev/null 2>&1 & sleep 0.1");
    f.until(server.id, |server| server.status == Status::Reboot);
    assert_eq!(f.settled(server.id).status, Status::Active);
    f.ssh(&server, "nohup sh -c 'sleep 0.2; kill -TERM 1' >/dev/null 2>&1 & sleep 0.1");
    f.until(server.id, |server| server.status == Status::Shutoff);

    // Without its shim there is no server, and a person is told.
    f.ask(server.id, ServerRequest::Start);
    let lock = f.folder.path().join(format!("state/servers/{}/shim.lock", server.id));
    let shim = std::fs::read_to_string(lock).unwrap();
    assert!(Command::new("kill").args(["-9", shim.trim()]).status().unwrap().success());
    let broken = f.until(server.id, |server| server.status == Status::Error);
    assert!(broken.fault.is_some_and(|fault| fault.contains("Reboot")));
    assert!(!f.ssh(&server, "true").status.success());
    assert_eq!(f.ask(server.id, ServerRequest::Reboot { hard: true }).status, Status::Active);
    assert_eq!(f.inside(&server, "echo back"), "back");
}

#[test]
fn the_last_address_goes_to_one() {
    let Some(f) = fixture(|settings| {
        settings.regions[0].range = "10.78.0.0/30".parse().unwrap();
    }) else {
        return;
    };
    let first = f.create("first");
    let new = || f.new_server("rival");
    let (one, other) = (new(), new());
    let (one, other) = f.runtime.block_on(async {
        let caller = caller();
        tokio::join!(
            f.cloud.create_server(&caller, REGION, one),
            f.cloud.create_server(&caller, REGION, other)
        )
    });
    let (won, lost) = match (one, other) {
        (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
        other => panic!("{other:?}"),
    };
    assert!(matches!(lost, Error::Exhausted(_)), "{lost}");
    assert_eq!(f.settled(won.id).status, Status::Active);
    f.delete(won.id);
    let next = f.create("next");
    assert_eq!(place(&next), place(&won), "a freed address is given again");
    assert_ne!(place(&next), place(&first));
}

#[test]
fn others_do_not_see_it() {
    let Some(f) = fixture(|_| {}) else { return };
    let server = f.create("mine");
    let mut other = caller();
    other.project_id = "another".into();
    f.runtime.block_on(async {
        let gone = |result: Result<(), Error>| {
            assert!(matches!(result, Err(Error::NotFound(_))), "{result:?}");
        };
        let id = server.id;
        gone(f.cloud.server(&other, REGION, id).await.map(drop));
        gone(f.cloud.delete_server(&other, REGION, id).await);
        gone(f.cloud.request(&other, REGION, id, ServerRequest::Stop).await.map(drop));
        gone(f.cloud.console_log(&other, REGION, id, None).await.map(drop));
        gone(f.cloud.open_console(&other, REGION, id, ConsoleKind::Shell).await.map(drop));
        gone(f.cloud.host_keys(&other, REGION, id).await.map(drop));
        gone(f.cloud.actions(&other, REGION, id).await.map(drop));
        gone(f.cloud.authorized_keys(&other, REGION, id).await.map(drop));
        gone(f.cloud.set_authorized_keys(&other, REGION, id, "").await);
        gone(f.cloud.server(&caller(), "iad", id).await.map(drop));
        let mut reader = caller();
        reader.role = cloud::Role::Reader;
        let refused = f.cloud.delete_server(&reader, REGION, id).await;
        assert!(matches!(refused, Err(Error::Forbidden(_))), "{refused:?}");
    });
}

#[test]
fn one_panel_has_the_folder() {
    let Some(f) = fixture(|_| {}) else { return };
    let settings = cloud::embedded::Settings::new(
        f.folder.path().join("state"),
        helper(),
        testkit::program::keyway(),
    );
    let second = Embedded::new(settings, Arc::new(cloud::embedded::MemoryRecords::default()));
    assert!(second.is_err_and(|error| error.to_string().contains("another panel")));
}

/// Its disk is as large as its flavor says, and takes no more room here than what is on it.
fn disk_ends_where_it_should(f: &Fixture, server: &Server) {
    if f.cloud.warnings().iter().any(|warning| warning.contains("Disks have no quota")) {
        eprintln!("not tried: {:?}", f.cloud.warnings());
        return;
    }
    let gib = u64::from(server.flavor.disk_gib);
    let size = f.inside(server, "df -B1 --output=size / | tail -n 1").parse::<u64>().unwrap();
    assert!(size <= gib << 30 && size > (gib << 30) * 9 / 10, "{size}");
    let file = f.folder.path().join(format!("state/servers/{}/disk-1/image", server.id));
    let taken = || std::os::unix::fs::MetadataExt::blocks(&file.metadata().unwrap()) * 512;
    assert!(taken() < 16 << 20, "{}", taken());
    f.inside(server, "head -c 40M /dev/urandom > /root/much && sync");
    assert!(taken() > 40 << 20, "{}", taken());
    // What is deleted is given back.
    f.inside(server, "rm /root/much && sync");
    let begin = std::time::Instant::now();
    while taken() > 20 << 20 {
        assert!(begin.elapsed() < Duration::from_secs(30), "{}", taken());
        std::thread::sleep(Duration::from_millis(100));
        f.inside(server, "sync");
    }
}
