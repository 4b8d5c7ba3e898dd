use wire::{Reader, Writer};
use zeroize::Zeroizing;

use super::constraint::{self, Constraint};
use super::{RSA_SHA2_256, RSA_SHA2_512, framing};
use crate::algorithms::{self, KeyType};
use crate::error::{Error, PrivateKeyError};
use crate::private::PrivateKey;
use crate::public::PublicKey;

const REQUEST_IDENTITIES: u8 = 11;
const SIGN_REQUEST: u8 = 13;
const ADD_IDENTITY: u8 = 17;
const REMOVE_IDENTITY: u8 = 18;
const REMOVE_ALL_IDENTITIES: u8 = 19;
const ADD_SMARTCARD_KEY: u8 = 20;
const REMOVE_SMARTCARD_KEY: u8 = 21;
const LOCK: u8 = 22;
const UNLOCK: u8 = 23;
const ADD_ID_CONSTRAINED: u8 = 25;
const ADD_SMARTCARD_KEY_CONSTRAINED: u8 = 26;
const EXTENSION: u8 = 27;

/// What a client asks of an agent. RFC 9987 §3.
pub enum Request {
    /// List the keys.
    RequestIdentities,
    /// Sign something.
    Sign {
        /// The blob of the key to sign with.
        key_blob: Vec<u8>,
        /// What to sign.
        data: Vec<u8>,
        /// [`RSA_SHA2_256`] and [`RSA_SHA2_512`].
        flags: u32,
    },
    /// Hold another key.
    AddIdentity {
        /// The key, with its comment.
        key: Box<PrivateKey>,
        /// On what terms.
        constraints: Vec<Constraint>,
    },
    /// Forget a key.
    RemoveIdentity {
        /// Its blob.
        key_blob: Vec<u8>,
    },
    /// Forget all keys.
    RemoveAllIdentities,
    /// Hold the keys of a smart card.
    AddSmartcardKey {
        /// The library that speaks to it.
        id: String,
        /// What opens it.
        pin: Zeroizing<Vec<u8>>,
        /// On what terms.
        constraints: Vec<Constraint>,
    },
    /// Forget the keys of a smart card.
    RemoveSmartcardKey {
        /// The library that speaks to it.
        id: String,
        /// What opens it.
        pin: Zeroizing<Vec<u8>>,
    },
    /// Refuse everything until unlocked.
    Lock {
        /// What will unlock.
        passphrase: Zeroizing<Vec<u8>>,
    },
    /// Serve again.
    Unlock {
        /// What was given to lock.
        passphrase: Zeroizing<Vec<u8>>,
    },
    /// Anything else, by name.
    Extension {
        /// Which.
        name: String,
        /// As the extension has it.
        contents: Vec<u8>,
    },
    /// A number that is not known; to be answered with a failure.
    Unknown(u8),
}

impl Request {
    /// Reads a message without its length, as
    /// [`take_frame`](super::take_frame) gives it.
    ///
    /// # Errors
    /// What is wrong with it. The stream stays usable: the answer is a
    /// failure.
    pub fn decode(message: &[u8]) -> Result<Self, PrivateKeyError> {
        let mut reader = Reader::new(message);
        let number = reader.u8()?;
        let request = match number {
            REQUEST_IDENTITIES => Request::RequestIdentities,
            SIGN_REQUEST => Request::Sign {
                key_blob: reader.string()?.to_vec(),
                data: reader.string()?.to_vec(),
                flags: reader.u32()?,
            },
            ADD_IDENTITY => Request::AddIdentity {
                key: Box::new(PrivateKey::decode(&mut reader)?),
                constraints: Vec::new(),
            },
            ADD_ID_CONSTRAINED => Request::AddIdentity {
                key: Box::new(PrivateKey::decode(&mut reader)?),
                constraints: constraint::decode(&mut reader)?,
            },
            REMOVE_IDENTITY => Request::RemoveIdentity { key_blob: reader.string()?.to_vec() },
            REMOVE_ALL_IDENTITIES => Request::RemoveAllIdentities,
            ADD_SMARTCARD_KEY => Request::AddSmartcardKey {
                id: reader.text()?.to_owned(),
                pin: secret(&mut reader)?,
                constraints: Vec::new(),
            },
            ADD_SMARTCARD_KEY_CONSTRAINED => Request::AddSmartcardKey {
                id: reader.text()?.to_owned(),
                pin: secret(&mut reader)?,
                constraints: constraint::decode(&mut reader)?,
            },
            REMOVE_SMARTCARD_KEY => Request::RemoveSmartcardKey {
                id: reader.text()?.to_owned(),
                pin: secret(&mut reader)?,
            },
            LOCK => Request::Lock { passphrase: secret(&mut reader)? },
            UNLOCK => Request::Unlock { passphrase: secret(&mut reader)? },
            EXTENSION => {
                let name = reader.text()?.to_owned();
                let contents = reader.bytes(reader.rest().len())?.to_vec();
                Request::Extension { name, contents }
            }
            number => return Ok(Request::Unknown(number)),
        };
        reader.finish()?;
        Ok(request)
    }

    /// The message with its length in front.
    ///
    /// # Errors
    /// [`Error::BadAgentMessage`] when it is too long, or what is wrong with
    /// the key in it.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut out = Zeroizing::new(Vec::with_capacity(4096));
        match self {
            Request::RequestIdentities => out.put_u8(REQUEST_IDENTITIES),
            Request::Sign { key_blob, data, flags } => {
                out.put_u8(SIGN_REQUEST);
                out.put_string(key_blob);
                out.put_string(data);
                out.put_u32(*flags);
            }
            Request::AddIdentity { key, constraints } => {
                let number = if constraints.is_empty() { ADD_IDENTITY } else { ADD_ID_CONSTRAINED };
                let fields = key.encode()?;
                out.reserve(fields.len() + key.comment().len() + 64);
                out.put_u8(number);
                out.put_bytes(&fields);
                out.put_string(key.comment().as_bytes());
                constraint::encode(constraints, &mut out);
            }
            Request::RemoveIdentity { key_blob } => {
                out.put_u8(REMOVE_IDENTITY);
                out.put_string(key_blob);
            }
            Request::RemoveAllIdentities => out.put_u8(REMOVE_ALL_IDENTITIES),
            Request::AddSmartcardKey { id, pin, constraints } => {
                out.put_u8(if constraints.is_empty() {
                    ADD_SMARTCARD_KEY
                } else {
                    ADD_SMARTCARD_KEY_CONSTRAINED
                });
                out.put_string(id.as_bytes());
                out.put_string(pin);
                constraint::encode(constraints, &mut out);
            }
            Request::RemoveSmartcardKey { id, pin } => {
                out.put_u8(REMOVE_SMARTCARD_KEY);
                out.put_string(id.as_bytes());
                out.put_string(pin);
            }
            Request::Lock { passphrase } => {
                out.put_u8(LOCK);
                out.put_string(passphrase);
            }
            Request::Unlock { passphrase } => {
                out.put_u8(UNLOCK);
                out.put_string(passphrase);
            }
            Request::Extension { name, contents } => {
                out.put_u8(EXTENSION);
                out.put_string(name.as_bytes());
                out.put_bytes(contents);
            }
            Request::Unknown(number) => out.put_u8(*number),
        }
        framing::frame(&out)
    }
}

/// The name alone: most requests hold a secret.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Request::RequestIdentities => f.write_str("RequestIdentities"),
            Request::Sign { .. } => f.write_str("Sign"),
            Request::AddIdentity { key, .. } => write!(f, "AddIdentity({key:?})"),
            Request::RemoveIdentity { .. } => f.write_str("RemoveIdentity"),
            Request::RemoveAllIdentities => f.write_str("RemoveAllIdentities"),
            Request::AddSmartcardKey { id, .. } => write!(f, "AddSmartcardKey({id:?})"),
            Request::RemoveSmartcardKey { id, .. } => write!(f, "RemoveSmartcardKey({id:?})"),
            Request::Lock { .. } => f.write_str("Lock"),
            Request::Unlock { .. } => f.write_str("Unlock"),
            Request::Extension { name, .. } => write!(f, "Extension({name:?})"),
            Request::Unknown(number) => write!(f, "Unknown({number})"),
        }
    }
}

fn secret(reader: &mut Reader<'_>) -> Result<Zeroizing<Vec<u8>>, wire::Error> {
    Ok(Zeroizing::new(reader.string()?.to_vec()))
}

/// The flags that ask an agent for this signature algorithm.
pub fn flags_for(algorithm: &str) -> u32 {
    match algorithms::lookup(algorithm).map(|row| row.signature_name) {
        Some("rsa-sha2-256") => RSA_SHA2_256,
        Some("rsa-sha2-512") => RSA_SHA2_512,
        _ => 0,
    }
}

/// What an agent signs with: the algorithm that the flags ask of this key.
/// RFC 9987 §3.6.1. Without flags, RSA means SHA-1.
pub fn signature_algorithm(key: &PublicKey, flags: u32) -> &'static str {
    let names = key.signature_algorithms();
    let wanted = match key.key_type() {
        KeyType::Rsa if flags & RSA_SHA2_512 != 0 => 0,
        KeyType::Rsa if flags & RSA_SHA2_256 != 0 => 1,
        KeyType::Rsa => 2,
        _ => 0,
    };
    names.get(wanted).or(names.first()).copied().unwrap_or_default()
}
