//! What is asked of Nova about servers.

use data_encoding::BASE64;
use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::service::Service;
use super::watch::Until;
use super::{Openstack, console_text, lock, server_view, user_data};
use crate::cloud::{Caller, ServerQuery};
use crate::model::{NewServer, Server, ServerAction, ServerRequest};
use crate::{Error, Result};

/// Nova's limit on a metadata value.
const METADATA_CHARACTERS_MAX: usize = 255;

/// Actions without an end that are looked at by themselves, when a server's are listed.
const LOOKED_AT_MAX: usize = 12;
/// Ends that are remembered, since they change no more.
const QUICK_ACTIONS_MAX: usize = 4096;
/// By then an action has begun whatever it does.
const SETTLED: time::Duration = time::Duration::seconds(30);

impl Openstack {
    pub(super) async fn list_servers(
        &self,
        caller: &Caller,
        region: &str,
        query: &ServerQuery,
    ) -> Result<(Vec<Server>, u64)> {
        let nova = self.nova(caller, region).await?;
        let everybody = if query.all_projects { "&all_tenants=1" } else { "" };
        let path =
            format!("/servers/detail?limit=1000&sort_key=created_at&sort_dir=desc{everybody}");
        let found = nova.list(&path, "servers").await?;
        let mut servers = Vec::with_capacity(found.len());
        for value in &found {
            let Some(server) = server_view::server(value, region) else { continue };
            if !server_view::is_settled(value) {
                self.watch_if_new(caller, region, server.id, Until::Rest);
            }
            servers.push(server);
        }
        if let Some(wanted) = &query.search {
            let wanted = wanted.to_lowercase();
            servers.retain(|server| {
                server.name.to_lowercase().contains(&wanted)
                    || server.addresses.iter().any(|a| a.address.to_string().contains(&wanted))
            });
        }
        let total = servers.len() as u64;
        let limit = query.page.limit.map_or(usize::MAX, |limit| limit as usize);
        let page = servers.into_iter().skip(query.page.offset as usize).take(limit);
        Ok((page.collect(), total))
    }

    pub(super) async fn one_server(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
    ) -> Result<Server> {
        let nova = self.nova(caller, region).await?;
        let answer = nova.get(&format!("/servers/{id}")).await?;
        let value = &answer["server"];
        if !server_view::is_settled(value) {
            self.watch_if_new(caller, region, id, Until::Rest);
        }
        server_view::server(value, region)
            .ok_or_else(|| Error::Internal("Nova's answer is not the server.".to_owned()))
    }

    pub(super) async fn make_server(
        &self,
        caller: &Caller,
        region: &str,
        new: NewServer,
    ) -> Result<Server> {
        let keys = self.key_lines(caller, region, &new.key_names).await?;
        let data = user_data::compose(&keys, &new.user_data)?;
        let networks = self.choose_network(caller, region, new.network_id).await?;
        let mut server = json!({
            "name": new.name,
            "imageRef": new.image_id,
            "flavorRef": new.flavor_id,
            "networks": networks,
        });
        let mut metadata: Map<String, Value> =
            new.metadata.into_iter().map(|(key, value)| (key, value.into())).collect();
        if let Some(first) = new.key_names.first() {
            server["key_name"] = first.as_str().into();
        }
        if new.key_names.len() > 1 {
            let names = json!(new.key_names).to_string();
            if names.chars().count() <= METADATA_CHARACTERS_MAX {
                metadata.insert(server_view::KEYS.to_owned(), names.into());
            }
        }
        if !metadata.is_empty() {
            server["metadata"] = metadata.into();
        }
        if !new.tags.is_empty() {
            server["tags"] = json!(new.tags);
        }
        if let Some(description) = new.description {
            server["description"] = description.into();
        }
        if !data.is_empty() {
            server["user_data"] = BASE64.encode(&data).into();
        }
        let nova = self.nova(caller, region).await?;
        let made = nova.post("/servers", json!({ "server": server })).await?;
        let id = made["server"]["id"].as_str().and_then(|id| id.parse().ok());
        let id: Uuid = id.ok_or_else(|| {
            Error::Internal("Nova's answer does not say which server it makes.".to_owned())
        })?;
        self.watch(caller, region, id, Until::HostKeys);
        self.one_server(caller, region, id).await
    }

    pub(super) async fn ask_server(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
        request: ServerRequest,
    ) -> Result<Server> {
        let nova = self.nova(caller, region).await?;
        match request {
            ServerRequest::Reboot { hard } => {
                let kind = if hard { "HARD" } else { "SOFT" };
                nova.act(id, "reboot", json!({ "type": kind })).await?;
            }
            ServerRequest::Stop => drop(nova.act(id, "os-stop", Value::Null).await?),
            ServerRequest::Start => drop(nova.act(id, "os-start", Value::Null).await?),
            ServerRequest::Lock => drop(nova.act(id, "lock", Value::Null).await?),
            ServerRequest::Unlock => drop(nova.act(id, "unlock", Value::Null).await?),
            ServerRequest::Rebuild { image_id, key_names, name } => {
                let image = match image_id {
                    Some(image) => image,
                    None => self.one_server(caller, region, id).await?.image_id,
                };
                let mut about = json!({ "imageRef": image });
                if let Some(name) = name {
                    about["name"] = name.into();
                }
                // Other keys need other user data; what the person gave at creation Nova tells
                // administrators only, so it cannot be kept.
                if let Some(names) = key_names {
                    let keys = self.key_lines(caller, region, &names).await?;
                    let data = user_data::compose(&keys, b"")?;
                    about["key_name"] =
                        names.first().map_or(Value::Null, |name| name.as_str().into());
                    about["user_data"] =
                        if data.is_empty() { Value::Null } else { BASE64.encode(&data).into() };
                }
                nova.act(id, "rebuild", about).await?;
                // The system that had them is gone.
                self.records.retire_host_keys(id, OffsetDateTime::now_utc()).await?;
                self.watch(caller, region, id, Until::HostKeys);
            }
            ServerRequest::Describe { name, description, metadata, tags } => {
                let mut about = Map::new();
                if let Some(name) = name {
                    about.insert("name".to_owned(), name.into());
                }
                if let Some(description) = description {
                    about.insert("description".to_owned(), description.into());
                }
                if !about.is_empty() {
                    nova.put(&format!("/servers/{id}"), json!({ "server": about })).await?;
                }
                if let Some(metadata) = metadata {
                    let path = format!("/servers/{id}/metadata");
                    nova.put(&path, json!({ "metadata": metadata })).await?;
                }
                if let Some(tags) = tags {
                    nova.put(&format!("/servers/{id}/tags"), json!({ "tags": tags })).await?;
                }
            }
        }
        self.one_server(caller, region, id).await
    }

    pub(super) async fn remove_server(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
    ) -> Result<()> {
        let nova = self.nova(caller, region).await?;
        nova.delete(&format!("/servers/{id}")).await?;
        self.watch(caller, region, id, Until::Gone);
        Ok(())
    }

    pub(super) async fn action_list(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
    ) -> Result<Vec<ServerAction>> {
        let nova = self.nova(caller, region).await?;
        let path = format!("/servers/{id}/os-instance-actions");
        let mut answer = nova.get(&path).await?;
        let found = answer["instanceActions"].take();
        let mut actions: Vec<ServerAction> =
            found.as_array().into_iter().flatten().filter_map(server_view::action).collect();
        self.quick_ends(&nova, &path, &mut actions).await?;
        // Somebody may have rebuilt it elsewhere: the keys of the system before it are no more.
        if let Some(rebuilt) = actions.iter().find(|action| action.action == "rebuild") {
            let keys = self.records.host_keys(id).await?;
            let mut present = keys.iter().filter(|key| key.retired_at.is_none());
            if present.any(|key| key.first_seen_at < rebuilt.started_at) {
                self.records.retire_host_keys(id, rebuilt.started_at).await?;
                self.watch(caller, region, id, Until::HostKeys);
            }
        }
        Ok(actions)
    }

    /// Nova counts whole seconds: what was done within one shows its end in its events alone.
    async fn quick_ends(
        &self,
        nova: &Service<'_>,
        path: &str,
        actions: &mut [ServerAction],
    ) -> Result<()> {
        let key = |action: &ServerAction| format!("{path}/{}", action.request_id);
        let mut open: Vec<&mut ServerAction> =
            actions.iter_mut().filter(|action| action.finished_at.is_none()).collect();
        {
            let known = lock(&self.quick_actions);
            for action in &mut open {
                action.finished_at = known.get(&key(action)).copied();
            }
        }
        open.retain(|action| action.finished_at.is_none());
        // A server does one thing at a time: what is this old has long ended.
        for action in open.iter_mut().skip(LOOKED_AT_MAX) {
            action.finished_at = Some(action.started_at);
        }
        open.truncate(LOOKED_AT_MAX);
        let asked = open.iter().map(|action| {
            let path = key(action);
            async move { nova.get(&path).await }
        });
        let answers = join_all(asked).await;
        for (action, answer) in open.iter_mut().zip(answers) {
            action.finished_at = server_view::last_finish(&answer?["instanceAction"]);
            // Another event of the same action may begin a moment later.
            if let Some(end) = action.finished_at
                && OffsetDateTime::now_utc() - end > SETTLED
            {
                let mut known = lock(&self.quick_actions);
                if known.len() >= QUICK_ACTIONS_MAX {
                    known.clear();
                }
                known.insert(key(action), end);
            }
        }
        Ok(())
    }

    pub(super) async fn console_text(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
        lines: Option<u32>,
    ) -> Result<String> {
        let nova = self.nova(caller, region).await?;
        let mut answer = nova.act(id, "os-getConsoleOutput", json!({ "length": lines })).await?;
        match answer["output"].take() {
            Value::String(text) => Ok(console_text::with_escapes(text)),
            _ => Ok(String::new()),
        }
    }

    /// A page of the cloud's own with the server's screen, good for some minutes.
    pub(super) async fn console_address(
        &self,
        caller: &Caller,
        region: &str,
        id: Uuid,
    ) -> Result<String> {
        let nova = self.nova(caller, region).await?;
        let path = format!("/servers/{id}/remote-consoles");
        let mut refused = None;
        for (protocol, kind) in [("vnc", "novnc"), ("spice", "spice-html5")] {
            let body = json!({"remote_console": {"protocol": protocol, "type": kind}});
            match nova.post(&path, body).await {
                Ok(answer) => {
                    let url = answer["remote_console"]["url"].as_str().unwrap_or_default();
                    if url.starts_with("http://") || url.starts_with("https://") {
                        return Ok(url.to_owned());
                    }
                }
                Err(error @ (Error::Unauthorized(_) | Error::Unreachable(_))) => return Err(error),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(|| {
            Error::Unsupported("The cloud has no console that a browser shows.".to_owned())
        }))
    }
}
