//! `keyway-panel console NAME`: the same consoles for whoever owns the panel's private folder, by
//! a socket in it. Who can read that folder can do everything anyway, so it asks nothing.
//!
//! A request is one line, `KIND NAME`; the answer one line, `ok` or the reason why not. Then
//! frames go in (length as 16 bits, kind, bytes) and plain bytes come out.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use cloud::model::Server;
use cloud::{ConsoleKind, Role, ServerQuery};
use rustix::termios::{self, OptionalActions};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::relay::{self, Input, QUEUE};
use super::socket::open_console;
use super::tickets::{Ticket, kind_from_name, kind_name};
use crate::State;
use crate::local;
use crate::state::{caller, new_request_id};

const LINE_BYTES_MAX: u64 = 1024;
/// Ctrl-], as telnet has it.
const LEAVE: u8 = 0x1d;
/// Ctrl-D.
const END: u8 = 0x04;

/// The socket's name in the private folder.
const SOCKET: &str = "console.sock";

/// Answers on the socket until the panel stops.
///
/// # Errors
/// When the socket cannot be made.
pub async fn serve(state: Arc<State>) -> std::io::Result<()> {
    local::serve(state, SOCKET, answer).await
}

async fn answer(state: Arc<State>, stream: UnixStream) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut line = String::new();
    (&mut read).take(LINE_BYTES_MAX).read_line(&mut line).await?;
    let (kind, name) = line.trim_end().split_once(' ').unwrap_or_default();
    let ticket = match find(&state, kind, name).await {
        Ok(ticket) => ticket,
        Err(reason) => return write.write_all(format!("{reason}\n").as_bytes()).await,
    };
    let console = match open_console(&state, &ticket).await {
        Ok(console) => console,
        Err(reason) => return write.write_all(format!("{reason}\n").as_bytes()).await,
    };
    write.write_all(b"ok\n").await?;
    let (input_to, input) = mpsc::channel(QUEUE);
    let (output_to, mut output) = mpsc::channel::<Vec<u8>>(QUEUE);
    let reading = tokio::spawn(async move {
        while let Ok(length) = read.read_u16().await {
            let mut frame = vec![0u8; usize::from(length)];
            if read.read_exact(&mut frame).await.is_err() {
                break;
            }
            let Some(input) = Input::from_frame(&frame) else { continue };
            if input_to.send(input).await.is_err() {
                break;
            }
        }
    });
    let writing = tokio::spawn(async move {
        while let Some(bytes) = output.recv().await {
            if write.write_all(&bytes).await.is_err() {
                break;
            }
        }
    });
    relay::run(&state, &ticket, console, input, output_to).await;
    reading.abort();
    let _ = writing.await;
    Ok(())
}

/// The one server by that name or identifier, of any project, in the name of an administrator.
async fn find(state: &State, kind: &str, name: &str) -> Result<Ticket, String> {
    let kind = kind_from_name(kind).ok_or("There is no such console.")?;
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let (user, project) = local::administrator(state).await?;
    let caller = caller(&user, &project.id, Role::Admin, &new_request_id());
    let query = ServerQuery { all_projects: true, ..ServerQuery::default() };
    let mut found: Vec<Server> = Vec::new();
    for region in state.cloud.regions(&caller).await.map_err(|error| failed(&error))? {
        let (servers, _) = state
            .cloud
            .servers(&caller, &region.id, &query)
            .await
            .map_err(|error| failed(&error))?;
        found.extend(servers.into_iter().filter(|s| s.name == name || s.id.to_string() == name));
    }
    match found.as_slice() {
        [] => Err(format!("There is no server called {name}.")),
        [server] => Ok(Ticket {
            user_id: user.id,
            project_id: server.project_id.clone(),
            region: server.region.clone(),
            server_id: server.id,
            kind,
        }),
        several => {
            let list: Vec<String> =
                several.iter().map(|s| format!("{} in {}", s.id, s.region)).collect();
            Err(format!("Several servers are called {name}; say which: {}.", list.join(", ")))
        }
    }
}

/// Puts the terminal back as it was.
struct Raw(Option<termios::Termios>);

impl Raw {
    fn new() -> Self {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return Self(None);
        }
        let Ok(before) = termios::tcgetattr(&stdin) else { return Self(None) };
        let mut raw = before.clone();
        raw.make_raw();
        let _ = termios::tcsetattr(&stdin, OptionalActions::Now, &raw);
        Self(Some(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = termios::tcsetattr(std::io::stdin(), OptionalActions::Flush, before);
        }
    }
}

fn size_frame() -> Option<[u8; 5]> {
    let size = termios::tcgetwinsize(std::io::stdout()).ok()?;
    let ([a, b], [c, d]) = (size.ws_col.to_be_bytes(), size.ws_row.to_be_bytes());
    Some([1, a, b, c, d])
}

/// Connects this terminal to a server's console until it ends or Ctrl-] is typed.
///
/// # Errors
/// What went wrong, for the person.
pub async fn attach(folder: &Path, kind: ConsoleKind, name: &str) -> Result<(), String> {
    let path = folder.join(SOCKET);
    let stream = UnixStream::connect(&path).await.map_err(|error| {
        format!("cannot reach the panel at {}: {error}; is it running?", path.display())
    })?;
    let failed = |error: std::io::Error| format!("the panel went away: {error}");
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    write.write_all(format!("{} {name}\n", kind_name(kind)).as_bytes()).await.map_err(failed)?;
    let mut line = String::new();
    (&mut read).take(LINE_BYTES_MAX).read_line(&mut line).await.map_err(failed)?;
    if line.trim_end() != "ok" {
        return Err(line.trim_end().to_owned());
    }
    let terminal = std::io::stdin().is_terminal();
    if terminal {
        eprintln!("Connected to {name}. Ctrl-] leaves.\r");
    }
    let raw = Raw::new();
    let mut resized = signal(SignalKind::window_change()).map_err(failed)?;
    let mut stdin = tokio::io::stdin();
    let (mut typed, mut printed) = (vec![0u8; 4096], vec![0u8; 16 * 1024]);
    let mut typing = true;
    if let Some(frame) = size_frame() {
        send(&mut write, &frame).await.map_err(failed)?;
    }
    loop {
        tokio::select! {
            length = read.read(&mut printed) => match length {
                Ok(0) | Err(_) => break,
                Ok(length) => {
                    let mut out = std::io::stdout().lock();
                    let bytes = printed.get(..length).unwrap_or_default();
                    if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
                        break;
                    }
                }
            },
            length = stdin.read(&mut typed), if typing => match length {
                // What came from a file or a pipe is over: said as a person would, by Ctrl-D.
                Ok(0) | Err(_) => {
                    typing = false;
                    if send(&mut write, &[0, END]).await.is_err() {
                        break;
                    }
                }
                Ok(length) => {
                    let bytes = typed.get(..length).unwrap_or_default();
                    if terminal && bytes.contains(&LEAVE) {
                        break;
                    }
                    let mut frame = vec![0u8];
                    frame.extend_from_slice(bytes);
                    if send(&mut write, &frame).await.is_err() {
                        break;
                    }
                }
            },
            _ = resized.recv() => {
                if let Some(frame) = size_frame()
                    && send(&mut write, &frame).await.is_err()
                {
                    break;
                }
            }
        }
    }
    drop(raw);
    Ok(())
}

async fn send(write: &mut tokio::net::unix::OwnedWriteHalf, frame: &[u8]) -> std::io::Result<()> {
    write.write_u16(u16::try_from(frame.len()).unwrap_or(u16::MAX)).await?;
    write.write_all(frame).await
}
