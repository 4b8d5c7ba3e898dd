//! The shim of an ordinary user: a user namespace in which that user is root.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use rustix::thread::UnshareFlags;

use super::at;
use super::system::IDS;
use crate::embedded::sys;

/// Moves this process into a user and a mount namespace of its own, as root of them. With
/// subordinate ids, other accounts exist inside, too; the system's `newuidmap` and `newgidmap`
/// check that they are this user's.
pub(super) fn become_root_inside(subordinate: Option<(u32, u32)>) -> io::Result<()> {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    let Some((first, count)) = subordinate else {
        unshare()?;
        // user_namespaces(7): without this an unprivileged process may not map its group.
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
        return std::fs::write("/proc/self/gid_map", format!("0 {gid} 1"));
    };
    let count = count.min(IDS - 1);
    let pid = std::process::id();
    // Begun before this process moves, so that it is outside and may map; it waits for a line.
    let mut mapper = Command::new("/bin/sh")
        .args(["-c", "read -r line && newuidmap \"$1\" 0 \"$2\" 1 1 \"$4\" \"$5\" && newgidmap \"$1\" 0 \"$3\" 1 1 \"$4\" \"$5\"", "sh"])
        .args([pid, uid, gid, first, count].map(|number| number.to_string()))
        .stdin(Stdio::piped())
        .spawn()?;
    unshare()?;
    if let Some(mut line) = mapper.stdin.take() {
        line.write_all(b"\n")?;
    }
    let status = mapper.wait()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("newuidmap or newgidmap failed ({status})")))
}

fn unshare() -> io::Result<()> {
    sys::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS).map_err(at("make a user namespace"))
}
