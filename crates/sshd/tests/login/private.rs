//! A mount name space of our own, in which `/etc`, `/home`, `/var/log` and `/dev` are private.
//!
//! So tests may make users, host keys and a system log without a trace outside of it.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// Set in the name space.
const MARK: &str = "KEYWAY_TEST_PRIVATE";
/// The exit status of a name space that could not be made.
const NOT_MADE: i32 = 77;

/// A copy of `/etc`, empty directories for homes and logs, and the devices that a server needs;
/// a file system of terminals of its own, because the real one is bound to the real `/dev`.
const SCRIPT: &str = r#"
place=$1; shift
(
    set -e
    mount -t tmpfs -o mode=755 tmpfs "$place"
    mkdir "$place/etc" "$place/home" "$place/log" "$place/dev" "$place/dev/pts" "$place/dev/shm"
    cp -a /etc/. "$place/etc"
    rm -f "$place/etc/nologin"
    for name in null zero full random urandom tty; do
        touch "$place/dev/$name"
        mount --bind "/dev/$name" "$place/dev/$name"
    done
    mount -t devpts -o newinstance,ptmxmode=0666,mode=600 devpts "$place/dev/pts"
    ln -s pts/ptmx "$place/dev/ptmx"
    ln -s /proc/self/fd "$place/dev/fd"
    chmod 1777 "$place/dev/shm"
    mount --bind "$place/etc" /etc
    mount --bind "$place/home" /home
    mount --bind "$place/log" /var/log
    mount --rbind "$place/dev" /dev
) || exit 77
KEYWAY_TEST_PRIVATE=1 exec "$@"
"#;

/// Runs this program again in a name space of its own. Nothing where that is not possible, or
/// has been done.
pub fn enter(args: &[OsString]) -> Option<i32> {
    if is_private() || !super::support::is_root() {
        return None;
    }
    let place = tempfile::tempdir().ok()?;
    let program = super::support::program();
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "/bin/sh", "-c", SCRIPT, "sh"])
        .arg(place.path())
        .arg(program)
        .args(args.get(1..).unwrap_or_default())
        .status()
        .ok()?;
    let code = status.code().unwrap_or(1);
    if code == NOT_MADE {
        println!("(no mount name space can be made here)");
        return None;
    }
    Some(code)
}

/// Whether `/etc` and the rest are ours; says so when they are not.
pub fn is_ours() -> bool {
    if !is_private() {
        println!("(needs root and a mount name space: left out)");
    }
    is_private()
}

fn is_private() -> bool {
    std::env::var_os(MARK).is_some()
}

/// A file that is there for one test. Goes, or gets its old content back, with the value.
pub struct TemporaryFile {
    path: &'static Path,
    before: Option<Vec<u8>>,
}

impl TemporaryFile {
    pub fn new(path: &'static str, text: &str) -> TemporaryFile {
        assert!(is_private());
        let path = Path::new(path);
        let before = std::fs::read(path).ok();
        std::fs::write(path, text).unwrap();
        TemporaryFile { path, before }
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = match &self.before {
            Some(before) => std::fs::write(self.path, before),
            None => std::fs::remove_file(self.path),
        };
    }
}
