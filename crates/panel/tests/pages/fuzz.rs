//! Every field of every form with what no field is meant for: never a failure of the panel's own,
//! nothing that becomes markup, and what a person typed is refused beside its field.
//!
//! A few values a field in the usual run, turn by turn; all of them with `KEYWAY_FUZZ=full`.

use axum::http::StatusCode;
use panel::accounts::Role;

use super::LINES;
use super::browser::{Browser, Page, Panel};
use super::fake::IMAGE;
use super::postgres::Server;

/// A form as a page has it.
#[derive(Debug)]
struct Form {
    action: String,
    get: bool,
    fields: Vec<Field>,
}

#[derive(Clone, Debug)]
struct Field {
    name: String,
    value: String,
    /// Something that a person types.
    typed: bool,
    /// Sent unless a person does otherwise.
    sent: bool,
}

/// The value of an attribute of a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let rest = tag.split(&format!(" {name}=\"")).nth(1)?;
    let value = rest.split('"').next()?;
    Some(
        value
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&amp;", "&"),
    )
}

fn field(tag: &str) -> Option<Field> {
    let name = attribute(tag, "name")?;
    let kind = attribute(tag, "type").unwrap_or_default();
    let boxed = matches!(kind.as_str(), "checkbox" | "radio");
    Some(Field {
        name,
        value: attribute(tag, "value").unwrap_or_default(),
        typed: tag.starts_with("textarea")
            || (tag.starts_with("input") && !boxed && kind != "hidden"),
        sent: !tag.starts_with("button") && (!boxed || tag.contains(" checked")),
    })
}

fn forms(page: &str) -> Vec<Form> {
    let mut forms = Vec::new();
    for part in page.split("<form").skip(1) {
        let (head, rest) = part.split_once('>').unwrap();
        let rest = rest.split("</form>").next().unwrap();
        let mut fields: Vec<Field> = Vec::new();
        for piece in rest.split('<').skip(1) {
            let tag = piece.split('>').next().unwrap();
            if ["input", "textarea", "select", "button"].iter().any(|kind| tag.starts_with(kind)) {
                fields.extend(field(tag));
            } else if tag.starts_with("option")
                && tag.contains(" selected")
                && let (Some(select), Some(value)) = (fields.last_mut(), attribute(tag, "value"))
            {
                select.value = value;
            }
        }
        forms.push(Form {
            action: attribute(head, "action").unwrap_or_default(),
            get: attribute(head, "method").as_deref() == Some("get"),
            fields,
        });
    }
    forms
}

fn values() -> Vec<String> {
    vec![
        String::new(),
        // As long as an address may be.
        "a".repeat(60_000),
        "\0".to_owned(),
        "<script>alert(1)</script>".to_owned(),
        "-1".to_owned(),
        "\u{1}\u{7f}\u{85}\r\n".to_owned(),
        "99999999999999999999".to_owned(),
        "'\";--%_\\".to_owned(),
        "\u{202e}\u{1d11e}\u{fffd}".to_owned(),
        "../../etc/passwd".to_owned(),
        " ".to_owned(),
    ]
}

/// What is wrong with an answer, if anything.
fn fault(page: &Page, field: &Field) -> Option<String> {
    let status = page.status;
    if status.is_server_error() {
        return Some(format!("answers {status}: {}", page.text));
    }
    if page.text.contains("<script>alert") {
        return Some("lets markup through".to_owned());
    }
    let elsewhere = [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND, StatusCode::TOO_MANY_REQUESTS];
    let beside = page.text.contains("role=\"alert\"");
    if status.is_client_error() && field.typed && !beside && !elsewhere.contains(&status) {
        return Some(format!("answers {status}, not beside the field"));
    }
    None
}

struct Ground {
    panel: Panel,
    paths: Vec<String>,
}

impl Ground {
    async fn new(database: Option<&str>) -> (Self, Browser) {
        let panel = Panel::with(|settings| {
            if let Some(database) = database {
                database.clone_into(&mut settings.database);
            }
        })
        .await;
        let mut ada = panel.logged_in("ada", "main", Role::Admin).await;
        let bob = panel.user("bob", "other", Role::Member).await;
        let form = [("name", "laptop"), ("public_key", LINES[0]), ("region", "ams")];
        ada.post("/keys/new", &form).await;
        let image = IMAGE.to_string();
        let form = [
            ("name", "web"),
            ("region", "ams"),
            ("image", &image),
            ("flavor", "1"),
            ("key", "laptop"),
        ];
        let server = ada.post("/servers/new", &form).await.path;
        let other = panel.state.accounts.project_by_name("other").await.unwrap().unwrap();
        let mut paths: Vec<String> = [
            "/servers",
            "/servers/new",
            "/keys",
            "/keys/new",
            "/keys/delete?region=ams&name=laptop",
            "/account",
            "/users",
            "/projects",
            "/audit",
            "/downloads",
            "/login",
        ]
        .map(str::to_owned)
        .to_vec();
        paths.extend([
            format!("/users/{}", bob.id),
            format!("/projects/{}", other.id),
            server.clone(),
        ]);
        for action in ["reboot", "stop", "lock", "rebuild", "delete"] {
            paths.push(format!("{server}/confirm/{action}"));
        }
        (Self { panel, paths }, ada)
    }
}

async fn fuzz(database: Option<&str>) {
    let full = std::env::var("KEYWAY_FUZZ").is_ok_and(|value| value == "full");
    let (ground, mut ada) = Ground::new(database).await;
    let values = values();
    let (mut faults, mut sent) = (Vec::new(), 0);
    for path in &ground.paths {
        let anonymous = path == "/login";
        let mut stranger = ground.panel.browser();
        let count =
            forms(&browser_for(anonymous, &mut stranger, &mut ada).get(path).await.text).len();
        for number in 0..count {
            let fields = {
                let page = browser_for(anonymous, &mut stranger, &mut ada).get(path).await;
                let Some(form) = forms(&page.text).into_iter().nth(number) else { continue };
                if form.action == "/logout" {
                    continue;
                }
                form.fields.len()
            };
            for at in 0..fields {
                let few = if full { values.len() } else { 3 };
                for turn in 0..few {
                    let value = &values[(sent + turn * 4) % values.len()];
                    let value = if full { &values[turn] } else { value };
                    let browser = browser_for(anonymous, &mut stranger, &mut ada);
                    let page = browser.get(path).await;
                    let Some(form) = forms(&page.text).into_iter().nth(number) else { break };
                    let Some(target) = form.fields.get(at).cloned() else { break };
                    if matches!(target.name.as_str(), "csrf" | "token") {
                        break;
                    }
                    let answer = send(browser, &form, at, value).await;
                    sent += 1;
                    if let Some(fault) = fault(&answer, &target) {
                        let value: String = value.chars().take(20).collect();
                        faults.push(format!(
                            "{path} {} {}={value:?} {fault}",
                            form.action, target.name
                        ));
                    }
                    // Whoever was thrown out, or changed the own password, begins again.
                    if !anonymous && ada.get("/account").await.path.starts_with("/login") {
                        faults.push(format!(
                            "{path} {} {} ended the session",
                            form.action, target.name
                        ));
                        return report(&faults, sent);
                    }
                }
            }
        }
    }
    let _ = ground.panel.stop.send(true);
    ground.panel.state.store.close().await;
    report(&faults, sent);
}

fn report(faults: &[String], sent: usize) {
    println!("{sent} forms sent");
    assert!(faults.is_empty(), "{}\n", faults.join("\n"));
    assert!(sent > 100, "{sent}");
}

fn browser_for<'a>(
    anonymous: bool,
    stranger: &'a mut Browser,
    ada: &'a mut Browser,
) -> &'a mut Browser {
    if anonymous { stranger } else { ada }
}

/// The form as it stands, with one field changed.
async fn send(browser: &mut Browser, form: &Form, at: usize, value: &str) -> Page {
    let pairs: Vec<(&str, &str)> = form
        .fields
        .iter()
        .enumerate()
        .filter(|(index, field)| *index == at || field.sent)
        .map(|(index, field)| (field.name.as_str(), if index == at { value } else { &field.value }))
        .collect();
    if form.get {
        let query = super::browser::encode(&pairs);
        return browser.get(&format!("{}?{query}", form.action)).await;
    }
    browser.post_raw(&form.action, &pairs).await
}

#[tokio::test]
async fn forms_over_sqlite() {
    fuzz(None).await;
}

#[tokio::test]
async fn forms_over_postgres() {
    let Some(server) = Server::start() else {
        println!("not run: no PostgreSQL here: run scripts/install-test-peers.sh");
        return;
    };
    fuzz(Some(&server.url())).await;
}

/// What stands in addresses is no better than what stands in forms.
#[tokio::test]
async fn addresses() {
    let panel = Panel::new().await;
    let mut ada = panel.logged_in("ada", "main", Role::Admin).await;
    for route in panel::web::table().iter().filter(|route| route.method == "GET") {
        for value in
            ["%00", "%FF%FE", "..%2f..", "%F0%9D%84%9E", "-1", "%3Cscript%3Ealert(1)%3C/script%3E"]
        {
            let mut path = String::new();
            for part in route.path.split('/').skip(1) {
                path.push('/');
                path.push_str(if part.starts_with('{') { value } else { part });
            }
            if path.starts_with("/events") {
                continue;
            }
            for path in
                [path.clone(), format!("{path}?q={value}&page={value}&region={value}&next={value}")]
            {
                let request = ada.request("GET", &path, "");
                let page = ada.send(request).await;
                let ready = path.starts_with("/readyz");
                assert!(
                    !page.status.is_server_error() || ready,
                    "{path}: {} {}",
                    page.status,
                    page.text
                );
                assert!(!page.text.contains("<script>alert"), "{path}");
            }
        }
    }
}
