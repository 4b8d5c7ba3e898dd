//! Create Server.
//!
//! One form with several buttons: another region, copied keys and an added key all send the whole
//! form, so that nothing typed is lost and no script is needed.

mod form;

use std::sync::Arc;

use axum::extract::State as AxumState;
use axum::http::StatusCode;
use cloud::model::{Flavor, Image, ImageStatus, KeyPair, Network, NewServer};
use cloud::{Caller, KeyPairQuery};
use form::form;

use crate::State;
use crate::web::error::PageResult;
use crate::web::keys::{KeyErrors, copy_keys, store_key};
use crate::web::layout::go;
use crate::web::posted::{Fields, Posted};
use crate::web::regions::Regions;
use crate::web::viewer::Viewer;

/// More than cloud-init's user data may have.
const USER_DATA_BYTES_MAX: usize = 64 * 1024;
const NAME_CHARACTERS_MAX: usize = 255;
/// Keys that are shown to be ticked; of more than these, others are named.
pub(super) const KEYS_SHOWN: u32 = 200;
/// Keys of other regions that are shown to be copied.
const ELSEWHERE_SHOWN: u32 = 50;

/// What was typed.
#[derive(Default)]
struct Typed {
    name: String,
    region: String,
    image: String,
    flavor: String,
    network: String,
    description: String,
    keys: Vec<String>,
    no_key: bool,
    key_name: String,
    public_key: String,
    user_data: String,
}

/// What is wrong with it, and what was done on the way.
#[derive(Default)]
struct Said {
    name: Option<String>,
    image: Option<String>,
    flavor: Option<String>,
    keys: Option<String>,
    description: Option<String>,
    user_data: Option<String>,
    form: Option<String>,
    new_key: KeyErrors,
    notice: Option<String>,
}

impl Said {
    fn wrong(&self) -> bool {
        [
            &self.name,
            &self.image,
            &self.flavor,
            &self.keys,
            &self.description,
            &self.user_data,
            &self.form,
        ]
        .iter()
        .any(|error| error.is_some())
            || self.new_key.any()
    }
}

/// What can be chosen.
struct Choice {
    regions: Regions,
    images: Vec<Image>,
    flavors: Vec<Flavor>,
    /// More than one only where there is a choice.
    networks: Vec<Network>,
    /// The chosen keys, then others up to [`KEYS_SHOWN`].
    keys: Vec<KeyPair>,
    /// Whether there are keys that are not among them.
    more: bool,
    /// Keys of other regions that this one lacks, up to [`ELSEWHERE_SHOWN`].
    elsewhere: Vec<KeyPair>,
    /// How many there are of these.
    elsewhere_total: u64,
    several: bool,
}

impl Choice {
    /// For the region that was chosen, or the first.
    async fn new(state: &State, caller: &Caller, typed: &mut Typed) -> PageResult<Self> {
        let region = &mut typed.region;
        let regions = Regions::of(state, caller).await?;
        if !regions.has(region) {
            *region = regions.first().map(|region| region.id.clone()).unwrap_or_default();
        }
        let mut images = state.cloud.images(caller, region).await?;
        images.retain(|image| image.status == ImageStatus::Active);
        let flavors = state.cloud.flavors(caller, region).await?;
        let networks = state.cloud.networks(caller, region).await?;
        let (keys, total) = offered_keys(state, caller, region, KEYS_SHOWN).await?;
        let more = total > keys.len() as u64;
        let mut keys = keys;
        for name in &typed.keys {
            if keys.iter().any(|key| key.name == *name) {
                continue;
            }
            match state.cloud.key_pair(caller, region, name).await {
                Ok(key) => keys.insert(0, key),
                Err(cloud::Error::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let others: Vec<String> =
            regions.iter().map(|other| other.id.clone()).filter(|id| id != region).collect();
        let query = KeyPairQuery {
            lacking_in: Some(region.clone()),
            ..KeyPairQuery::first(ELSEWHERE_SHOWN)
        };
        let (elsewhere, elsewhere_total) =
            state.cloud.find_key_pairs(caller, &others, &query).await?;
        let several = state.cloud.capabilities().several_keys;
        Ok(Self {
            regions,
            images,
            flavors,
            networks,
            keys,
            more,
            elsewhere,
            elsewhere_total,
            several,
        })
    }
}

/// The first keys of a region by name, and how many there are.
pub(super) async fn offered_keys(
    state: &State,
    caller: &Caller,
    region: &str,
    limit: u32,
) -> PageResult<(Vec<KeyPair>, u64)> {
    let region = [region.to_owned()];
    Ok(state.cloud.find_key_pairs(caller, &region, &KeyPairQuery::first(limit)).await?)
}

pub(super) async fn show(viewer: Viewer, AxumState(state): AxumState<Arc<State>>) -> PageResult {
    let caller = viewer.changer()?;
    let mut typed = Typed::default();
    let choice = Choice::new(&state, &caller, &mut typed).await?;
    Ok(form(&viewer, &typed, &choice, &Said::default(), StatusCode::OK))
}

pub(super) async fn create(AxumState(state): AxumState<Arc<State>>, posted: Posted) -> PageResult {
    let Posted { viewer, fields } = &posted;
    let caller = viewer.changer()?;
    let mut typed = read(fields);
    let mut said = Said::default();
    match fields.get("do") {
        "region" => {
            // Names of the old region's keys that the new one has too stay chosen.
            said.notice = None;
        }
        "copy" => {
            let (copied, refused) =
                copy_keys(&state, viewer, &fields.all("copy"), &typed.region).await?;
            typed.keys.extend(copied.iter().cloned());
            let mut text = refused.join(" ");
            if !copied.is_empty() {
                typed.no_key = false;
                let to = Regions::of(&state, &caller).await?;
                let to = to.name(&typed.region);
                text = format!("Copied {} to {to}. {text}", copied.join(", "));
            } else if text.is_empty() {
                "Tick the keys to copy first.".clone_into(&mut text);
            }
            said.notice = Some(text);
        }
        "add-key" => {
            let region = [typed.region.clone()];
            match store_key(&state, viewer, &typed.key_name, &typed.public_key, &region).await? {
                Ok((name, repairs)) => {
                    let there = Regions::of(&state, &caller).await?;
                    let there = there.name(&typed.region);
                    said.notice = Some(format!("Stored {name} in {there}. {}", repairs.join(" ")));
                    typed.keys.push(name);
                    typed.no_key = false;
                    typed.key_name.clear();
                    typed.public_key.clear();
                }
                Err(errors) => said.new_key = errors,
            }
        }
        _ => return make(&state, viewer, &caller, typed).await,
    }
    let choice = Choice::new(&state, &caller, &mut typed).await?;
    let status = if said.wrong() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(form(viewer, &typed, &choice, &said, status))
}

fn read(fields: &Fields) -> Typed {
    let text = |name: &str| fields.get(name).to_owned();
    Typed {
        name: text("name"),
        region: text("region"),
        image: text("image"),
        flavor: text("flavor"),
        network: text("network"),
        description: text("description"),
        keys: fields.all("key"),
        no_key: fields.has("no_key"),
        key_name: text("key_name"),
        public_key: text("public_key"),
        user_data: fields.raw("user_data").replace("\r\n", "\n"),
    }
}

async fn make(state: &State, viewer: &Viewer, caller: &Caller, mut typed: Typed) -> PageResult {
    let asked = typed.region.clone();
    let choice = Choice::new(state, caller, &mut typed).await?;
    let mut said = Said::default();
    if asked != typed.region {
        said.form = Some("That region is not there; the form now shows another.".to_owned());
    }
    said.name = check_name(&typed.name);
    let image = choice.images.iter().find(|image| image.id.to_string() == typed.image);
    if image.is_none() {
        said.image = Some("Choose an image.".to_owned());
    }
    if !choice.flavors.iter().any(|flavor| flavor.id == typed.flavor) {
        said.flavor = Some("Choose a size.".to_owned());
    }
    if let Some(name) =
        typed.keys.iter().find(|name| !choice.keys.iter().any(|key| key.name == **name))
    {
        let there = choice.regions.name(&typed.region);
        said.keys = Some(format!("There is no key {name} in {there}."));
    } else if typed.keys.is_empty() && !typed.no_key {
        said.keys = Some(
            "Choose a key, or say that you want none. Without a key nobody can log in by SSH."
                .to_owned(),
        );
    } else if !typed.keys.is_empty() && typed.no_key {
        said.keys = Some("Either choose keys or choose to have none, not both.".to_owned());
    } else if typed.keys.len() > 1 && !choice.several {
        said.keys = Some("This cloud takes one key for a server.".to_owned());
    }
    if !typed.public_key.is_empty() {
        said.new_key.public_key = Some(
            "This key is not stored yet: press \"Add this key\" first, or empty the field."
                .to_owned(),
        );
        said.new_key.private = crate::public_key::examine(&typed.public_key)
            .is_err_and(|refusal| refusal == crate::public_key::Refusal::PrivateKey);
        if said.new_key.private {
            said.new_key.public_key = Some(crate::public_key::Refusal::PrivateKey.message());
        }
    }
    if typed.description.chars().count() > 255 {
        said.description = Some("A description has at most 255 characters.".to_owned());
    }
    if typed.user_data.len() > USER_DATA_BYTES_MAX {
        said.user_data = Some("User data is at most 64 KiB.".to_owned());
    }
    if let (Some(image), false) = (image, said.wrong()) {
        let new = NewServer {
            name: typed.name.clone(),
            image_id: image.id,
            flavor_id: typed.flavor.clone(),
            network_id: typed.network.parse().ok(),
            key_names: typed.keys.clone(),
            description: (!typed.description.is_empty()).then(|| typed.description.clone()),
            user_data: typed.user_data.clone().into_bytes(),
            ..NewServer::default()
        };
        match state.cloud.create_server(caller, &typed.region, new).await {
            Ok(server) => {
                let detail = format!("{} with keys: {}", server.id, typed.keys.join(", "));
                viewer.audit(state, "server.create", &server.name, &detail).await?;
                return Ok(go(
                    &super::address_of(&server),
                    &format!("{} is being made.", server.name),
                ));
            }
            Err(cloud::Error::Invalid { field: Some("name"), message }) => {
                said.name = Some(message);
            }
            Err(cloud::Error::Invalid { field: Some("user_data"), message }) => {
                said.user_data = Some(message);
            }
            Err(
                error @ (cloud::Error::Invalid { .. }
                | cloud::Error::Conflict(_)
                | cloud::Error::Exhausted(_)),
            ) => said.form = Some(error.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(form(viewer, &typed, &choice, &said, StatusCode::UNPROCESSABLE_ENTITY))
}

/// A server's name becomes its host name, so the rule is a host name's, blanks aside.
pub(super) fn check_name(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("Give the server a name.".to_owned());
    }
    if name.chars().count() > NAME_CHARACTERS_MAX {
        return Some(format!("A name has at most {NAME_CHARACTERS_MAX} characters."));
    }
    if name.chars().any(char::is_control) {
        return Some("A name has no control characters.".to_owned());
    }
    None
}
