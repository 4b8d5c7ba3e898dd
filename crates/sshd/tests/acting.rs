//! Files read with a user's rights. In a process of its own, since rights belong to the whole process.

#![allow(clippy::unwrap_used, reason = "a test")]

use keyway_sshd::accounts::Account;
use keyway_sshd::authorized;
use keyway_sshd::sys::process::ChildSetup;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

#[test]
fn another_users_rights() {
    let Some(mut account) = Account::by_name("nobody").unwrap() else { return };
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    mode(home.path(), 0o755);
    account.home = home.path().to_owned();
    let keys = home.path().join("keys");
    std::fs::write(&keys, "key").unwrap();

    // Root's file, not readable by the user.
    mode(&keys, 0o600);
    let refused = authorized::read("keys", &account, "authorized keys", true).remove(0);
    assert!(refused.unwrap_err().to_string().starts_with("Could not open user 'nobody'"));
    // A third user's file.
    mode(&keys, 0o644);
    chown(&keys, Some(1), Some(1)).unwrap();
    let refused = authorized::read("keys", &account, "authorized keys", true).remove(0);
    assert!(refused.unwrap_err().to_string().contains("bad ownership or modes for file"));
    // His own.
    chown(&keys, Some(account.uid), Some(account.gid)).unwrap();
    mode(&keys, 0o600);
    let read = authorized::read("keys", &account, "authorized keys", true).remove(0);
    assert_eq!(read.unwrap().text, "key");
    assert!(rustix::process::geteuid().is_root(), "root's rights came back");

    // And a child that is he for good.
    let mut command = Command::new("id");
    command.args(["-u", "-r"]);
    let identity = account.identity().unwrap();
    ChildSetup {
        new_session: true,
        identity: Some(identity),
        die_with_parent: true,
        no_new_privileges: true,
        directories: vec![c"/no/such".to_owned(), c"/".to_owned()],
        ..ChildSetup::default()
    }
    .install(&mut command);
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), account.uid.to_string());
}
