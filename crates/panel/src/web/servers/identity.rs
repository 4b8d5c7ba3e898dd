//! A server's host keys: what they are, since when, what they were before, and whether they are
//! what a person's ssh printed.

use cloud::model::{HostKey, HostKeySource};
use keys::{FingerprintHash, PublicKey};
use maud::{Markup, html};

use super::show::Details;
use super::{address_of, known_as};
use crate::web::layout::{copyable, when};

/// More than ssh ever prints.
const PRINTED_BYTES_MAX: usize = 16 * 1024;

/// The keys now, in the order that ssh prefers them.
fn present(details: &Details) -> impl Iterator<Item = &HostKey> {
    let mut keys: Vec<&HostKey> =
        details.host_keys.iter().filter(|key| key.retired_at.is_none()).collect();
    keys.sort_by_key(|key| match key.public_key.split(' ').next() {
        Some("ssh-ed25519") => 0,
        Some("ssh-rsa") => 2,
        _ => 1,
    });
    keys.into_iter()
}

fn retired(details: &Details) -> impl Iterator<Item = &HostKey> {
    details.host_keys.iter().filter(|key| key.retired_at.is_some())
}

/// The keys now, with their pictures.
pub(super) fn keys(details: &Details) -> Markup {
    html! {
        section .card {
            h2 { "Host keys" }
            @if present(details).next().is_none() {
                p .muted {
                    @if details.by_console {
                        "None yet: cloud-init prints them on the server's console when it has \
                         booted for the first time. An image without cloud-init prints none."
                    } @else {
                        "None yet: they are read from the server's own disk when it has booted."
                    }
                }
            } @else {
                p .hint {
                    "Read from the server's own " @if details.by_console { "console" } @else { "disk" }
                    ", not over the network. The first time you log in, your ssh shows one of these; \
                     it must be the same."
                }
                div .host-keys {
                    @for key in present(details) { (one_key(key)) }
                }
            }
        }
    }
}

fn one_key(key: &HostKey) -> Markup {
    let public = PublicKey::from_line(&key.public_key).ok().map(|(public, _)| public);
    html! {
        div .host-key {
            div {
                h3 {
                    @match &public {
                        Some(public) => { (public.type_label()) " " (public.bits()) },
                        None => "Unreadable",
                    }
                }
                p { (copyable(&key.fingerprint_sha256)) }
                @if let Some(public) = &public {
                    p { code .fingerprint.muted { (public.fingerprint(FingerprintHash::Md5)) } }
                }
                p .muted {
                    "Since " (when(key.first_seen_at)) ", "
                    @match key.source {
                        HostKeySource::Boot => "read from its disk at boot",
                        HostKeySource::ConsoleLog => "read from its console at boot",
                        HostKeySource::ChangedByServer => "changed by the server itself after boot",
                    }
                }
            }
            @if let Some(public) = &public {
                pre .randomart aria-label="The key's picture, as ssh-keygen -lv draws it" {
                    (public.randomart(FingerprintHash::Sha256))
                }
            }
        }
    }
}

/// Old and new key, when, by whom, and what to type: only where there was another key before.
pub(super) fn after_rebuild(details: &Details) -> Markup {
    // What was retired last, and of these the kind that ssh prefers.
    let last_at = retired(details).filter_map(|key| key.retired_at).max();
    let old = retired(details)
        .filter(|key| key.retired_at == last_at)
        .min_by_key(|key| !key.public_key.starts_with("ssh-ed25519 "));
    let Some(old) = old else { return html! {} };
    let same_kind =
        |key: &&HostKey| key.public_key.split(' ').next() == old.public_key.split(' ').next();
    let new = present(details).find(same_kind).or_else(|| present(details).next());
    // A key that the server changed itself is no rebuild's, even where there was one before.
    let by_itself = new.is_some_and(|key| key.source == HostKeySource::ChangedByServer);
    let mut rebuilds = details.actions.iter().filter(|action| action.action == "rebuild");
    let last = if by_itself { None } else { rebuilds.next() };
    let who = last.and_then(|action| details.names.get(&action.user_id));
    let name = known_as(&old.address, old.port);
    let command = if name.starts_with('[') {
        format!("ssh-keygen -R '{name}'")
    } else {
        format!("ssh-keygen -R {name}")
    };
    html! {
        section .card.changed {
            h2 { "The host key has changed" }
            p {
                @match last {
                    Some(action) => {
                        "The server was rebuilt on " (when(action.started_at))
                        @if let Some(who) = who { " by " (who) }
                        ", and a new system has a new key. A warning from ssh is right this time."
                    },
                    None => "The server itself replaced its key. If nobody did that on purpose, \
                             look into it before you log in.",
                }
            }
            dl .facts {
                dt { "Old" }
                dd {
                    code .fingerprint { (old.fingerprint_sha256) }
                    @if let Some(at) = old.retired_at { br; span .muted { "until " (when(at)) } }
                }
                @if let Some(new) = new {
                    dt { "New" }
                    dd {
                        code .fingerprint { (new.fingerprint_sha256) } br;
                        span .muted { "since " (when(new.first_seen_at)) }
                    }
                }
            }
            p { "To take the old key out of your known_hosts:" }
            p .command { (copyable(&command)) }
        }
    }
}

enum Match<'a> {
    Present(&'a HostKey),
    Retired(&'a HostKey),
    Unknown(String),
}

/// Finds the fingerprints and keys in a text, and what they are to this server.
fn judge<'a>(details: &'a Details, printed: &str) -> Vec<Match<'a>> {
    let mut found = Vec::new();
    let words: Vec<&str> = printed.split_whitespace().collect();
    for (index, word) in words.iter().enumerate() {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '+' && c != '/');
        let pair = words.get(index + 1).map(|next| format!("{word} {next}"));
        let key = pair.and_then(|pair| PublicKey::from_line(&pair).ok()).map(|(key, _)| key);
        let wanted = if word.starts_with("SHA256:") || word.starts_with("MD5:") {
            word.to_owned()
        } else if let Some(key) = key {
            key.fingerprint(FingerprintHash::Sha256)
        } else if word.len() == 47 && word.split(':').count() == 16 {
            // MD5 as it was printed before OpenSSH 6.8.
            format!("MD5:{word}")
        } else if word.len() == 43
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b))
        {
            format!("SHA256:{word}")
        } else {
            continue;
        };
        let same = |key: &&HostKey| {
            key.fingerprint_sha256 == wanted
                || PublicKey::from_line(&key.public_key).is_ok_and(|(public, _)| {
                    public.fingerprint(FingerprintHash::Md5).eq_ignore_ascii_case(&wanted)
                })
        };
        found.push(match (present(details).find(same), retired(details).find(same)) {
            (Some(key), _) => Match::Present(key),
            (None, Some(key)) => Match::Retired(key),
            (None, None) => Match::Unknown(wanted),
        });
    }
    found
}

/// "Paste what your ssh printed".
pub(super) fn compare(details: &Details, printed: &str) -> Markup {
    let printed = if printed.len() > PRINTED_BYTES_MAX { "" } else { printed };
    let found = judge(details, printed);
    html! {
        section #compare .card {
            h2 { "Is it this server?" }
            form method="get" action=(format!("{}#compare", address_of(&details.server))) {
                div .field {
                    label for="printed" { "Paste what your ssh printed" }
                    textarea #printed name="printed" rows="3" spellcheck="false"
                        placeholder="ED25519 key fingerprint is SHA256:…" { (printed) }
                }
                button .quiet type="submit" { "Compare" }
            }
            @if !printed.trim().is_empty() {
                div role="status" {
                    @if found.is_empty() {
                        p .notice { "There is no fingerprint in that text. ssh prints it as SHA256: \
                             and 43 characters." }
                    }
                    @for one in &found {
                        @match one {
                            Match::Present(key) => p .notice.good {
                                strong { "Match. " } "This is the server's own key: "
                                code .fingerprint { (key.fingerprint_sha256) }
                            },
                            Match::Retired(key) => p .notice {
                                strong { "This was its key before. " }
                                code .fingerprint { (key.fingerprint_sha256) }
                                @if let Some(at) = key.retired_at { " was in use until " (when(at)) "." }
                                " If ssh called it the key it remembers, remove it as shown above. If \
                                  ssh says that the server presents it now, do not log in."
                            },
                            Match::Unknown(text) => p .notice.alarm {
                                strong { "No match. " } "This server never had the key "
                                code .fingerprint { (text) }
                                ". Do not log in: something else answers at that address, or the text \
                                  is of another server."
                            },
                        }
                    }
                }
            }
        }
    }
}
