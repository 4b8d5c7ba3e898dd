//! What all pages have: the frame, the menu, and small pieces that many use.

use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Redirect, Response};
use data_encoding::BASE64URL_NOPAD;
use maud::{DOCTYPE, Markup, html};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::assets;
use super::viewer::{FLASH, Viewer};
use crate::State;
use crate::accounts::role_name;

/// A page of a logged-in person.
pub(crate) fn page(viewer: &Viewer, title: &str, body: &Markup) -> Markup {
    frame(
        title,
        &html! {
            header .top {
                a .brand href="/servers" { (mark()) "Keyway" }
                nav aria-label="Main" {
                    (entry(viewer, "/servers", "Servers"))
                    (entry(viewer, "/keys", "SSH Keys"))
                    (entry(viewer, "/downloads", "Downloads"))
                    @if viewer.admin {
                        (entry(viewer, "/images", "Images"))
                        (entry(viewer, "/users", "Users"))
                        (entry(viewer, "/projects", "Projects"))
                    }
                    (entry(viewer, "/audit", "Audit log"))
                }
                div .who {
                    @if viewer.projects.len() > 1 {
                        form method="post" action="/project" .switch {
                            (csrf(viewer))
                            label .hidden-label for="project-switch" { "Project" }
                            select #project-switch name="project" data-submit {
                                @for (project, _) in &viewer.projects {
                                    option value=(project.id)
                                        selected[viewer.project.as_ref().is_some_and(|(now, _)| now.id == project.id)]
                                        { (project.name) }
                                }
                            }
                            button .quiet type="submit" { "Switch" }
                        }
                    } @else if let Some((project, role)) = &viewer.project {
                        span .muted.project title=(format!("Your role: {}", role_name(*role))) {
                            "Project " (project.name)
                        }
                    }
                    a href="/account" aria-current=[viewer.path.starts_with("/account").then_some("page")]
                        { span .hidden-label { "Account " } (viewer.user.name) }
                    form method="post" action="/logout" {
                        (csrf(viewer))
                        button .quiet type="submit" { "Log out" }
                    }
                }
            }
            main #main data-edition=(viewer.edition) {
                @if let Some(flash) = &viewer.flash {
                    p #flash .notice.good role="status" { (flash) }
                }
                (body)
            }
        },
    )
}

/// A page of nobody in particular.
pub(super) fn bare(title: &str, body: &Markup) -> Markup {
    frame(
        title,
        &html! {
            header .top { a .brand href="/" { (mark()) "Keyway" } }
            main #main { (body) }
        },
    )
}

fn frame(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Keyway" }
                link rel="stylesheet" href=(assets::address("panel.css"));
                link rel="icon" href=(assets::address("icon.svg")) type="image/svg+xml";
                script src=(assets::address("panel.js")) defer {}
            }
            body {
                a .skip href="#main" { "Skip to content" }
                (body)
            }
        }
    }
}

fn mark() -> Markup {
    html! {
        svg width="22" height="22" viewBox="0 0 24 24" aria-hidden="true" {
            rect .mark-back x="1" y="1" width="22" height="22" rx="6" {}
            path .mark-front d="M12 5.2a3.4 3.4 0 0 1 1.6 6.4l1.3 6.2H9.1l1.3-6.2A3.4 3.4 0 0 1 12 5.2z" {}
        }
    }
}

fn entry(viewer: &Viewer, path: &str, name: &str) -> Markup {
    let here = viewer.path == path || viewer.path.starts_with(&format!("{path}/"));
    html! { a href=(path) aria-current=[here.then_some("page")] { (name) } }
}

/// What proves that a form is this session's.
pub(crate) fn csrf(viewer: &Viewer) -> Markup {
    html! { input type="hidden" name="csrf" value=(viewer.session.csrf); }
}

/// A time: UTC as text, the reader's own zone by script.
pub(super) fn when(at: OffsetDateTime) -> Markup {
    let exact = at.format(&Rfc3339).unwrap_or_default();
    html! { time datetime=(exact) { (utc(at)) } }
}

/// A time as text, in UTC.
pub(super) fn utc(at: OffsetDateTime) -> String {
    let at = at.to_offset(time::UtcOffset::UTC);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02} UTC",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute()
    )
}

/// Text to copy, with a button where there is script.
pub(super) fn copyable(text: &str) -> Markup {
    html! {
        span .copyable {
            code { (text) }
            button .quiet.copy type="button" data-copy=(text) hidden { "Copy" }
        }
    }
}

/// What is wrong with a field, right below it.
pub(super) fn field_error(id: &str, error: Option<&str>) -> Markup {
    html! {
        @if let Some(error) = error {
            p .error id=(format!("{id}-error")) role="alert" { (error) }
        }
    }
}

/// A labelled line of text.
pub(super) struct Input<'a> {
    /// Its name and identifier.
    pub(super) name: &'a str,
    /// What it is called.
    pub(super) label: &'a str,
    /// `text`, `password`, `email`, ...
    pub(super) kind: &'a str,
    /// What is in it.
    pub(super) value: &'a str,
    /// A sentence of help.
    pub(super) hint: &'a str,
    /// What is wrong with it.
    pub(super) error: Option<&'a str>,
    /// For password managers.
    pub(super) autocomplete: &'a str,
    /// Whether the browser insists on it.
    pub(super) required: bool,
}

impl Default for Input<'_> {
    fn default() -> Self {
        Self {
            name: "",
            label: "",
            kind: "text",
            value: "",
            hint: "",
            error: None,
            autocomplete: "off",
            required: false,
        }
    }
}

impl Input<'_> {
    /// The markup.
    pub(super) fn render(&self) -> Markup {
        let described = if self.error.is_some() {
            Some(format!("{}-error", self.name))
        } else if self.hint.is_empty() {
            None
        } else {
            Some(format!("{}-hint", self.name))
        };
        html! {
            div .field.bad[self.error.is_some()] {
                label for=(self.name) { (self.label) }
                input id=(self.name) name=(self.name) type=(self.kind) value=(self.value)
                    autocomplete=(self.autocomplete) required[self.required]
                    aria-invalid=[self.error.map(|_| "true")] aria-describedby=[described];
                @if !self.hint.is_empty() {
                    p .hint id=(format!("{}-hint", self.name)) { (self.hint) }
                }
                (field_error(self.name, self.error))
            }
        }
    }
}

/// To another page, which says this.
pub(super) fn go(path: &str, message: &str) -> Response {
    let mut response = Redirect::to(path).into_response();
    let message: String = message.chars().take(600).collect();
    let cookie = format!(
        "{FLASH}={}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax",
        BASE64URL_NOPAD.encode(message.as_bytes())
    );
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// Text as a part of an address.
pub(super) fn escape_query(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/') {
            escaped.push(char::from(byte));
        } else {
            use std::fmt::Write;
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// Parts of the cloud that do not answer at the moment.
pub(super) fn silent(state: &State) -> Markup {
    let silent = state.cloud.silent();
    html! {
        @if !silent.is_empty() {
            div .notice role="status" { ul { @for part in &silent { li { (part) } } } }
        }
    }
}

/// What isolation and limits the cloud lacks on this machine, for as long as it runs here.
pub(super) fn limits(state: &State) -> Markup {
    let limits = state.cloud.warnings();
    html! {
        @if !limits.is_empty() {
            section .limits aria-labelledby="limits" {
                h2 #limits { "Good to know about this cloud" }
                ul { @for limit in &limits { li { (limit) } } }
            }
        }
    }
}

/// `1 server`, `2 servers`.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
