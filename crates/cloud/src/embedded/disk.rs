//! A server's disk: what it has that the image has not.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use uuid::Uuid;

use super::volume;

/// What is written to a new disk.
pub(super) struct NewDisk<'a> {
    /// The server.
    pub(super) id: Uuid,
    /// Its name, as it calls itself.
    pub(super) hostname: &'a str,
    /// Its address.
    pub(super) address: Ipv4Addr,
    /// Who may log in as root.
    pub(super) public_keys: &'a [String],
    /// For cloud-init, where the image has it.
    pub(super) user_data: Option<&'a [u8]>,
    /// What root inside is outside; `None` for the caller.
    pub(super) owner: Option<u32>,
    /// Where it ends; `None` where only the machine's own disk ends it.
    pub(super) bytes: Option<u64>,
}

/// Makes a disk, or nothing: it gets its name when it is whole.
pub(super) fn make(path: &Path, new: &NewDisk<'_>) -> io::Result<()> {
    let next = path.with_extension("next");
    let _ = fs::remove_dir_all(&next);
    let filled = fill(&next, new).and_then(|()| fs::rename(&next, path));
    if filled.is_err() {
        let _ = fs::remove_dir_all(&next);
    }
    filled
}

fn fill(next: &Path, new: &NewDisk<'_>) -> io::Result<()> {
    fs::create_dir_all(next)?;
    let Some(bytes) = new.bytes else { return write(next, new) };
    let contents = next.join("contents");
    fs::create_dir(&contents)?;
    write(&contents, new)?;
    volume::make(next, &contents, bytes)?;
    fs::remove_dir_all(contents)
}

fn write(next: &Path, new: &NewDisk<'_>) -> io::Result<()> {
    for folder in ["upper", "work"] {
        folder_of(&next.join(folder), 0o755, new.owner)?;
    }
    let upper = next.join("upper");
    let disk = Disk { upper: &upper, owner: new.owner };
    disk.file("etc/hostname", 0o644, format!("{}\n", new.hostname).as_bytes())?;
    let hosts = format!(
        "127.0.0.1 localhost\n::1 localhost ip6-localhost\n{} {}\n",
        new.address, new.hostname
    );
    disk.file("etc/hosts", 0o644, hosts.as_bytes())?;
    disk.file("etc/machine-id", 0o444, format!("{}\n", Uuid::new_v4().simple()).as_bytes())?;
    disk.file("etc/resolv.conf", 0o644, name_servers().as_bytes())?;
    disk.folder("root", 0o700)?;
    disk.folder("root/.ssh", 0o700)?;
    let mut keys = new.public_keys.join("\n");
    if !keys.is_empty() {
        keys.push('\n');
    }
    disk.file("root/.ssh/authorized_keys", 0o600, keys.as_bytes())?;
    if let Some(user_data) = new.user_data {
        seed(&disk, new, user_data)?;
    }
    Ok(())
}

/// What the vendor says gives way to what the user says: root may log in, the host keys that the
/// panel has seen stay, and nothing is fetched for a language.
pub(super) const VENDOR_DATA: &str = "#cloud-config\ndisable_root: false\nssh_deletekeys: false\n\
                           ssh_genkeytypes: []\nlocale: C.UTF-8\n";

/// What cloud-init reads, as its sources NoCloud and `ConfigDrive` have it: images differ in which
/// one they look for.
fn seed(disk: &Disk<'_>, new: &NewDisk<'_>, user_data: &[u8]) -> io::Result<()> {
    const NO_CLOUD: &str = "var/lib/cloud/seed/nocloud";
    const CONFIG_DRIVE: &str = "var/lib/cloud/seed/config_drive/openstack/latest";
    let user_data = if user_data.is_empty() { b"#cloud-config\n{}\n" } else { user_data };
    let meta = serde_json::json!({
        "instance-id": new.id,
        "local-hostname": new.hostname,
        "public-keys": new.public_keys,
    });
    disk.file(&format!("{NO_CLOUD}/meta-data"), 0o644, meta.to_string().as_bytes())?;
    disk.file(&format!("{NO_CLOUD}/user-data"), 0o600, user_data)?;
    disk.file(&format!("{NO_CLOUD}/vendor-data"), 0o644, VENDOR_DATA.as_bytes())?;
    disk.file(&format!("{NO_CLOUD}/network-config"), 0o644, b"version: 2\n")?;

    let names = (0_u32..).map(|number| format!("key-{number}"));
    let keys: serde_json::Map<String, serde_json::Value> =
        names.zip(new.public_keys.iter().map(|key| key.as_str().into())).collect();
    let meta = serde_json::json!({
        "uuid": new.id,
        "name": new.hostname,
        "hostname": new.hostname,
        "public_keys": keys,
    });
    let vendor = serde_json::json!({ "cloud-init": VENDOR_DATA });
    // The interface has its address from outside.
    let network = serde_json::json!({ "links": [], "networks": [], "services": [] });
    for (name, value) in
        [("meta_data.json", meta), ("vendor_data.json", vendor), ("network_data.json", network)]
    {
        disk.file(&format!("{CONFIG_DRIVE}/{name}"), 0o644, value.to_string().as_bytes())?;
    }
    disk.file(&format!("{CONFIG_DRIVE}/user_data"), 0o600, user_data)
}

/// The machine's name servers, but for those that listen on its loopback interface only.
fn name_servers() -> String {
    let text = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let mut kept = String::new();
    for line in text.lines() {
        let Some(address) = line.strip_prefix("nameserver") else { continue };
        let reachable =
            address.trim().parse::<std::net::IpAddr>().is_ok_and(|address| !address.is_loopback());
        if reachable {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

struct Disk<'a> {
    upper: &'a Path,
    owner: Option<u32>,
}

impl Disk<'_> {
    fn folder(&self, path: &str, mode: u32) -> io::Result<()> {
        folder_of(&self.upper.join(path), mode, self.owner)
    }

    /// With the folders on the way.
    fn file(&self, path: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
        let mut way = self.upper.to_path_buf();
        let folders: Vec<&str> = path.split('/').collect();
        for folder in folders.iter().take(folders.len().saturating_sub(1)) {
            way.push(folder);
            if !way.exists() {
                folder_of(&way, 0o755, self.owner)?;
            }
        }
        let path = self.upper.join(path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
        file.write_all(bytes)?;
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
        own(&path, self.owner)
    }
}

fn folder_of(path: &Path, mode: u32, owner: Option<u32>) -> io::Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    own(path, owner)
}

fn own(path: &Path, owner: Option<u32>) -> io::Result<()> {
    match owner {
        Some(owner) => std::os::unix::fs::chown(path, Some(owner), Some(owner)),
        None => Ok(()),
    }
}
