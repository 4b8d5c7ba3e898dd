//! The account page of those whose accounts are the cloud's own.

use cloud::accounts::OwnAccounts;
use maud::{Markup, html};

use super::session_list;
use crate::State;
use crate::accounts::Session;
use crate::web::error::PageError;
use crate::web::viewer::Viewer;

/// Of somebody whose account is the cloud's own.
pub(super) fn account(viewer: &Viewer, own: &dyn OwnAccounts, sessions: &[Session]) -> Markup {
    html! {
        h1 { "Account" }
        section .card {
            h2 { (viewer.user.name) }
            dl .facts {
                dt { "Account of" } dd { (own.address()) }
                dt { "Identifier" } dd { code { (viewer.user.id) } }
                dt { "Projects" }
                dd {
                    @if viewer.projects.is_empty() { "none" }
                    @for (index, (project, _)) in viewer.projects.iter().enumerate() {
                        @if index > 0 { ", " }
                        (project.name)
                    }
                }
            }
            p .muted { "This account is the cloud's own: its password, its second factor and its \
                 application credentials are changed there. A login here lasts as long as the \
                 cloud's token does." }
        }
        (session_list(viewer, sessions))
    }
}

/// Refuses what only accounts of the panel's own have.
pub(super) fn refuse(state: &State) -> Result<(), PageError> {
    match state.cloud.accounts() {
        None => Ok(()),
        Some(own) => Err(PageError::refused(format!(
            "Your account is the cloud's own, at {}: this is changed there, not here.",
            own.address()
        ))),
    }
}
