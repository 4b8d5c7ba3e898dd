//! The WebSocket: a binary message to the server is a kind and its bytes (0 typed bytes, 1 the
//! terminal's size as two 16-bit numbers), one to the browser is the console's bytes.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as AxumState;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{Extensions, HeaderMap};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;

use super::relay::{self, Input, QUEUE};
use super::tickets::Ticket;
use crate::State;
use crate::state::{caller, new_request_id};
use crate::web::error::{PageError, PageResult};
use crate::web::proxy::is_secure;
use crate::web::security::is_same_origin;

const PROTOCOL: &str = "keyway.console";
/// A piece of a paste, with room.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// A browser that takes nothing for this long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
const PING_EVERY: Duration = Duration::from_secs(25);

pub(super) async fn open(
    AxumState(state): AxumState<Arc<State>>,
    headers: HeaderMap,
    extensions: Extensions,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> PageResult<Response> {
    if !is_same_origin(&state, &headers, is_secure(&state, &extensions)) {
        return Err(PageError::refused("This console was asked for by another site."));
    }
    // The ticket travels as a subprotocol: addresses end up in logs, these do not.
    let ticket = headers
        .get_all("sec-websocket-protocol")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|word| word.trim().strip_prefix("ticket."));
    let Some(ticket) = ticket else {
        return Err(PageError::refused("A console needs a ticket."));
    };
    let upgrade = upgrade.map_err(|_| PageError::bad("This address takes a WebSocket only."))?;
    let Some(ticket) = state.store.take_ticket(ticket).await? else {
        return Err(PageError::refused("The ticket is used or too old."));
    };
    Ok(upgrade
        .protocols([PROTOCOL])
        .max_message_size(MESSAGE_BYTES_MAX)
        .on_upgrade(move |socket| serve(state, ticket, socket)))
}

async fn serve(state: Arc<State>, ticket: Ticket, mut socket: WebSocket) {
    let console = match open_console(&state, &ticket).await {
        Ok(console) => console,
        Err(reason) => {
            close(&mut socket, close_code::POLICY, &reason).await;
            return;
        }
    };
    let (input_to, input) = mpsc::channel(QUEUE);
    let (output_to, mut output) = mpsc::channel::<Vec<u8>>(QUEUE);
    let (mut sender, mut receiver) = socket.split();
    let reading = tokio::spawn(async move {
        while let Some(Ok(message)) = receiver.next().await {
            let input = match message {
                Message::Binary(frame) => Input::from_frame(&frame),
                Message::Close(_) => break,
                _ => continue,
            };
            let Some(input) = input else { continue };
            if input_to.send(input).await.is_err() {
                break;
            }
        }
    });
    let writing = tokio::spawn(async move {
        let mut ping = tokio::time::interval(PING_EVERY);
        loop {
            let message = tokio::select! {
                bytes = output.recv() => match bytes {
                    Some(bytes) => Message::Binary(bytes.into()),
                    None => return Some(sender),
                },
                _ = ping.tick() => Message::Ping(Vec::new().into()),
            };
            match tokio::time::timeout(SEND_TIMEOUT, sender.send(message)).await {
                Ok(Ok(())) => {}
                _ => return None,
            }
        }
    });
    let reason = relay::run(&state, &ticket, console, input, output_to).await;
    if let Ok(Some(mut sender)) = writing.await {
        let code =
            if reason == "The console has ended." { close_code::NORMAL } else { close_code::AWAY };
        let frame = CloseFrame { code, reason: reason.into() };
        let _ = tokio::time::timeout(SEND_TIMEOUT, sender.send(Message::Close(Some(frame)))).await;
    }
    reading.abort();
}

/// Opens what the ticket is for, with the rights that its user has now.
pub(super) async fn open_console(
    state: &State,
    ticket: &Ticket,
) -> Result<Box<dyn cloud::Console>, String> {
    let failed = || "The console could not be opened.".to_owned();
    let user = state.accounts.user(&ticket.user_id).await.map_err(|_| failed())?;
    let role = state
        .accounts
        .role_in(&ticket.user_id, &ticket.project_id)
        .await
        .map_err(|_| failed())?
        .filter(|role| *role >= cloud::Role::Member);
    let (Some(user), Some(role)) = (user, role) else {
        return Err("You may not use this console.".to_owned());
    };
    let caller = caller(&user, &ticket.project_id, role, &new_request_id());
    state
        .cloud
        .open_console(&caller, &ticket.region, ticket.server_id, ticket.kind)
        .await
        .map_err(|error| error.to_string())
}

async fn close(socket: &mut WebSocket, code: u16, reason: &str) {
    // A close frame carries at most 123 bytes of reason.
    let reason: String = reason.chars().take(40).collect();
    let frame = CloseFrame { code, reason: reason.into() };
    let _ = socket.send(Message::Close(Some(frame))).await;
}
