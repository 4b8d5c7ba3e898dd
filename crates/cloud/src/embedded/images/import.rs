//! Takes an image in: from a folder, or from an archive in one of the forms of [`super::layers`].

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use uuid::Uuid;

use super::archive::Unpacker;
use super::{layers, strip};
use crate::embedded::Embedded;
use crate::embedded::layout::Layout;
use crate::embedded::life::blocking;
use crate::embedded::records::Records;
use crate::model::{Image, ImageStatus};
use crate::{Error, Result};

/// An image to take in. It needs no running cloud, only its state folder and its records.
#[derive(Clone, Debug)]
pub struct ImportImage {
    /// The cloud's state folder.
    pub state: PathBuf,
    /// What to call it; not yet taken.
    pub name: String,
    /// A folder with a root file system, or an archive: tar, or what `docker save` or an OCI tool
    /// wrote; plain or compressed by gzip, xz or zstd.
    pub source: PathBuf,
    /// What the archive's SHA-256 must be, in hexadecimal, where that is known.
    pub sha256: Option<String>,
}

impl ImportImage {
    /// Takes it in: whole, or not at all.
    ///
    /// # Errors
    /// When the archive is refused, with the reason; when the name is taken; when the disk is full.
    pub async fn run(self, records: &dyn Records) -> Result<Image> {
        let length = self.name.chars().count();
        if length == 0 || length > 255 || self.name.chars().any(char::is_control) {
            return Err(Error::invalid("name", "An image's name has 1 to 255 characters."));
        }
        if records.images().await?.iter().any(|image| image.name == self.name) {
            return Err(Error::Conflict(format!("There is an image named {} already.", self.name)));
        }
        let mut image = Image {
            id: Uuid::new_v4(),
            name: self.name.clone(),
            status: ImageStatus::Queued,
            size: 0,
            sha256: String::new(),
            created_at: OffsetDateTime::now_utc(),
            uses_cloud_init: false,
        };
        records.put_image(&image).await?;
        let layout = Layout::new(&self.state);
        let id = image.id;
        let outcome = blocking(move || {
            let outcome = self.take_in(&layout, id);
            if outcome.is_err() {
                let _ = fs::remove_dir_all(layout.image(id));
            }
            outcome
        })
        .await;
        match outcome {
            Ok(taken) => {
                image.status = ImageStatus::Active;
                image.size = taken.size;
                image.sha256 = taken.sha256;
                image.uses_cloud_init = taken.uses_cloud_init;
                records.put_image(&image).await?;
                Ok(image)
            }
            Err(error) => {
                records.delete_image(id).await?;
                Err(match error.kind() {
                    io::ErrorKind::InvalidData => Error::invalid("source", error.to_string()),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                        Error::Exhausted("The disk of this machine is full.".into())
                    }
                    _ => Error::invalid("source", format!("The image cannot be read: {error}")),
                })
            }
        }
    }

    fn take_in(&self, layout: &Layout, id: Uuid) -> io::Result<Taken> {
        let folder = layout.image(id);
        let next = folder.join("rootfs.next");
        let scratch = folder.join("members");
        fs::create_dir_all(&next)?;
        fs::set_permissions(&next, Permissions::from_mode(0o755))?;
        let mut unpacker = Unpacker::new(&next)?;
        let sha256 = if self.source.is_dir() {
            from_folder(&self.source, &mut unpacker)?;
            String::new()
        } else {
            let found = layers::sha256(&mut File::open(&self.source)?)?;
            if let Some(wanted) = &self.sha256
                && !wanted.eq_ignore_ascii_case(&found)
            {
                return Err(super::archive::refused(&format!(
                    "its SHA-256 is {found}, not {wanted}"
                )));
            }
            layers::unpack(&self.source, &scratch, &mut unpacker)?;
            let _ = fs::remove_dir_all(&scratch);
            found
        };
        strip::strip(&next)?;
        // The archive may have said otherwise.
        fs::set_permissions(&next, Permissions::from_mode(0o755))?;
        let uses_cloud_init = next.join("usr/bin/cloud-init").symlink_metadata().is_ok();
        fs::rename(&next, layout.image_root(id))?;
        Ok(Taken { size: unpacker.written(), sha256, uses_cloud_init })
    }
}

struct Taken {
    size: u64,
    sha256: String,
    uses_cloud_init: bool,
}

/// Copies a folder by way of an archive, so that there is one set of rules.
fn from_folder(source: &Path, into: &mut Unpacker) -> io::Result<()> {
    let (reader, writer) = io::pipe()?;
    let source = source.to_path_buf();
    let packed = std::thread::spawn(move || {
        let mut builder = tar::Builder::new(writer);
        builder.follow_symlinks(false);
        builder.append_dir_all("", source)?;
        builder.finish()
    });
    let unpacked = into.unpack(reader, false);
    let packed = packed.join().map_err(|_| io::Error::other("reading the folder"))?;
    // What stopped the one stopped the other; the reader knows why.
    unpacked.and(packed)
}

impl Embedded {
    /// Removes an image that no server was made from.
    ///
    /// # Errors
    /// When there is none, or a server needs it.
    pub async fn delete_image(&self, id: Uuid) -> Result<()> {
        let rows = self.records.all_servers().await?;
        if let Some(row) = rows.iter().find(|row| row.server.image_id == id) {
            return Err(Error::Conflict(format!(
                "The server {} was made from this image.",
                row.server.name
            )));
        }
        if !self.records.delete_image(id).await? {
            return Err(Error::NotFound(format!("No image found with ID {id}")));
        }
        let folder = self.layout.image(id);
        blocking(move || fs::remove_dir_all(folder))
            .await
            .map_err(|error| Error::Internal(format!("Removing the image: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::MemoryRecords;
    use tar::{Builder, EntryType, Header};

    struct Entry<'a> {
        path: &'a str,
        kind: EntryType,
        target: &'a str,
        uid: u64,
    }

    fn file(path: &str) -> Entry<'_> {
        Entry { path, kind: EntryType::Regular, target: "", uid: 0 }
    }

    fn link<'a>(path: &'a str, target: &'a str) -> Entry<'a> {
        Entry { path, kind: EntryType::Symlink, target, uid: 0 }
    }

    /// A tar archive of entries that the library itself would refuse to write.
    fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for entry in entries {
            let mut header = Header::new_gnu();
            let text: &[u8] = if entry.kind == EntryType::Regular { b"text\n" } else { b"" };
            if let Some(gnu) = header.as_gnu_mut() {
                gnu.name[..entry.path.len()].copy_from_slice(entry.path.as_bytes());
                gnu.linkname[..entry.target.len()].copy_from_slice(entry.target.as_bytes());
            }
            header.set_entry_type(entry.kind);
            header.set_mode(0o755);
            header.set_uid(entry.uid);
            header.set_gid(0);
            header.set_size(text.len() as u64);
            header.set_cksum();
            builder.append(&header, text).unwrap();
        }
        builder.into_inner().unwrap()
    }

    async fn import(bytes: &[u8]) -> (tempfile::TempDir, Result<Image>) {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        fs::write(&source, bytes).unwrap();
        let records = MemoryRecords::default();
        let import = ImportImage {
            state: folder.path().join("state"),
            name: "image".into(),
            source,
            sha256: None,
        };
        let image = import.run(&records).await;
        assert_eq!(records.images().await.unwrap().len(), usize::from(image.is_ok()));
        (folder, image)
    }

    #[tokio::test]
    async fn an_archive_becomes_an_image() {
        let (folder, image) = import(&archive(&[
            file("./bin/sh"),
            file("etc/ssh/ssh_host_rsa_key"),
            file("etc/machine-id"),
            file("etc/ssh/sshd_config"),
            file("root/.ssh/authorized_keys"),
            file("home/user/.ssh/authorized_keys"),
            link("usr/bin/vi", "/etc/alternatives/vi"),
            Entry { path: "usr/bin/sh", kind: EntryType::Link, target: "bin/sh", uid: 0 },
            Entry { path: "dev/null", kind: EntryType::Char, target: "", uid: 0 },
        ]))
        .await;
        let image = image.unwrap();
        assert_eq!(image.status, ImageStatus::Active);
        assert_eq!(image.sha256.len(), 64);
        let root = Layout::new(folder.path().join("state")).image_root(image.id);
        let there = |path: &str| root.join(path).symlink_metadata().is_ok();
        for kept in ["bin/sh", "usr/bin/sh", "usr/bin/vi", "etc/ssh/sshd_config", "proc", "run"] {
            assert!(there(kept), "{kept}");
        }
        for gone in [
            "etc/ssh/ssh_host_rsa_key",
            "etc/machine-id",
            "root/.ssh/authorized_keys",
            "home/user/.ssh/authorized_keys",
            "dev/null",
        ] {
            assert!(!there(gone), "{gone}");
        }
    }

    #[tokio::test]
    async fn hostile_archives_are_refused() {
        let outside = tempfile::tempdir().unwrap();
        let victim = outside.path().join("victim");
        fs::write(&victim, "untouched").unwrap();
        let victim_text = victim.to_string_lossy().into_owned();
        let outside_text = outside.path().to_string_lossy().into_owned();
        let long = "a/".repeat(49);
        let cases: Vec<(&str, Vec<Entry<'_>>)> = vec![
            ("absolute path", vec![file("bin/sh"), file(&victim_text)]),
            ("leaves the archive", vec![file("bin/sh"), file("../victim")]),
            ("leaves the archive", vec![file("bin/sh"), file("etc/../../victim")]),
            (
                "goes through a link",
                vec![file("bin/sh"), link("way", &outside_text), file("way/victim")],
            ),
            (
                "hard link",
                vec![
                    file("bin/sh"),
                    link("way", &victim_text),
                    Entry { path: "copy", kind: EntryType::Link, target: "missing", uid: 0 },
                ],
            ),
            (
                "absolute path",
                vec![
                    file("bin/sh"),
                    Entry { path: "copy", kind: EntryType::Link, target: &victim_text, uid: 0 },
                ],
            ),
            (
                "goes through a link",
                vec![
                    file("bin/sh"),
                    link("way", &outside_text),
                    Entry { path: "copy", kind: EntryType::Link, target: "way/victim", uid: 0 },
                ],
            ),
            (
                "is a device",
                vec![
                    file("bin/sh"),
                    Entry { path: "etc/disk", kind: EntryType::Block, target: "", uid: 0 },
                ],
            ),
            (
                "has the id",
                vec![
                    file("bin/sh"),
                    Entry { path: "etc/x", kind: EntryType::Regular, target: "", uid: 70_000 },
                ],
            ),
            ("no /bin/sh", vec![file("etc/passwd"), file(&long[..97])]),
            ("not a folder", vec![file("bin/sh"), link("etc", &outside_text)]),
        ];
        for (wanted, entries) in cases {
            let (folder, image) = import(&archive(&entries)).await;
            let error = image.expect_err(wanted).to_string();
            assert!(error.contains(wanted), "{wanted}: {error}");
            let images = folder.path().join("state/images");
            assert_eq!(fs::read_dir(images).unwrap().count(), 0, "{wanted}: something is left");
            assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched", "{wanted}");
            assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1, "{wanted}");
        }
        let (_, image) = import(b"this is no archive at all").await;
        assert!(image.is_err());
    }

    #[tokio::test]
    async fn stripping_follows_no_links() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("authorized_keys"), "the machine's").unwrap();
        let outside_text = outside.path().to_string_lossy().into_owned();
        let entries = [
            file("bin/sh"),
            link("root/.ssh", &outside_text),
            link("var/log", &outside_text),
            link("home", &outside_text),
        ];
        import(&archive(&entries)).await.1.unwrap();
        assert!(outside.path().join("authorized_keys").exists());
    }

    /// The layout that OCI's and Docker's tools write.
    fn members(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (path, bytes) in members {
            let mut header = Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_cksum();
            builder.append_data(&mut header, path, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn digest(bytes: &[u8]) -> String {
        layers::sha256(&mut &*bytes).unwrap()
    }

    #[tokio::test]
    async fn layers_lie_upon_each_other() {
        let lower = archive(&[file("bin/sh"), file("etc/gone"), file("opt/old/file")]);
        let upper = archive(&[file("etc/.wh.gone"), file("opt/old/.wh..wh..opq"), file("opt/new")]);
        let gzip = |bytes: &[u8]| {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            io::Write::write_all(&mut encoder, bytes).unwrap();
            encoder.finish().unwrap()
        };
        let (packed_lower, packed_upper) = (gzip(&lower), gzip(&upper));
        let manifest = serde_json::json!({ "layers": [
            { "digest": format!("sha256:{}", digest(&packed_lower)) },
            { "digest": format!("sha256:{}", digest(&packed_upper)) },
        ]})
        .to_string();
        let index = serde_json::json!({ "manifests": [
            { "digest": format!("sha256:{}", digest(manifest.as_bytes())) },
        ]})
        .to_string();
        let blob = |bytes: &[u8]| format!("blobs/sha256/{}", digest(bytes));
        let oci = members(&[
            ("oci-layout", b"{}"),
            ("index.json", index.as_bytes()),
            (&blob(manifest.as_bytes()), manifest.as_bytes()),
            (&blob(&packed_lower), &packed_lower),
            (&blob(&packed_upper), &packed_upper),
        ]);
        let config = serde_json::json!({ "rootfs": { "diff_ids": [
            format!("sha256:{}", digest(&lower)), format!("sha256:{}", digest(&upper)),
        ]}})
        .to_string();
        let list = serde_json::json!([
            { "Config": "config.json", "Layers": ["1/layer.tar", "2/layer.tar"] },
        ])
        .to_string();
        let docker = members(&[
            ("1/layer.tar", &lower),
            ("2/layer.tar", &upper),
            ("config.json", config.as_bytes()),
            ("manifest.json", list.as_bytes()),
        ]);
        for bytes in [&oci, &docker] {
            let (folder, image) = import(bytes).await;
            let root = Layout::new(folder.path().join("state")).image_root(image.unwrap().id);
            let there = |path: &str| root.join(path).exists();
            assert!(there("bin/sh") && there("opt/new"));
            assert!(!there("etc/gone") && !there("opt/old/file") && !there("etc/.wh.gone"));
        }

        // One octet of a layer changed on the way.
        let changed = members(&[
            ("1/layer.tar", &lower),
            ("2/layer.tar", &archive(&[file("opt/other")])),
            ("config.json", config.as_bytes()),
            ("manifest.json", list.as_bytes()),
        ]);
        let error = import(&changed).await.1.expect_err("changed").to_string();
        assert!(error.contains("it was changed"), "{error}");
    }
}
