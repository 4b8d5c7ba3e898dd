//! The host keys of a project's servers, with their history, and as known_hosts lines that a stock
//! `ssh` takes from a file or a `KnownHostsCommand`.

use axum::extract::Path;
use axum::http::header;
use axum::response::IntoResponse;
use cloud::ServerQuery;
use cloud::model::{HostKey, Server};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::super::body::shown;
use super::super::context::Api;
use super::super::fault::{Fault, Outcome};
use super::super::query::Query;

fn view(key: &HostKey) -> Value {
    let text = |at: time::OffsetDateTime| at.format(&Rfc3339).unwrap_or_default();
    json!({
        "public_key": key.public_key,
        "fingerprint": key.fingerprint_sha256,
        "address": key.address,
        "port": key.port,
        "source": key.source,
        "first_seen_at": text(key.first_seen_at),
        "retired_at": key.retired_at.map(text),
    })
}

/// Present keys first, then those of before: rebuilds, and addresses used again, are told apart
/// from an attack by them.
pub(super) async fn of_server(api: Api, Path(id): Path<String>) -> Outcome {
    let missing = || Fault::not_found(format_args!("There is no server {}.", shown(&id)));
    let id = Uuid::try_parse(&id).map_err(|_| missing())?;
    for region in api.cloud().regions(&api.caller).await? {
        let server = match api.cloud().server(&api.caller, &region.id, id).await {
            Ok(server) => server,
            Err(cloud::Error::NotFound(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        let keys = api.cloud().host_keys(&api.caller, &region.id, id).await?;
        return Ok(axum::Json(json!({
            "server": {"id": server.id, "name": server.name, "region": server.region},
            "host_keys": keys.iter().map(view).collect::<Vec<_>>(),
        }))
        .into_response());
    }
    Err(missing())
}

/// Lines for the servers at `host`, or for all of the project's servers. What is not ours has no
/// lines: `ssh` then goes on to its other files.
pub(super) async fn known_hosts(api: Api, query: Query) -> Outcome {
    let host = query.get("host").map(plain_host);
    let port = match query.number("port")? {
        Some(port) => Some(
            u16::try_from(port).map_err(|_| Fault::invalid("port", "There is no such port."))?,
        ),
        None => host.as_ref().and_then(|(_, port)| *port),
    };
    let mut text = String::new();
    for region in api.cloud().regions(&api.caller).await? {
        let (servers, _) =
            api.cloud().servers(&api.caller, &region.id, &ServerQuery::default()).await?;
        for server in servers.iter().filter(|server| wanted(server, host.as_ref(), port)) {
            for key in api.cloud().host_keys(&api.caller, &region.id, server.id).await? {
                if key.retired_at.is_none() {
                    text.push_str(&line(&key));
                }
            }
        }
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

fn wanted(server: &Server, host: Option<&(String, Option<u16>)>, port: Option<u16>) -> bool {
    let Some((host, _)) = host else { return true };
    server.addresses.iter().any(|address| {
        (address.address.to_string() == *host || server.name == *host)
            && port.is_none_or(|port| port == address.ssh_port)
    })
}

/// `10.0.0.1`, `[10.0.0.1]:2222`: as `KnownHostsCommand` has it in `%H`.
fn plain_host(text: &str) -> (String, Option<u16>) {
    if let Some(rest) = text.strip_prefix('[')
        && let Some((host, port)) = rest.split_once("]:")
    {
        return (host.to_owned(), port.parse().ok());
    }
    (text.trim_matches(['[', ']']).to_owned(), None)
}

fn line(key: &HostKey) -> String {
    let host = if key.port == 22 {
        key.address.clone()
    } else {
        format!("[{}]:{}", key.address, key.port)
    };
    // Whatever a server's key file says, it is one line here.
    let words: Vec<&str> = key.public_key.split_whitespace().take(2).collect();
    format!("{host} {}\n", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_as_ssh_writes_them() {
        assert_eq!(plain_host("10.0.0.1"), ("10.0.0.1".into(), None));
        assert_eq!(plain_host("[10.0.0.1]:2222"), ("10.0.0.1".into(), Some(2222)));
        assert_eq!(plain_host("[::1]"), ("::1".into(), None));
    }
}
