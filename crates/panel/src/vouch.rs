//! The panel's word about its servers' host keys: its own key, and what it signs with it.
//!
//! The key is in the store, so that several panels on one database speak with one voice. What is
//! said is no more than a connection to the address would show, so anybody may ask.

use std::net::IpAddr;

use cloud::Cloud;
use keys::vouch::{Former, Introduction, Standing, Statement};
use keys::{KeyKind, PrivateKey, PublicKey};
use sqlx::Row;
use tokio::sync::OnceCell;

use crate::settings::Settings;
use crate::store::{Error, Store};

/// Earlier keys that a statement names at most.
const FORMER_MAX: usize = 16;
/// Longest nonce that is repeated.
pub const NONCE_CHARACTERS_MAX: usize = 64;

/// The panel's key, made at first use.
#[derive(Default)]
pub struct Voucher {
    key: OnceCell<PrivateKey>,
}

impl Voucher {
    /// The key that clients know this panel by.
    ///
    /// # Errors
    /// [`Error`] when it is neither in the store nor can be put there.
    pub async fn key(&self, store: &Store) -> Result<&PrivateKey, Error> {
        self.key.get_or_try_init(|| load_or_make(store)).await
    }

    /// Who this panel is, signed.
    ///
    /// # Errors
    /// As [`Self::key`].
    pub async fn introduction(
        &self,
        store: &Store,
        settings: &Settings,
        cloud: &dyn Cloud,
    ) -> Result<String, Error> {
        let own = cloud.own_addresses();
        let introduction =
            Introduction { name: name_of(settings), ranges: own.ranges, ports: own.ports };
        introduction.sign(self.key(store).await?).map_err(unusable)
    }

    /// What is known about one address, signed.
    ///
    /// # Errors
    /// As [`Self::key`], and what the cloud says.
    pub async fn statement(
        &self,
        store: &Store,
        cloud: &dyn Cloud,
        address: IpAddr,
        port: u16,
        nonce: &str,
    ) -> Result<String, Error> {
        let resident = cloud
            .resident(address, port)
            .await
            .map_err(|error| Error::Unusable(error.to_string()))?;
        let (present, former): (Vec<_>, Vec<_>) =
            resident.host_keys.iter().partition(|key| key.retired_at.is_none());
        let keys: Vec<PublicKey> = present
            .iter()
            .filter(|key| Some(key.server_id) == resident.server_id)
            .filter_map(|key| Some(PublicKey::from_line(&key.public_key).ok()?.0))
            .collect();
        let standing = match resident.server_id {
            None => Standing::Vacant,
            Some(_) if keys.is_empty() => Standing::Pending,
            Some(_) => Standing::Present,
        };
        let former = former.iter().take(FORMER_MAX).filter_map(|key| {
            Some(Former {
                key: PublicKey::from_line(&key.public_key).ok()?.0,
                retired_at: u64::try_from(key.retired_at?.unix_timestamp()).unwrap_or_default(),
                server: key.server_id.to_string(),
            })
        });
        let statement = Statement {
            nonce: nonce.to_owned(),
            at: u64::try_from(crate::store::now().unix_timestamp()).unwrap_or_default(),
            address: address.to_string(),
            port,
            standing,
            server: resident.server_id.map(|id| id.to_string()).unwrap_or_default(),
            keys,
            former: former.collect(),
        };
        statement.sign(self.key(store).await?).map_err(unusable)
    }
}

/// One word that tells panels apart: where people reach it.
fn name_of(settings: &Settings) -> String {
    let address = settings.public_url.split("://").last().unwrap_or_default();
    let kept = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = address.chars().take(64).map(kept).collect();
    name.trim_matches(['-', '.']).to_owned()
}

fn unusable(error: keys::Error) -> Error {
    Error::Unusable(format!("the panel's own key: {error}"))
}

async fn load_or_make(store: &Store) -> Result<PrivateKey, Error> {
    // Several panels may start on an empty store at once: the first one's key is everybody's.
    let made = PrivateKey::generate(KeyKind::Ed25519, None, "keyway-panel").map_err(unusable)?;
    let text = made.to_openssh(None, 0).map_err(unusable)?;
    sqlx::query(
        "INSERT INTO secrets (name, value) VALUES ('vouching key', $1) ON CONFLICT (name) DO NOTHING",
    )
    .bind(text.as_str())
    .execute(store.write())
    .await?;
    let row = sqlx::query("SELECT value FROM secrets WHERE name = 'vouching key'")
        .fetch_one(store.write())
        .await?;
    let text = zeroize::Zeroizing::new(row.try_get::<String, _>("value")?);
    PrivateKey::parse(text.as_bytes(), None).map_err(|error| Error::Damaged {
        table: "secrets",
        reason: format!("the panel's own key: {error}"),
    })
}
