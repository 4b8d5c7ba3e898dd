//! Lists of servers with Nova's filters, order and pages. Filters that are unknown, or are not for
//! this caller or microversion, are left out without a word, as Nova does.

use std::collections::BTreeMap;

use cloud::ServerQuery;
use cloud::model::Server;
use regex::{Regex, RegexBuilder};
use serde_json::Value;
use time::OffsetDateTime;

use super::super::body::shown;
use super::super::context::Api;
use super::super::extras::{self, Extras};
use super::super::fault::{Fault, Outcome};
use super::super::query::Query;
use super::super::when;
use super::server_view::{self, Shape, power_state, status_name, vm_state};
use super::{Fields, json as reply};

pub(super) async fn list(api: Api, query: Query) -> Outcome {
    let (page, links) = page(&api, &query, "").await?;
    let servers: Vec<Value> =
        page.iter().map(|(server, _)| server_view::brief(&api, server)).collect();
    Ok(reply(answer(servers, links)))
}

pub(super) async fn list_detail(api: Api, query: Query) -> Outcome {
    let (page, links) = page(&api, &query, "/detail").await?;
    let servers: Vec<Value> = page
        .iter()
        .map(|(server, extras)| server_view::full(&api, server, extras, Shape::List).finish())
        .collect();
    Ok(reply(answer(servers, links)))
}

fn answer(servers: Vec<Value>, links: Option<Value>) -> Value {
    let mut fields = Fields::default();
    fields.put("servers", servers);
    if let Some(links) = links {
        fields.put("servers_links", links);
    }
    fields.finish()
}

async fn page(
    api: &Api,
    query: &Query,
    tail: &str,
) -> Outcome<(Vec<(Server, Extras)>, Option<Value>)> {
    let all_projects = query.flag("all_tenants")?.unwrap_or(false);
    if all_projects && !api.is_admin() {
        return Err(Fault::forbidden("Policy doesn't allow other projects' servers."));
    }
    let filter = Filter::of(api, query)?;
    let wanted = ServerQuery { all_projects, ..ServerQuery::default() };
    let (servers, _) = api.cloud().servers(&api.caller, &api.region, &wanted).await?;
    let project = (!all_projects).then_some(api.caller.project_id.as_str());
    let mut known: BTreeMap<String, Extras> = extras::read_all(&api.state.store, project).await?;
    let mut found: Vec<(Server, Extras)> = servers
        .into_iter()
        .map(|server| {
            let extras = known.remove(&server.id.to_string()).unwrap_or_default();
            (server, extras)
        })
        .filter(|(server, extras)| filter.takes(server, extras))
        .collect();
    forget_some(api, known.keys()).await?;
    sort(&mut found, query)?;
    let (page, next) = query.page(found, |(server, _)| server.id.to_string())?;
    let links =
        next.map(|marker| query.next_link(&format!("{}/servers{tail}", api.compute()), &marker));
    Ok((page, links))
}

/// Servers that were deleted by the pages left their extras behind. What was listed is of one
/// region and a moment old, so the cloud is asked about each.
async fn forget_some(api: &Api, ids: impl Iterator<Item = &String>) -> Outcome<()> {
    const AT_ONCE: usize = 4;
    let mut orphans = Vec::new();
    let regions = api.cloud().regions(&api.caller).await?;
    for id in ids.take(AT_ONCE) {
        let mut anywhere = false;
        for region in &regions {
            let parsed = super::server_id(id)?;
            match api.cloud().server(&api.caller, &region.id, parsed).await {
                Err(cloud::Error::NotFound(_)) => {}
                _ => anywhere = true,
            }
        }
        if !anywhere {
            orphans.push(id);
        }
    }
    for id in orphans {
        extras::forget(&api.state.store, id).await?;
    }
    Ok(())
}

/// What a list leaves in.
#[derive(Default)]
struct Filter {
    /// Patterns over a text of the server.
    patterns: Vec<(Subject, Regex)>,
    /// Texts that must be equal.
    equals: Vec<(Subject, String)>,
    statuses: Option<Vec<String>>,
    locked: Option<bool>,
    since: Option<OffsetDateTime>,
    before: Option<OffsetDateTime>,
    tags: Vec<String>,
    tags_any: Vec<String>,
    not_tags: Vec<String>,
    not_tags_any: Vec<String>,
    /// Something was asked for that no server here has.
    nothing: bool,
}

#[derive(Clone, Copy)]
enum Subject {
    Name,
    Ip4,
    Ip6,
    Id,
    Image,
    Flavor,
    KeyName,
    UserId,
    ProjectId,
    Description,
    HostName,
    VmState,
    TaskState,
    PowerState,
    AccessIp4,
    AccessIp6,
    ReservationId,
    Zone,
}

impl Filter {
    fn of(api: &Api, query: &Query) -> Outcome<Self> {
        let mut filter = Self::default();
        let version = api.version;
        for (name, subject) in
            [("name", Subject::Name), ("ip", Subject::Ip4), ("ip6", Subject::Ip6)]
        {
            if name == "ip6" && !api.is_admin() && version.before(5) {
                continue;
            }
            if let Some(pattern) = query.get(name) {
                filter.patterns.push((subject, pattern_of(name, pattern)?));
            }
        }
        let own = [
            ("image", Subject::Image),
            ("flavor", Subject::Flavor),
            ("reservation_id", Subject::ReservationId),
        ];
        // For everybody from 2.83 on, for administrators always.
        let more = [
            ("uuid", Subject::Id),
            ("key_name", Subject::KeyName),
            ("user_id", Subject::UserId),
            ("description", Subject::Description),
            ("hostname", Subject::HostName),
            ("vm_state", Subject::VmState),
            ("task_state", Subject::TaskState),
            ("power_state", Subject::PowerState),
            ("access_ip_v4", Subject::AccessIp4),
            ("access_ip_v6", Subject::AccessIp6),
            ("availability_zone", Subject::Zone),
        ];
        let admin = [("tenant_id", Subject::ProjectId), ("project_id", Subject::ProjectId)];
        let open = api.is_admin() || version.since(83);
        let taken = own
            .iter()
            .chain(more.iter().filter(|_| open))
            .chain(admin.iter().filter(|_| api.is_admin()));
        for (name, subject) in taken {
            if let Some(value) = query.get(name) {
                // An image may be given by its address.
                let value = match subject {
                    Subject::Image => value.rsplit('/').next().unwrap_or(value),
                    _ => value,
                };
                filter.equals.push((*subject, value.to_owned()));
            }
        }
        let statuses: Vec<String> = query.all("status").map(str::to_ascii_uppercase).collect();
        filter.statuses = (!statuses.is_empty()).then_some(statuses);
        filter.since = time_of(query, "changes-since")?;
        if version.since(66) {
            filter.before = time_of(query, "changes-before")?;
        }
        if version.since(73) {
            filter.locked = query.flag("locked")?;
        }
        if version.since(26) {
            let words = |name: &str| -> Vec<String> {
                query
                    .get(name)
                    .map(|text| text.split(',').map(str::to_owned).collect())
                    .unwrap_or_default()
            };
            filter.tags = words("tags");
            filter.tags_any = words("tags-any");
            filter.not_tags = words("not-tags");
            filter.not_tags_any = words("not-tags-any");
        }
        // Deleted servers are not kept; only administrators may ask for them.
        filter.nothing = api.is_admin() && query.flag("deleted")? == Some(true);
        Ok(filter)
    }

    fn takes(&self, server: &Server, extras: &Extras) -> bool {
        let has = |tag: &String| server.tags.contains(tag);
        !self.nothing
            && self.patterns.iter().all(|(subject, pattern)| {
                texts(*subject, server, extras).iter().any(|text| pattern.is_match(text))
            })
            && self.equals.iter().all(|(subject, value)| {
                texts(*subject, server, extras).iter().any(|text| text == value)
            })
            && self.statuses.as_ref().is_none_or(|wanted| {
                wanted.iter().any(|status| status == status_name(server.status))
            })
            && self.locked.is_none_or(|locked| server.locked == locked)
            && self.since.is_none_or(|at| server.updated_at >= at)
            && self.before.is_none_or(|at| server.updated_at <= at)
            && self.tags.iter().all(has)
            && (self.tags_any.is_empty() || self.tags_any.iter().any(has))
            && (self.not_tags.is_empty() || !self.not_tags.iter().all(has))
            && !self.not_tags_any.iter().any(has)
    }
}

fn texts(subject: Subject, server: &Server, extras: &Extras) -> Vec<String> {
    let address = |v4: bool| {
        server
            .addresses
            .iter()
            .filter(move |address| address.address.is_ipv4() == v4)
            .map(|address| address.address.to_string())
            .collect()
    };
    match subject {
        Subject::Ip4 => return address(true),
        Subject::Ip6 => return address(false),
        _ => {}
    }
    let text = match subject {
        Subject::Name => Some(server.name.clone()),
        Subject::Id => Some(server.id.to_string()),
        Subject::Image => Some(server.image_id.to_string()),
        Subject::Flavor => Some(server.flavor.id.clone()),
        Subject::KeyName => server.key_name.clone(),
        Subject::UserId => Some(server.user_id.clone()),
        Subject::ProjectId => Some(server.project_id.clone()),
        Subject::Description => server.description.clone(),
        Subject::HostName => Some(extras.hostname.clone().unwrap_or_else(|| server.name.clone())),
        Subject::VmState => Some(vm_state(server.status).to_owned()),
        Subject::TaskState => server.task_state.clone(),
        Subject::PowerState => Some(power_state(server.power).to_string()),
        Subject::AccessIp4 => Some(extras.access_ipv4.clone()),
        Subject::AccessIp6 => Some(extras.access_ipv6.clone()),
        Subject::ReservationId => extras.reservation_id.clone(),
        Subject::Zone => Some(server_view::ZONE.to_owned()),
        Subject::Ip4 | Subject::Ip6 => None,
    };
    text.into_iter().collect()
}

/// As databases match: anywhere in the text, whatever the case. The engine needs no more than
/// linear time, and no more memory than this, whatever pattern comes.
fn pattern_of(name: &'static str, pattern: &str) -> Outcome<Regex> {
    let bad = || {
        Fault::invalid(
            name,
            format_args!("Invalid filter {name}: {} is no regular expression.", shown(pattern)),
        )
    };
    if pattern.len() > 1024 {
        return Err(bad());
    }
    RegexBuilder::new(pattern)
        .case_insensitive(true)
        .size_limit(256 * 1024)
        .dfa_size_limit(256 * 1024)
        .build()
        .map_err(|_| bad())
}

fn time_of(query: &Query, name: &'static str) -> Outcome<Option<OffsetDateTime>> {
    let Some(text) = query.get(name) else { return Ok(None) };
    when::parse(text).map(Some).ok_or_else(|| {
        Fault::invalid(name, format_args!("Invalid {name}: {} is no time.", shown(text)))
    })
}

/// The newest first, unless keys and directions say otherwise.
fn sort(servers: &mut [(Server, Extras)], query: &Query) -> Outcome<()> {
    let keys: Vec<&str> = query.all("sort_key").collect();
    let directions: Vec<&str> = query.all("sort_dir").collect();
    let keys = if keys.is_empty() { vec!["created_at"] } else { keys };
    let mut order = Vec::with_capacity(keys.len());
    for (index, name) in keys.iter().enumerate().take(16) {
        let key = sort_key(name).ok_or_else(|| {
            Fault::invalid("sort_key", format_args!("Invalid sort_key: {}", shown(name)))
        })?;
        let down = match directions.get(index).or(directions.first()).copied() {
            None | Some("desc") => true,
            Some("asc") => false,
            Some(other) => {
                return Err(Fault::invalid(
                    "sort_dir",
                    format_args!("Invalid sort_dir: {}", shown(other)),
                ));
            }
        };
        order.push((key, down));
    }
    servers.sort_by(|(a, _), (b, _)| {
        for (key, down) in &order {
            let compared = key(a).cmp(&key(b));
            let compared = if *down { compared.reverse() } else { compared };
            if compared.is_ne() {
                return compared;
            }
        }
        b.id.cmp(&a.id)
    });
    Ok(())
}

type SortKey = fn(&Server) -> String;

fn sort_key(name: &str) -> Option<SortKey> {
    Some(match name {
        "created_at" => |server| when::micros(server.created_at),
        "updated_at" => |server| when::micros(server.updated_at),
        "launched_at" => |server| server.launched_at.map(when::micros).unwrap_or_default(),
        "display_name" | "name" => |server| server.name.clone(),
        "display_description" => |server| server.description.clone().unwrap_or_default(),
        "uuid" | "id" => |server| server.id.to_string(),
        "key_name" => |server| server.key_name.clone().unwrap_or_default(),
        "vm_state" => |server| vm_state(server.status).to_owned(),
        "task_state" => |server| server.task_state.clone().unwrap_or_default(),
        "power_state" => |server| power_state(server.power).to_string(),
        "image_ref" => |server| server.image_id.to_string(),
        "instance_type_id" => |server| server.flavor.id.clone(),
        "user_id" => |server| server.user_id.clone(),
        "project_id" => |server| server.project_id.clone(),
        "locked" => |server| u8::from(server.locked).to_string(),
        "access_ip_v4" | "access_ip_v6" | "auto_disk_config" | "availability_zone"
        | "config_drive" | "disable_terminate" | "ephemeral_gb" | "hostname" | "kernel_id"
        | "launch_index" | "memory_mb" | "progress" | "ramdisk_id" | "root_device_name"
        | "root_gb" | "terminated_at" | "vcpus" => |_| String::new(),
        _ => return None,
    })
}
