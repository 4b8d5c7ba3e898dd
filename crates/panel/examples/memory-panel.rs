//! The API over a cloud in memory, for clients that are not called from a test: Tempest,
//! schemathesis, a person. `memory-panel PORT FOLDER` writes `env.json` and Tempest's accounts
//! file into the folder and serves until it is ended.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for tests")]

#[path = "../tests/common/mod.rs"]
mod common;

use common::memory_cloud::{IMAGE, IMAGE_ALT, REGIONS};
use common::{PASSWORD, TestPanel};
use panel::accounts::Role;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let folder = std::path::PathBuf::from(arguments.next().unwrap_or_else(|| ".".to_owned()));
    let panel = TestPanel::start(port).await;
    let accounts = common::people::for_tempest(&panel.state.accounts).await;
    let (user, project) = panel.user("demo", "demo", Role::Member).await;
    let caller = panel::state::caller(&user, &project.id, Role::Member, "req-first");
    let first = cloud::model::NewServer {
        name: "first".to_owned(),
        image_id: IMAGE,
        flavor_id: "small".to_owned(),
        ..cloud::model::NewServer::default()
    };
    let server = panel.state.cloud.create_server(&caller, REGIONS[0], first).await.unwrap();
    let environment = serde_json::json!({
        "url": panel.url(""),
        "auth_url": panel.url("/identity/v3"),
        "regions": REGIONS,
        "user": "demo", "project": "demo", "password": PASSWORD,
        "token": panel.token(&user, &project).await,
        "image": IMAGE, "image_alt": IMAGE_ALT,
        "flavor": "small", "flavor_alt": "medium",
        "network": "public",
        "server": server.id,
    });
    std::fs::write(folder.join("accounts.yaml"), accounts).unwrap();
    std::fs::write(folder.join("env.json"), environment.to_string()).unwrap();
    println!("{}", panel.url("/identity/v3"));
    std::future::pending::<()>().await;
}
