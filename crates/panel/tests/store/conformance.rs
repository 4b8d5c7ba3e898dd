//! The tests that every database passes.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use cloud::embedded::MemoryRecords;
use cloud::embedded::records::{Records, ServerRow};
use cloud::model::{
    Address, Flavor, HostKey, HostKeySource, Image, ImageStatus, KeyPair, KeyType, Power, Server,
    ServerAction, Status,
};
use cloud::{KeyPairOrder, KeyPairQuery, Page, ServerQuery};
use std::future::{Future as _, poll_fn};
use std::task::Poll;

use panel::store::{Store, now};
use time::Duration;
use uuid::Uuid;

use super::people;

pub async fn all(url: &str) {
    let store = Store::open(url).await.unwrap();
    store.ping().await.unwrap();
    key_pairs(&store).await;
    given_up(&store).await;
    images(&store).await;
    servers(&store).await;
    slots(&store).await;
    actions_and_host_keys(&store).await;
    people::all(&store).await;
    store.close().await;
    // Opening again migrates nothing and loses nothing.
    let store = Store::open(url).await.unwrap();
    assert_eq!(Records::images(&store).await.unwrap().len(), 1);
    store.close().await;
}

pub fn key_pair(name: &str, user: &str) -> KeyPair {
    KeyPair {
        id: 0,
        region: "ams".into(),
        user_id: user.into(),
        name: name.into(),
        kind: KeyType::Ssh,
        public_key: "ssh-ed25519 AAAA ü".into(),
        fingerprint_md5: "00:11".into(),
        fingerprint_sha256: "SHA256:x".into(),
        created_at: now(),
        last_used_at: None,
    }
}

/// Whatever is asked, the database answers as the reference does in memory.
async fn pages_of_keys(store: &Store) {
    let memory = MemoryRecords::default();
    for (index, name) in
        ["Zoë", "alpha", "Beta_1", "beta%2", "émile", "gamma", "Delta"].iter().enumerate()
    {
        for region in ["ams", "iad", "fra"] {
            if (index + region.len() + usize::from(region == "iad")) % 3 == 0 && region != "ams" {
                continue;
            }
            let key = KeyPair {
                region: region.into(),
                fingerprint_sha256: format!("SHA256:Key{}", index % 5),
                ..key_pair(name, "u9")
            };
            let stored = store.insert_key_pair(key.clone()).await.unwrap();
            assert_eq!(memory.insert_key_pair(key).await.unwrap().name, stored.name);
        }
    }
    for name in ["gamma", "alpha"] {
        store.touch_key_pairs("ams", "u9", &[name.into()], now()).await.unwrap();
        memory.touch_key_pairs("ams", "u9", &[name.into()], now()).await.unwrap();
    }
    let regions = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let some = |text: &str| Some(text.to_owned());
    for search in [None, some("beta"), some("BETA_"), some("%"), some("sha256:key3"), some("É")] {
        for order in
            [KeyPairOrder::Name, KeyPairOrder::Region, KeyPairOrder::Used, KeyPairOrder::Added]
        {
            for descending in [false, true] {
                for asked in [regions(&["ams", "fra", "iad"]), regions(&["iad"]), regions(&[])] {
                    let page = Page { limit: Some(4), offset: 2 };
                    let search = search.clone();
                    let query =
                        KeyPairQuery { search, order, descending, page, ..KeyPairQuery::default() };
                    same_page(store, &memory, &asked, &query).await;
                }
            }
        }
    }
    let lacking = KeyPairQuery { lacking_in: some("iad"), ..KeyPairQuery::default() };
    same_page(store, &memory, &regions(&["ams", "fra"]), &lacking).await;
    let exact = KeyPairQuery { fingerprint: some("SHA256:Key1"), ..KeyPairQuery::first(1) };
    same_page(store, &memory, &regions(&["ams"]), &exact).await;
    let one = Records::key_pair(store, "ams", "u9", "Zoë").await.unwrap().unwrap();
    assert_eq!((one.name.as_str(), one.region.as_str()), ("Zoë", "ams"));
    assert!(Records::key_pair(store, "ams", "u1", "Zoë").await.unwrap().is_none());
}

async fn same_page(
    store: &Store,
    memory: &MemoryRecords,
    regions: &[String],
    query: &KeyPairQuery,
) {
    let names = |(keys, total): (Vec<KeyPair>, u64)| {
        (keys.into_iter().map(|key| (key.name, key.region)).collect::<Vec<_>>(), total)
    };
    let found = Records::find_key_pairs(store, regions, "u9", query).await.unwrap();
    let wanted = memory.find_key_pairs(regions, "u9", query).await.unwrap();
    assert_eq!(names(found), names(wanted), "{query:?} in {regions:?}");
}

async fn key_pairs(store: &Store) {
    let stored = store.insert_key_pair(key_pair("b", "u1")).await.unwrap();
    let other = store.insert_key_pair(key_pair("a", "u1")).await.unwrap();
    assert_ne!(stored.id, other.id);
    store.insert_key_pair(key_pair("a", "u2")).await.unwrap();
    let again = store.insert_key_pair(key_pair("a", "u1")).await;
    assert!(matches!(again, Err(cloud::Error::Conflict(_))), "{again:?}");
    let keys = Records::key_pairs(store, "ams", "u1").await.unwrap();
    assert_eq!(keys, [other.clone(), stored]);
    assert!(Records::key_pairs(store, "iad", "u1").await.unwrap().is_empty());
    let at = now();
    store.touch_key_pairs("ams", "u1", &["a".into()], at).await.unwrap();
    assert_eq!(Records::key_pairs(store, "ams", "u1").await.unwrap()[0].last_used_at, Some(at));
    assert_eq!(Records::key_pairs(store, "ams", "u2").await.unwrap()[0].last_used_at, None);
    pages_of_keys(store).await;
    assert!(Records::delete_key_pair(store, "ams", "u1", "a").await.unwrap());
    assert!(!Records::delete_key_pair(store, "ams", "u1", "a").await.unwrap());
}

/// Whoever asked goes away in the middle of a write, at each of its waits in turn: what is
/// written afterwards is there for everybody.
async fn given_up(store: &Store) {
    for patience in 1..30 {
        let name = format!("given up {patience}");
        let mut writing = Box::pin(store.insert_key_pair(key_pair(&name, "u9")));
        for _ in 0..patience {
            let polled = poll_fn(|context| Poll::Ready(writing.as_mut().poll(context))).await;
            if polled.is_ready() {
                break;
            }
            tokio::time::sleep(Duration::microseconds(50).unsigned_abs()).await;
        }
        drop(writing);
        let after = format!("after {patience}");
        store.insert_key_pair(key_pair(&after, "u9")).await.unwrap();
        let seen = store.key_pairs("ams", "u9").await.unwrap();
        assert!(seen.iter().any(|key| key.name == after), "{after} was lost");
    }
}

async fn images(store: &Store) {
    let mut image = Image {
        id: Uuid::new_v4(),
        name: "this-system".into(),
        status: ImageStatus::Queued,
        size: 7,
        sha256: String::new(),
        created_at: now(),
        uses_cloud_init: false,
    };
    store.put_image(&image).await.unwrap();
    image.status = ImageStatus::Active;
    store.put_image(&image).await.unwrap();
    assert_eq!(Records::images(store).await.unwrap(), [image.clone()]);
    let other = Image { id: Uuid::new_v4(), ..image };
    store.put_image(&other).await.unwrap();
    assert!(store.delete_image(other.id).await.unwrap());
    assert!(!store.delete_image(other.id).await.unwrap());
}

pub fn row(name: &str, project: &str) -> ServerRow {
    ServerRow {
        server: Server {
            id: Uuid::new_v4(),
            region: "ams".into(),
            project_id: project.into(),
            user_id: "u1".into(),
            name: name.into(),
            status: Status::Build,
            task_state: Some("spawning".into()),
            power: Power::NoState,
            fault: None,
            image_id: Uuid::nil(),
            flavor: Flavor { id: "1".into(), name: "s".into(), ram_mib: 1, vcpus: 1, disk_gib: 0 },
            key_name: None,
            key_names: vec!["k".into()],
            addresses: Vec::new(),
            metadata: BTreeMap::from([("a".into(), "b".into())]),
            tags: vec!["T".into()],
            locked: false,
            description: None,
            created_at: now(),
            updated_at: now(),
            launched_at: None,
        },
        wanted_running: true,
        slot: 0,
        public_keys: vec!["ssh-ed25519 AAAA".into()],
        user_data: vec![0, 255, 10],
        generation: 3,
    }
}

async fn insert(store: &Store, region: &'static str, name: &str, project: &str) -> ServerRow {
    let (name, project) = (name.to_owned(), project.to_owned());
    let fill = Box::new(move |slot: u32| {
        let mut row = row(&name, &project);
        row.server.region = region.into();
        row.server.addresses = vec![Address {
            network: "public".into(),
            address: std::net::Ipv4Addr::from(0x0a00_0000 + slot).into(),
            ssh_port: 22,
            mac: String::new(),
        }];
        row
    });
    store.insert_server(region, 1000, fill).await.unwrap()
}

async fn servers(store: &Store) {
    let mut first = insert(store, "ams", "Web_1", "p1").await;
    let second = insert(store, "ams", "web-2", "p1").await;
    let third = insert(store, "ams", "other", "p2").await;
    assert_eq!([first.slot, second.slot, third.slot], [0, 1, 2]);
    assert_eq!(store.server(first.server.id).await.unwrap(), Some(first.clone()));
    first.server.status = Status::Active;
    first.wanted_running = false;
    first.generation = 4;
    store.update_server(&first).await.unwrap();
    assert_eq!(store.server(first.server.id).await.unwrap(), Some(first.clone()));

    let find = async |project: Option<&str>, search: &str, limit, offset| {
        let search = (!search.is_empty()).then(|| search.to_owned());
        let query = ServerQuery { search, page: Page { limit, offset }, ..ServerQuery::default() };
        let (rows, total) = Records::servers(store, "ams", project, &query).await.unwrap();
        (rows.into_iter().map(|row| row.server.name).collect::<Vec<_>>(), total)
    };
    assert_eq!(find(Some("p1"), "", None, 0).await, (vec!["web-2".into(), "Web_1".into()], 2));
    assert_eq!(find(None, "", Some(1), 1).await, (vec!["web-2".into()], 3));
    assert_eq!(find(None, "WEB", None, 0).await.1, 2);
    // What SQL takes for wildcards is text here.
    assert_eq!(find(None, "web_", None, 0).await, (vec!["Web_1".into()], 1));
    assert_eq!(find(None, "%", None, 0).await.1, 0);
    assert_eq!(find(None, "10.0.0.2", None, 0).await.0, ["other"]);

    assert_eq!(store.project_of(third.server.id).await.unwrap().as_deref(), Some("p2"));
    assert!(Records::delete_server(store, second.server.id).await.unwrap());
    assert!(!Records::delete_server(store, second.server.id).await.unwrap());
    assert!(matches!(store.update_server(&second).await, Err(cloud::Error::NotFound(_))));
    assert_eq!(store.project_of(second.server.id).await.unwrap().as_deref(), Some("p1"));
    assert_eq!(insert(store, "ams", "again", "p1").await.slot, 1);
    assert_eq!(store.all_servers().await.unwrap().len(), 3);
}

/// Many at once never get the same slot, and the last one is told that there is none.
async fn slots(store: &Store) {
    let mut tasks = Vec::new();
    for number in 0..12 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let fill = Box::new(move |_| {
                let mut row = row(&format!("s{number}"), "p3");
                row.server.region = "iad".into();
                row
            });
            store.insert_server("iad", 10, fill).await
        }));
    }
    let (mut slots, mut refused) = (BTreeSet::new(), 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(row) => assert!(slots.insert(row.slot), "slot {} twice", row.slot),
            Err(cloud::Error::Exhausted(_)) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((slots.len(), refused), (10, 2));
    assert_eq!(slots.last(), Some(&9));
}

async fn actions_and_host_keys(store: &Store) {
    let server = Uuid::new_v4();
    let mut action = ServerAction {
        request_id: "req-1".into(),
        action: "create".into(),
        user_id: "u1".into(),
        project_id: "p1".into(),
        started_at: now(),
        finished_at: None,
        message: None,
    };
    store.put_action(server, &action).await.unwrap();
    let later = ServerAction {
        request_id: "req-2".into(),
        action: "stop".into(),
        started_at: now() + Duration::seconds(1),
        ..action.clone()
    };
    store.put_action(server, &later).await.unwrap();
    action.finished_at = Some(now());
    store.put_action(server, &action).await.unwrap();
    assert_eq!(Records::actions(store, server).await.unwrap(), [later, action]);

    let key = |text: &str| HostKey {
        server_id: server,
        region: "ams".into(),
        address: "10.9.9.9".into(),
        port: 22,
        public_key: format!("ssh-ed25519 {text}"),
        fingerprint_sha256: format!("SHA256:{text}"),
        source: HostKeySource::Boot,
        first_seen_at: now(),
        retired_at: None,
    };
    let (one, two, three) = (key("one"), key("two"), key("three"));
    store.record_host_keys(server, &[one.clone(), two.clone()], now()).await.unwrap();
    store.record_host_keys(server, &[one.clone(), two.clone()], now()).await.unwrap();
    assert_eq!(Records::host_keys(store, server).await.unwrap().len(), 2);
    let rebuilt = now();
    store.record_host_keys(server, &[three.clone(), two.clone()], rebuilt).await.unwrap();
    let keys = Records::host_keys(store, server).await.unwrap();
    assert_eq!(keys.len(), 3);
    assert!(keys[..2].iter().all(|key| key.retired_at.is_none()));
    assert_eq!(keys[2], HostKey { retired_at: Some(rebuilt), ..one });
    assert_eq!(store.host_keys_at("10.9.9.9", 22).await.unwrap(), keys);
    assert!(store.host_keys_at("10.9.9.9", 2222).await.unwrap().is_empty());
    store.retire_host_keys(server, now()).await.unwrap();
    let keys = Records::host_keys(store, server).await.unwrap();
    assert!(keys.iter().all(|key| key.retired_at.is_some()));
}
