use wire::{Reader, Writer};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::limits;

/// A message with its length in front.
///
/// # Errors
/// [`Error::BadAgentMessage`] when it is larger than
/// [`limits::AGENT_MESSAGE_BYTES`].
pub fn frame(message: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    frame_within(message, limits::AGENT_MESSAGE_BYTES)
}

pub(super) fn frame_within(message: &[u8], limit: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    if message.len() > limit {
        return Err(Error::BadAgentMessage("it is too long"));
    }
    let mut framed = Zeroizing::new(Vec::with_capacity(message.len() + 4));
    framed.put_string(message);
    Ok(framed)
}

/// The first message in `buffer`, without its length, and how many bytes it
/// takes from the buffer with it; `None` while it is not whole. The buffer
/// need never hold more than [`limits::AGENT_MESSAGE_BYTES`] and four bytes.
///
/// # Errors
/// [`Error::BadAgentMessage`] when the length is zero or over the limit. The
/// stream is of no more use then.
pub fn take_frame(buffer: &[u8]) -> Result<Option<(&[u8], usize)>, Error> {
    take_within(buffer, limits::AGENT_MESSAGE_BYTES)
}

/// The same for what an agent answers, which may be as long as
/// [`limits::AGENT_ANSWER_BYTES`]: the agent is the caller's own.
///
/// # Errors
/// As [`take_frame`].
pub fn take_answer(buffer: &[u8]) -> Result<Option<(&[u8], usize)>, Error> {
    take_within(buffer, limits::AGENT_ANSWER_BYTES)
}

fn take_within(buffer: &[u8], limit: usize) -> Result<Option<(&[u8], usize)>, Error> {
    let Ok(length) = Reader::new(buffer).u32() else {
        return Ok(None);
    };
    let length = length as usize;
    if length == 0 {
        return Err(Error::BadAgentMessage("it is empty"));
    }
    if length > limit {
        return Err(Error::BadAgentMessage("it is too long"));
    }
    Ok(buffer.get(4..4 + length).map(|message| (message, 4 + length)))
}
