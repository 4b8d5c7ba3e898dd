//! What changed, for live pages: from this panel's cloud, and from other panels on the same
//! PostgreSQL, which tell each other by its NOTIFY.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cloud::model::ServerEvent;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgListener;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;

use crate::state::stopped;
use crate::store::{Kind, Store};

/// Where panels speak in the database; its versions are told apart by name.
const CHANNEL: &str = "keyway_news_1";
/// How many a slow page may lag behind.
const QUEUE: usize = 1024;
/// Before a listener that could not be opened is tried again.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Something that a page may have to be shown anew for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// This server changed.
    Server(ServerEvent),
    /// Some news may have been missed.
    Anything,
}

/// Where news are told and heard.
#[derive(Clone)]
pub struct Newsroom {
    sender: broadcast::Sender<News>,
    told: Arc<AtomicU64>,
}

impl Newsroom {
    fn new() -> Self {
        Self { sender: broadcast::channel(QUEUE).0, told: Arc::default() }
    }

    /// Nobody may be listening.
    fn tell(&self, news: News) {
        // Counted first: who hears nothing and sees the same number has missed nothing.
        self.told.fetch_add(1, Ordering::SeqCst);
        let _ = self.sender.send(news);
    }

    /// What is told from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<News> {
        self.sender.subscribe()
    }

    /// A number that is another one as soon as there is news.
    pub fn edition(&self) -> u64 {
        self.told.load(Ordering::SeqCst)
    }
}

/// What one panel tells the others.
#[derive(Serialize, Deserialize)]
struct Told {
    /// The panel that tells it, which hears itself, too.
    by: uuid::Uuid,
    event: ServerEvent,
}

/// Passes news on to whoever listens, until the panel stops.
pub(crate) fn spread(
    mut cloud: broadcast::Receiver<ServerEvent>,
    store: Store,
    database: String,
    stopping: watch::Receiver<bool>,
) -> Newsroom {
    let news = Newsroom::new();
    let by = uuid::Uuid::new_v4();
    if store.kind() == Kind::Postgres {
        let (news, mut stopping) = (news.clone(), stopping.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = listen(&database, by, &news) => {}
                () = stopped(&mut stopping) => {}
            }
        });
    }
    let to = news.clone();
    let mut stopping = stopping;
    tokio::spawn(async move {
        loop {
            let heard = tokio::select! {
                heard = cloud.recv() => heard,
                () = stopped(&mut stopping) => return,
            };
            match heard {
                Ok(event) => {
                    to.tell(News::Server(event.clone()));
                    if store.kind() == Kind::Postgres {
                        tell(&store, Told { by, event }).await;
                    }
                }
                Err(RecvError::Lagged(_)) => to.tell(News::Anything),
                Err(RecvError::Closed) => return,
            }
        }
    });
    news
}

async fn tell(store: &Store, told: Told) {
    let Ok(text) = serde_json::to_string(&told) else { return };
    // The function returns void, which the driver cannot name.
    let done = sqlx::query("SELECT 1 FROM (SELECT pg_notify($1, $2)) AS told")
        .bind(CHANNEL)
        .bind(text)
        .execute(store.write())
        .await;
    if let Err(error) = done {
        tracing::warn!(%error, "other panels could not be told of a change");
    }
}

async fn listen(database: &str, by: uuid::Uuid, news: &Newsroom) {
    loop {
        if let Err(error) = hear(database, by, news).await {
            tracing::warn!(%error, "changes on other panels cannot be heard");
        }
        news.tell(News::Anything);
        tokio::time::sleep(PATIENCE).await;
    }
}

async fn hear(database: &str, by: uuid::Uuid, news: &Newsroom) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect(database).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // Without a value the connection was lost and made anew: something may have been missed.
        let Some(heard) = listener.try_recv().await? else {
            news.tell(News::Anything);
            continue;
        };
        if let Ok(told) = serde_json::from_str::<Told>(heard.payload())
            && told.by != by
        {
            news.tell(News::Server(told.event));
        }
    }
}
