//! A server from an imported image.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use cloud::Cloud;
use cloud::embedded::ImportImage;
use cloud::model::Status;

use crate::fixture::{REGION, caller, fixture, helper};

/// A small system out of programs of this one and the libraries that they need.
fn small_system(root: &Path) {
    for folder in ["usr/bin", "etc/ssh", "dev", "tmp"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    symlink("usr/bin", root.join("bin")).unwrap();
    let programs = ["sh", "cat", "id", "ls", "uname"].map(|name| Path::new("/bin").join(name));
    let mut libraries: BTreeSet<PathBuf> = BTreeSet::new();
    for program in programs.iter().chain([&helper(), &testkit::program::keyway().to_path_buf()]) {
        let listed = Command::new("ldd").arg(program).output().unwrap();
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        libraries.extend(
            text.split_whitespace().filter(|word| word.starts_with("/lib")).map(PathBuf::from),
        );
    }
    for program in programs {
        fs::copy(&program, root.join("usr/bin").join(program.file_name().unwrap())).unwrap();
    }
    for library in libraries {
        let target = root.join(library.strip_prefix("/").unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&library, &target).unwrap();
    }
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0::/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/bin/false\n",
    )
    .unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n").unwrap();
    fs::write(root.join("etc/issue"), "a small system\n").unwrap();
    fs::write(root.join("etc/ssh/ssh_host_ed25519_key"), "the same in every server").unwrap();
    fs::write(root.join("etc/machine-id"), "the same in every server").unwrap();
}

#[test]
fn a_server_from_an_imported_image() {
    let Some(f) = fixture(|_| {}) else { return };
    let source = f.folder.path().join("system");
    small_system(&source);
    let import = ImportImage {
        state: f.folder.path().join("state"),
        name: "small".into(),
        source,
        sha256: None,
    };
    let image = f.runtime.block_on(import.run(&*f.records)).unwrap();
    let mut new = f.new_server("small");
    new.image_id = image.id;
    let made = f.runtime.block_on(f.cloud.create_server(&caller(), REGION, new)).unwrap();
    let server = f.settled(made.id);
    assert_eq!(server.status, Status::Active, "{server:?}\n{}", f.console_log(server.id));
    assert_eq!(f.inside(&server, "id -u; cat /etc/issue; uname -n"), "0\na small system\nsmall");
    assert_eq!(
        f.inside(
            &server,
            "echo new > /usr/bin/mine; ls -l /usr/bin/sh | cat - > /dev/null; cat /usr/bin/mine"
        ),
        "new"
    );
    assert!(!f.inside(&server, "cat /etc/machine-id").contains("same"));

    // Nothing of that is in the image, and the image stays while it is used.
    let other = {
        let mut new = f.new_server("other");
        new.image_id = image.id;
        f.runtime.block_on(f.cloud.create_server(&caller(), REGION, new)).unwrap()
    };
    let other = f.settled(other.id);
    assert_eq!(f.inside(&other, "ls /usr/bin"), "cat\nid\nls\nsh\nuname");
    assert_ne!(f.host_keys(server.id), f.host_keys(other.id));
    assert!(f.runtime.block_on(f.cloud.delete_image(image.id)).is_err());
    f.delete(server.id);
    f.delete(other.id);
    f.runtime.block_on(f.cloud.delete_image(image.id)).unwrap();
    assert!(!f.folder.path().join(format!("state/images/{}", image.id)).exists());
}
