//! Pages of servers: whatever is asked, the database answers as the reference does in memory.

use cloud::embedded::MemoryRecords;
use cloud::embedded::records::Records;
use cloud::model::{Address, Status};
use cloud::{Page, ServerList, ServerOrder};
use panel::store::{Store, now};

use super::conformance;

const PROJECT: &str = "pages";
const SERVERS: [(&str, Status); 6] = [
    ("Zoë", Status::Active),
    ("alpha", Status::Error),
    ("Beta_1", Status::Shutoff),
    ("beta%2", Status::Build),
    ("émile", Status::Active),
    ("Delta", Status::Rebuild),
];

/// Leaves nothing behind in the store.
pub async fn all(store: &Store) {
    let memory = MemoryRecords::default();
    let begin = now();
    let mut ids = Vec::new();
    for region in ["ams", "fra", "iad"] {
        for (index, (name, status)) in SERVERS.into_iter().enumerate() {
            let mut row = conformance::row(name, PROJECT);
            row.server.region = region.to_owned();
            // Some made at one time, and one that has no address yet.
            row.server.created_at =
                begin + time::Duration::seconds(i64::try_from(index % 4).unwrap());
            row.server.addresses = if status == Status::Build {
                Vec::new()
            } else {
                vec![Address {
                    network: "public".into(),
                    address: std::net::Ipv4Addr::new(10, 0, 0, 200 - 33 * index as u8).into(),
                    ssh_port: 22,
                    mac: String::new(),
                }]
            };
            let mut stored = row.clone();
            let fill = Box::new(move |_| row);
            let made = store.insert_server(region, 1000, fill).await.unwrap();
            // The state and the name are found as they are now.
            stored.slot = made.slot;
            stored.server.status = status;
            store.update_server(&stored).await.unwrap();
            ids.push(stored.server.id);
            memory.insert_server(region, 1000, Box::new(move |_| stored)).await.unwrap();
        }
    }
    for search in [None, Some("10.0.0.1".to_owned()), Some("%".to_owned())] {
        for order in [
            ServerOrder::Created,
            ServerOrder::Name,
            ServerOrder::Region,
            ServerOrder::State,
            ServerOrder::Address,
        ] {
            for descending in [false, true] {
                for asked in [&["ams", "fra", "iad"][..], &["fra"], &[]] {
                    let page = Page { limit: Some(5), offset: 2 };
                    let list = ServerList { search: search.clone(), order, descending, page };
                    let asked: Vec<String> = asked.iter().map(|id| (*id).to_owned()).collect();
                    let found = store.find_servers(&asked, PROJECT, &list).await.unwrap();
                    let wanted = memory.find_servers(&asked, PROJECT, &list).await.unwrap();
                    assert_eq!(found, wanted, "{list:?} in {asked:?}");
                }
            }
        }
    }
    let list = ServerList { search: Some("BETA_".into()), ..ServerList::default() };
    assert_eq!(store.find_servers(&["iad".into()], PROJECT, &list).await.unwrap().1, 1);
    assert_eq!(store.find_servers(&["iad".into()], "other", &list).await.unwrap().1, 0);
    for id in ids {
        assert!(Records::delete_server(store, id).await.unwrap());
    }
}
