//! The console's output so far.

use std::sync::Arc;

use axum::extract::{Path, State as AxumState};
use axum::response::IntoResponse;
use maud::html;

use super::address_of;
use super::show::id;
use crate::State;
use crate::web::error::PageResult;
use crate::web::layout::page;
use crate::web::viewer::Viewer;

/// Lines that are shown.
const LINES: u32 = 1000;

pub(super) async fn show(
    viewer: Viewer,
    AxumState(state): AxumState<Arc<State>>,
    Path((region, id_text)): Path<(String, String)>,
) -> PageResult {
    let caller = viewer.caller()?;
    let id = id(&id_text)?;
    let server = state.cloud.server(&caller, &region, id).await?;
    let log = state.cloud.console_log(&caller, &region, id, Some(LINES)).await?;
    let text = readable(&log);
    let body = html! {
        p .crumb { a href="/servers" { "Servers" } " / " a href=(address_of(&server)) { (server.name) } " /" }
        h1 { "Console log" }
        div #console-log data-live {
            @if text.is_empty() { p .muted { "Nothing was printed yet." } }
            @else { pre .log tabindex="0" { (text) } }
        }
        p .hint { "The last " (LINES) " lines. " a href=(format!("{}/log", address_of(&server))) { "Read again" } }
    };
    Ok(page(&viewer, "Console log", &body).into_response())
}

/// Text without escape sequences and other control characters, which are for terminals.
fn readable(log: &[u8]) -> String {
    let text = String::from_utf8_lossy(log);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.next() {
                // CSI: up to its final byte.
                Some('[') => while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
                // OSC: up to BEL or ST.
                Some(']') => {
                    while let Some(c) = chars.next() {
                        if c == '\u{7}' {
                            break;
                        }
                        if c == '\u{1b}' {
                            chars.next();
                            break;
                        }
                    }
                }
                _ => {}
            },
            '\n' | '\t' => out.push(c),
            '\u{8}' => {
                out.pop();
            }
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn terminal_bytes_become_text() {
        let log = b"\x1b[31mred\x1b[0m\r\n\x1b]0;title\x07ok\x08K\x00\xff\n\x1b[";
        assert_eq!(readable(log), "red\noK\u{fffd}\n");
    }
}
