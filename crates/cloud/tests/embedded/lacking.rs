//! Machines that lack something: what is said of it, and that servers are made all the same.

use std::path::Path;
use std::process::Command;

use cloud::Cloud;
use cloud::model::ServerRequest;

use crate::fixture::{Fixture, fixture, helper, own_mounts, run};

fn said(f: &Fixture, words: &str) -> String {
    let warnings = f.cloud.warnings();
    let found = warnings.iter().find(|warning| warning.contains(words));
    found.unwrap_or_else(|| panic!("{words}: {warnings:?}")).clone()
}

/// Takes a system program away.
fn hide(program: &str) {
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().to_str().unwrap();
    run("mount", &["--bind", "/usr/sbin", real]);
    run("mount", &["-t", "tmpfs", "none", "/usr/sbin"]);
    for entry in std::fs::read_dir(real).unwrap().flatten() {
        if entry.file_name() != program {
            let here = Path::new("/usr/sbin").join(entry.file_name());
            std::os::unix::fs::symlink(entry.path(), here).unwrap();
        }
    }
    // The links lead there for as long as these mounts are there.
    std::mem::forget(folder);
}

#[test]
fn no_nft() {
    if !own_mounts() {
        return;
    }
    hide("nft");
    let Some(f) = fixture(|_| {}) else { return };
    let warning = said(&f, "No firewall stands between servers and this machine");
    assert!(warning.contains("nft (package nftables) is not installed"), "{warning}");
    assert!(f.cloud.metadata_listener().is_none());
    let server = f.create("open");
    assert_eq!(f.inside(&server, "uname -n"), "open");
    // What the warning says: it reaches what listens on all addresses, but not the loopback's.
    let knock = |at: &str, port: u16| {
        f.inside(
            &server,
            &format!(
                "timeout 2 bash -c '</dev/tcp/{at}/{port}' 2>/dev/null && echo open || echo no"
            ),
        )
    };
    let everywhere = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    assert_eq!(knock("169.254.1.1", everywhere.local_addr().unwrap().port()), "open");
    let local = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(knock("127.0.0.1", local.local_addr().unwrap().port()), "no");
}

#[test]
fn no_mkfs() {
    if !own_mounts() {
        return;
    }
    hide("mkfs.ext4");
    let Some(f) = fixture(|_| {}) else { return };
    let warning = said(&f, "Disks have no quota");
    assert!(warning.contains("mkfs.ext4 (e2fsprogs) is not installed"), "{warning}");
    let server = f.create("folder");
    assert_eq!(f.inside(&server, "echo kept > /root/file; cat /root/file"), "kept");
    assert!(f.folder.path().join(format!("state/servers/{}/disk-1/upper", server.id)).is_dir());
}

#[test]
fn no_control_groups() {
    if !own_mounts() {
        return;
    }
    run("mount", &["-t", "tmpfs", "-o", "ro", "none", "/sys/fs/cgroup"]);
    let Some(f) = fixture(|_| {}) else { return };
    said(&f, "No control groups can be used here");
    let server = f.create("limitless");
    assert_eq!(f.inside(&server, "uname -n; ls /sys/fs/cgroup | wc -l"), "limitless\n0");
    assert_eq!(f.ask(server.id, ServerRequest::Reboot { hard: false }).status, server.status);
    f.delete(server.id);
}

#[test]
fn runc_where_libcontainer_fails() {
    if !Command::new("runc").arg("--version").output().is_ok_and(|out| out.status.success()) {
        eprintln!("skipped: runc is not installed");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let hindered = place.path().join("hindered");
    std::fs::copy(helper(), &hindered).unwrap();
    let Some(f) = fixture(|settings| settings.program = hindered) else { return };
    let server = f.create("fallen-back");
    let log = f.folder.path().join(format!("state/servers/{}/shim.log", server.id));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("libcontainer: ") && log.contains("runc: tried"), "{log}");
    assert_eq!(f.inside(&server, "id -un; uname -n"), "root\nfallen-back");
    assert_eq!(f.ask(server.id, ServerRequest::Reboot { hard: false }).status, server.status);
    assert_eq!(f.inside(&server, "echo back"), "back");
    f.delete(server.id);
    let named = format!("*{}*", server.id);
    let groups = Command::new("find").args(["/sys/fs/cgroup", "-name", &named]).output().unwrap();
    assert!(groups.stdout.is_empty(), "{groups:?}");
}
