//! What every request sees.

use std::sync::Arc;

use cloud::{Caller, Cloud, Role};

use crate::accounts::{Accounts, Guests, User};
use crate::news::Newsroom;
use crate::settings::Settings;
use crate::store::Store;

/// The panel itself, shared by pages, API and consoles.
pub struct State {
    /// The cloud that everything is about.
    pub cloud: Arc<dyn Cloud>,
    /// What the panel keeps.
    pub store: Store,
    /// Users, projects, tokens, sessions; in the same store.
    pub accounts: Accounts,
    /// Those who logged in by the cloud's own accounts.
    pub guests: Guests,
    /// What it says about host keys.
    pub voucher: crate::vouch::Voucher,
    /// As the panel was started.
    pub settings: Settings,
    /// What is counted for `/metrics`.
    pub metrics: crate::metrics::Metrics,
    /// What changed, here and on other panels of the same database.
    pub news: Newsroom,
    /// Told once, when the panel is to stop: streams end then.
    pub stopping: tokio::sync::watch::Receiver<bool>,
}

impl State {
    /// Puts them together, in an asynchronous runtime, where news is spread from then on.
    pub fn new(
        cloud: Arc<dyn Cloud>,
        store: Store,
        settings: Settings,
        stopping: tokio::sync::watch::Receiver<bool>,
    ) -> Arc<Self> {
        let accounts = Accounts::new(store.clone());
        let news = crate::news::spread(
            cloud.subscribe(),
            store.clone(),
            settings.database.clone(),
            stopping.clone(),
        );
        Arc::new(Self {
            cloud,
            store,
            accounts,
            guests: Guests::default(),
            voucher: crate::vouch::Voucher::default(),
            settings,
            metrics: crate::metrics::Metrics::default(),
            news,
            stopping,
        })
    }
}

impl State {
    /// What a user is called, where that is known.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn user_name(&self, id: &str) -> Result<Option<String>, crate::accounts::Error> {
        match self.guests.name(id) {
            Some(name) => Ok(Some(name)),
            None => Ok(self.accounts.user(id).await?.map(|user| user.name)),
        }
    }
}

/// A fresh request identifier, in OpenStack's form.
pub fn new_request_id() -> String {
    format!("req-{}", uuid::Uuid::new_v4())
}

/// Who asks the cloud.
pub fn caller(user: &User, project_id: &str, role: Role, request_id: &str) -> Caller {
    Caller {
        user_id: user.id.clone(),
        user_name: user.name.clone(),
        project_id: project_id.to_owned(),
        role,
        request_id: request_id.to_owned(),
        token: None,
    }
}

/// Waits until the panel is told to stop.
pub(crate) async fn stopped(stopping: &mut tokio::sync::watch::Receiver<bool>) {
    // The value is a lock's guard, which must not be held over what comes next.
    let _: bool = stopping.wait_for(|stopping| *stopping).await.is_ok();
}
