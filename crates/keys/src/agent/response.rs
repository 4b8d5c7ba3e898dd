use wire::{Reader, Writer};
use zeroize::Zeroizing;

use super::framing;
use crate::error::Error;
use crate::limits;
use crate::public::PublicKey;

const FAILURE: u8 = 5;
const SUCCESS: u8 = 6;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_RESPONSE: u8 = 14;
const EXTENSION_FAILURE: u8 = 28;
const EXTENSION_RESPONSE: u8 = 29;
/// Failures of agents of other makes and times.
const SSH2_AGENT_FAILURE: u8 = 30;
const SSH_COM_AGENT2_FAILURE: u8 = 102;

/// What an agent answers. RFC 9987 §3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// No.
    Failure,
    /// Done.
    Success,
    /// The keys that it holds.
    Identities(Vec<Identity>),
    /// A whole signature blob.
    Signature(Vec<u8>),
    /// The extension is known and failed.
    ExtensionFailure,
    /// The answer of an extension: its name as a string, and what it says.
    Extension(Vec<u8>),
}

/// A key that an agent holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Perhaps of a type that is not known here.
    pub key_blob: Vec<u8>,
    /// Its comment.
    pub comment: String,
}

impl Identity {
    /// The key, if its type is known.
    ///
    /// # Errors
    /// As [`PublicKey::from_blob`].
    pub fn key(&self) -> Result<PublicKey, Error> {
        PublicKey::from_blob(&self.key_blob)
    }
}

impl Response {
    /// Reads a message without its length, as
    /// [`take_answer`](super::take_answer) gives it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(message: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(message);
        let response = match reader.u8()? {
            // Some agents put more behind a failure.
            FAILURE | SSH2_AGENT_FAILURE | SSH_COM_AGENT2_FAILURE => return Ok(Response::Failure),
            SUCCESS => Response::Success,
            IDENTITIES_ANSWER => Response::Identities(identities(&mut reader)?),
            SIGN_RESPONSE => Response::Signature(reader.string()?.to_vec()),
            EXTENSION_FAILURE => Response::ExtensionFailure,
            EXTENSION_RESPONSE => Response::Extension(reader.bytes(reader.rest().len())?.to_vec()),
            _ => return Err(Error::BadAgentMessage("an unknown answer")),
        };
        reader.finish()?;
        Ok(response)
    }

    /// The message with its length in front.
    ///
    /// # Errors
    /// [`Error::BadAgentMessage`] when it is too long.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut out = Vec::new();
        match self {
            Response::Failure => out.put_u8(FAILURE),
            Response::Success => out.put_u8(SUCCESS),
            Response::Identities(identities) => {
                out.put_u8(IDENTITIES_ANSWER);
                out.put_u32(identities.len() as u32);
                for Identity { key_blob, comment } in identities {
                    out.put_string(key_blob);
                    out.put_string(comment.as_bytes());
                }
            }
            Response::Signature(signature) => {
                out.put_u8(SIGN_RESPONSE);
                out.put_string(signature);
            }
            Response::ExtensionFailure => out.put_u8(EXTENSION_FAILURE),
            Response::Extension(contents) => {
                out.put_u8(EXTENSION_RESPONSE);
                out.put_bytes(contents);
            }
        }
        framing::frame_within(&out, limits::AGENT_ANSWER_BYTES)
    }
}

fn identities(reader: &mut Reader<'_>) -> Result<Vec<Identity>, Error> {
    let count = reader.u32()? as usize;
    if count > limits::AGENT_IDENTITIES {
        return Err(Error::BadAgentMessage("too many identities"));
    }
    let mut identities = Vec::new();
    for _ in 0..count {
        let key_blob = reader.string()?.to_vec();
        let comment = String::from_utf8_lossy(reader.string()?).into_owned();
        identities.push(Identity { key_blob, comment });
    }
    Ok(identities)
}
