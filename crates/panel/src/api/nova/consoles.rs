//! Consoles by address: whichever protocol a client names, it is the web console. The ticket in the
//! address opens its WebSocket once, within a minute, without a log-in; the page itself asks for
//! one.

use axum::extract::Path;
use cloud::ConsoleKind;
use cloud::model::{Server, Status};
use serde_json::{Value, json};

use super::super::body::{Json, Object, shown};
use super::super::context::Api;
use super::super::fault::{Fault, Outcome};
use super::super::query::escaped;
use super::{Two, find, json as reply};
use crate::console::tickets::Ticket;

/// From 2.6 on.
pub(super) async fn create(api: Api, Path((_, id)): Two, Json(body): Json) -> Outcome {
    if api.version.before(6) {
        return Err(Fault::not_found("The resource could not be found."));
    }
    let request = Object::wrapped(&body, "remote_console")?.only(&["protocol", "type"])?;
    let protocol = request.need_text("protocol", 1..=32)?;
    let kind = request.need_text("type", 1..=32)?;
    let known: &[&str] = match protocol {
        "vnc" => &["novnc", "xvpvnc"],
        "serial" => &["serial"],
        "spice" => &["spice-html5"],
        "rdp" => &["rdp-html5"],
        "mks" if api.version.since(8) => &["webmks"],
        _ => return Err(unknown("protocol", protocol)),
    };
    if !known.contains(&kind) {
        return Err(unknown("type", kind));
    }
    let server = find(&api, &id).await?;
    api.may_change()?;
    let url = address(&api, &server).await?;
    Ok(reply(json!({"remote_console": {"protocol": protocol, "type": kind, "url": url}})))
}

/// The actions that 2.6 replaced.
pub(super) async fn create_old(api: &Api, server: &Server, action: &str, value: &Value) -> Outcome {
    let known: &[&str] =
        if action == "os-getSerialConsole" { &["serial"] } else { &["novnc", "xvpvnc"] };
    let kind = Object::of(value, "console")?.only(&["type"])?.need_text("type", 1..=32)?;
    if !known.contains(&kind) {
        return Err(unknown("type", kind));
    }
    let url = address(api, server).await?;
    Ok(reply(json!({"console": {"type": kind, "url": url}})))
}

fn unknown(field: &'static str, text: &str) -> Fault {
    Fault::invalid(
        field,
        format_args!(
            "Invalid input for field/attribute {field}. {:?} is not one that is known.",
            shown(text)
        ),
    )
}

async fn address(api: &Api, server: &Server) -> Outcome<String> {
    if !api.cloud().capabilities().consoles {
        return Err(Fault::bad("Unavailable console type: this cloud opens none by the panel."));
    }
    if server.status != Status::Active {
        return Err(Fault::conflict(format_args!("Instance {} is not ready", server.id)));
    }
    let ticket = Ticket {
        user_id: api.caller.user_id.clone(),
        project_id: api.caller.project_id.clone(),
        region: api.region.clone(),
        server_id: server.id,
        kind: ConsoleKind::System,
    };
    let secret = api.state.store.issue_ticket(&ticket).await?;
    api.audit("server.console", &server.name, &server.id.to_string()).await;
    Ok(format!(
        "{}/servers/{}/{}/console/system?ticket={}",
        api.base(),
        escaped(&api.region),
        server.id,
        escaped(&secret)
    ))
}
