//! The driver against a cloud that answers as a real one was recorded to, refuses, is slow, and
//! falls silent.
#![cfg(feature = "openstack")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod recorded;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloud::accounts::{Credentials, Refusal};
use cloud::embedded::MemoryRecords;
use cloud::model::{KeyType, NewKeyPair, NewServer, ServerRequest, Status};
use cloud::openstack::{CloudConfig, Openstack};
use cloud::{Caller, Cloud, Error, KeyPairQuery, Role, ServerQuery};
use recorded::{KEY, QUICK_ACTIONS, Recorded, SERVER};

fn driver(recorded: &Recorded) -> Arc<Openstack> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clouds.yaml");
    let text = format!(
        "clouds: {{real: {{auth: {{auth_url: '{}', username: panel, password: right, project_name: service}}}}}}",
        recorded.url
    );
    std::fs::write(&file, text).unwrap();
    let config = CloudConfig::read(&file, None).unwrap();
    Openstack::new(config, Arc::new(MemoryRecords::default())).unwrap()
}

fn with(password: &str) -> Credentials<'_> {
    Credentials { name: "demo", domain: "", password, passcode: None }
}

async fn caller(cloud: &Openstack) -> Caller {
    let own = cloud.accounts().unwrap();
    let person = own.log_in(with("right")).await.map_err(|_| "no login").unwrap();
    assert_eq!(person.default_project.as_deref(), Some("p1"));
    assert_eq!(person.projects.len(), 1);
    let entry = own.enter(&person.token, "p1").await.unwrap();
    assert_eq!(entry.role, Role::Member);
    Caller {
        user_id: person.user_id,
        user_name: person.user_name,
        project_id: "p1".into(),
        role: entry.role,
        request_id: "req-mine".into(),
        token: Some(entry.token),
    }
}

#[tokio::test]
async fn logins_and_their_refusals() {
    let recorded = Recorded::start().await;
    let cloud = driver(&recorded);
    let own = cloud.accounts().unwrap();
    let Err(Refusal::Wrong(words)) = own.log_in(with("wrong")).await else { panic!() };
    assert_eq!(
        words,
        "Keystone: The request you have made requires authentication. (req-recorded)"
    );
    assert!(matches!(own.log_in(with("two factors")).await, Err(Refusal::NeedsCode)));
    let coded = Credentials { passcode: Some("123456"), ..with("two factors") };
    assert!(own.log_in(coded).await.is_ok());
    let caller = caller(&cloud).await;
    let regions = cloud.regions(&caller).await.unwrap();
    let names: Vec<&str> = regions.iter().map(|region| region.name.as_str()).collect();
    assert_eq!(names, ["one", "The second (two)"]);
    assert!(own.is_good(caller.token.as_ref().unwrap()));
}

#[tokio::test]
async fn key_pairs_and_servers_in_nova_s_words() {
    let recorded = Recorded::start().await;
    let cloud = driver(&recorded);
    let caller = caller(&cloud).await;
    let keys = cloud.key_pairs(&caller, "one").await.unwrap();
    assert_eq!(keys.len(), 2, "both pages were read");
    let new =
        |name: &str| NewKeyPair { name: name.into(), kind: KeyType::Ssh, public_key: KEY.into() };
    let taken = cloud.add_key_pair(&caller, "one", new("mykey")).await.unwrap_err();
    assert!(matches!(&taken, Error::Conflict(text) if text.contains("'mykey' already exists")));
    let (servers, total) = cloud.servers(&caller, "one", &ServerQuery::default()).await.unwrap();
    assert_eq!((servers.len(), total), (1, 1));
    assert_eq!(servers[0].status, Status::Active);
    let server = NewServer {
        name: "web".into(),
        image_id: "7ddb2dac-9478-4482-9633-9afcc2743e84".parse().unwrap(),
        flavor_id: "1".into(),
        key_names: vec!["mykey".into(), "other".into()],
        ..NewServer::default()
    };
    let made = cloud.create_server(&caller, "one", server).await.unwrap();
    assert_eq!(made.id, SERVER);
    let sent = recorded.last("POST", "/one/v2.1/servers");
    assert_eq!(sent.body["server"]["key_name"], "mykey");
    assert_eq!(sent.body["server"]["metadata"]["keyway_keys"], "[\"mykey\",\"other\"]");
    assert_eq!(sent.body["server"]["networks"], "auto", "the catalog has no Neutron");
    assert_eq!(sent.headers["openstack-api-version"], "compute 2.96");
    assert_eq!(sent.headers["x-openstack-request-id"], "req-mine");
    let reboot = ServerRequest::Reboot { hard: true };
    let conflict = cloud.request(&caller, "one", SERVER, reboot).await.unwrap_err();
    assert!(matches!(&conflict, Error::Conflict(text) if text.contains("in vm_state stopped")));
}

#[tokio::test]
async fn actions_that_ended_within_a_second() {
    let recorded = Recorded::start().await;
    let cloud = driver(&recorded);
    let caller = caller(&cloud).await;
    for _ in 0..2 {
        let actions = cloud.actions(&caller, "one", SERVER).await.unwrap();
        assert_eq!(actions.len(), QUICK_ACTIONS);
        assert!(actions.iter().all(|action| action.finished_at == Some(action.started_at)));
    }
    let looks = recorded.count("/os-instance-actions/req-");
    assert_eq!(looks, QUICK_ACTIONS, "each was looked at once");
}

#[tokio::test]
async fn a_token_that_is_refused() {
    let recorded = Recorded::start().await;
    let cloud = driver(&recorded);
    let caller = caller(&cloud).await;
    let own = cloud.accounts().unwrap();
    cloud.key_pairs(&caller, "one").await.unwrap();
    recorded.refuse_tokens_until_now();
    let error = cloud.key_pairs(&caller, "one").await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized(_)), "a person logs in again");
    assert!(!own.is_good(caller.token.as_ref().unwrap()));
    let service = own.service().await.unwrap();
    cloud.key_pairs(&service, "one").await.unwrap();
    recorded.refuse_tokens_until_now();
    cloud.key_pairs(&service, "one").await.unwrap();
    let again = own.service().await.unwrap();
    assert_ne!(
        again.token.unwrap().expose(),
        service.token.unwrap().expose(),
        "the panel's own login was renewed"
    );
}

#[tokio::test]
async fn one_region_is_silent() {
    let recorded = Recorded::start().await;
    let cloud = driver(&recorded);
    let caller = caller(&cloud).await;
    let both = ["one".to_owned(), "two".to_owned()];
    let began = Instant::now();
    for _ in 0..3 {
        let query = KeyPairQuery::default();
        let (keys, _) = cloud.find_key_pairs(&caller, &both, &query).await.unwrap();
        assert_eq!(keys.len(), 2, "those of the region that answers");
        let error = cloud.key_pairs(&caller, "two").await.unwrap_err();
        assert!(matches!(error, Error::Unreachable(_)), "{error}");
    }
    assert!(began.elapsed() < Duration::from_secs(10));
    let silent = cloud.silent();
    assert!(silent.len() == 1 && silent[0].starts_with("Nova of two ("), "{silent:?}");
}

#[tokio::test]
async fn an_answer_without_end() {
    let recorded = Recorded::start().await;
    let cloud = driver(&recorded);
    let caller = caller(&cloud).await;
    let error = cloud.flavors(&caller, "one").await.unwrap_err();
    assert!(error.to_string().contains("larger than 16 MiB"), "{error}");
}
