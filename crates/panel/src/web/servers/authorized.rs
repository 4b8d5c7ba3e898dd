//! The keys that a server takes now: what is really in `authorized_keys`.

use std::sync::Arc;

use axum::extract::{Path, State as AxumState};
use cloud::model::KeyType;
use keys::{FingerprintHash, PublicKey, authorized_keys};
use maud::{Markup, html};

use super::show::{Details, id, server_page};
use super::{address_of, reached_at, status_words};
use crate::State;
use crate::public_key::examine;
use crate::web::error::{PageError, PageResult};
use crate::web::layout::{copyable, csrf, field_error, go};
use crate::web::posted::Posted;
use crate::web::viewer::Viewer;

/// A line of the file that holds a key.
struct Line {
    number: usize,
    key: PublicKey,
    comment: String,
    restricted: bool,
}

fn lines(text: &str) -> (Vec<Line>, usize) {
    let (mut lines, mut unreadable) = (Vec::new(), 0);
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        match authorized_keys::parse_line(line) {
            Ok(Some(entry)) => lines.push(Line {
                number,
                comment: entry.comment.clone(),
                restricted: PublicKey::from_line(trimmed).is_err(),
                key: entry.key,
            }),
            Ok(None) => {}
            Err(_) => unreadable += 1,
        }
    }
    (lines, unreadable)
}

/// What is known of a server's `authorized_keys`.
pub(super) enum Present {
    /// What is in it.
    Read(String),
    /// Why it could not be read.
    Failed(String),
    /// The cloud cannot look into its servers.
    Hidden,
}

/// Where nobody but the server itself knows: what it was made with, and what to type instead.
fn hidden(details: &Details) -> Markup {
    let server = &details.server;
    html! {
        section #keys .card data-live {
            h2 { "Keys on the server" }
            p {
                "This cloud does not let the panel look into its servers, so which keys they take \
                 now is not shown here. "
                @if server.key_names.is_empty() { "This one was made without a key." }
                @else { "This one was made with " strong { (server.key_names.join(", ")) } "." }
            }
            @if let Some((address, port)) = reached_at(server) {
                p { "To add a key, by one that lets you in already:" }
                p .command {
                    @if port == 22 { (copyable(&format!("ssh-copy-id -f -i OTHER.pub root@{address}"))) }
                    @else { (copyable(&format!("ssh-copy-id -f -p {port} -i OTHER.pub root@{address}"))) }
                }
                p .hint {
                    "To take one away, log in and delete its line in " code { "~/.ssh/authorized_keys" } "."
                }
            }
        }
    }
}

/// A key that was not added.
pub(super) struct Refused {
    why: String,
    /// What was pasted, to be mended; a private key is not sent back.
    text: String,
}

/// The part of the server's page.
pub(super) fn section(viewer: &Viewer, details: &Details, refused: Option<&Refused>) -> Markup {
    let text = match &details.authorized {
        Present::Read(text) => text,
        Present::Hidden => return hidden(details),
        Present::Failed(reason) => {
            let being_made = status_words(&details.server).0 == "busy";
            let reason: &str = if being_made { "Read when it has booted." } else { reason };
            return html! {
                section #keys .card data-live { h2 { "Keys on the server" } p .muted { (reason) } }
            };
        }
    };
    let (lines, unreadable) = lines(text);
    let on = |line: &str| {
        PublicKey::from_line(line).is_ok_and(|(key, _)| lines.iter().any(|l| l.key == key))
    };
    let addable: Vec<_> = details
        .stored
        .iter()
        .filter(|key| key.kind == KeyType::Ssh && !on(&key.public_key))
        .collect();
    let action = format!("{}/keys", address_of(&details.server));
    html! {
        section #keys .card data-live {
            h2 { "Keys on the server" }
            p .hint { "Read from root's authorized_keys just now. Whoever holds one of them can log in." }
            @if lines.is_empty() { p .notice { "No key: nobody can log in by SSH." } }
            @else {
                table .list {
                    thead { tr {
                        th scope="col" { "Key" } th scope="col" { "Fingerprint" } th scope="col" { "Type" }
                        @if viewer.may_change() { th scope="col" { span .hidden-label { "Actions" } } }
                    } }
                    tbody {
                        @for line in &lines {
                            tr {
                                td data-label="Key" {
                                    @if line.comment.is_empty() { span .muted { "without a comment" } } @else { (line.comment) }
                                    @if line.restricted { br; span .muted { "with options" } }
                                }
                                td data-label="Fingerprint" { code .fingerprint { (line.key.fingerprint(FingerprintHash::Sha256)) } }
                                td data-label="Type" { (line.key.type_label()) " " (line.key.bits()) }
                                @if viewer.may_change() {
                                    td .actions {
                                        form method="post" action=(action) .inline {
                                            (csrf(viewer))
                                            input type="hidden" name="remove" value=(line.key.fingerprint(FingerprintHash::Sha256));
                                            button .quiet.danger type="submit" { "Remove" }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @if unreadable > 0 {
                p .muted { (unreadable) " more lines of the file are no keys; they are left alone." }
            }
            @if viewer.may_change() {
                form method="post" action=(action) {
                    (csrf(viewer))
                    @if !addable.is_empty() {
                        div .field {
                            label for="stored" { "Add a stored key" }
                            select #stored name="stored" {
                                option value="" { "Choose…" }
                                @for key in &addable { option value=(key.name) { (key.name) } }
                            }
                        }
                    }
                    @if details.more_stored {
                        div .field {
                            label for="stored-other" { "Another stored key, by its name" }
                            input #stored-other type="text" name="stored" autocomplete="off";
                        }
                    }
                    // Without a stored key to choose, the field is all there is to add.
                    @if addable.is_empty() { (pasted_field("Add another public key", refused)) }
                    @else {
                        details .inner open[refused.is_some()] {
                            summary { "Or one that is not stored" }
                            (pasted_field("Public key", refused))
                        }
                    }
                    button .quiet type="submit" { "Add to the server" }
                }
            }
        }
    }
}

fn pasted_field(label: &str, refused: Option<&Refused>) -> Markup {
    html! {
        div .field.bad[refused.is_some()] {
            label for="public_key" { (label) }
            textarea #public_key name="public_key" rows="3" spellcheck="false" data-drop
                placeholder="ssh-ed25519 AAAAC3Nz… you@computer"
                aria-invalid=[refused.map(|_| "true")] aria-describedby=[refused.map(|_| "public_key-error")]
                { (refused.map_or("", |refused| refused.text.as_str())) }
            (field_error("public_key", refused.map(|refused| refused.why.as_str())))
        }
    }
}

pub(super) async fn change(
    AxumState(state): AxumState<Arc<State>>,
    Path((region, id_text)): Path<(String, String)>,
    posted: Posted,
) -> PageResult {
    let Posted { viewer, fields } = &posted;
    let caller = viewer.changer()?;
    let id = id(&id_text)?;
    let server = state.cloud.server(&caller, &region, id).await?;
    let back = format!("{}#keys", address_of(&server));
    let text = state.cloud.authorized_keys(&caller, &region, id).await?;
    let (present, _) = lines(&text);
    if fields.has("remove") {
        let wanted = fields.get("remove");
        let gone: Vec<usize> = present
            .iter()
            .filter(|line| line.key.fingerprint(FingerprintHash::Sha256) == wanted)
            .map(|line| line.number)
            .collect();
        if gone.is_empty() {
            return Ok(go(&back, "That key is not on the server any more."));
        }
        let kept: String = text
            .lines()
            .enumerate()
            .filter(|(number, _)| !gone.contains(number))
            .flat_map(|(_, line)| [line, "\n"])
            .collect();
        state.cloud.set_authorized_keys(&caller, &region, id, &kept).await?;
        viewer.audit(&state, "server.key.remove", &server.name, wanted).await?;
        let said = if kept.lines().any(|line| !line.trim().is_empty()) {
            "Removed the key. Who is logged in with it stays so until they leave."
        } else {
            "Removed the last key: nobody can log in by SSH now."
        };
        return Ok(go(&back, said));
    }
    // Chosen from the list, or named in the field beside it.
    let (line, repairs) = if let Some(name) = fields.all("stored").first() {
        let key = match state.cloud.key_pair(&caller, &region, name).await {
            Err(cloud::Error::NotFound(_)) => {
                return Err(PageError::not_found("There is no such key in this region."));
            }
            other => other?,
        };
        (key.public_key, Vec::new())
    } else {
        match examine(fields.raw("public_key")) {
            Ok(examined) => (examined.line(), examined.repairs),
            Err(refusal) => {
                let private = refusal == crate::public_key::Refusal::PrivateKey;
                if private {
                    viewer.audit(&state, "key.refuse-private", &server.name, "").await?;
                }
                let text = if private { "" } else { fields.raw("public_key") };
                let refused = Refused { why: refusal.message(), text: text.to_owned() };
                return server_page(viewer, &state, &region, id, "", Some(&refused)).await;
            }
        }
    };
    let (key, _) = PublicKey::from_line(&line)
        .map_err(|error| PageError::bad(format!("The stored key cannot be used: {error}.")))?;
    let fingerprint = key.fingerprint(FingerprintHash::Sha256);
    if present.iter().any(|other| other.key == key) {
        return Ok(go(&back, "That key is on the server already."));
    }
    let mut new = text;
    if !new.is_empty() && !new.ends_with('\n') {
        new.push('\n');
    }
    new.push_str(&line);
    new.push('\n');
    state.cloud.set_authorized_keys(&caller, &region, id, &new).await?;
    viewer.audit(&state, "server.key.add", &server.name, &fingerprint).await?;
    Ok(go(&back, &format!("Added the key. {}", repairs.join(" "))))
}
