//! What the pages of users and of projects have alike.

use axum::http::StatusCode;
use maud::{Markup, html};

use super::error::PageError;
use super::layout::{Input, csrf};
use super::viewer::Viewer;
use crate::accounts::Error;

/// What is wrong with a form, beside the field it is about; or nothing.
#[derive(Default)]
pub(super) struct Wrong(Option<(&'static str, String)>);

impl Wrong {
    /// With that field.
    pub(super) fn field(field: &'static str, message: impl Into<String>) -> Self {
        Self(Some((field, message.into())))
    }

    /// What is wrong with a field.
    pub(super) fn at(&self, field: &str) -> Option<&str> {
        self.0.as_ref().filter(|(at, _)| *at == field).map(|(_, message)| message.as_str())
    }

    /// The page's status.
    pub(super) fn status(&self) -> StatusCode {
        if self.0.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }
    }
}

impl TryFrom<Error> for Wrong {
    type Error = PageError;

    /// What the person can mend is said beside the field; the rest is a page of its own.
    fn try_from(error: Error) -> Result<Self, PageError> {
        match error {
            Error::Invalid { field, message } => Ok(Self::field(field, message)),
            // Only names can be taken.
            Error::Conflict(message) => Ok(Self::field("name", message)),
            error => Err(error.into()),
        }
    }
}

/// Whether it may be used.
pub(super) fn enabled_pill(enabled: bool) -> Markup {
    html! {
        @if enabled { span .pill.good { "Enabled" } } @else { span .pill.off { "Disabled" } }
    }
}

/// The last part of the page at `at`: deleting what has this name, which has to be typed.
pub(super) fn delete_section(
    viewer: &Viewer,
    at: &str,
    name: &str,
    what: &str,
    hint: &str,
    wrong: &Wrong,
) -> Markup {
    html! {
        section .card {
            h2 { "Delete" }
            @if !hint.is_empty() { p { (hint) } }
            form method="post" action=(format!("{at}/delete")) {
                (csrf(viewer))
                (Input { name: "typed", label: &format!("Type {name} to go on"),
                    error: wrong.at("typed"), ..Input::default() }.render())
                button .danger type="submit" { "Delete the " (what) }
            }
        }
    }
}
