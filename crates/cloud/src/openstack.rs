//! A real OpenStack as the cloud: Keystone for accounts, Nova for key pairs and servers, Glance
//! for images, Neutron for networks.
//!
//! Each request carries the token of the person in whose name it is made, so that everybody sees
//! and does what Keystone lets them. Nothing of the cloud's is kept but host keys with their
//! history; what is cached (versions, regions' names, catalogs of tokens) is in memory.
//!
//! What it does not do: volumes (servers boot from images), networks made or changed, floating
//! addresses given out, logins by single sign-on.

mod catalog;
mod cloud_impl;
mod clouds_yaml;
mod console_keys;
mod console_text;
mod fault;
mod glance;
mod http;
mod key_pairs;
mod keystone;
mod neutron;
mod residents;
mod server_requests;
mod server_view;
mod service;
mod user_data;
mod watch;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use time::OffsetDateTime;
use tokio::sync::broadcast;

use self::catalog::Catalog;
pub use self::clouds_yaml::CloudConfig;
use self::http::Http;
use self::keystone::ServiceLogin;
use self::residents::Residents;
use self::watch::Watches;
use crate::accounts::Token;
use crate::embedded::records::Records;
use crate::model::ServerEvent;
use crate::{Error, Result};

/// Tokens that are remembered with their catalogs; more people are not logged in at one time.
const TOKENS_MAX: usize = 20_000;
/// Events that a slow listener may be behind.
const EVENTS: usize = 256;

/// See the module.
pub struct Openstack {
    config: CloudConfig,
    http: Http,
    /// Host keys with their history.
    records: Arc<dyn Records>,
    tokens: Mutex<HashMap<Digest, Arc<Known>>>,
    service: tokio::sync::Mutex<Option<ServiceLogin>>,
    /// Nova's highest microversion, by address.
    versions: Mutex<HashMap<String, u32>>,
    region_names: Mutex<Option<(Instant, BTreeMap<String, String>)>>,
    /// When actions ended that took less than a second, by their requests.
    quick_actions: Mutex<HashMap<String, OffsetDateTime>>,
    events: broadcast::Sender<ServerEvent>,
    watches: Watches,
    residents: Residents,
    me: Weak<Self>,
}

/// What a token is known by here: not itself.
type Digest = [u8; 32];

/// What is known of a token of a project.
struct Known {
    catalog: Catalog,
    expires_at: OffsetDateTime,
    /// It is the panel's own, not a person's.
    own: bool,
    /// A service answered 401 to it.
    refused: AtomicBool,
}

impl Known {
    fn is_good(&self) -> bool {
        !self.refused.load(Ordering::Relaxed) && self.expires_at > OffsetDateTime::now_utc()
    }
}

impl Openstack {
    /// The cloud that `config` names. Nothing is waited for: a cloud that is down when the panel
    /// starts may be up when somebody logs in.
    ///
    /// # Errors
    /// [`Error::Internal`] for certificates that cannot be read.
    pub fn new(config: CloudConfig, records: Arc<dyn Records>) -> Result<Arc<Self>> {
        let http = Http::new(config.cacert.as_deref())?;
        let cloud = Arc::new_cyclic(|me| Self {
            config,
            http,
            records,
            tokens: Mutex::default(),
            service: tokio::sync::Mutex::new(None),
            versions: Mutex::default(),
            region_names: Mutex::default(),
            quick_actions: Mutex::default(),
            events: broadcast::channel(EVENTS).0,
            watches: Watches::default(),
            residents: Residents::default(),
            me: me.clone(),
        });
        cloud.begin_to_look();
        Ok(cloud)
    }

    fn remember(&self, token: &Token, known: Known) {
        let mut tokens = lock(&self.tokens);
        if tokens.len() >= TOKENS_MAX {
            tokens.retain(|_, known| known.is_good());
        }
        if tokens.len() < TOKENS_MAX {
            tokens.insert(digest(token), Arc::new(known));
        }
    }

    fn known(&self, token: &Token) -> Result<Arc<Known>> {
        let known = lock(&self.tokens).get(&digest(token)).cloned();
        known.ok_or_else(|| Error::Unauthorized("Log in again: the login is over.".to_owned()))
    }
}

fn digest(token: &Token) -> Digest {
    let hash = crypto::hash::HashAlgorithm::Sha256.digest(&[token.expose().as_bytes()]);
    let mut digest = Digest::default();
    for (to, from) in digest.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    digest
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
