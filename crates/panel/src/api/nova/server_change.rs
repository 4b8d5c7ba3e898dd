//! One server: shown, renamed, deleted.

use axum::extract::Path;
use cloud::model::ServerRequest;
use serde_json::json;

use super::super::body::{Json, Object, check_name};
use super::super::context::Api;
use super::super::extras;
use super::super::fault::Outcome;
use super::server_create::read_extras;
use super::server_view::{self, Shape};
use super::{Two, empty, find, json as reply};

pub(super) async fn show(api: Api, Path((_, id)): Two) -> Outcome {
    let server = find(&api, &id).await?;
    let kept = extras::read(&api.state.store, server.id).await?;
    Ok(reply(json!({"server": server_view::full(&api, &server, &kept, Shape::Show).finish()})))
}

pub(super) async fn update(api: Api, Path((_, id)): Two, Json(body): Json) -> Outcome {
    let mut allowed = vec!["name", "OS-DCF:diskConfig", "accessIPv4", "accessIPv6"];
    if api.version.since(19) {
        allowed.push("description");
    }
    if api.version.since(90) {
        allowed.push("hostname");
    }
    let request = Object::wrapped(&body, "server")?.only(&allowed)?;
    let name = request.text("name", 1..=255)?;
    if let Some(name) = name {
        check_name("name", name)?;
    }
    let description = request.text_or_null("description", 0..=255)?;
    let mut server = find(&api, &id).await?;
    api.may_change()?;
    let before = extras::read(&api.state.store, server.id).await?;
    let mut kept = before.clone();
    read_extras(&api, request, &mut kept)?;
    if name.is_some() || description.is_some() {
        let change = ServerRequest::Describe {
            name: name.map(str::to_owned),
            description: description.map(|text| text.map(str::to_owned)),
            metadata: None,
            tags: None,
        };
        server = api.cloud().request(&api.caller, &api.region, server.id, change).await?;
        api.audit("server.update", &server.name, &server.id.to_string()).await;
    }
    if kept != before {
        extras::write(&api.state.store, server.id, &server.project_id, &kept).await?;
    }
    Ok(reply(json!({"server": server_view::full(&api, &server, &kept, Shape::Change).finish()})))
}

pub(super) async fn remove(api: Api, Path((_, id)): Two) -> Outcome {
    let server = find(&api, &id).await?;
    api.may_change()?;
    api.cloud().delete_server(&api.caller, &api.region, server.id).await?;
    extras::forget(&api.state.store, &server.id.to_string()).await?;
    api.audit("server.delete", &server.name, &server.id.to_string()).await;
    Ok(empty(204))
}
