//! A panel over a cloud in memory, for tests of what clients see.
#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

pub mod memory_cloud;
pub mod memory_images;
pub mod people;

pub use people::PASSWORD;

use std::net::SocketAddr;
use std::sync::Arc;

use panel::State;
use panel::accounts::{Project, Role, User};
use panel::settings::Settings;
use panel::store::Store;

/// A running panel and who may use it.
pub struct TestPanel {
    pub address: SocketAddr,
    pub state: Arc<State>,
    pub cloud: Arc<memory_cloud::MemoryCloud>,
    stop: tokio::sync::watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl TestPanel {
    /// Listens on a free port of the loopback, or on the one that is asked for.
    pub async fn start(port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener =
            tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut settings = Settings::for_tests(folder.path().to_owned());
        settings.listen = address;
        settings.public_url = format!("http://{address}");
        let store = Store::open(&settings.database).await.unwrap();
        let cloud = memory_cloud::MemoryCloud::new();
        let (stop, stopping) = tokio::sync::watch::channel(false);
        let state = State::new(Arc::clone(&cloud) as _, store, settings, stopping);
        let app = panel::api::router()
            .with_state(Arc::clone(&state))
            .into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, state, cloud, stop, _folder: folder }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A user with a role in a project, both made where they are not there yet.
    pub async fn user(&self, name: &str, project: &str, role: Role) -> (User, Project) {
        people::user(&self.state.accounts, name, project, role).await
    }

    /// A member of the project of the same name, as the cloud sees them.
    pub async fn caller(&self, name: &str) -> cloud::Caller {
        let (user, project) = self.user(name, name, Role::Member).await;
        panel::state::caller(&user, &project.id, Role::Member, "req-test")
    }

    /// A token without the way over a password.
    pub async fn token(&self, user: &User, project: &Project) -> String {
        let request = panel::accounts::TokenRequest {
            user_id: &user.id,
            project_id: Some(&project.id),
            method: "password",
            credential_id: None,
            expires_at: None,
            role_cap: None,
        };
        self.state.accounts.issue_token(request).await.unwrap().0
    }
}
