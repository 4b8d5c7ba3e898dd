//! Who is let in, and what else is refused: by every route there is.

use axum::http::{StatusCode, header};
use panel::accounts::Role;

use super::browser::Panel;

/// A path with something plausible where it varies.
fn concrete(path: &str) -> String {
    path.replace("{region}", "ams")
        .replace("{id}", "00000000-0000-0000-0000-000000000001")
        .replace("{action}", "delete")
        .replace("{kind}", "shell")
        .replace("{tag}", "0")
        .replace("{name}", "panel.css")
}

#[tokio::test]
async fn every_route_without_credentials() {
    let panel = Panel::new().await;
    panel.user("ada", "main", Role::Admin).await;
    let routes = panel::web::table();
    assert!(routes.len() > 40, "{}", routes.len());
    for route in &routes {
        let mut browser = panel.browser();
        let request = browser.request(route.method, &concrete(route.path), "");
        let page = browser.send(request).await;
        let name = format!("{} {}", route.method, route.path);
        if route.public {
            let fine = ["/", "/login", "/healthz", "/readyz", "/metrics", "/assets/{tag}/{name}"];
            let refused = ["/console/socket"];
            // What the panel vouches for is no more than a connection to the server would show.
            let vouched = route.path.starts_with("/vouch/v1/");
            let known = vouched || fine.contains(&route.path) || refused.contains(&route.path);
            assert!(known, "{name} is public");
            if refused.contains(&route.path) || name == "POST /login" {
                assert_eq!(page.status, StatusCode::FORBIDDEN, "{name}");
            }
            continue;
        }
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{name}");
        let to = page.headers[header::LOCATION].to_str().unwrap();
        assert!(to.starts_with("/login"), "{name} goes to {to}");
        assert!(page.text.is_empty(), "{name} says {}", page.text);
    }
}

#[tokio::test]
async fn every_form_without_its_token_or_from_elsewhere() {
    let panel = Panel::new().await;
    let mut browser = panel.logged_in("ada", "main", Role::Admin).await;
    for route in panel::web::table().iter().filter(|route| route.method == "POST" && !route.public)
    {
        let path = concrete(route.path);
        let page = browser.post_raw(&path, &[("csrf", "wrong")]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        let csrf = browser.get("/account").await.hidden("csrf");
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let body = super::browser::encode(&[("csrf", &csrf)]);
            let mut request = browser.request("POST", &path, &body);
            request.headers_mut().insert(name, value.parse().unwrap());
            let page = browser.send(request).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} {name}: {value}");
        }
    }
    // Still logged in, and nobody was added, deleted or logged out.
    browser.get("/servers").await.says("No servers yet");
}

#[tokio::test]
async fn headers_of_every_page() {
    let panel = Panel::new().await;
    let mut browser = panel.logged_in("ada", "main", Role::Admin).await;
    for route in panel::web::table().iter().filter(|route| route.method == "GET") {
        if route.path == "/events" {
            continue;
        }
        let page = browser.get(&concrete(route.path)).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("script-src 'self';"), "{}", route.path);
        assert!(policy.contains("frame-ancestors 'none'"), "{}", route.path);
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        assert!(page.headers.contains_key("x-request-id"));
        // Nothing that the policy would block.
        page.hides(" style=").hides("onclick=").hides("<style");
        assert!(!page.text.contains("<script>"), "{}", route.path);
        let no_store = page.headers[header::CACHE_CONTROL] == "no-store";
        assert_eq!(no_store, !route.path.starts_with("/assets"), "{}", route.path);
    }
    assert!(!browser.get("/login").await.headers.contains_key("strict-transport-security"));
}

#[tokio::test]
async fn members_find_no_administration() {
    let panel = Panel::new().await;
    panel.user("ada", "main", Role::Admin).await;
    let mut browser = panel.logged_in("bob", "main", Role::Member).await;
    for path in ["/users", "/projects", "/users/x", "/projects/x"] {
        assert_eq!(browser.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/users", "/projects", "/users/x/delete", "/projects/x/delete", "/users/x/roles"] {
        assert_eq!(browser.post(path, &[]).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    browser.get("/audit").await.says("What was done in your name");
}

#[tokio::test]
async fn readers_change_nothing() {
    let panel = Panel::new().await;
    let mut browser = panel.logged_in("rob", "main", Role::Reader).await;
    browser.get("/keys").await.hides("Add Public Key");
    for path in ["/keys/new", "/servers/new"] {
        assert_eq!(browser.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let id = "00000000-0000-0000-0000-000000000001";
    for path in [
        "/keys/new".to_owned(),
        "/keys/copy".to_owned(),
        "/keys/delete".to_owned(),
        "/servers/new".to_owned(),
        format!("/servers/ams/{id}/do/delete"),
        format!("/servers/ams/{id}/keys"),
        format!("/servers/ams/{id}/console/shell/ticket"),
    ] {
        assert_eq!(browser.post(&path, &[]).await.status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn health_and_metrics() {
    let panel = Panel::new().await;
    let mut browser = panel.browser();
    assert_eq!(browser.get("/healthz").await.text, "ok\n");
    assert_eq!(browser.get("/readyz").await.status, StatusCode::OK);
    assert_eq!(browser.get("/no/such/page").await.status, StatusCode::NOT_FOUND);
    let page = browser.get("/metrics").await;
    page.says("route=\"/healthz\",method=\"GET\",status=\"200\"").hides("/no/such/page");
    panel.stop.send(true).unwrap();
    assert_eq!(browser.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
}
