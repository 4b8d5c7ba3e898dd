//! `POST /servers`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::header;
use axum::response::{IntoResponse, Response};
use cloud::model::{NewServer, Server};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::body::{Json, Object, check_name, shown, wrong};
use super::super::context::Api;
use super::super::extras::{self, Extras};
use super::super::fault::{Fault, Outcome};
use super::server_view::{self, ZONE};
use super::{Fields, metadata, tags, with_status};

/// User data is at most this long in base64, as everywhere in OpenStack.
const USER_DATA_MAX: usize = 65535;
/// Servers made by one request.
const COUNT_MAX: i64 = 100;

const FIELDS: [&str; 22] = [
    "name",
    "imageRef",
    "flavorRef",
    "adminPass",
    "metadata",
    "networks",
    "OS-DCF:diskConfig",
    "accessIPv4",
    "accessIPv6",
    "security_groups",
    "user_data",
    "availability_zone",
    "config_drive",
    "key_name",
    "min_count",
    "max_count",
    "return_reservation_id",
    "block_device_mapping",
    "block_device_mapping_v2",
    "os:scheduler_hints",
    "OS-SCH-HNT:scheduler_hints",
    "description",
];

pub(super) async fn create(api: Api, Json(body): Json) -> Outcome {
    let wrapper = Object::of(&body, "body")?.only(&[
        "server",
        "os:scheduler_hints",
        "OS-SCH-HNT:scheduler_hints",
    ])?;
    wrapper.object("os:scheduler_hints")?;
    wrapper.object("OS-SCH-HNT:scheduler_hints")?;
    let request = wrapper.need_object("server")?;
    check_fields(&api, request)?;
    let (new, mut kept) = read(&api, request).await?;
    let (least, most) = counts(request)?;
    let admin_password = match request.text("adminPass", 0..=255)? {
        Some(given) => given.to_owned(),
        None => made_up_password()?,
    };
    let by_reservation = request.flag("return_reservation_id")?.unwrap_or(false);
    api.may_change()?;
    if by_reservation {
        kept.reservation_id = Some(format!("r-{}", short_id()));
    }
    let servers = make(&api, new, &kept, least, most).await?;
    if let Some(reservation) = kept.reservation_id {
        return Ok(with_status(202, json!({"reservation_id": reservation})));
    }
    let first = servers.first().ok_or_else(|| Fault::internal("no server was made"))?;
    let mut fields = Fields::default();
    fields
        .put("id", first.id.to_string())
        .put("links", server_view::links(&api, first))
        .put("OS-DCF:diskConfig", server_view::disk_config(&kept))
        .put("security_groups", json!([{"name": "default"}]))
        .put("adminPass", admin_password);
    Ok(accepted(&api, first.id, json!({"server": fields.finish()})))
}

/// 202 with the server's address.
pub(super) fn accepted(api: &Api, id: Uuid, body: Value) -> Response {
    let location = format!("{}/servers/{id}", api.compute());
    ([(header::LOCATION, location)], with_status(202, body)).into_response()
}

fn check_fields(api: &Api, request: Object<'_>) -> Outcome<()> {
    let mut allowed = FIELDS.to_vec();
    if api.version.before(19) {
        allowed.retain(|name| *name != "description");
    }
    if api.version.before(57) {
        allowed.push("personality");
    }
    for (since, name) in [
        (52, "tags"),
        (63, "trusted_image_certificates"),
        (74, "host"),
        (74, "hypervisor_hostname"),
        (90, "hostname"),
    ] {
        if api.version.since(since) {
            allowed.push(name);
        }
    }
    request.only(&allowed)?;
    for name in ["personality", "trusted_image_certificates"] {
        let given = request.value(name).filter(|value| !value.is_null());
        if given.is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty())) {
            return Err(Fault::bad(format_args!(
                "This cloud has no {name}; user_data puts files into a server."
            )));
        }
    }
    for name in ["host", "hypervisor_hostname"] {
        if request.has(name) {
            return Err(Fault::bad("This cloud has one host; it cannot be chosen."));
        }
    }
    Ok(())
}

/// The request as the cloud understands it, and what only this API keeps.
async fn read(api: &Api, request: Object<'_>) -> Outcome<(NewServer, Extras)> {
    let name = request.need_text("name", 1..=255)?;
    check_name("name", name)?;
    let image_id = image(api, request).await?;
    let flavor_id = request_flavor(api, request).await?;
    let key_names = keys(api, request).await?;
    networks(api, request).await?;
    if let Some(zone) = request.text("availability_zone", 1..=255)?
        && zone != ZONE
    {
        return Err(Fault::bad("The requested availability zone is not available"));
    }
    request.flag("config_drive")?;
    security_groups(request)?;
    let mut kept = Extras::default();
    read_extras(api, request, &mut kept)?;
    let user_data = user_data(request, &mut kept)?;
    let new = NewServer {
        name: name.to_owned(),
        image_id,
        flavor_id,
        network_id: None,
        key_names,
        metadata: match request.object("metadata")? {
            Some(object) => metadata::read(object)?,
            None => BTreeMap::new(),
        },
        tags: match request.list("tags")? {
            Some(list) => tags::read(list)?,
            None => Vec::new(),
        },
        description: request.text_or_null("description", 0..=255)?.flatten().map(str::to_owned),
        user_data,
    };
    Ok((new, kept))
}

/// The members that create, change and rebuild share.
pub(super) fn read_extras(api: &Api, request: Object<'_>, kept: &mut Extras) -> Outcome<()> {
    if let Some(text) = request.text_or_null("accessIPv4", 0..=15)? {
        kept.access_ipv4 = match text {
            None | Some("") => String::new(),
            Some(text) => text
                .parse::<Ipv4Addr>()
                .map_err(|_| {
                    Fault::invalid(
                        "accessIPv4",
                        "Invalid input for field/attribute accessIPv4. It is no IPv4 address.",
                    )
                })?
                .to_string(),
        };
    }
    if let Some(text) = request.text_or_null("accessIPv6", 0..=45)? {
        kept.access_ipv6 = match text {
            None | Some("") => String::new(),
            Some(text) => text
                .parse::<Ipv6Addr>()
                .map_err(|_| {
                    Fault::invalid(
                        "accessIPv6",
                        "Invalid input for field/attribute accessIPv6. It is no IPv6 address.",
                    )
                })?
                .to_string(),
        };
    }
    match request.text("OS-DCF:diskConfig", 0..=16)? {
        None => {}
        Some("AUTO") => kept.disk_config_auto = true,
        Some("MANUAL") => kept.disk_config_auto = false,
        Some(_) => {
            return Err(Fault::invalid(
                "OS-DCF:diskConfig",
                "Invalid input for field/attribute OS-DCF:diskConfig. It is AUTO or MANUAL.",
            ));
        }
    }
    if api.version.since(90)
        && let Some(host) = request.text_or_null("hostname", 1..=255)?
    {
        if host.is_some_and(|host| !is_host_name(host)) {
            return Err(Fault::invalid(
                "hostname",
                "Invalid input for field/attribute hostname. It has letters, digits, dots and \
                 hyphens, and begins and ends with a letter or digit.",
            ));
        }
        kept.hostname = host.map(str::to_owned);
    }
    Ok(())
}

fn is_host_name(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric();
    text.bytes().all(|byte| word(byte) || byte == b'-' || byte == b'.')
        && text.bytes().next().is_some_and(word)
        && text.bytes().last().is_some_and(word)
}

/// Base64 in a request becomes bytes.
pub(super) fn user_data(request: Object<'_>, kept: &mut Extras) -> Outcome<Vec<u8>> {
    let Some(text) = request.text_or_null("user_data", 0..=USER_DATA_MAX)?.flatten() else {
        kept.user_data = None;
        return Ok(Vec::new());
    };
    let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = data_encoding::BASE64.decode(packed.as_bytes()).map_err(|_| {
        Fault::invalid("user_data", "Userdata content cannot be decoded: it is no base64.")
    })?;
    kept.user_data = Some(packed).filter(|text| !text.is_empty());
    Ok(bytes)
}

/// From `imageRef`, or from the one block device that a client makes of it.
async fn image(api: &Api, request: Object<'_>) -> Outcome<Uuid> {
    let mut wanted = request.text("imageRef", 0..=512)?.filter(|text| !text.is_empty());
    if request.list("block_device_mapping")?.is_some_and(|list| !list.is_empty()) {
        return Err(no_volumes());
    }
    let devices = request.list("block_device_mapping_v2")?.unwrap_or_default();
    for device in devices {
        let device = Object::of(device, "block_device_mapping_v2")?;
        let source = device.text("source_type", 0..=32)?;
        let target = device.text("destination_type", 0..=32)?.unwrap_or("local");
        let boots = device.integer("boot_index", -1..=64)?.unwrap_or(0) == 0;
        if source != Some("image") || target != "local" || !boots || devices.len() > 1 {
            return Err(no_volumes());
        }
        let id = device.need_text("uuid", 1..=64)?;
        if wanted.is_some_and(|image| image != id) {
            return Err(Fault::bad("The boot device's image is not the one in imageRef."));
        }
        wanted = Some(id);
    }
    let Some(text) = wanted else {
        return Err(Fault::invalid(
            "imageRef",
            "Invalid imageRef provided: a server here starts from an image.",
        ));
    };
    find_image(api, text).await
}

fn no_volumes() -> Fault {
    Fault::bad("This cloud has no volumes: a server starts from an image on its own disk.")
}

/// An image by its identifier, or by an address that ends in it.
pub(super) async fn find_image(api: &Api, text: &str) -> Outcome<Uuid> {
    let id = text.rsplit('/').next().unwrap_or(text);
    let id = Uuid::try_parse(id)
        .map_err(|_| Fault::invalid("imageRef", "Invalid imageRef provided."))?;
    let images = api.cloud().images(&api.caller, &api.region).await?;
    if images.iter().any(|image| image.id == id) {
        return Ok(id);
    }
    Err(Fault::invalid("imageRef", format_args!("Image {id} could not be found.")))
}

async fn request_flavor(api: &Api, request: Object<'_>) -> Outcome<String> {
    let wanted = match request.value("flavorRef") {
        // Numbers are what old clients send.
        Some(Value::Number(number)) => number.to_string(),
        _ => request.need_text("flavorRef", 1..=512)?.to_owned(),
    };
    let id = wanted.rsplit('/').next().unwrap_or(&wanted).to_owned();
    let flavors = api.cloud().flavors(&api.caller, &api.region).await?;
    if flavors.iter().any(|flavor| flavor.id == id) {
        return Ok(id);
    }
    Err(Fault::invalid("flavorRef", format_args!("Flavor {} could not be found.", shown(&id))))
}

async fn keys(api: &Api, request: Object<'_>) -> Outcome<Vec<String>> {
    let Some(name) = request.text("key_name", 1..=255)? else { return Ok(Vec::new()) };
    check_key(api, name).await?;
    Ok(vec![name.to_owned()])
}

/// Refuses a name that the caller has no key pair by.
pub(super) async fn check_key(api: &Api, name: &str) -> Outcome<()> {
    match api.cloud().key_pair(&api.caller, &api.region, name).await {
        Err(cloud::Error::NotFound(_)) => {
            Err(Fault::invalid("key_name", "Invalid key_name provided."))
        }
        other => other.map(drop).map_err(Fault::from),
    }
}

/// There is one network, and every server is on it: whatever names that network will do.
async fn networks(api: &Api, request: Object<'_>) -> Outcome<()> {
    let list = match request.value("networks") {
        None | Some(Value::Null) if api.version.before(37) => return Ok(()),
        None => {
            return Err(Fault::invalid(
                "networks",
                "Invalid input for field/attribute server. 'networks' is a required property",
            ));
        }
        Some(Value::String(text)) if api.version.since(37) => {
            return match text.as_str() {
                "auto" => Ok(()),
                "none" => Err(Fault::invalid(
                    "networks",
                    "This cloud cannot make a server without an address; say auto, or the network \
                     named public.",
                )),
                _ => Err(Fault::invalid(
                    "networks",
                    "Invalid input for field/attribute networks. It is auto, none, or a list.",
                )),
            };
        }
        Some(Value::Array(list)) => list,
        Some(other) => return Err(wrong("networks", other, "array")),
    };
    let known = api.cloud().networks(&api.caller, &api.region).await?;
    let mut seen = Vec::new();
    for entry in list {
        let entry = Object::of(entry, "networks")?.only(&["uuid", "port", "fixed_ip", "tag"])?;
        let refused = |what| {
            Fault::invalid("networks", format_args!("This cloud chooses a server's {what} itself."))
        };
        if entry.value("port").is_some_and(|port| !port.is_null()) {
            return Err(refused("port"));
        }
        let text = entry.need_text("uuid", 1..=64)?;
        let missing = || {
            Fault::invalid("networks", format_args!("Network {} could not be found.", shown(text)))
        };
        let id = Uuid::try_parse(text).map_err(|_| missing())?;
        if !known.iter().any(|network| network.id == id) {
            return Err(missing());
        }
        if entry.value("fixed_ip").is_some_and(|address| !address.is_null()) {
            return Err(refused("address"));
        }
        if seen.contains(&id) {
            return Err(Fault::invalid("networks", "A server has one interface on a network."));
        }
        seen.push(id);
    }
    Ok(())
}

fn security_groups(request: Object<'_>) -> Outcome<()> {
    for group in request.list("security_groups")?.unwrap_or_default() {
        let name =
            Object::of(group, "security_groups")?.only(&["name"])?.need_text("name", 1..=255)?;
        if name != "default" {
            return Err(Fault::invalid(
                "security_groups",
                format_args!("Security group {} not found.", shown(name)),
            ));
        }
    }
    Ok(())
}

fn counts(request: Object<'_>) -> Outcome<(i64, i64)> {
    let least = request.integer("min_count", 1..=COUNT_MAX)?;
    let most = request.integer("max_count", 1..=COUNT_MAX)?;
    let low = least.unwrap_or(1);
    let high = most.unwrap_or(low);
    if low > high {
        return Err(Fault::invalid("min_count", "min_count must be <= max_count"));
    }
    Ok((low, high))
}

/// As many as there is room for up to `most`; when even `least` cannot be had, none is left.
async fn make(
    api: &Api,
    new: NewServer,
    kept: &Extras,
    least: i64,
    most: i64,
) -> Outcome<Vec<Server>> {
    let mut made: Vec<Server> = Vec::new();
    for number in 1..=most {
        let mut this = new.clone();
        if most > 1 {
            this.name = format!("{}-{number}", new.name);
        }
        let result = api.cloud().create_server(&api.caller, &api.region, this).await;
        match result {
            Ok(server) => {
                if *kept != Extras::default() {
                    extras::write(&api.state.store, server.id, &server.project_id, kept).await?;
                }
                api.audit("server.create", &server.name, &server.id.to_string()).await;
                made.push(server);
            }
            Err(cloud::Error::Exhausted(_)) if number > least => break,
            Err(error) => {
                for server in &made {
                    // The first error is the one to tell.
                    let _ = api.cloud().delete_server(&api.caller, &api.region, server.id).await;
                }
                return Err(Fault::from(error).into_bad_request());
            }
        }
    }
    Ok(made)
}

/// Clients expect one in the answer. Nobody can log in by it: no password is ever set.
fn made_up_password() -> Outcome<String> {
    let text = crate::accounts::random_text()?;
    Ok(text.chars().filter(char::is_ascii_alphanumeric).take(12).collect())
}

fn short_id() -> String {
    Uuid::new_v4().simple().to_string().chars().take(8).collect()
}
