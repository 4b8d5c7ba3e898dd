//! Several panels on one PostgreSQL are one panel.

use std::time::Duration;

use axum::http::StatusCode;
use cloud::ConsoleKind;
use http_body_util::BodyExt;
use panel::accounts::Role;
use panel::console::tickets::Ticket;
use tower::ServiceExt;

use super::LINES;
use super::browser::{PASSWORD, Panel};
use super::fake::IMAGE;
use super::postgres::Server;

#[tokio::test]
async fn two_panels_on_one_database() {
    let Some(server) = Server::start() else {
        println!("not run: no PostgreSQL here: run scripts/install-test-peers.sh");
        return;
    };
    let on = |settings: &mut panel::settings::Settings| settings.database = server.url();
    // Both find an empty database, and one of them makes the tables.
    let (one, other) = tokio::join!(Panel::with(on), Panel::with(on));
    let mut browser = one.logged_in("ada", "main", Role::Member).await;

    // Who is logged in at one is logged in at the other.
    let form = [("name", "laptop"), ("public_key", LINES[0]), ("region", "ams")];
    browser.post("/keys/new", &form).await.says("Stored laptop");
    let mut there = other.browser();
    there.cookies.clone_from(&browser.cookies);
    there.get("/keys").await.says("laptop");
    let image = IMAGE.to_string();
    let new =
        [("name", "web"), ("region", "ams"), ("image", &image), ("flavor", "1"), ("key", "laptop")];

    // What changes at one is heard at the other.
    let request = there.request("GET", "/events", "");
    let mut heard = there.router.clone().oneshot(request).await.unwrap().into_body();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let page = browser.post("/servers/new", &new).await;
    let id = page.path.rsplit('/').next().unwrap().to_owned();
    let wanted = format!("event: server\ndata: {id}");
    tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let frame = heard.frame().await.unwrap().unwrap();
            let text = frame.into_data().unwrap();
            if String::from_utf8_lossy(&text).contains(&wanted) {
                return;
            }
        }
    })
    .await
    .expect("the other panel hears of the new server");
    there.get("/servers").await.says("web");

    // A ticket is taken once, wherever.
    let user = one.state.accounts.user_by_name("ada").await.unwrap().unwrap();
    let project = one.state.accounts.project_by_name("main").await.unwrap().unwrap();
    let ticket = Ticket {
        user_id: user.id,
        project_id: project.id,
        region: "ams".to_owned(),
        server_id: id.parse().unwrap(),
        kind: ConsoleKind::Shell,
    };
    let secret = one.state.store.issue_ticket(&ticket).await.unwrap();
    assert_eq!(other.state.store.take_ticket(&secret).await.unwrap(), Some(ticket));
    assert_eq!(one.state.store.take_ticket(&secret).await.unwrap(), None);

    // They vouch with one key, though both ask for it first at once.
    let (key, same) = tokio::join!(
        one.state.voucher.key(&one.state.store),
        other.state.voucher.key(&other.state.store)
    );
    assert_eq!(key.unwrap().public(), same.unwrap().public());

    // Failures at one count at the other.
    for panel in [&one, &other, &one, &other, &one, &other] {
        panel.browser().log_in("ada", "wrong").await;
    }
    for panel in [&one, &other] {
        let page = panel.browser().log_in("ada", PASSWORD).await;
        assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    }

    // Logged out at one is logged out at the other.
    browser.post("/logout", &[]).await;
    let request = there.request("GET", "/keys", "");
    assert_eq!(there.send(request).await.status, StatusCode::SEE_OTHER);
    for panel in [&one, &other] {
        let _ = panel.stop.send(true);
        panel.state.store.close().await;
    }
}
