//! What was done to a server, a deleted one too from 2.21 on.

use axum::extract::Path;
use cloud::model::ServerAction;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::body::shown;
use super::super::context::Api;
use super::super::fault::{Fault, Outcome};
use super::super::query::Query;
use super::super::when;
use super::{Fields, Three, Two, find, json as reply, server_id};

async fn actions_of(api: &Api, id: &str) -> Outcome<(Uuid, Vec<ServerAction>)> {
    let missing = || Fault::not_found(format_args!("Instance {} could not be found.", shown(id)));
    let server = if api.version.before(21) { find(api, id).await?.id } else { server_id(id)? };
    match api.cloud().actions(&api.caller, &api.region, server).await {
        Ok(actions) if !actions.is_empty() => Ok((server, actions)),
        // A server begins with the action that makes it.
        Ok(_) | Err(cloud::Error::NotFound(_)) => Err(missing()),
        Err(error) => Err(error.into()),
    }
}

fn view(api: &Api, server: Uuid, action: &ServerAction) -> Fields {
    let mut fields = Fields::default();
    fields
        .put("action", action.action.as_str())
        .put("instance_uuid", server.to_string())
        .put("request_id", action.request_id.as_str())
        .put("user_id", action.user_id.as_str())
        .put("project_id", action.project_id.as_str())
        .put("start_time", when::micros(action.started_at))
        .put("message", json!(action.message))
        .put_if(
            api.version.since(58),
            "updated_at",
            when::micros(action.finished_at.unwrap_or(action.started_at)),
        );
    fields
}

pub(super) async fn list(api: Api, Path((_, id)): Two, query: Query) -> Outcome {
    let (server, mut actions) = actions_of(&api, &id).await?;
    let mut answer = Fields::default();
    if api.version.since(58) {
        let at = |action: &ServerAction| action.finished_at.unwrap_or(action.started_at);
        if let Some(since) = time_of(&query, "changes-since")? {
            actions.retain(|action| at(action) >= since);
        }
        if api.version.since(66)
            && let Some(before) = time_of(&query, "changes-before")?
        {
            actions.retain(|action| at(action) <= before);
        }
        let (page, next) = query.page(actions, |action| action.request_id.clone())?;
        actions = page;
        if let Some(marker) = next {
            let address = format!("{}/servers/{server}/os-instance-actions", api.compute());
            answer.put("links", query.next_link(&address, &marker));
        }
    }
    let views: Vec<Value> =
        actions.iter().map(|action| view(&api, server, action).finish()).collect();
    answer.put("instanceActions", views);
    Ok(reply(answer.finish()))
}

fn time_of(query: &Query, name: &'static str) -> Outcome<Option<time::OffsetDateTime>> {
    query
        .get(name)
        .map(|text| {
            when::parse(text).ok_or_else(|| {
                Fault::invalid(name, format_args!("Invalid {name}: {} is no time.", shown(text)))
            })
        })
        .transpose()
}

pub(super) async fn show(api: Api, Path((_, id, request)): Three) -> Outcome {
    let (server, actions) = actions_of(&api, &id).await?;
    let action = actions.iter().find(|action| action.request_id == request).ok_or_else(|| {
        Fault::not_found(format_args!(
            "Action for request_id {} on instance {server} not found",
            shown(&request)
        ))
    })?;
    let mut fields = view(&api, server, action);
    // Its single step, which everybody may see from 2.51 on.
    if api.version.since(51) || api.is_admin() {
        let mut event = Fields::default();
        event
            .put("event", format!("compute_{}_instance", action.action))
            .put("start_time", when::micros(action.started_at))
            .put("finish_time", json!(action.finished_at.map(when::micros)))
            .put(
                "result",
                match (action.finished_at, &action.message) {
                    (None, _) => Value::Null,
                    (Some(_), Some(_)) => json!("Error"),
                    (Some(_), None) => json!("Success"),
                },
            )
            .put_if(api.is_admin(), "traceback", Value::Null)
            .put_if(api.version.since(62), "hostId", "")
            .put_if(api.version.since(62) && api.is_admin(), "host", "")
            .put_if(api.version.since(84), "details", json!(action.message));
        fields.put("events", json!([event.finish()]));
    }
    Ok(reply(json!({"instanceAction": fields.finish()})))
}
