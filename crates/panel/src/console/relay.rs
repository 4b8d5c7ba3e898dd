//! One open console: bytes both ways, each side no faster than the other takes them.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cloud::{Console, Role};
use tokio::io::ReadBuf;
use tokio::sync::mpsc;

use super::tickets::Ticket;
use crate::State;

/// Bytes read from the console at a time.
const READ_BYTES: usize = 16 * 1024;
/// Typed bytes that wait for the console at most; more wait in the socket.
const PENDING_BYTES: usize = 64 * 1024;
/// How often it is looked whether the user may still be here.
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// Messages that wait between a socket and its console.
pub(super) const QUEUE: usize = 16;

/// What comes from the person.
pub(super) enum Input {
    /// Typed or pasted.
    Data(Vec<u8>),
    /// The terminal's size now.
    Resize(u16, u16),
}

impl Input {
    /// From a frame: a kind and what it carries. `None` for what is no frame.
    pub(super) fn from_frame(frame: &[u8]) -> Option<Self> {
        match frame.split_first()? {
            (0, data) => Some(Self::Data(data.to_vec())),
            (1, [a, b, c, d]) => {
                let (columns, rows) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
                (columns > 0 && rows > 0).then_some(Self::Resize(columns, rows))
            }
            _ => None,
        }
    }
}

enum Step {
    Read(usize),
    Wrote(usize),
    Ended,
}

/// Reads where there is something and writes where there is room, whichever comes first: a shell
/// that waits for its output to be read does not read what is pasted into it.
async fn step(console: &mut Box<dyn Console>, buffer: &mut [u8], pending: &[u8]) -> Step {
    poll_fn(|context| {
        if !pending.is_empty() {
            match Pin::new(&mut **console).poll_write(context, pending) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Step::Ended),
                Poll::Ready(Ok(written)) => return Poll::Ready(Step::Wrote(written)),
                Poll::Pending => {}
            }
        }
        let mut room = ReadBuf::new(buffer);
        match Pin::new(&mut **console).poll_read(context, &mut room) {
            Poll::Ready(Ok(())) if room.filled().is_empty() => Poll::Ready(Step::Ended),
            Poll::Ready(Ok(())) => Poll::Ready(Step::Read(room.filled().len())),
            Poll::Ready(Err(_)) => Poll::Ready(Step::Ended),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Runs until either side ends, the user may no more, or the panel stops; says why.
pub(super) async fn run(
    state: &Arc<State>,
    ticket: &Ticket,
    mut console: Box<dyn Console>,
    mut inputs: mpsc::Receiver<Input>,
    outputs: mpsc::Sender<Vec<u8>>,
) -> &'static str {
    let mut buffer = vec![0u8; READ_BYTES];
    let mut pending: Vec<u8> = Vec::new();
    let mut stopping = state.stopping.clone();
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            step = step(&mut console, &mut buffer, &pending) => match step {
                Step::Read(length) => {
                    let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                    if outputs.send(bytes).await.is_err() {
                        return "gone";
                    }
                }
                Step::Wrote(length) => {
                    pending.drain(..length.min(pending.len()));
                }
                Step::Ended => return "The console has ended.",
            },
            input = inputs.recv(), if pending.len() < PENDING_BYTES => match input {
                Some(Input::Data(data)) => pending.extend_from_slice(&data),
                Some(Input::Resize(columns, rows)) => console.resize(columns, rows),
                None => return "gone",
            },
            _ = look.tick() => {
                let role = state.accounts.role_in(&ticket.user_id, &ticket.project_id).await;
                if !matches!(role, Ok(Some(role)) if role >= Role::Member) {
                    return "You may not use this console any more.";
                }
            }
            () = crate::state::stopped(&mut stopping) => return "The panel is stopping.",
        }
    }
}
