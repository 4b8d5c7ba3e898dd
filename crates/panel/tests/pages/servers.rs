//! Servers.

use axum::http::StatusCode;
use cloud::embedded::records::Records;
use cloud::model::HostKeySource;
use panel::accounts::Role;

use super::LINES;
use super::browser::{Browser, Panel};
use super::fake::IMAGE;

async fn with_key(panel: &Panel, name: &str, project: &str) -> Browser {
    let mut browser = panel.logged_in(name, project, Role::Member).await;
    let form = [("name", "laptop"), ("public_key", LINES[0]), ("region", "ams")];
    browser.post("/keys/new", &form).await.says("Stored laptop");
    browser
}

/// Makes a server and returns its page's path.
async fn server(browser: &mut Browser, name: &str) -> String {
    let image = IMAGE.to_string();
    let form =
        [("name", name), ("region", "ams"), ("image", &image), ("flavor", "1"), ("key", "laptop")];
    let page = browser.post("/servers/new", &form).await;
    assert_eq!(page.status, StatusCode::OK);
    page.says(&format!("{name} is being made."));
    page.path
}

/// What a page shows behind `SHA256:` under its first host key.
fn fingerprints(text: &str) -> Vec<String> {
    text.split("data-copy=\"SHA256:")
        .skip(1)
        .map(|rest| format!("SHA256:{}", rest.split('"').next().unwrap()))
        .collect()
}

#[tokio::test]
async fn from_nothing_to_a_server() {
    let panel = Panel::new().await;
    let mut browser = with_key(&panel, "ada", "main").await;
    browser.get("/servers").await.says("No servers yet");
    browser.get("/servers/new").await.says("laptop").says("Advanced Options").says("SSH Key");
    let path = server(&mut browser, "web-01").await;
    let page = browser.get(&path).await;
    page.says("ssh root@10.78.0.1").says("[ED25519 256]").says("Running").says("create");
    page.says("one@home");
    browser.get("/servers").await.says("web-01").says("ssh root@10.78.0.1");
    browser.get("/servers?q=10.78.0.1").await.says("web-01");
    browser.get("/servers?q=other").await.says("No server matches");
    browser.get("/servers?region=iad").await.hides("web-01");
    browser.get("/keys/delete?region=ams&name=laptop").await.says("web-01").says("keep it");
    browser.get("/keys").await.hides("never");
    let log = browser.get(&format!("{path}/log")).await;
    log.says("<span class=\"log-green\">OK</span> booted &lt;b&gt;").hides("\u{1b}");
    let hosts = browser.get("/downloads/known_hosts").await.text;
    assert_eq!(hosts.lines().filter(|line| line.starts_with("10.78.0.1 ssh-ed25519 ")).count(), 1);
    let key = panel.state.voucher.key(&panel.state.store).await.unwrap();
    let fingerprint = key.public().fingerprint(keys::FingerprintHash::Sha256);
    let enroll = format!("keyway enroll --fingerprint {fingerprint} http://127.0.0.1:8080");
    browser.get("/downloads").await.says(&enroll);
    browser.get("/downloads/ssh_config").await.says("Host web-01\n    HostName 10.78.0.1\n");
    let clouds = browser.get("/downloads/clouds.yaml").await;
    clouds.says("auth_url: \"http://127.0.0.1:8080/identity/v3\"").says("username: \"ada\"");
}

#[tokio::test]
async fn only_keys_of_the_chosen_region() {
    let panel = Panel::new().await;
    let mut browser = with_key(&panel, "ada", "main").await;
    let form =
        [("do", "region"), ("region", "iad"), ("name", "kept-name"), ("description", "kept too")];
    let page = browser.post("/servers/new", &form).await;
    page.says("No key is stored in Northern Virginia (IAD) yet")
        .says("1 more key is")
        .says("value=\"ams/laptop\"");
    page.says("kept-name").says("kept too").hides("name=\"key\" value=\"laptop\"");
    let form = [("do", "copy"), ("region", "iad"), ("name", "kept-name"), ("copy", "ams/laptop")];
    let page = browser.post("/servers/new", &form).await;
    page.says("Copied laptop to Northern Virginia (IAD)").says("kept-name");
    page.says("name=\"key\" value=\"laptop\" checked");
    let form = [
        ("do", "add-key"),
        ("region", "iad"),
        ("name", "kept-name"),
        ("key", "laptop"),
        ("key_name", "second"),
        ("public_key", LINES[1]),
    ];
    let page = browser.post("/servers/new", &form).await;
    page.says("Stored second in Northern Virginia (IAD)")
        .says("value=\"second\" checked")
        .says("value=\"laptop\" checked");
    let image = IMAGE.to_string();
    let form = [
        ("name", "both"),
        ("region", "iad"),
        ("image", &image),
        ("flavor", "2"),
        ("key", "laptop"),
        ("key", "second"),
    ];
    let page = browser.post("/servers/new", &form).await;
    page.says("laptop, second").says("one@home").says("two@home");
}

#[tokio::test]
async fn refusals_beside_the_field() {
    let panel = Panel::new().await;
    let mut browser = with_key(&panel, "ada", "main").await;
    let image = IMAGE.to_string();
    let good = [
        ("name", "web"),
        ("region", "ams"),
        ("image", image.as_str()),
        ("flavor", "1"),
        ("key", "laptop"),
    ];
    for (field, value, says) in [
        ("name", "", "Give the server a name"),
        ("image", "nonsense", "Choose an image"),
        ("flavor", "99", "Choose a size"),
        ("key", "", "say that you want none"),
        ("key", "unknown", "no key unknown in Amsterdam (AMS)"),
        ("region", "moon", "That region is not there"),
        ("public_key", LINES[1], "not stored yet"),
        ("no_key", "yes", "not both"),
    ] {
        let mut form: Vec<_> = good.iter().copied().filter(|(name, _)| *name != field).collect();
        form.push((field, value));
        let page = browser.post("/servers/new", &form).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}={value}");
        page.says(says);
    }
    browser.get("/servers").await.says("No servers yet");
    let mut form: Vec<_> = good.iter().copied().filter(|(name, _)| *name != "key").collect();
    form.push(("no_key", "yes"));
    browser.post("/servers/new", &form).await.says("no key").says("nobody can log in by SSH");
}

#[tokio::test]
async fn actions_ask_first() {
    let panel = Panel::new().await;
    let mut browser = with_key(&panel, "ada", "main").await;
    let path = server(&mut browser, "web-01").await;
    browser.get(&format!("{path}/confirm/stop")).await.says("Stop web-01?");
    browser.post(&format!("{path}/do/stop"), &[]).await.says("web-01 is stopping").says("Stopped");
    browser.post(&format!("{path}/do/start"), &[]).await.says("Running");
    for action in ["rebuild", "delete"] {
        let page = browser.post(&format!("{path}/do/{action}"), &[("typed", "other")]).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        page.says("nothing was done");
    }
    let page = browser.get(&format!("{path}/confirm/fly")).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    let page = browser.post(&format!("{path}/do/delete"), &[("typed", "web-01")]).await;
    page.says("web-01 is deleted").says("No servers yet");
    assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn after_a_rebuild_old_and_new_are_shown() {
    let panel = Panel::new().await;
    let mut browser = with_key(&panel, "ada", "main").await;
    let path = server(&mut browser, "web-01").await;
    let page = browser.get(&path).await;
    page.hides("host key has changed");
    let old = fingerprints(&page.text)[0].clone();
    browser.post(&format!("{path}/do/rebuild"), &[("typed", "web-01")]).await;
    let page = browser.get(&path).await;
    let new = fingerprints(&page.text)[0].clone();
    assert_ne!(old, new);
    page.says("The host key has changed").says(&old).says("by ada");
    page.says("ssh-keygen -R 10.78.0.1<");

    // Later root of the server makes another.
    let id = uuid::Uuid::parse_str(path.rsplit('/').next().unwrap()).unwrap();
    let mut keys = panel.state.store.host_keys(id).await.unwrap();
    keys.retain(|key| key.retired_at.is_none());
    let key = keys::PrivateKey::generate(keys::KeyKind::Ed25519, None, "").unwrap();
    keys[0].public_key = key.public().to_line("");
    keys[0].fingerprint_sha256 = key.public().fingerprint(keys::FingerprintHash::Sha256);
    keys[0].source = HostKeySource::ChangedByServer;
    keys[0].first_seen_at += time::Duration::seconds(60);
    let at = keys[0].first_seen_at;
    panel.state.store.record_host_keys(id, &keys, at).await.unwrap();
    let page = browser.get(&path).await;
    page.says("The server itself replaced its key").says(&keys[0].fingerprint_sha256).says(&new);
    page.says("changed by the server itself after boot").hides("rebuilt on");

    let ask = async |browser: &mut Browser, text: &str| {
        browser.get(&format!("{path}?{}", super::browser::encode(&[("printed", text)]))).await
    };
    let printed = format!("ED25519 key fingerprint is {new}.\nAre you sure?");
    ask(&mut browser, &printed).await.says("Match. ").hides("No match.");
    ask(&mut browser, &old).await.says("This was its key before");
    let stranger = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    ask(&mut browser, stranger).await.says("No match.");
    ask(&mut browser, "hello").await.says("no fingerprint in that text");
    ask(&mut browser, "<b>").await.hides("<b>");
}

#[tokio::test]
async fn keys_on_the_server() {
    let panel = Panel::new().await;
    let mut browser = with_key(&panel, "ada", "main").await;
    let path = server(&mut browser, "web-01").await;
    let keys = format!("{path}/keys");
    let page = browser.post(&keys, &[("public_key", LINES[1])]).await;
    page.says("Added the key").says("two@home").says("one@home");
    browser.post(&keys, &[("public_key", LINES[1])]).await.says("on the server already");
    let page = browser.post(&keys, &[("public_key", "nonsense")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.says("id=\"public_key-error\"").says(">nonsense</textarea>");
    let fingerprint = |line: &str| {
        let (key, _) = keys::PublicKey::from_line(line).unwrap();
        key.fingerprint(keys::FingerprintHash::Sha256)
    };
    let page = browser.post(&keys, &[("remove", &fingerprint(LINES[0]))]).await;
    page.says("Removed the key").says("two@home").hides("one@home");
    let page = browser.post(&keys, &[("stored", "laptop")]).await;
    page.says("one@home");
    browser.post(&keys, &[("remove", &fingerprint(LINES[0]))]).await;
    let page = browser.post(&keys, &[("remove", &fingerprint(LINES[1]))]).await;
    page.says("Removed the last key").says("nobody can log in by SSH");
    browser.get("/audit").await.says("server.key.add").says("server.key.remove");
}

#[tokio::test]
async fn servers_are_their_projects() {
    let panel = Panel::new().await;
    let mut ada = with_key(&panel, "ada", "main").await;
    let path = server(&mut ada, "secret-server").await;
    let mut eve = panel.logged_in("eve", "other", Role::Member).await;
    eve.get("/servers").await.hides("secret-server");
    eve.get("/servers?q=secret").await.hides("secret-server<");
    for page in ["", "/log", "/confirm/delete", "/console/shell"] {
        let page = eve.get(&format!("{path}{page}")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{}", page.path);
        page.hides("secret-server");
    }
    for form in ["/do/stop", "/do/delete", "/keys", "/console/shell/ticket"] {
        let page = eve.post(&format!("{path}{form}"), &[("typed", "secret-server")]).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{form}");
    }
    eve.get("/downloads/known_hosts").await.hides("10.78");
    let same_project = panel.logged_in("bob", "main", Role::Reader).await;
    let mut bob = same_project;
    bob.get(&path).await.says("secret-server").hides("Rebuild");
}
