//! `POST /servers/ID/action`: what is done to a server, one thing at a time.

use axum::extract::Path;
use axum::http::StatusCode;
use cloud::model::{Server, ServerRequest, Status};
use serde_json::{Value, json};

use super::super::body::{Json, Object, check_name, shown};
use super::super::context::Api;
use super::super::extras::{self, Extras};
use super::super::fault::{Fault, Outcome};
use super::server_create::{accepted, check_key, find_image, read_extras, user_data};
use super::server_view::{self, Shape};
use super::{Two, consoles, empty, find, json as reply, metadata};

/// What Nova can do and this cloud cannot: refused as what the server's state does not allow,
/// which is what clients know how to tell.
const NOT_HERE: [&str; 30] = [
    "addFixedIp",
    "addFloatingIp",
    "addSecurityGroup",
    "confirmResize",
    "createBackup",
    "createImage",
    "evacuate",
    "injectNetworkInfo",
    "migrate",
    "os-getRDPConsole",
    "os-getSPICEConsole",
    "os-migrateLive",
    "os-resetState",
    "pause",
    "removeFixedIp",
    "removeFloatingIp",
    "removeSecurityGroup",
    "rescue",
    "resetNetwork",
    "resize",
    "restore",
    "resume",
    "revertResize",
    "shelve",
    "shelveOffload",
    "suspend",
    "trigger_crash_dump",
    "unpause",
    "unrescue",
    "unshelve",
];

pub(super) async fn act(api: Api, Path((_, id)): Two, Json(body): Json) -> Outcome {
    let wrapper = Object::of(&body, "body")?;
    let mut members = wrapper.members().iter();
    let (Some((name, value)), None) = (members.next(), members.next()) else {
        return Err(Fault::bad("Malformed request body: it names one action."));
    };
    let server = find(&api, &id).await?;
    // Reading the console's output changes nothing, but tells what a member may see.
    match name.as_str() {
        "os-getConsoleOutput" => {
            api.may_change()?;
            return console_output(&api, &server, value).await;
        }
        "os-getVNCConsole" | "os-getSerialConsole" if api.version.before(6) => {
            api.may_change()?;
            return consoles::create_old(&api, &server, name, value).await;
        }
        _ => api.may_change()?,
    }
    let request = match name.as_str() {
        "reboot" => reboot(value)?,
        "os-start" => ServerRequest::Start,
        "os-stop" => ServerRequest::Stop,
        "lock" => return lock(&api, &server, value).await,
        "unlock" => ServerRequest::Unlock,
        "rebuild" => return rebuild(&api, &server, value).await,
        "forceDelete" => {
            api.cloud().delete_server(&api.caller, &api.region, server.id).await?;
            extras::forget(&api.state.store, &server.id.to_string()).await?;
            api.audit("server.delete", &server.name, &server.id.to_string()).await;
            return Ok(empty(202));
        }
        "changePassword" => {
            Object::of(value, "changePassword")?
                .only(&["adminPass"])?
                .need_text("adminPass", 0..=255)?;
            return Err(Fault::conflict(
                "Servers here have no passwords: root logs in with the key pair.",
            ));
        }
        known if NOT_HERE.contains(&known) => {
            return Err(Fault::conflict(format_args!(
                "Cannot '{known}' instance {} while it is in vm_state {}: this cloud has no such \
                 action.",
                server.id,
                server_view::vm_state(server.status)
            )));
        }
        unknown => {
            return Err(Fault::bad(format_args!("There is no such action: {}", shown(unknown))));
        }
    };
    api.cloud().request(&api.caller, &api.region, server.id, request).await?;
    api.audit(audit_name(name), &server.name, &server.id.to_string()).await;
    Ok(empty(202))
}

fn audit_name(action: &str) -> &'static str {
    match action {
        "reboot" => "server.reboot",
        "os-start" => "server.start",
        "os-stop" => "server.stop",
        _ => "server.unlock",
    }
}

fn reboot(value: &Value) -> Outcome<ServerRequest> {
    let kind = Object::of(value, "reboot")?.only(&["type"])?.need_text("type", 1..=8)?;
    match kind.to_ascii_uppercase().as_str() {
        "SOFT" => Ok(ServerRequest::Reboot { hard: false }),
        "HARD" => Ok(ServerRequest::Reboot { hard: true }),
        _ => Err(Fault::invalid(
            "type",
            "Invalid input for field/attribute type. It is HARD or SOFT.",
        )),
    }
}

/// With a reason from 2.73 on.
async fn lock(api: &Api, server: &Server, value: &Value) -> Outcome {
    let mut reason = None;
    if api.version.since(73) && !value.is_null() {
        let request = Object::of(value, "lock")?.only(&["locked_reason"])?;
        reason = request.text("locked_reason", 1..=255)?.map(str::to_owned);
    }
    api.cloud().request(&api.caller, &api.region, server.id, ServerRequest::Lock).await?;
    let mut kept = extras::read(&api.state.store, server.id).await?;
    if kept.locked_reason != reason {
        kept.locked_reason = reason;
        extras::write(&api.state.store, server.id, &server.project_id, &kept).await?;
    }
    api.audit("server.lock", &server.name, &server.id.to_string()).await;
    Ok(empty(202))
}

async fn rebuild(api: &Api, server: &Server, value: &Value) -> Outcome {
    let mut allowed = vec![
        "imageRef",
        "name",
        "adminPass",
        "metadata",
        "preserve_ephemeral",
        "OS-DCF:diskConfig",
        "accessIPv4",
        "accessIPv6",
    ];
    if api.version.before(57) {
        allowed.push("personality");
    }
    for (since, name) in [
        (19, "description"),
        (54, "key_name"),
        (57, "user_data"),
        (63, "trusted_image_certificates"),
        (90, "hostname"),
    ] {
        if api.version.since(since) {
            allowed.push(name);
        }
    }
    let request = Object::of(value, "rebuild")?.only(&allowed)?;
    let image_id = find_image(api, request.need_text("imageRef", 1..=512)?).await?;
    let name = request.text("name", 1..=255)?;
    if let Some(name) = name {
        check_name("name", name)?;
    }
    request.flag("preserve_ephemeral")?;
    if request.list("personality")?.is_some_and(|list| !list.is_empty()) {
        return Err(Fault::bad("This cloud puts no files into a server."));
    }
    let password = request.text("adminPass", 0..=255)?.map(str::to_owned);
    let key_names = match request.text_or_null("key_name", 1..=255)? {
        None => None,
        Some(None) => Some(Vec::new()),
        Some(Some(key)) => {
            check_key(api, key).await?;
            Some(vec![key.to_owned()])
        }
    };
    let before = extras::read(&api.state.store, server.id).await?;
    let mut kept: Extras = before.clone();
    read_extras(api, request, &mut kept)?;
    if request.has("user_data") && !user_data(request, &mut kept)?.is_empty() {
        return Err(Fault::invalid(
            "user_data",
            "This cloud keeps the user data that a server was made with; it cannot be replaced by \
             a rebuild.",
        ));
    }
    kept.user_data.clone_from(&before.user_data);
    let description = request.text_or_null("description", 0..=255)?;
    let metadata = request.object("metadata")?.map(metadata::read).transpose()?;
    let action = ServerRequest::Rebuild {
        image_id: Some(image_id),
        key_names,
        name: name.map(str::to_owned),
    };
    let ready = matches!(server.status, Status::Active | Status::Shutoff | Status::Error);
    // While it is being rebuilt nothing else can be done to it.
    if ready && (description.is_some() || metadata.is_some()) {
        let change = ServerRequest::Describe {
            name: None,
            description: description.map(|text| text.map(str::to_owned)),
            metadata,
            tags: None,
        };
        api.cloud().request(&api.caller, &api.region, server.id, change).await?;
    }
    let server = api.cloud().request(&api.caller, &api.region, server.id, action).await?;
    if kept != before {
        extras::write(&api.state.store, server.id, &server.project_id, &kept).await?;
    }
    api.audit("server.rebuild", &server.name, &server.id.to_string()).await;
    let mut fields = server_view::full(api, &server, &kept, Shape::Change);
    fields
        .put("adminPass", password.unwrap_or_else(random_password))
        .put_if(api.version.since(54), "key_name", json!(server.key_name))
        .put_if(api.version.since(57), "user_data", json!(kept.user_data));
    Ok(accepted(api, server.id, json!({"server": fields.finish()})))
}

/// As at creation: clients expect one, and it opens nothing.
fn random_password() -> String {
    uuid::Uuid::new_v4().simple().to_string().chars().take(12).collect()
}

async fn console_output(api: &Api, server: &Server, value: &Value) -> Outcome {
    let lines = match value {
        Value::Null => None,
        value => {
            let request = Object::of(value, "os-getConsoleOutput")?;
            match request.value("length") {
                None | Some(Value::Null) => None,
                Some(_) => request.integer("length", -1..=1_000_000)?,
            }
        }
    };
    if server.status == Status::Build && server.launched_at.is_none() {
        return Err(Fault::conflict("The server has no console yet: it is being made."));
    }
    let wanted = lines.and_then(|lines| u32::try_from(lines).ok());
    let log = match api.cloud().console_log(&api.caller, &api.region, server.id, wanted).await {
        Err(cloud::Error::Unsupported(message)) => {
            return Err(Fault::new(StatusCode::NOT_IMPLEMENTED, message));
        }
        other => other?,
    };
    let text = String::from_utf8_lossy(&log);
    Ok(reply(json!({"output": wanted.map_or(text.as_ref(), |lines| tail(&text, lines))})))
}

/// The last lines as Nova counts them: what stands behind the last line end is one, too.
fn tail(text: &str, lines: u32) -> &str {
    let Some(ends) = (lines as usize).checked_sub(1) else { return "" };
    text.rmatch_indices('\n').nth(ends).map_or(text, |(at, _)| text.get(at + 1..).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::tail;

    #[test]
    fn lines_as_nova_counts_them() {
        assert_eq!(tail("a\nb\nc\n", 2), "c\n");
        assert_eq!(tail("a\nb\nc", 2), "b\nc");
        assert_eq!(tail("a\nb", 5), "a\nb");
        assert_eq!(tail("a\n", 0), "");
    }
}
