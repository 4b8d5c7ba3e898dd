//! A full disk, and the runtime that is not the usual one.

use std::process::Command;

use cloud::Cloud;
use cloud::embedded::Runtime;
use cloud::model::{ServerRequest, Status};

use crate::fixture::{REGION, caller, fixture, own_mounts, place, run};

#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    if !own_mounts() {
        return;
    }
    // The fixture's folder is made in here.
    let small = tempfile::tempdir().unwrap();
    let at = small.path().to_str().unwrap();
    run("mount", &["-t", "tmpfs", "-o", "size=16m", "small", at]);
    let Some(f) = fixture(|settings| settings.state = small.path().join("state")) else { return };
    let first = f.create("first");
    std::fs::write(small.path().join("filler"), vec![0; 32 << 20]).unwrap_err();
    let servers = || std::fs::read_dir(small.path().join("state/servers")).unwrap().count();
    let before = servers();

    let made = f.runtime.block_on(f.cloud.create_server(&caller(), REGION, f.new_server("second")));
    let second = f.settled(made.unwrap().id);
    assert_eq!(second.status, Status::Error);
    let fault = second.fault.unwrap();
    assert!(fault.contains("disk of this machine is full"), "{fault}");
    assert_eq!(servers(), before, "something is left of it");
    // Who was there before goes on.
    assert_eq!(f.inside(&first, "echo there"), "there");

    std::fs::remove_file(small.path().join("filler")).unwrap();
    let rebuild = ServerRequest::Rebuild { image_id: None, key_names: None, name: None };
    let second = f.ask(second.id, rebuild);
    assert_eq!(second.status, Status::Active, "{second:?}");
    assert_eq!(f.inside(&second, "echo now"), "now");
    f.delete(first.id);
    f.delete(second.id);
    assert_eq!(servers(), 0);
}

#[test]
fn runc_starts_servers_too() {
    if !Command::new("runc").arg("--version").output().is_ok_and(|out| out.status.success()) {
        eprintln!("skipped: runc is not installed");
        return;
    }
    let Some(f) = fixture(|settings| settings.runtime = Runtime::Runc) else { return };
    let server = f.create("by-runc");
    assert_eq!(place(&server).0, "10.78.0.1");
    assert_eq!(f.inside(&server, "id -un; uname -n"), "root\nby-runc");
    assert_eq!(f.inside(&server, "grep -h Seccomp: /proc/self/status"), "Seccomp:\t2");
    assert_eq!(
        f.inside(&server, "mount -t tmpfs none /mnt 2>/dev/null && echo yes || echo no"),
        "no"
    );
    let keys = f.host_keys(server.id);
    assert_eq!(f.ask(server.id, ServerRequest::Reboot { hard: false }).status, Status::Active);
    assert_eq!(f.inside(&server, "echo back"), "back");
    assert_eq!(f.host_keys(server.id)[..2], keys[..2]);
    assert_eq!(f.ask(server.id, ServerRequest::Stop).status, Status::Shutoff);
    assert_eq!(f.ask(server.id, ServerRequest::Start).status, Status::Active);
    f.delete(server.id);
    assert!(!f.folder.path().join(format!("state/servers/{}", server.id)).exists());
}
