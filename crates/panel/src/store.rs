//! What the panel keeps: SQLite in one file, or PostgreSQL by URL, with one SQL text for both.
//!
//! Columns are text or 64-bit integers only, times are microseconds since 1970, and "none" is an
//! empty text or 0, so that both databases and sqlx's `Any` driver agree on every type.

mod backup;
mod migrations;
mod records;

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyPool, ConnectOptions, Executor, Transaction};
use time::OffsetDateTime;

/// Readers at one time; each is a thread with SQLite and a connection with PostgreSQL.
const CONNECTIONS: u32 = 8;
/// How long a statement waits for another process's write.
const BUSY_MILLISECONDS: u32 = 10_000;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed or cannot be reached.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// A row in it is not what this program writes.
    #[error("the database holds something unreadable in {table}: {reason}")]
    Damaged {
        /// Where.
        table: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The database was made by a newer program.
    #[error(
        "the database has version {found}, and this program knows only up to {known}; \
             use the newer program"
    )]
    TooNew {
        /// What the database says.
        found: i64,
        /// What this program has.
        known: i64,
    },
    /// The URL or path makes no sense, or the file cannot be used.
    #[error("{0}")]
    Unusable(String),
}

impl Error {
    /// Whether a row with that name was there already.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.is_unique_violation())
    }

    /// Whether it was given text that PostgreSQL cannot hold, which is text with a zero in it.
    pub fn is_unstorable(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error))
            if error.code().is_some_and(|code| code == "22021"))
    }
}

/// Of [`Error::is_unstorable`], for the person.
pub(crate) const UNSTORABLE: &str = "There is a character in it that no text can have.";

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One file on this machine.
    Sqlite,
    /// A server, which several panels may share.
    Postgres,
}

/// The open database. Clones share its connections.
#[derive(Clone)]
pub struct Store {
    kind: Kind,
    readers: AnyPool,
    /// One connection with SQLite, which takes one writer at a time; the same pool otherwise.
    writer: AnyPool,
}

impl Store {
    /// Opens the database that `url` names (`sqlite:PATH` or `postgres://...`) and brings it up
    /// to this program's version.
    ///
    /// # Errors
    /// [`Error`] says what is wrong with the URL or the database.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let kind = match url.split(':').next() {
            Some("sqlite") => Kind::Sqlite,
            Some("postgres" | "postgresql") => Kind::Postgres,
            _ => {
                return Err(Error::Unusable(
                    "a database URL begins with sqlite: or postgres:".to_owned(),
                ));
            }
        };
        sqlx::any::install_default_drivers();
        let store = match kind {
            Kind::Sqlite => {
                let options = sqlite_options(url)?;
                let writer = sqlite_pool(&options, 1).await?;
                let readers = sqlite_pool(&options, CONNECTIONS).await?;
                Self { kind, readers, writer }
            }
            Kind::Postgres => {
                let options = AnyConnectOptions::from_str(url)
                    .map_err(|error| Error::Unusable(format!("the database URL: {error}")))?
                    .disable_statement_logging();
                let pool = AnyPoolOptions::new()
                    .max_connections(CONNECTIONS * 2)
                    .acquire_timeout(Duration::from_secs(10))
                    .connect_with(options)
                    .await?;
                Self { kind, readers: pool.clone(), writer: pool }
            }
        };
        migrations::run(&store).await?;
        Ok(store)
    }

    /// Opens (and makes) the SQLite file.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_file(path: &Path) -> Result<Self, Error> {
        Self::open(&sqlite_url(path)?).await
    }

    /// Which database it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it answers: for `/readyz`.
    ///
    /// # Errors
    /// [`Error::Database`] when it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        sqlx::query("SELECT value FROM counters WHERE name = 'version'")
            .fetch_one(&self.readers)
            .await?;
        Ok(())
    }

    /// Ends its connections, so that the last one folds the write-ahead log into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// For reading.
    pub(crate) fn read(&self) -> &AnyPool {
        &self.readers
    }

    /// For a single statement that writes.
    pub(crate) fn write(&self) -> &AnyPool {
        &self.writer
    }

    /// A transaction that writes; SQLite's takes the lock at once, so that it never fails midway.
    ///
    /// It begins in a task of its own: sqlx 0.8 leaves the pooled connection within a transaction
    /// nobody ends when its `begin` is dropped midway (its issues 3932 and 4393), and all that is
    /// written on that connection afterwards is lost. Here whoever stops waiting drops a whole
    /// transaction, which is rolled back.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Any>, Error> {
        let (kind, writer) = (self.kind, self.writer.clone());
        let begun = tokio::spawn(async move {
            match kind {
                Kind::Sqlite => writer.begin_with("BEGIN IMMEDIATE").await,
                Kind::Postgres => writer.begin().await,
            }
        });
        Ok(begun.await.map_err(|_| sqlx::Error::WorkerCrashed)??)
    }

    /// The next number of a counter. Within a transaction it also makes every other one that
    /// wants the same counter wait, which is how slots are handed out one at a time.
    pub(crate) async fn next_number(
        tx: &mut Transaction<'static, Any>,
        counter: &str,
    ) -> Result<i64, Error> {
        Ok(sqlx::query_scalar(
            "INSERT INTO counters (name, value) VALUES ($1, 1) \
             ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 RETURNING value",
        )
        .bind(counter)
        .fetch_one(&mut **tx)
        .await?)
    }
}

/// The URL of an SQLite file.
///
/// # Errors
/// [`Error::Unusable`] for a path that is not UTF-8.
pub fn sqlite_url(path: &Path) -> Result<String, Error> {
    path.to_str()
        .map(|path| format!("sqlite:{path}"))
        .ok_or_else(|| Error::Unusable(format!("the path {} is not UTF-8", path.display())))
}

fn sqlite_options(url: &str) -> Result<AnyConnectOptions, Error> {
    let path = url.trim_start_matches("sqlite:");
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path == ":memory:" {
        return Err(Error::Unusable("an SQLite database needs a file".to_owned()));
    }
    make_private(Path::new(path))?;
    // The URL's own escapes: whatever else stands in a path is taken as it is.
    let escaped = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    Ok(AnyConnectOptions::from_str(&format!("sqlite://{escaped}?mode=rwc"))
        .map_err(|error| Error::Unusable(format!("the database path {path}: {error}")))?
        .disable_statement_logging())
}

/// Makes the file before SQLite does, for its owner only; SQLite gives the files beside it the
/// same mode.
fn make_private(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|error| Error::Unusable(format!("the database {}: {error}", path.display())))
}

async fn sqlite_pool(options: &AnyConnectOptions, connections: u32) -> Result<AnyPool, Error> {
    Ok(AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(|connection, _| {
            Box::pin(async move {
                // FULL: what a person was told is stored is on the disk.
                for pragma in [
                    format!("PRAGMA busy_timeout = {BUSY_MILLISECONDS}"),
                    "PRAGMA journal_mode = WAL".to_owned(),
                    "PRAGMA synchronous = FULL".to_owned(),
                    "PRAGMA foreign_keys = ON".to_owned(),
                ] {
                    connection.execute(pragma.as_str()).await?;
                }
                Ok(())
            })
        })
        .connect_with(options.clone())
        .await?)
}

/// A time as it is stored.
pub(crate) fn micros(at: OffsetDateTime) -> i64 {
    (at.unix_timestamp_nanos() / 1000) as i64
}

/// A time that may be none, which is 0.
pub(crate) fn micros_or_zero(at: Option<OffsetDateTime>) -> i64 {
    at.map_or(0, micros)
}

/// A stored time.
pub(crate) fn time_of(micros: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// A stored time that may be none.
pub(crate) fn time_or_none(micros: i64) -> Option<OffsetDateTime> {
    (micros != 0).then(|| time_of(micros))
}

/// Now, as exactly as it is stored, so that what is returned equals what is read back.
pub fn now() -> OffsetDateTime {
    time_of(micros(OffsetDateTime::now_utc()))
}

/// SQLite takes patterns of 50,000 bytes; what is searched for is never as long.
const PATTERN_BYTES_MAX: usize = 32 * 1024;

/// A `LIKE` pattern that finds `part` anywhere, with `\` as its escape.
pub(crate) fn containing(part: &str) -> String {
    let mut pattern = String::with_capacity(part.len() + 2);
    pattern.push('%');
    for c in part.to_lowercase().chars() {
        if pattern.len() > PATTERN_BYTES_MAX {
            break;
        }
        // PostgreSQL takes no text with a zero in it, and has none to find.
        let c = if c == '\0' { '\u{fffd}' } else { c };
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
