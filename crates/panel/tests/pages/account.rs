//! Logging in, the account page, users and projects.

use axum::http::StatusCode;
use panel::accounts::Role;

use super::browser::{PASSWORD, Panel};

#[tokio::test]
async fn logging_in_and_out() {
    let panel = Panel::new().await;
    panel.user("ada", "main", Role::Admin).await;
    let mut browser = panel.browser();
    let page = browser.log_in("ada", "wrong password").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    page.says("The name or the password is wrong").says("value=\"ada\"").hides("wrong password<");
    let page = browser.log_in("nobody", PASSWORD).await;
    page.says("The name or the password is wrong");
    let page = browser.post_raw("/login", &[("name", "ada"), ("password", PASSWORD)]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.log_in("ADA", PASSWORD).await.path, "/servers");
    let page = browser.post("/logout", &[]).await;
    assert_eq!(page.path, "/login");
    let page = browser.get("/keys?q=x").await;
    assert_eq!(page.path, "/login?next=/keys%3Fq%3Dx");
    assert_eq!(page.hidden("next"), "/keys?q=x");
    let mut bob = panel.logged_in("bob", "main", Role::Member).await;
    bob.get("/audit").await.says("login.done").hides("login.fail");
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let panel = Panel::new().await;
    panel.user("ada", "main", Role::Admin).await;
    let mut browser = panel.browser();
    for _ in 0..5 {
        browser.log_in("ada", "wrong password").await;
    }
    let page = browser.log_in("ada", PASSWORD).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    page.says("Try again in");
}

#[tokio::test]
async fn passwords_and_sessions() {
    let panel = Panel::new().await;
    let mut here = panel.logged_in("ada", "main", Role::Member).await;
    let mut there = panel.browser();
    there.log_in("ada", PASSWORD).await;
    let form = [("password", "wrong"), ("new_password", "another good one")];
    here.post("/account/password", &form).await.says("This is not your password");
    let form = [("password", PASSWORD), ("new_password", "short")];
    here.post("/account/password", &form).await.says("at least 12 characters");
    let form = [("password", PASSWORD), ("new_password", "another good one")];
    here.post("/account/password", &form).await.says("The password is changed");
    assert!(there.get("/servers").await.path.starts_with("/login"));
    assert_eq!(there.log_in("ada", "another good one").await.path, "/servers");
    here.post("/account/sessions", &[("others", "yes")]).await.says("have ended");
    assert!(there.get("/servers").await.path.starts_with("/login"));
    let page =
        here.post("/account/credentials", &[("credential_name", "ci"), ("days", "30")]).await;
    page.says("The secret is shown this once");
    here.get("/account").await.says("ci").hides("shown this once");
    let form = [("credential_name", "ci"), ("days", "")];
    here.post("/account/credentials", &form).await.says("called ci already");
}

#[tokio::test]
async fn second_factor() {
    let panel = Panel::new().await;
    let mut browser = panel.logged_in("ada", "main", Role::Member).await;
    let secret = browser.get("/account/second-factor").await.hidden("secret");
    let form = [("secret", secret.as_str()), ("code", "000000")];
    let page = browser.post("/account/second-factor", &form).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let code = code(&secret, 0);
    let form = [("secret", secret.as_str()), ("code", code.as_str())];
    browser.post("/account/second-factor", &form).await.says("The second factor is on");

    let mut other = panel.browser();
    let page = other.log_in("ada", PASSWORD).await;
    page.says("Enter the code").says("one-time-code");
    let token = page.hidden("token");
    let form = |token: &str, code: &str| {
        [("token", token), ("name", "ada"), ("password", PASSWORD), ("code", code)]
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
    };
    // The code that turned it on is used up.
    let sent = form(&token, &code);
    let pairs: Vec<_> = sent.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let page = other.post_raw("/login", &pairs).await;
    page.says("wrong, or was used already");
    let sent = form(&page.hidden("token"), &self::code(&secret, 30));
    let pairs: Vec<_> = sent.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(other.post_raw("/login", &pairs).await.path, "/servers");
    let page = other.post("/account/second-factor/off", &[("confirm", PASSWORD)]).await;
    page.says("The second factor is off");
}

/// What an authenticator shows, some seconds from now.
fn code(secret: &str, later: u64) -> String {
    let secret = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let totp = totp_rs::Builder::new()
        .with_algorithm(totp_rs::Algorithm::SHA1)
        .with_digits(6)
        .with_skew(0)
        .with_step_duration(30)
        .with_secret(secret)
        .build_noncompliant();
    totp.generate(now.as_secs() + later).to_string()
}

#[tokio::test]
async fn users_and_projects() {
    let panel = Panel::new().await;
    let mut admin = panel.logged_in("ada", "main", Role::Admin).await;
    let page = admin.post("/projects", &[("name", "side"), ("description", "d")]).await;
    page.says("The project is there");
    let project = page.path.clone();
    let id = project.trim_start_matches("/projects/").to_owned();
    admin.post("/projects", &[("name", "SIDE")]).await.says("called SIDE already");
    let form = [("name", "bob"), ("email", "no"), ("project", id.as_str()), ("role", "member")];
    let page = admin.post("/users", &form).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.says("not an e-mail address");
    let form =
        [("name", "bob"), ("email", "bob@example.org"), ("project", &id), ("role", "member")];
    let page = admin.post("/users", &form).await;
    page.says("Password of bob").says("shown this once");
    let password = page.text.split("data-copy=\"").nth(1).unwrap().split('"').next().unwrap();
    let mut bob = panel.browser();
    assert_eq!(bob.log_in("bob", password).await.path, "/servers");
    let user = panel.state.accounts.user_by_name("bob").await.unwrap().unwrap();
    let at = format!("/users/{}", user.id);
    admin.get(&at).await.says("side").says("member");
    admin.post(&format!("{at}/roles"), &[("remove", &id)]).await.says("taken away");
    let page = bob.get("/servers").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    page.says("You are in no project yet");
    // Without the tick, the account is disabled, and its session ends.
    admin.post(&at, &[("name", "bob"), ("email", "")]).await.says("Saved");
    assert!(bob.get("/account").await.path.starts_with("/login"));
    let page = admin.post(&format!("{at}/delete"), &[("typed", "no")]).await;
    page.says("nothing was done");
    admin.post(&format!("{at}/delete"), &[("typed", "bob")]).await.says("bob is deleted");
    admin.post(&format!("{project}/delete"), &[("typed", "side")]).await.says("side is deleted");
    let me = panel.state.accounts.user_by_name("ada").await.unwrap().unwrap();
    let page = admin.post(&format!("/users/{}/delete", me.id), &[("typed", "ada")]).await;
    page.says("cannot delete yourself");
    let page = admin.post(&format!("/users/{}", me.id), &[("name", "ada")]).await;
    page.says("last administrator");
}
