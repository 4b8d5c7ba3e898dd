//! OpenStack's clients over servers that are really there: each is logged in to by `ssh`.

use crate::fixture::{self, ADDRESS, Panel};
use crate::peers::Site;

fn at(client: impl FnOnce(&Site)) {
    let Some(panel) = fixture::panel() else { return };
    panel.member("demo");
    client(&site(&panel));
    // What the clients made they have deleted.
    assert_eq!(panel.servers().len(), 0, "{:?}", panel.servers());
    let left = panel.left();
    assert!(left.values().all(|left| *left == 0), "{left:?}");
}

fn site(panel: &Panel) -> Site {
    Site {
        identity: format!("http://{ADDRESS}/identity/v3"),
        folder: panel.folder.path().to_owned(),
        other_region: "iad",
        other_image: "this-system",
        small_mib: "512",
        boots: "Keyway server web is starting",
        real: true,
    }
}

#[test]
fn openstack_client() {
    at(Site::openstack_life);
}

#[test]
fn libcloud() {
    at(Site::libcloud);
}

#[test]
fn gophercloud() {
    at(Site::gophercloud);
}
