//! Behind a proxy: its word on where requests come from is taken, nobody else's.

use axum::http::{StatusCode, header};
use panel::accounts::Role;

use super::browser::{Browser, PASSWORD, Panel, encode};

async fn behind_a_proxy() -> Panel {
    let panel = Panel::with(|settings| {
        settings.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        "https://panel.example.org".clone_into(&mut settings.public_url);
    })
    .await;
    panel.user("ada", "main", Role::Admin).await;
    panel
}

/// A browser whose connection ends at `near`, where somebody wrote these headers.
fn browser(panel: &Panel, near: &str, from: &str) -> Browser {
    let mut browser = panel.browser();
    browser.near = Some(near.parse().unwrap());
    browser.headers.push(("x-forwarded-for", from.to_owned()));
    browser.headers.push(("x-forwarded-proto", "https".to_owned()));
    browser
}

#[tokio::test]
async fn a_trusted_proxys_word() {
    let panel = behind_a_proxy().await;
    let mut ada = browser(&panel, "10.0.0.1:4711", "198.51.100.7, 203.0.113.9");
    let form = ada.get("/login").await;
    assert!(form.headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
    let cookie = form.headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.ends_with("; Secure"), "{cookie}");
    let token = form.hidden("token");
    let fields = encode(&[("token", &token), ("name", "ada"), ("password", PASSWORD)]);
    let request = ada.request("POST", "/login", &fields);
    let done = ada.send(request).await;
    let cookie = done.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-keyway=") && cookie.ends_with("; Secure"), "{cookie}");
    ada.get("/audit").await.says("203.0.113.9").hides("198.51.100.7").hides("10.0.0.1");
    // Forms come from the page as the reader's browser sees it: by HTTPS.
    let csrf = ada.get("/account").await.hidden("csrf");
    for (origin, status) in [
        ("https://panel.example.org", StatusCode::SEE_OTHER),
        ("https://127.0.0.1:8080", StatusCode::SEE_OTHER),
        ("http://127.0.0.1:8080", StatusCode::FORBIDDEN),
        ("https://evil.example", StatusCode::FORBIDDEN),
    ] {
        ada.headers.push(("origin", origin.to_owned()));
        let body = encode(&[("csrf", &csrf), ("region", "ams"), ("name", "x"), ("to", "iad")]);
        let request = ada.request("POST", "/keys/copy", &body);
        assert_eq!(ada.send(request).await.status, status, "{origin}");
        ada.headers.pop();
    }
}

#[tokio::test]
async fn anybody_elses_word() {
    let panel = behind_a_proxy().await;
    let mut ada = browser(&panel, "192.0.2.1:4711", "203.0.113.9");
    let form = ada.get("/login").await;
    assert!(!form.headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
    assert_eq!(ada.log_in("ada", PASSWORD).await.status, StatusCode::OK);
    assert!(ada.cookies.contains_key("keyway"), "{:?}", ada.cookies);
    ada.get("/audit").await.says("192.0.2.1").hides("203.0.113.9");
}

#[tokio::test]
async fn guessing_is_slowed_down_by_the_real_address() {
    let panel = behind_a_proxy().await;
    for number in 0..6 {
        // What the guesser itself writes in front changes nothing.
        let forged = format!("198.51.100.{number}, 203.0.113.9");
        browser(&panel, "10.0.0.1:1", &forged).log_in("ada", "wrong").await;
    }
    let mut guesser = browser(&panel, "10.0.0.1:1", "203.0.113.9");
    assert_eq!(guesser.log_in("ada", PASSWORD).await.status, StatusCode::TOO_MANY_REQUESTS);
    let mut ada = browser(&panel, "10.0.0.1:1", "203.0.113.10");
    assert_eq!(ada.log_in("ada", PASSWORD).await.status, StatusCode::OK);
}
