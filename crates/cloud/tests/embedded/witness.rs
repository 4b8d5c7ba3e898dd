//! A server's root changes its host keys: seen, noted and kept with what was before.

use cloud::Cloud;
use cloud::model::{HostKey, HostKeySource, ServerRequest};
use uuid::Uuid;

use crate::fixture::{Fixture, REGION, caller, fixture};

fn all_keys(f: &Fixture, id: Uuid) -> Vec<HostKey> {
    f.runtime.block_on(f.cloud.host_keys(&caller(), REGION, id)).unwrap()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what iterators hand over")]
fn is_ed25519(key: &&HostKey) -> bool {
    key.public_key.starts_with("ssh-ed25519 ")
}

#[test]
fn a_key_changed_by_the_server_is_noticed() {
    let Some(f) = fixture(|_| {}) else { return };
    let server = f.create("changing");
    let before = all_keys(&f, server.id);
    assert!(before.iter().all(|key| key.source == HostKeySource::Boot));
    let old = before.iter().find(is_ed25519).unwrap();

    f.inside(
        &server,
        "rm /etc/ssh/ssh_host_ed25519_key* && \
         ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key",
    );
    // Whoever asks at once is told what is known; the disk is read again some seconds later.
    std::thread::sleep(std::time::Duration::from_secs(6));
    let after = all_keys(&f, server.id);
    let new = after.iter().find(|key| key.retired_at.is_none() && is_ed25519(key)).unwrap();
    assert_ne!(new.public_key, old.public_key);
    assert_eq!(new.source, HostKeySource::ChangedByServer);
    let kept = after.iter().find(|key| key.public_key == old.public_key).unwrap();
    assert_eq!(kept.retired_at, Some(new.first_seen_at));
    assert!(after.iter().filter(|key| key.retired_at.is_none()).count() >= 2);

    // What it was stays known over a boot, and files taken away are no other keys.
    let server = f.ask(server.id, ServerRequest::Reboot { hard: false });
    assert_eq!(
        all_keys(&f, server.id).iter().find(is_ed25519).unwrap().source,
        HostKeySource::ChangedByServer
    );
    f.inside(&server, "rm /etc/ssh/ssh_host_*.pub");
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_eq!(all_keys(&f, server.id).iter().find(is_ed25519).unwrap().retired_at, None);

    // A rebuild begins anew.
    let server =
        f.ask(server.id, ServerRequest::Rebuild { image_id: None, key_names: None, name: None });
    let rebuilt = all_keys(&f, server.id);
    let present: Vec<_> = rebuilt.iter().filter(|key| key.retired_at.is_none()).collect();
    assert!(present.len() >= 2 && present.iter().all(|key| key.source == HostKeySource::Boot));
    assert!(rebuilt.iter().any(|key| key.public_key == old.public_key));
}
