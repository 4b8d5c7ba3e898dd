//! The pages over a cloud without machines, with something on them: to be looked at in a browser.
//! `demo-panel PORT` serves until it is ended.
#![allow(clippy::unwrap_used, clippy::print_stdout, dead_code, reason = "a tool for tests")]

#[path = "../tests/pages/browser.rs"]
mod browser;
#[path = "../tests/pages/echo.rs"]
mod echo;
#[path = "../tests/pages/fake.rs"]
mod fake;

use browser::{PASSWORD, Panel};
use keys::{KeyKind, PrivateKey};
use panel::accounts::Role;

#[tokio::main]
async fn main() {
    let port: u16 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(8080);
    let panel = Panel::new().await;
    let mut browser = panel.logged_in("ada", "main", Role::Admin).await;
    panel.user("grace", "main", Role::Member).await;
    panel.user("empty", "fresh", Role::Member).await;
    for (name, kind, region) in [
        ("laptop", KeyKind::Ed25519, "ams"),
        ("old workstation", KeyKind::Rsa, "ams"),
        ("tablet", KeyKind::Ecdsa, "iad"),
    ] {
        let key = PrivateKey::generate(kind, None, "").unwrap();
        let line = key.public().to_line(&format!("ada@{}", name.replace(' ', "-")));
        let form = [("name", name), ("public_key", line.as_str()), ("region", region)];
        browser.post("/keys/new", &form).await;
    }
    for (name, region, key) in
        [("web-01", "ams", "laptop"), ("db-01", "ams", "laptop"), ("mail", "iad", "tablet")]
    {
        let image = fake::IMAGE.to_string();
        let form =
            [("name", name), ("region", region), ("image", &image), ("flavor", "1"), ("key", key)];
        let page = browser.post("/servers/new", &form).await;
        if name == "db-01" {
            browser.post(&format!("{}/do/rebuild", page.path), &[("typed", name)]).await;
        }
        if name == "mail" {
            browser.post(&format!("{}/do/stop", page.path), &[]).await;
        }
    }
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    println!("http://{} ada {PASSWORD}", listener.local_addr().unwrap());
    let stopping = panel.state.stopping.clone();
    panel::serve::run(listener, None, panel.router.clone(), stopping).await;
}
