//! Files for other programs: OpenStack's clients, ssh's configuration, known_hosts.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State as AxumState;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use cloud::model::{Region, Server};
use cloud::{Caller, ServerQuery};
use keys::FingerprintHash;
use maud::html;

use super::error::{PageError, PageResult};
use super::layout::{copyable, page};
use super::routes::Routes;
use super::servers::{known_as, of_regions, reached_at};
use super::viewer::Viewer;
use crate::{State, tls};

pub(super) fn routes(routes: &mut Routes) {
    routes.get("/downloads", show);
    routes.get("/downloads/clouds.yaml", clouds_yaml);
    routes.get("/downloads/ssh_config", ssh_config);
    routes.get("/downloads/known_hosts", known_hosts);
    routes.get("/downloads/keyway-panel.pem", certificate);
}

async fn show(viewer: Viewer, AxumState(state): AxumState<Arc<State>>) -> PageResult {
    let key = state.voucher.key(&state.store).await?;
    let fingerprint = key.public().fingerprint(FingerprintHash::Sha256);
    let own = state.cloud.accounts().is_some();
    let enrols = !own || !state.cloud.own_addresses().ranges.is_empty();
    let enroll = format!("keyway enroll --fingerprint {fingerprint} {}", state.settings.public_url);
    let body = html! {
        h1 { "Downloads" }
        @if enrols { section #enroll .card {
            h2 { "Trust this panel for its servers" }
            p { "With Keyway's ssh no file is needed. This panel signs what it knows of its servers' \
                 host keys; enrolled once, your ssh asks nothing at the first login, raises no alarm \
                 after a rebuild, and stops where a server's key is not the one that is vouched for." }
            p .command { (copyable(&enroll)) }
            p .hint { "The fingerprint is that of the panel's own key. The panel also prints it on \
                 its terminal as it starts, and " code { "keyway-panel fingerprint" } " shows it there \
                 again: compare them if you do not trust the way to this page." }
        } }
        section .card {
            h2 { "ssh_config" }
            p { "A Host block for each server, so that " code { "ssh NAME" } " is enough. Save it as \
                 " code { "~/.ssh/keyway_config" } " and put this line at the top of "
                code { "~/.ssh/config" } ":" }
            p .command { (copyable("Include ~/.ssh/keyway_config")) }
            p { a .button href="/downloads/ssh_config" download { "Download ssh_config" } }
        }
        section .card {
            h2 { "known_hosts" }
            p { "The host keys of all your servers, read from their own "
                @if own { "consoles as they booted" } @else { "disks" } ". With it, the first \
                 login asks nothing. After a rebuild, download it again." }
            p .command { (copyable("ssh -o UserKnownHostsFile=~/Downloads/known_hosts root@ADDRESS")) }
            p { a .button href="/downloads/known_hosts" download { "Download known_hosts" } }
        }
        section .card {
            h2 { "clouds.yaml" }
            p { "For the " code { "openstack" } " client and everything else that speaks to \
                 OpenStack. Save it as " code { "~/.config/openstack/clouds.yaml" } ". The password is \
                 not in it: the client asks, or use an application credential"
                @if own { " of the cloud's." }
                @else { " of your " a href="/account#credentials" { "account page" } "." }
            }
            p .command { (copyable("openstack --os-cloud keyway server list")) }
            p { a .button href="/downloads/clouds.yaml" download { "Download clouds.yaml" } }
            @if own_certificate(&state) {
                p { "This panel made its HTTPS certificate itself, so programs have to be given it. \
                     clouds.yaml expects it as " code { (CERTIFICATE) } "." }
                p { a .button href="/downloads/keyway-panel.pem" download { "Download the certificate" } }
            }
        }
    };
    Ok(page(&viewer, "Downloads", &body).into_response())
}

fn file(name: &'static str, text: String) -> Response {
    (
        [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
            (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        ],
        text,
    )
        .into_response()
}

/// A YAML string: JSON's are a part of YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Where clouds.yaml says that the panel's own certificate is.
const CERTIFICATE: &str = "~/.config/openstack/keyway-panel.pem";

/// Whether programs that use the API need a certificate that the panel made itself.
fn own_certificate(state: &State) -> bool {
    let made_here = state.settings.https && state.settings.tls.is_none();
    made_here && state.cloud.accounts().is_none()
}

async fn certificate(_: Viewer, AxumState(state): AxumState<Arc<State>>) -> PageResult {
    if !own_certificate(&state) {
        return Err(PageError::not_found("This panel made no certificate of its own."));
    }
    let read = tokio::fs::read_to_string(tls::own_file(&state.settings)).await;
    let text = read.map_err(|error| {
        tracing::error!(%error, "the panel's certificate cannot be read");
        PageError::not_found("The panel's certificate is not in its folder any more.")
    })?;
    Ok(file("keyway-panel.pem", text))
}

async fn clouds_yaml(viewer: Viewer, AxumState(state): AxumState<Arc<State>>) -> PageResult {
    let caller = viewer.caller()?;
    let regions = state.cloud.regions(&caller).await?;
    let project = viewer.project.as_ref().map_or("", |(project, _)| project.name.as_str());
    let (auth_url, domain) = match state.cloud.accounts() {
        Some(own) => (own.address().to_owned(), own.domain().to_owned()),
        None => (format!("{}/identity/v3", state.settings.public_url), "Default".to_owned()),
    };
    let mut text = format!(
        "clouds:\n  keyway:\n    auth_type: password\n    auth:\n      auth_url: {}\n      \
         username: {}\n      project_name: {}\n      user_domain_name: {domain}\n      \
         project_domain_name: {domain}\n    identity_api_version: 3\n",
        quoted(&auth_url),
        quoted(&viewer.user.name),
        quoted(project),
        domain = quoted(&domain),
    );
    if let Some(first) = regions.first() {
        let _ = writeln!(text, "    region_name: {}", quoted(&first.id));
    }
    text.push_str("    regions:\n");
    for region in &regions {
        let _ = writeln!(text, "      - {}", quoted(&region.id));
    }
    if own_certificate(&state) {
        let _ =
            writeln!(text, "    # From the panel's page of downloads.\n    cacert: {CERTIFICATE}");
    }
    Ok(file("clouds.yaml", text))
}

async fn servers(state: &State, caller: &Caller) -> PageResult<(Vec<Region>, Vec<Server>)> {
    let regions = state.cloud.regions(caller).await?;
    let servers = of_regions(state, caller, &regions, &ServerQuery::default()).await?;
    Ok((regions, servers))
}

/// A server's name as a Host pattern: no blanks, no wildcards, nothing that begins a comment.
fn alias(name: &str) -> String {
    let alias: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' })
        .collect();
    alias.trim_matches('-').to_owned()
}

async fn ssh_config(viewer: Viewer, AxumState(state): AxumState<Arc<State>>) -> PageResult {
    let (_, servers) = servers(&state, &viewer.caller()?).await?;
    let mut text = String::from("# Servers of the Keyway panel.\n");
    let mut seen: Vec<String> = Vec::new();
    for server in &servers {
        let Some((address, port)) = reached_at(server) else { continue };
        let mut name = alias(&server.name);
        if name.is_empty() || seen.contains(&name) {
            name = format!(
                "{name}-{}",
                server.id.simple().to_string().chars().take(8).collect::<String>()
            );
        }
        let _ = write!(text, "\nHost {name}\n    HostName {address}\n    User root\n");
        if port != 22 {
            let _ = writeln!(text, "    Port {port}");
        }
        seen.push(name);
    }
    Ok(file("ssh_config", text))
}

async fn known_hosts(viewer: Viewer, AxumState(state): AxumState<Arc<State>>) -> PageResult {
    let caller = viewer.caller()?;
    let (_, servers) = servers(&state, &caller).await?;
    let mut text = String::new();
    for server in &servers {
        for key in state.cloud.host_keys(&caller, &server.region, server.id).await? {
            if key.retired_at.is_none() {
                let name = known_as(&key.address, key.port);
                let _ = writeln!(text, "{name} {}", key.public_key);
            }
        }
    }
    Ok(file("known_hosts", text))
}

#[cfg(test)]
mod tests {
    use super::alias;

    #[test]
    fn names_cannot_add_lines() {
        assert_eq!(alias("web 01"), "web-01");
        assert_eq!(alias("a\nHost *\n ProxyCommand evil"), "a-Host----ProxyCommand-evil");
        assert_eq!(alias("***"), "");
    }
}
