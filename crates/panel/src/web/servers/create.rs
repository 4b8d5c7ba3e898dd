//! Create Server.
//!
//! One form with several buttons: another region, copied keys and an added key all send the whole
//! form, so that nothing typed is lost and no script is needed.

use std::sync::Arc;

use axum::extract::State as AxumState;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cloud::model::{Flavor, Image, ImageStatus, KeyPair, NewServer, Region};
use cloud::{Caller, KeyPairQuery};
use maud::{Markup, html};

use crate::State;
use crate::web::error::PageResult;
use crate::web::keys::{KeyErrors, copy_keys, described, public_key_field, store_key};
use crate::web::layout::{Input, count, csrf, field_error, go, page};
use crate::web::posted::{Fields, Posted};
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
    regions: Vec<Region>,
    images: Vec<Image>,
    flavors: Vec<Flavor>,
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
        let regions = state.cloud.regions(caller).await?;
        if !regions.iter().any(|known| known.id == *region) {
            *region = regions.first().map(|region| region.id.clone()).unwrap_or_default();
        }
        let mut images = state.cloud.images(caller, region).await?;
        images.retain(|image| image.status == ImageStatus::Active);
        let flavors = state.cloud.flavors(caller, region).await?;
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
        Ok(Self { regions, images, flavors, keys, more, elsewhere, elsewhere_total, several })
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
                text = format!("Copied {} to {}. {text}", copied.join(", "), typed.region);
            } else if text.is_empty() {
                "Tick the keys to copy first.".clone_into(&mut text);
            }
            said.notice = Some(text);
        }
        "add-key" => {
            let region = [typed.region.clone()];
            match store_key(&state, viewer, &typed.key_name, &typed.public_key, &region).await? {
                Ok((name, repairs)) => {
                    said.notice =
                        Some(format!("Stored {name} in {}. {}", typed.region, repairs.join(" ")));
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
        said.keys = Some(format!("There is no key {name} in {}.", typed.region));
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

fn form(
    viewer: &Viewer,
    typed: &Typed,
    choice: &Choice,
    said: &Said,
    status: StatusCode,
) -> Response {
    let body = html! {
        h1 { "Create Server" }
        @if let Some(notice) = &said.notice { p .notice.good role="status" { (notice) } }
        @if let Some(error) = &said.form { p .notice.alarm role="alert" { (error) } }
        form .card method="post" action="/servers/new" {
            (csrf(viewer))
            // Enter in a field presses the first button, which must be the plain one.
            button .first-button type="submit" tabindex="-1" aria-hidden="true" { "Create Server" }
            (Input { name: "name", label: "Name", value: &typed.name, error: said.name.as_deref(),
                hint: "It becomes the server's host name.", ..Input::default() }.render())
            (region_field(typed, choice))
            (image_field(typed, choice, said))
            (flavor_field(typed, choice, said))
            details .advanced open {
                summary { "Advanced Options" }
                (key_field(typed, choice, said))
                (Input { name: "description", label: "Description", value: &typed.description,
                    error: said.description.as_deref(), ..Input::default() }.render())
                div .field {
                    label for="user_data" { "User data" }
                    textarea #user_data name="user_data" rows="3" spellcheck="false" { (typed.user_data) }
                    p .hint { "For cloud-init, in images that have it." }
                    (field_error("user_data", said.user_data.as_deref()))
                }
            }
            div .buttons {
                button .primary type="submit" { "Create Server" }
                a .button.quiet href="/servers" { "Cancel" }
            }
        }
    };
    (status, page(viewer, "Create Server", &body)).into_response()
}

fn region_field(typed: &Typed, choice: &Choice) -> Markup {
    html! {
        div .field {
            label for="region" { "Region" }
            div .together {
                select #region name="region" data-press="use-region" {
                    @for region in &choice.regions {
                        option value=(region.id) selected[region.id == typed.region] { (region.name) }
                    }
                }
                button #use-region .quiet type="submit" name="do" value="region" formnovalidate {
                    "Use this region"
                }
            }
        }
    }
}

fn image_field(typed: &Typed, choice: &Choice, said: &Said) -> Markup {
    html! {
        div .field.bad[said.image.is_some()] {
            label for="image" { "Image" }
            select #image name="image" {
                @for image in &choice.images {
                    option value=(image.id) selected[image.id.to_string() == typed.image] { (image.name) }
                }
            }
            @if choice.images.is_empty() { p .hint { "There is no image in this region yet." } }
            (field_error("image", said.image.as_deref()))
        }
    }
}

fn flavor_field(typed: &Typed, choice: &Choice, said: &Said) -> Markup {
    let known = choice.flavors.iter().any(|flavor| flavor.id == typed.flavor);
    html! {
        fieldset .field.bad[said.flavor.is_some()] {
            legend { "Size" }
            div .tiles {
                @for (index, flavor) in choice.flavors.iter().enumerate() {
                    label .tile {
                        input type="radio" name="flavor" value=(flavor.id)
                            checked[flavor.id == typed.flavor || (!known && index == 0)];
                        span {
                            strong { (flavor.name) } br;
                            span .muted {
                                (memory(flavor.ram_mib)) " · " (count(flavor.vcpus.into(), "CPU", "CPUs"))
                                @if flavor.disk_gib > 0 { " · " (flavor.disk_gib) "\u{a0}GiB\u{a0}disk" }
                            }
                        }
                    }
                }
            }
            (field_error("flavor", said.flavor.as_deref()))
        }
    }
}

fn memory(mib: u32) -> String {
    if mib >= 1024 && mib.is_multiple_of(1024) {
        format!("{}\u{a0}GiB", mib / 1024)
    } else {
        format!("{mib}\u{a0}MiB")
    }
}

fn key_field(typed: &Typed, choice: &Choice, said: &Said) -> Markup {
    let kind = if choice.several { "checkbox" } else { "radio" };
    let usable = choice.keys.iter().filter(|key| key.kind == cloud::model::KeyType::Ssh);
    let (chosen, others): (Vec<_>, Vec<_>) = usable.partition(|key| typed.keys.contains(&key.name));
    html! {
        fieldset #ssh-key .field.bad[said.keys.is_some()] {
            legend { "SSH Key" }
            p .hint { "Keys stored in " (typed.region) ". Whoever holds one can log in as root." }
            div .boxes.column {
                @for key in chosen.into_iter().chain(others) {
                    label .box {
                        input type=(kind) name="key" value=(key.name) checked[typed.keys.contains(&key.name)];
                        span {
                            strong { (key.name) } " "
                            span .muted {
                                @if let Some((public, _)) = described(key) {
                                    (public.type_label()) " " (public.bits()) " "
                                }
                            }
                            code .fingerprint { (key.fingerprint_sha256) }
                        }
                    }
                }
                @if choice.keys.is_empty() { p { "No key is stored in " (typed.region) " yet." } }
                @if choice.more {
                    div .field {
                        label for="other-key" { "Another key, by its name" }
                        input #other-key type="text" name="key" autocomplete="off";
                    }
                }
                label .box {
                    input type="checkbox" name="no_key" value="yes" checked[typed.no_key];
                    span { "No key: nobody can log in by SSH, only by the console" }
                }
            }
            (field_error("keys", said.keys.as_deref()))
        }
        @if !choice.elsewhere.is_empty() {
            fieldset .field {
                legend {
                    (count(choice.elsewhere_total, "more key is", "more keys are"))
                    " in other regions"
                }
                div .boxes.column {
                    @for key in &choice.elsewhere {
                        label .box {
                            input type="checkbox" name="copy" value=(format!("{}/{}", key.region, key.name));
                            span { strong { (key.name) } " " span .muted { "in " (key.region) } }
                        }
                    }
                }
                button .quiet type="submit" name="do" value="copy" formnovalidate {
                    "Copy to " (typed.region)
                }
            }
        }
        details .inner open[choice.keys.is_empty() || said.new_key.any() || !typed.public_key.is_empty()] {
            summary { "Add a public key here" }
            (Input { name: "key_name", label: "Key name", value: &typed.key_name,
                error: said.new_key.name.as_deref(), ..Input::default() }.render())
            (public_key_field("public_key", &typed.public_key, &said.new_key))
            button .quiet type="submit" name="do" value="add-key" formnovalidate { "Add this key" }
        }
    }
}
