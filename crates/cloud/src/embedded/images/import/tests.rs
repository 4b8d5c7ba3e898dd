//! Archives of every form, and hostile ones.

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
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
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

fn compressed(program: &str, arguments: &[&str], bytes: &[u8]) -> Option<Vec<u8>> {
    use std::process::{Command, Stdio};
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || io::Write::write_all(&mut input, &bytes));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output.status.success().then_some(output.stdout)
}

#[tokio::test]
async fn compressed_by_the_programs_of_the_system() {
    let plain = archive(&[file("bin/sh"), file("opt/file")]);
    let (first, second) = plain.split_at(700);
    let pieces = |program: &str, arguments: &[&str]| {
        let mut both = compressed(program, arguments, first)?;
        both.extend(compressed(program, arguments, second)?);
        Some(both)
    };
    // A frame that says nothing, as parallel compressors write it.
    let skipped = |mut bytes: Vec<u8>| {
        let mut all = vec![0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        all.append(&mut bytes);
        all
    };
    let forms = [
        ("gzip", compressed("gzip", &["-c"], &plain)),
        ("xz", compressed("xz", &["-c"], &plain)),
        ("xz of the strongest", compressed("xz", &["-9ec"], &plain)),
        ("two pieces of xz", pieces("xz", &["-c"])),
        ("zstd", compressed("zstd", &["-qc"], &plain)),
        ("two frames of zstd", pieces("zstd", &["-qc", "--check"])),
        ("zstd after a skipped frame", compressed("zstd", &["-qc"], &plain).map(skipped)),
    ];
    for (form, bytes) in forms {
        let Some(bytes) = bytes else {
            eprintln!("skipped: {form} is not installed");
            continue;
        };
        let (folder, image) = import(&bytes).await;
        let image = image.expect(form);
        let root = Layout::new(folder.path().join("state")).image_root(image.id);
        assert_eq!(fs::read_to_string(root.join("opt/file")).unwrap(), "text\n", "{form}");
        let cut = import(&bytes[..bytes.len() / 2]).await.1;
        assert!(cut.is_err(), "half of {form}");
    }
}

/// A few kilobytes that swell to gigabytes of what an archive calls a name.
#[tokio::test]
async fn names_are_not_kept_however_long() {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_path("././@LongLink").unwrap();
    header.set_size(4 << 30);
    header.set_cksum();
    let mut bytes = archive(&[file("bin/sh")]);
    bytes.truncate(bytes.len() - 1024);
    bytes.extend_from_slice(header.as_bytes());
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    io::Write::write_all(&mut encoder, &bytes).unwrap();
    io::copy(&mut io::Read::take(io::repeat(b'a'), 64 << 20), &mut encoder).unwrap();
    let error = import(&encoder.finish().unwrap()).await.1.expect_err("a name").to_string();
    assert!(error.contains("too large"), "{error}");
}
