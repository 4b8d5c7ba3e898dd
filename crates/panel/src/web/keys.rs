//! SSH Keys: by region, as the cloud has them.

mod add;
pub(super) use add::public_key_field;
mod delete;
mod list;

use std::collections::{BTreeMap, BTreeSet};

use cloud::model::{KeyPair, KeyType, NewKeyPair, Server};
use cloud::{Caller, KeyPairQuery, ServerQuery};
use keys::{FingerprintHash, PublicKey};

use super::error::PageError;
use super::regions::Regions;
use super::routes::Routes;
use super::viewer::Viewer;
use crate::State;
use crate::public_key::{Examined, Refusal, check_name, examine};

pub(super) fn routes(routes: &mut Routes) {
    routes.get("/keys", list::show);
    routes.get("/keys/new", add::show);
    routes.post("/keys/new", add::add);
    routes.post("/keys/copy", list::copy);
    routes.get("/keys/delete", delete::show);
    routes.post("/keys/delete", delete::delete);
}

/// Servers that were made with a key of this user, by region and key name.
pub(super) type Holders = BTreeMap<(String, String), Vec<Server>>;

/// The servers of the project that were made with these of this user's keys.
pub(super) async fn holders(
    state: &State,
    caller: &Caller,
    keys: &[KeyPair],
) -> Result<Holders, PageError> {
    let regions: BTreeSet<&String> = keys.iter().map(|key| &key.region).collect();
    let mut holders: Holders =
        keys.iter().map(|key| ((key.region.clone(), key.name.clone()), Vec::new())).collect();
    for region in regions {
        let (servers, _) = state.cloud.servers(caller, region, &ServerQuery::default()).await?;
        for server in servers.into_iter().filter(|server| server.user_id == caller.user_id) {
            for name in &server.key_names {
                if let Some(of) = holders.get_mut(&(region.clone(), name.clone())) {
                    of.push(server.clone());
                }
            }
        }
    }
    holders.retain(|_, servers| !servers.is_empty());
    Ok(holders)
}

/// Type, bits and comment of a stored key.
pub(super) fn described(key: &KeyPair) -> Option<(PublicKey, String)> {
    (key.kind == KeyType::Ssh).then(|| PublicKey::from_line(&key.public_key).ok()).flatten()
}

/// What is wrong with a form for a key, field by field.
#[derive(Default)]
pub(super) struct KeyErrors {
    pub(super) name: Option<String>,
    pub(super) public_key: Option<String>,
    pub(super) regions: Option<String>,
    /// The text must not be shown again.
    pub(super) private: bool,
}

impl KeyErrors {
    pub(super) fn any(&self) -> bool {
        self.name.is_some() || self.public_key.is_some() || self.regions.is_some()
    }
}

/// Checks a key against the rules and against what is stored, and stores it in every region asked
/// for; nothing is stored when anything is wrong. Returns its name and what was repaired.
pub(super) async fn store_key(
    state: &State,
    viewer: &Viewer,
    name: &str,
    text: &str,
    regions: &[String],
) -> Result<Result<(String, Vec<String>), KeyErrors>, PageError> {
    let caller = viewer.changer()?;
    let mut errors = KeyErrors::default();
    let known = Regions::of(state, &caller).await?;
    if regions.is_empty() {
        errors.regions = Some("Choose at least one region.".to_owned());
    } else if let Some(other) = regions.iter().find(|id| !known.has(id)) {
        errors.regions = Some(format!("There is no region {other}."));
    }
    let examined = match examine(text) {
        Ok(examined) => Some(examined),
        Err(refusal) => {
            errors.private = refusal == Refusal::PrivateKey;
            errors.public_key = Some(refusal.message());
            None
        }
    };
    if errors.private {
        viewer.audit(state, "key.refuse-private", name, "").await?;
    }
    let proposed = examined.as_ref().map(Examined::proposed_name).unwrap_or_default();
    let name = if name.trim().is_empty() && !proposed.is_empty() { &proposed } else { name };
    let name = match check_name(name) {
        Ok(name) => name,
        Err(message) => {
            errors.name = Some(message);
            String::new()
        }
    };
    let (Some(examined), false) = (examined, errors.any()) else { return Ok(Err(errors)) };
    for region in regions {
        match state.cloud.key_pair(&caller, region, &name).await {
            Err(cloud::Error::NotFound(_)) => {}
            Ok(_) => {
                let there = known.name(region);
                errors.name = Some(format!("There is a key called {name} in {there} already."));
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        let query = KeyPairQuery {
            fingerprint: Some(examined.key.fingerprint(FingerprintHash::Sha256)),
            ..KeyPairQuery::first(1)
        };
        let (same, _) =
            state.cloud.find_key_pairs(&caller, std::slice::from_ref(region), &query).await?;
        if let Some(other) = same.first() {
            errors.public_key = Some(format!(
                "This key is stored in {} already, by the name {}.",
                known.name(region),
                other.name
            ));
        }
    }
    if errors.any() {
        return Ok(Err(errors));
    }
    for region in regions {
        let new =
            NewKeyPair { name: name.clone(), kind: KeyType::Ssh, public_key: examined.line() };
        match state.cloud.add_key_pair(&caller, region, new).await {
            Ok(stored) => {
                let target = format!("{name} in {region}");
                viewer.audit(state, "key.add", &target, &stored.fingerprint_sha256).await?;
            }
            Err(cloud::Error::Invalid { field, message }) => {
                if field == Some("name") {
                    errors.name = Some(message);
                } else {
                    errors.public_key = Some(message);
                }
                return Ok(Err(errors));
            }
            Err(cloud::Error::Conflict(message)) => {
                errors.name = Some(message);
                return Ok(Err(errors));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Ok((name, examined.repairs)))
}

/// Copies stored keys to another region; says which were not and why.
pub(super) async fn copy_keys(
    state: &State,
    viewer: &Viewer,
    which: &[String],
    to: &str,
) -> Result<(Vec<String>, Vec<String>), PageError> {
    let caller = viewer.changer()?;
    let regions = Regions::of(state, &caller).await?;
    if !regions.has(to) {
        return Err(PageError::not_found("There is no such region."));
    }
    let to_region = to.to_owned();
    let (mut copied, mut refused) = (Vec::new(), Vec::new());
    for one in which {
        let Some((from, name)) = one.split_once('/') else { continue };
        let key = match state.cloud.key_pair(&caller, from, name).await {
            Ok(key) => key,
            Err(cloud::Error::NotFound(_)) => {
                refused.push(format!("{name} is not in {}.", regions.name(from)));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let query =
            KeyPairQuery { page: KeyPairQuery::first(1).page, ..KeyPairQuery::same_as(&key) };
        let (there, _) =
            state.cloud.find_key_pairs(&caller, std::slice::from_ref(&to_region), &query).await?;
        if let Some(same) = there.first() {
            let there = regions.name(to);
            refused.push(format!("{name} is in {there} already, by the name {}.", same.name));
            continue;
        }
        let new = NewKeyPair {
            name: key.name.clone(),
            kind: key.kind,
            public_key: key.public_key.clone(),
        };
        match state.cloud.add_key_pair(&caller, to, new).await {
            Ok(_) => {
                let target = format!("{name} in {to}");
                viewer.audit(state, "key.copy", &target, &key.fingerprint_sha256).await?;
                copied.push(key.name);
            }
            Err(error @ (cloud::Error::Conflict(_) | cloud::Error::Invalid { .. })) => {
                refused.push(format!("{name}: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((copied, refused))
}
