//! SSH Keys.

use axum::body::Body;
use axum::http::{StatusCode, header};
use keys::{KeyKind, PrivateKey};
use panel::accounts::Role;

use super::LINES;
use super::browser::Panel;

#[tokio::test]
async fn a_key_in_one_region_and_its_copy() {
    let panel = Panel::new().await;
    let mut browser = panel.logged_in("ada", "main", Role::Member).await;
    browser.get("/keys").await.says("No keys yet").says("ssh-keygen -t ed25519");
    let form = [("name", "laptop"), ("public_key", LINES[0]), ("region", "ams")];
    let page = browser.post("/keys/new", &form).await;
    page.says("Stored laptop in Amsterdam (AMS).")
        .says("SHA256:")
        .says("MD5:")
        .says("ED25519 256")
        .says("never");
    // Said once only.
    browser.get("/keys").await.hides("Stored laptop");
    browser.get("/keys?region=iad").await.says("No key is stored in").hides("No key matches");
    let page = browser.post("/keys/copy", &[("key", "ams/laptop"), ("to", "iad")]).await;
    page.says("Copied laptop to Northern Virginia (IAD).");
    let page = browser.post("/keys/copy", &[("key", "ams/laptop"), ("to", "iad")]).await;
    page.says("laptop is in Northern Virginia (IAD) already");
    browser.get("/keys?q=one%40home").await.says("laptop");
    browser.get("/keys?q=nothing").await.says("No key matches");
    let page = browser.get("/keys/delete?region=iad&name=laptop").await;
    page.says("No server was made with it");
    browser
        .post("/keys/delete", &[("region", "iad"), ("name", "laptop")])
        .await
        .says("Deleted laptop");
    browser.get("/audit").await.says("key.add").says("key.copy").says("key.delete");
}

#[tokio::test]
async fn repairs_are_said() {
    let panel = Panel::new().await;
    let mut browser = panel.logged_in("ada", "main", Role::Member).await;
    let (a, b) = LINES[0].split_at(40);
    let wrapped = format!("{a}\r\n{b}");
    let form =
        [("name", ""), ("public_key", wrapped.as_str()), ("region", "ams"), ("region", "iad")];
    let page = browser.post("/keys/new", &form).await;
    page.says("Joined 2 wrapped lines")
        .says("Stored one@home in Amsterdam (AMS) and Northern Virginia (IAD).");
}

#[tokio::test]
async fn refusals_beside_the_field() {
    let panel = Panel::new().await;
    let mut browser = panel.logged_in("ada", "main", Role::Member).await;
    let weak = PrivateKey::generate(KeyKind::Rsa, Some(1024), "").ok();
    let first = [("name", "one"), ("public_key", LINES[0]), ("region", "ams")];
    browser.post("/keys/new", &first).await.says("Stored one");
    let mut refused = vec![
        (LINES[0], "other", "ams", "stored in Amsterdam (AMS) already, by the name one"),
        (LINES[1], "one", "ams", "a key called one in Amsterdam (AMS) already"),
        (LINES[1], "a/b", "ams", "letters, digits"),
        (LINES[1], "two", "", "Choose at least one region"),
        (LINES[1], "two", "moon", "no region moon"),
        ("", "two", "ams", "Paste a public key"),
        ("ssh-ed25519 AAAA", "two", "ams", "damaged"),
        ("ssh-dss AAAAB3NzaC1kc3M= x", "two", "ams", "DSA"),
        ("<script>alert(1)</script>", "two", "ams", "&lt;script&gt;"),
    ];
    let line = weak.map(|key| key.public().to_line("weak"));
    if let Some(line) = &line {
        refused.push((line, "weak", "ams", "too weak"));
    }
    for (text, name, region, says) in refused {
        let form = [("name", name), ("public_key", text), ("region", region)];
        let page = browser.post("/keys/new", &form).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
        page.says(says).hides("<script>alert");
        if !text.is_empty() && says != "&lt;script&gt;" {
            // What was typed is still there.
            page.says(&text.replace('&', "&amp;"));
        }
    }
    assert_eq!(browser.get("/keys").await.text.matches("data-label=\"Name\"").count(), 1);
}

#[tokio::test]
async fn private_keys_leave_no_trace() {
    let panel = Panel::new().await;
    let mut browser = panel.logged_in("ada", "main", Role::Member).await;
    let key = PrivateKey::generate(KeyKind::Ed25519, None, "me").unwrap();
    let text = key.to_openssh(None, 0).unwrap();
    let body = text.lines().nth(2).unwrap();
    let form = [("name", "oops"), ("public_key", text.as_str()), ("region", "ams")];
    let page = browser.post("/keys/new", &form).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.says("STOP: this is a PRIVATE key").hides(body);
    let form = [("do", "add-key"), ("region", "ams"), ("public_key", text.as_str())];
    browser.post("/servers/new", &form).await.says("STOP").hides(body);
    let form = [("region", "ams"), ("public_key", text.as_str())];
    browser.post("/servers/new", &form).await.says("STOP").hides(body);
    browser.get("/audit").await.says("key.refuse-private").hides(body);
    for file in std::fs::read_dir(panel.folder.path()).unwrap() {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!content.windows(body.len()).any(|part| part == body.as_bytes()));
    }
}

#[tokio::test]
async fn a_file_is_taken_too() {
    let panel = Panel::new().await;
    let mut browser = panel.logged_in("ada", "main", Role::Member).await;
    let csrf = browser.get("/keys/new").await.hidden("csrf");
    let mut body = String::new();
    for (name, value) in
        [("csrf", csrf.as_str()), ("name", ""), ("region", "ams"), ("public_key", "")]
    {
        body.push_str(&format!(
            "--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        ));
    }
    body.push_str(&format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"id.pub\"\r\n\
         Content-Type: text/plain\r\n\r\n{}\n\r\n--b--\r\n",
        LINES[2]
    ));
    let mut request = browser.request("POST", "/keys/new", "");
    *request.body_mut() = Body::from(body);
    request
        .headers_mut()
        .insert(header::CONTENT_TYPE, "multipart/form-data; boundary=b".parse().unwrap());
    let page = browser.send(request).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    browser.get("/keys").await.says("three@home");
}

#[tokio::test]
async fn keys_are_their_owners() {
    let panel = Panel::new().await;
    let mut ada = panel.logged_in("ada", "main", Role::Member).await;
    let mut bob = panel.logged_in("bob", "main", Role::Member).await;
    ada.post("/keys/new", &[("name", "mine"), ("public_key", LINES[0]), ("region", "ams")]).await;
    bob.get("/keys").await.hides("mine").says("No keys yet");
    let page = bob.get("/keys/delete?region=ams&name=mine").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    let page = bob.post("/keys/delete", &[("region", "ams"), ("name", "mine")]).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    bob.post("/keys/copy", &[("key", "ams/mine"), ("to", "iad")])
        .await
        .says("mine is not in Amsterdam (AMS)");
    ada.get("/keys").await.says("mine");
}
