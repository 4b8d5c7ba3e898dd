//! Programs that nobody here wrote, against the API: OpenStack's own command line, gophercloud as
//! Terraform uses it, and apache-libcloud.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::{PASSWORD, TestPanel};
use panel::accounts::Role;
use testkit::process;
use testkit::program::{find, peers};

/// Starting a Python program with OpenStack's libraries takes a second on a good day.
const DEADLINE: Duration = Duration::from_secs(180);
const GOPATH: &str = "/usr/share/gocode";

fn python_peer(name: &str) -> Option<PathBuf> {
    let venv = peers().join("panel-venv");
    if venv.join("installed.txt").exists() {
        return Some(venv.join("bin").join(name));
    }
    println!("not run: no {name} of OpenStack here: run scripts/install-test-peers.sh");
    None
}

fn with_account<'a>(command: &'a mut Command, panel: &TestPanel) -> &'a mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OS_") {
            command.env_remove(name);
        }
    }
    command
        .env("OS_AUTH_URL", panel.url("/identity/v3"))
        .env("OS_USERNAME", "demo")
        .env("OS_PASSWORD", PASSWORD)
        .env("OS_PROJECT_NAME", "demo")
        .env("OS_USER_DOMAIN_NAME", "Default")
        .env("OS_PROJECT_DOMAIN_NAME", "Default")
        .env("OS_IDENTITY_API_VERSION", "3")
        .env("NO_PROXY", "127.0.0.1")
}

async fn run(mut command: Command) -> process::Finished {
    tokio::task::spawn_blocking(move || process::run(&mut command, b"", DEADLINE)).await.unwrap()
}

/// One process for all commands, since each start costs more than what it does.
#[tokio::test(flavor = "multi_thread")]
async fn openstack_client() {
    let Some(program) = python_peer("openstack") else { return };
    let panel = TestPanel::start(0).await;
    panel.user("demo", "demo", Role::Member).await;
    let folder = tempfile::tempdir().unwrap();
    let public = folder.path().join("key.pub");
    std::fs::write(
        &public,
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILzGUay2BeHdvy8NHBrrDTAvetPXlxBEC9hHgv9P/20f me@vm\n",
    )
    .unwrap();
    let public = public.display();
    // What is asked, and what the answer must hold.
    let steps = [
        ("token issue -f value -c project_id".to_owned(), ""),
        ("catalog list -f value -c Name".to_owned(), "nova"),
        ("region list -f value -c Region".to_owned(), "fra"),
        (format!("keypair create --public-key {public} mykey -f value -c fingerprint"), "ac:60:30:68:a0:f2:4d:4f:58:7e:10:f2:ff:d4:99:a2"),
        ("keypair create made".to_owned(), "PRIVATE KEY"),
        ("keypair list -f value -c Name".to_owned(), "made\nmykey"),
        ("keypair show --public-key mykey".to_owned(), "ssh-ed25519 "),
        ("flavor list -f value -c Name".to_owned(), "small"),
        ("flavor show small -f value -c ram".to_owned(), "128"),
        ("image list -f value -c Name".to_owned(), "this-system"),
        ("image show this-system -f value -c status".to_owned(), "active"),
        ("network list -f value -c Name".to_owned(), "public"),
        ("server create --flavor small --image this-system --key-name mykey --network public --wait web -f value -c status".to_owned(), "ACTIVE"),
        ("server create --flavor small --image this-system --key-name mykey plain -f value -c name".to_owned(), "plain"),
        ("server list -f value -c Name -c Networks".to_owned(), "web {'public': ['10.78.0.1']}"),
        ("server show web -f value -c key_name".to_owned(), "mykey"),
        ("console log show --lines 3 web".to_owned(), "web boots"),
        ("console url show web -f value -c url".to_owned(), "ticket="),
        ("server reboot --wait web".to_owned(), "Complete"),
        ("server rebuild --image debian-12 --key-name mykey --wait web -f value -c id".to_owned(), "Complete"),
        ("server set --name web2 --description text web".to_owned(), ""),
        ("server set --property a=b --tag c web2".to_owned(), ""),
        ("server show web2 -f value -c properties -c tags -c description".to_owned(), "text"),
        ("server lock --reason because web2".to_owned(), ""),
        ("server unlock web2".to_owned(), ""),
        ("server stop web2".to_owned(), ""),
        ("server event list web2 -f value -c Action".to_owned(), "rebuild"),
        ("server delete --wait web2 plain".to_owned(), ""),
        ("server list -f value -c Name".to_owned(), ""),
        ("keypair delete mykey made".to_owned(), ""),
        ("application credential create ci -f value -c name".to_owned(), "ci"),
        ("application credential list -f value -c Name".to_owned(), "ci"),
        ("application credential delete ci".to_owned(), ""),
        ("limits show --absolute -f value -c Name".to_owned(), ""),
        ("availability zone list --compute -f value".to_owned(), "nova available"),
    ];
    in_one_process(&program, &panel, "demo", &steps).await;
}

/// Images are brought and deleted by administrators.
#[tokio::test(flavor = "multi_thread")]
async fn openstack_images() {
    let Some(program) = python_peer("openstack") else { return };
    let panel = TestPanel::start(0).await;
    panel.user("demo", "demo", Role::Admin).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image.tar");
    std::fs::write(&file, vec![7; 3_000_000]).unwrap();
    let file = file.display();
    let steps = [
        (
            format!(
                "image create --container-format docker --file {file} mine -f value -c name -c status"
            ),
            "mine\nactive",
        ),
        ("image list -f value -c Name -c Status".to_owned(), "mine active"),
        ("image show mine -f value -c size".to_owned(), "3000000"),
        ("image create empty -f value -c status".to_owned(), "queued"),
        ("image delete mine empty".to_owned(), ""),
        ("image list -f value -c Name".to_owned(), "debian-12"),
    ];
    in_one_process(&program, &panel, "demo", &steps).await;
    let left = panel.state.cloud.images(&panel.caller("other").await, "ams").await.unwrap();
    assert_eq!(left.len(), 2, "{left:?}");
}

async fn in_one_process(program: &Path, panel: &TestPanel, user: &str, steps: &[(String, &str)]) {
    let driver = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/openstack_steps.py");
    let mut command = Command::new(program.with_file_name("python"));
    command.arg(driver).args(["--os-region-name", "ams"]);
    for (step, holds) in steps {
        command.arg("--step").arg(step).arg(holds);
    }
    with_account(&mut command, panel).env("OS_USERNAME", user);
    let done = run(command).await;
    assert!(done.success(), "{done}");
    assert!(done.text().contains(&format!("all {} steps", steps.len())), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn libcloud() {
    let Some(python) = python_peer("python") else { return };
    let panel = TestPanel::start(0).await;
    panel.user("demo", "demo", Role::Member).await;
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/libcloud_steps.py"));
    with_account(&mut command, &panel);
    let done = run(command).await;
    assert!(done.success() && done.text().contains("all 15 steps"), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn gophercloud() {
    let library = Path::new(GOPATH).join("src/github.com/gophercloud/gophercloud");
    let (Some(go), true) = (find("go"), library.is_dir()) else {
        println!("not run: no gophercloud here: run scripts/install-test-peers.sh");
        return;
    };
    let panel = TestPanel::start(0).await;
    panel.user("demo", "demo", Role::Member).await;
    let folder = peers().join("go");
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join("gophercloud");
    let mut build = Command::new(go);
    build
        .args(["build", "-o"])
        .arg(&program)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/gophercloud.go"))
        .env("GO111MODULE", "off")
        .env("GOPATH", GOPATH)
        .env("GOCACHE", folder.join("cache"));
    let built = run(build).await;
    assert!(built.success(), "{built}");
    let mut command = Command::new(program);
    with_account(&mut command, &panel);
    let done = run(command).await;
    assert!(done.success() && done.text().contains("all 23 steps"), "{done}");
}
