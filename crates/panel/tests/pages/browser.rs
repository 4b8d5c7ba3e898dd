//! Something like a browser without JavaScript: keeps cookies, follows redirects, fills forms in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use panel::State;
use panel::accounts::{NewUser, Role, User};
use panel::settings::Settings;
use panel::store::Store;
use tower::ServiceExt;

use super::fake::Fake;

pub const PASSWORD: &str = "correct horse battery";

/// A panel over the fake cloud.
pub struct Panel {
    pub state: Arc<State>,
    pub router: Router,
    pub stop: tokio::sync::watch::Sender<bool>,
    pub folder: tempfile::TempDir,
}

impl Panel {
    pub async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// With other settings than a test's usual ones.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::for_tests(folder.path().to_owned());
        change(&mut settings);
        let store = Store::open(&settings.database).await.unwrap();
        let (stop, stopping) = tokio::sync::watch::channel(false);
        let state = State::new(Fake::new(store.clone()), store, settings, stopping);
        Self { router: panel::web::router(Arc::clone(&state)), state, stop, folder }
    }

    pub async fn user(&self, name: &str, project: &str, role: Role) -> User {
        let accounts = &self.state.accounts;
        let project = match accounts.project_by_name(project).await.unwrap() {
            Some(project) => project,
            None => accounts.create_project(project, "").await.unwrap(),
        };
        let new = NewUser { name, email: "", password: Some(PASSWORD), default_project: None };
        let user = accounts.create_user(new).await.unwrap();
        accounts.assign(&user.id, &project.id, role).await.unwrap();
        user
    }

    pub fn browser(&self) -> Browser {
        let router = self.router.clone();
        Browser { router, cookies: BTreeMap::new(), near: None, headers: Vec::new() }
    }

    /// A browser in which this user, made here, is logged in.
    pub async fn logged_in(&self, name: &str, project: &str, role: Role) -> Browser {
        self.user(name, project, role).await;
        let mut browser = self.browser();
        let page = browser.log_in(name, PASSWORD).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        browser
    }
}

pub struct Browser {
    pub router: Router,
    pub cookies: BTreeMap<String, String>,
    /// The other end of its connections, as the panel sees it.
    pub near: Option<SocketAddr>,
    /// What it, or a proxy before it, says besides.
    pub headers: Vec<(&'static str, String)>,
}

#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    pub path: String,
    pub text: String,
    pub headers: axum::http::HeaderMap,
}

impl Page {
    /// The value of the first hidden field by that name.
    pub fn hidden(&self, name: &str) -> String {
        let at = format!("name=\"{name}\" value=\"");
        let rest = self.text.split(&at).nth(1).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.text.contains(text), "{} does not say {text:?}:\n{}", self.path, self.text);
        self
    }

    #[track_caller]
    pub fn hides(&self, text: &str) -> &Self {
        assert!(!self.text.contains(text), "{} says {text:?}", self.path);
        self
    }
}

pub fn encode(pairs: &[(&str, &str)]) -> String {
    let escape = |text: &str| {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                    char::from(byte).to_string()
                }
                byte => format!("%{byte:02X}"),
            })
            .collect::<String>()
    };
    pairs
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect::<Vec<_>>()
        .join("&")
}

impl Browser {
    pub async fn send(&mut self, request: Request<Body>) -> Page {
        let path = request.uri().path().to_owned();
        let response = self.router.clone().oneshot(request).await.unwrap();
        for value in response.headers().get_all(header::SET_COOKIE) {
            let pair = value.to_str().unwrap().split(';').next().unwrap();
            let (name, content) = pair.split_once('=').unwrap();
            if content.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), content.to_owned());
            }
        }
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Page { status: parts.status, path, text, headers: parts.headers }
    }

    pub fn request(&self, method: &str, path: &str, body: &str) -> Request<Body> {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let path = path.split('#').next().unwrap();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "127.0.0.1:8080")
            .header(header::COOKIE, cookies.join("; "))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(near) = self.near {
            request = request.extension(ConnectInfo(near));
        }
        request.body(Body::from(body.to_owned())).unwrap()
    }

    async fn follow(&mut self, mut page: Page) -> Page {
        for _ in 0..5 {
            let Some(to) = page.headers.get(header::LOCATION) else { break };
            let to = to.to_str().unwrap().to_owned();
            let request = self.request("GET", &to, "");
            page = self.send(request).await;
            to.clone_into(&mut page.path);
        }
        page
    }

    pub async fn get(&mut self, path: &str) -> Page {
        let request = self.request("GET", path, "");
        let page = self.send(request).await;
        self.follow(page).await
    }

    /// Sends a form as it is, without the session's token.
    pub async fn post_raw(&mut self, path: &str, pairs: &[(&str, &str)]) -> Page {
        let request = self.request("POST", path, &encode(pairs));
        let page = self.send(request).await;
        self.follow(page).await
    }

    /// Sends a form with the token that the session's pages carry.
    pub async fn post(&mut self, path: &str, pairs: &[(&str, &str)]) -> Page {
        let csrf = self.get("/account").await.hidden("csrf");
        let mut pairs = pairs.to_vec();
        pairs.push(("csrf", &csrf));
        self.post_raw(path, &pairs).await
    }

    pub async fn log_in(&mut self, name: &str, password: &str) -> Page {
        let form = self.get("/login").await;
        let token = form.hidden("token");
        self.post_raw("/login", &[("token", &token), ("name", name), ("password", password)]).await
    }
}
