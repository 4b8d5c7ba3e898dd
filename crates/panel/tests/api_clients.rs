//! Programs that nobody here wrote, against the API over a cloud in memory; over servers that are
//! really there, they are in `embedded`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

mod common;
#[path = "common/peers.rs"]
mod peers;

use common::{PASSWORD, TestPanel};
use panel::accounts::Role;
use peers::Site;

/// Something done with the panel while it answers on other threads.
async fn at(panel: &TestPanel, client: impl FnOnce(&Site) + Send + 'static) {
    let identity = panel.url("/identity/v3");
    let done = tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir().unwrap();
        client(&Site {
            identity,
            folder: folder.path().to_owned(),
            other_region: "fra",
            other_image: "debian-12",
            small_mib: "128",
            boots: "web boots",
            real: false,
        });
    });
    done.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn openstack_client() {
    let panel = TestPanel::start(0).await;
    panel.user("demo", "demo", Role::Member).await;
    at(&panel, Site::openstack_life).await;
}

/// Images are brought and deleted by administrators.
#[tokio::test(flavor = "multi_thread")]
async fn openstack_images() {
    let panel = TestPanel::start(0).await;
    panel.user("demo", "demo", Role::Admin).await;
    at(&panel, |site| {
        let file = site.folder.join("image.tar");
        std::fs::write(&file, vec![7; 3_000_000]).unwrap();
        let file = file.display();
        let create = format!(
            "image create --container-format docker --file {file} mine -f value -c name -c status"
        );
        let steps = [
            (create, "mine\nactive"),
            ("image list -f value -c Name -c Status".to_owned(), "mine active"),
            ("image show mine -f value -c size".to_owned(), "3000000"),
            ("image create empty -f value -c status".to_owned(), "queued"),
            ("image delete mine empty".to_owned(), ""),
            ("image list -f value -c Name".to_owned(), "debian-12"),
        ];
        site.openstack("demo", &steps);
    })
    .await;
    let left = panel.state.cloud.images(&panel.caller("other").await, "ams").await.unwrap();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn libcloud() {
    let panel = TestPanel::start(0).await;
    panel.user("demo", "demo", Role::Member).await;
    at(&panel, Site::libcloud).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gophercloud() {
    let panel = TestPanel::start(0).await;
    panel.user("demo", "demo", Role::Member).await;
    at(&panel, Site::gophercloud).await;
}
