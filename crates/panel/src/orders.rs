//! Orders from the terminal: `keyway-panel key add`, `keyway-panel server create` and the like,
//! for whoever owns the panel's private folder, by a socket in it. Who can write to that folder
//! can do everything anyway, so it asks nothing and acts as the first administrator.
//!
//! An order is one line, a JSON list of words. The answer is lines, each with a sign in front:
//! `+` something to print, `.` done, `!` why not.

mod client;
mod work;

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

pub use client::give;

use crate::State;

/// An order with user data in it, the longest there is, is shorter.
const ORDER_BYTES_MAX: u64 = 128 * 1024;
/// What `keyway-panel --help` says about orders.
pub const HELP: &str = "\
Orders to the panel that runs with the same --state:
  fingerprint                  of the key that it vouches for host keys with
  key list | add NAME FILE | delete NAME           [--region R]
  image list | import NAME FILE-OR-FOLDER          [--sha256 HEX]
  server list | show NAME | delete NAME            [--region R]
  server start NAME | stop NAME | rebuild NAME     [--region R]
  server create NAME --key KEY [--key KEY...]      [--region R --image I --flavor F]
                                                   [--user-data FILE, for cloud-init]
";

/// The socket's name in the private folder.
const SOCKET: &str = "orders.sock";

/// Takes orders until the panel stops.
///
/// # Errors
/// When the socket cannot be made.
pub async fn serve(state: Arc<State>) -> std::io::Result<()> {
    crate::local::serve(state, SOCKET, answer).await
}

async fn answer(state: Arc<State>, stream: UnixStream) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(ORDER_BYTES_MAX)).read_line(&mut line).await?;
    let (said, mut saying) = mpsc::channel::<String>(16);
    let work = tokio::spawn(async move {
        let words: Vec<String> =
            serde_json::from_str(&line).map_err(|_| "the order was cut short".to_owned())?;
        work::carry_out(&state, &words, &said).await
    });
    while let Some(text) = saying.recv().await {
        for line in text.lines() {
            write.write_all(format!("+{line}\n").as_bytes()).await?;
        }
    }
    let end = match work.await {
        Ok(Ok(())) => ".\n".to_owned(),
        Ok(Err(reason)) => format!("!{}\n", reason.replace('\n', " ")),
        Err(_) => "!the panel failed at it; its log says more\n".to_owned(),
    };
    write.write_all(end.as_bytes()).await
}
