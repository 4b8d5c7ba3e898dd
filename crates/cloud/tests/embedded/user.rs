//! What an ordinary user's cloud can do: one user id, the machine's network, no control groups.

use std::process::Command;

use cloud::Cloud;
use cloud::model::{ServerRequest, Status};

use crate::fixture::{fixture, place};

#[test]
fn an_ordinary_user_has_servers_too() {
    let Some(f) = fixture(|settings| settings.as_ordinary_user = true) else { return };
    let server = f.create("mine");
    assert_eq!(place(&server), ("127.78.0.1".into(), 2200));
    assert_eq!(f.inside(&server, "id -un; uname -n"), "root\nmine");
    let ours =
        f.ssh_with(Command::new(testkit::program::keyway()).arg("ssh"), &server, "echo hello");
    assert_eq!(String::from_utf8_lossy(&ours.stdout), "hello\n", "{ours:?}");
    let terminal = f.ssh_with(Command::new("/usr/bin/ssh").arg("-tt"), &server, "tty");
    assert_eq!(String::from_utf8_lossy(&terminal.stdout), "/dev/pts/1\r\n", "{terminal:?}");
    let few = "ls -d /proc/[0-9]* | wc -l | awk '{print ($1 < 30) ? \"few\" : \"many\"}'";
    assert_eq!(f.inside(&server, few), "few");
    assert_eq!(
        f.inside(&server, "find /work /home /usr/local -mindepth 1 2>/dev/null | wc -l"),
        "0"
    );
    assert_eq!(
        f.inside(&server, "echo x 2>/dev/null > /run/keyway/sshd && echo written || echo no"),
        "no"
    );
    assert_eq!(
        f.inside(&server, "mount -t tmpfs none /mnt 2>/dev/null && echo mounted || echo no"),
        "no"
    );

    let keys = f.host_keys(server.id);
    let other = f.create("neighbour");
    assert_eq!(place(&other), ("127.78.0.2".into(), 2200));
    assert_eq!(f.ask(server.id, ServerRequest::Reboot { hard: false }).status, Status::Active);
    assert_eq!(f.host_keys(server.id)[..2], keys[..2]);
    assert_eq!(f.inside(&server, "echo back"), "back");
    assert!(f.cloud.warnings().iter().any(|warning| warning.contains("ordinary user")));
    f.delete(server.id);
    assert!(!f.folder.path().join(format!("state/servers/{}", server.id)).exists());
    assert_eq!(f.inside(&other, "echo there"), "there");
}
