//! The image that is always there: this machine's programs, and nothing else of it.
//!
//! `/usr` is the machine's own, put into each server read only; everything besides is built here
//! from a list of what is allowed in, so that nothing of the machine's data can slip through.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::embedded::layout::Layout;
use crate::model::{Image, ImageStatus};
use crate::{Error, Result};

/// The image's name.
pub(crate) const NAME: &str = "this-system";
/// Changes with what is built here; servers keep the one they were made from.
const ID: Uuid = Uuid::from_u128(0x7468_6973_2d73_4973_8000_7465_6d2d_3031);

/// Whether a server from this image gets the machine's `/usr`.
pub(crate) fn is(image: Uuid) -> bool {
    image == ID
}

/// Builds it unless it is there, and says what it is. `None` on a machine whose programs are not
/// all in `/usr`.
pub(crate) fn prepare(layout: &Layout) -> Result<Option<Image>> {
    if !Path::new("/bin").is_symlink() {
        return Ok(None);
    }
    let root = layout.image_root(ID);
    if !root.exists() {
        let next = layout.image(ID).join("rootfs.next");
        let _ = fs::remove_dir_all(&next);
        build(&next)
            .and_then(|()| fs::rename(&next, &root))
            .map_err(|error| Error::Internal(format!("Building the image {NAME}: {error}")))?;
    }
    Ok(Some(Image {
        id: ID,
        name: NAME.into(),
        status: ImageStatus::Active,
        size: 0,
        sha256: String::new(),
        created_at: OffsetDateTime::now_utc(),
        uses_cloud_init: false,
    }))
}

const FOLDERS: [(&str, u32); 28] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("etc/alternatives", 0o755),
    ("etc/pam.d", 0o755),
    ("etc/profile.d", 0o755),
    ("etc/security", 0o755),
    ("etc/ssh", 0o755),
    ("etc/ssh/sshd_config.d", 0o755),
    ("etc/ssl", 0o755),
    ("etc/ssl/certs", 0o755),
    ("home", 0o755),
    ("media", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("srv", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("var", 0o755),
    ("var/cache", 0o755),
    ("var/lib", 0o755),
    ("var/log", 0o755),
    ("var/mail", 0o755),
    ("var/spool", 0o755),
    ("var/tmp", 0o1777),
];

/// Locked, all of them: a key is the only way in.
const ACCOUNTS: [(&str, u32, u32, &str, &str); 12] = [
    ("root", 0, 0, "/root", ""),
    ("daemon", 1, 1, "/usr/sbin", "/usr/sbin/nologin"),
    ("bin", 2, 2, "/bin", "/usr/sbin/nologin"),
    ("sys", 3, 3, "/dev", "/usr/sbin/nologin"),
    ("sync", 4, 65534, "/bin", "/bin/sync"),
    ("man", 6, 12, "/var/cache/man", "/usr/sbin/nologin"),
    ("mail", 8, 8, "/var/mail", "/usr/sbin/nologin"),
    ("uucp", 10, 10, "/var/spool/uucp", "/usr/sbin/nologin"),
    ("www-data", 33, 33, "/var/www", "/usr/sbin/nologin"),
    ("backup", 34, 34, "/var/backups", "/usr/sbin/nologin"),
    ("sshd", 100, 65534, "/run/sshd", "/usr/sbin/nologin"),
    ("nobody", 65534, 65534, "/nonexistent", "/usr/sbin/nologin"),
];

const GROUPS: [(&str, u32); 24] = [
    ("root", 0),
    ("daemon", 1),
    ("bin", 2),
    ("sys", 3),
    ("adm", 4),
    ("tty", 5),
    ("disk", 6),
    ("mail", 8),
    ("uucp", 10),
    ("man", 12),
    ("kmem", 15),
    ("cdrom", 24),
    ("sudo", 27),
    ("audio", 29),
    ("www-data", 33),
    ("backup", 34),
    ("operator", 37),
    ("shadow", 42),
    ("utmp", 43),
    ("video", 44),
    ("staff", 50),
    ("games", 60),
    ("users", 100),
    ("nogroup", 65534),
];

const TEXTS: [(&str, &str); 14] = [
    (
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n",
    ),
    ("etc/shells", "/bin/sh\n/bin/bash\n/usr/bin/sh\n/usr/bin/bash\n"),
    ("etc/securetty", "console\n"),
    ("etc/issue", "Keyway server \\n\n\n"),
    ("etc/motd", ""),
    ("etc/fstab", ""),
    ("etc/services", "ssh\t22/tcp\ndomain\t53/tcp\ndomain\t53/udp\nhttp\t80/tcp\nhttps\t443/tcp\n"),
    ("etc/protocols", "ip\t0\tIP\nicmp\t1\tICMP\ntcp\t6\tTCP\nudp\t17\tUDP\n"),
    (
        "etc/login.defs",
        "MAIL_DIR /var/mail\nUMASK 022\nUID_MIN 1000\nUID_MAX 60000\nGID_MIN 1000\nGID_MAX 60000\nENCRYPT_METHOD YESCRYPT\nENV_SUPATH PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nENV_PATH PATH=/usr/local/bin:/usr/bin:/bin\n",
    ),
    (
        "etc/profile",
        "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nif [ -n \"$BASH\" ]; then\n  PS1='\\u@\\h:\\w\\$ '\nelse\n  PS1='# '\nfi\nfor piece in /etc/profile.d/*.sh; do\n  [ -r \"$piece\" ] && . \"$piece\"\ndone\nunset piece\n",
    ),
    ("etc/bash.bashrc", "[ -n \"$PS1\" ] && PS1='\\u@\\h:\\w\\$ '\n"),
    ("etc/host.conf", "multi on\n"),
    ("etc/resolv.conf", ""),
    ("etc/environment", ""),
];

/// Passwords against /etc/shadow, and root becomes anybody without one.
const PAM_COMMON: &str = "auth sufficient pam_rootok.so\nauth required pam_unix.so\n\
    account required pam_unix.so\npassword required pam_unix.so\nsession required pam_unix.so\n";
/// On the console, root too needs a password.
const PAM_LOGIN: &str = "auth required pam_unix.so\naccount required pam_unix.so\n\
    password required pam_unix.so\nsession required pam_unix.so\n";

fn build(root: &Path) -> io::Result<()> {
    fs::create_dir_all(root)?;
    fs::set_permissions(root, Permissions::from_mode(0o755))?;
    for (folder, mode) in FOLDERS {
        let path = root.join(folder);
        fs::create_dir_all(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
    }
    for (path, text) in TEXTS {
        file(root, path, text, 0o644)?;
    }
    for service in ["su", "su-l", "passwd", "chsh", "chfn", "newusers", "runuser", "runuser-l"] {
        file(root, &format!("etc/pam.d/{service}"), PAM_COMMON, 0o644)?;
    }
    for service in ["login", "other", "sshd"] {
        file(root, &format!("etc/pam.d/{service}"), PAM_LOGIN, 0o644)?;
    }
    accounts(root)?;
    links(root)?;
    certificates(root)
}

fn accounts(root: &Path) -> io::Result<()> {
    let bash = if Path::new("/usr/bin/bash").exists() { "/bin/bash" } else { "/bin/sh" };
    let mut passwd = String::new();
    let mut shadow = String::new();
    for (name, uid, gid, home, shell) in ACCOUNTS {
        let shell = if shell.is_empty() { bash } else { shell };
        let _ = writeln!(passwd, "{name}:x:{uid}:{gid}:{name}:{home}:{shell}");
        let _ = writeln!(shadow, "{name}:*:19700:0:99999:7:::");
    }
    let mut group = String::new();
    let mut gshadow = String::new();
    for (name, gid) in GROUPS {
        let _ = writeln!(group, "{name}:x:{gid}:");
        let _ = writeln!(gshadow, "{name}:*::");
    }
    file(root, "etc/passwd", &passwd, 0o644)?;
    file(root, "etc/group", &group, 0o644)?;
    file(root, "etc/shadow", &shadow, 0o640)?;
    file(root, "etc/gshadow", &gshadow, 0o640)?;
    if rustix::process::geteuid().is_root() {
        for path in ["etc/shadow", "etc/gshadow"] {
            std::os::unix::fs::chown(root.join(path), Some(0), Some(42))?;
        }
    }
    Ok(())
}

fn links(root: &Path) -> io::Result<()> {
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        if let Ok(target) = fs::read_link(Path::new("/").join(name)) {
            symlink(target, root.join(name))?;
        }
    }
    for (name, target) in [
        ("etc/os-release", "../usr/lib/os-release"),
        ("etc/mtab", "/proc/mounts"),
        ("etc/localtime", "/usr/share/zoneinfo/Etc/UTC"),
        ("var/run", "/run"),
        ("var/lock", "/run/lock"),
    ] {
        symlink(target, root.join(name))?;
    }
    // Which of several programs a name stands for: names of files in /usr, which are seen anyway.
    for entry in fs::read_dir("/etc/alternatives").into_iter().flatten().flatten() {
        if let Ok(target) = fs::read_link(entry.path())
            && target.starts_with("/usr")
            && !target.starts_with("/usr/local")
        {
            symlink(target, root.join("etc/alternatives").join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Those that came with the distribution; not what the machine's owner added to them.
fn certificates(root: &Path) -> io::Result<()> {
    let mut bundle = Vec::new();
    for entry in fs::read_dir("/usr/share/ca-certificates/mozilla").into_iter().flatten().flatten()
    {
        if entry.path().extension().is_some_and(|extension| extension == "crt") {
            bundle.extend(fs::read(entry.path())?);
            bundle.push(b'\n');
        }
    }
    if !bundle.is_empty() {
        fs::write(root.join("etc/ssl/certs/ca-certificates.crt"), bundle)?;
        fs::set_permissions(
            root.join("etc/ssl/certs/ca-certificates.crt"),
            Permissions::from_mode(0o644),
        )?;
    }
    Ok(())
}

fn file(root: &Path, path: &str, text: &str, mode: u32) -> io::Result<()> {
    let path = root.join(path);
    fs::write(&path, text)?;
    fs::set_permissions(&path, Permissions::from_mode(mode))
}
