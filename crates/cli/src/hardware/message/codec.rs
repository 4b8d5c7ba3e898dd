//! The messages as bytes. RFC 4251 §5.

use keys::{KeyType, PublicKey, algorithms};
use wire::{Reader, Writer};
use zeroize::Zeroizing;

use super::{Attestation, CardKey, Enroll, Failure, FailureKind, NewKey, Reply, Request, Sign};
use crate::hardware::limits;

const ENROLL: u8 = 1;

const SIGN: u8 = 2;

const RESIDENT: u8 = 3;

const CARD: u8 = 4;

const SIGN_WITH_CARD: u8 = 5;

const FAILED: u8 = 0;

impl Failure {
    /// The PIN is needed, or is wrong.
    pub fn pin() -> Self {
        Failure {
            kind: FailureKind::Pin,
            text: "the authenticator wants its PIN, or the PIN is wrong".to_owned(),
        }
    }
}

impl From<wire::Error> for Failure {
    fn from(error: wire::Error) -> Self {
        Failure::other(format!("a message of the helper makes no sense: {error}"))
    }
}

impl Request {
    /// The message with its length in front.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(self.size()));
        out.put_u32(0);
        match self {
            Request::Enroll(enroll) => {
                out.put_u8(ENROLL);
                out.put_string(enroll.provider.as_bytes());
                out.put_string(enroll.key_type.algorithm().name.as_bytes());
                out.put_string(enroll.device.as_bytes());
                out.put_string(enroll.application.as_bytes());
                out.put_string(enroll.user.as_bytes());
                out.put_u8(enroll.flags);
                out.put_string(&enroll.challenge);
                put_pin(&mut out, enroll.pin.as_ref());
            }
            Request::Sign(sign) => {
                out.put_u8(SIGN);
                out.put_string(sign.provider.as_bytes());
                out.put_string(sign.key_type.algorithm().name.as_bytes());
                out.put_string(sign.application.as_bytes());
                out.put_string(&sign.key_handle);
                out.put_u8(sign.flags);
                out.put_string(&sign.data);
                put_pin(&mut out, sign.pin.as_ref());
            }
            Request::Resident { provider, device, pin } => {
                out.put_u8(RESIDENT);
                out.put_string(provider.as_bytes());
                out.put_string(device.as_bytes());
                put_pin(&mut out, pin.as_ref());
            }
            Request::Card { library, pin } => {
                out.put_u8(CARD);
                out.put_string(library.as_bytes());
                put_pin(&mut out, pin.as_ref());
            }
            Request::SignWithCard { key, algorithm, data, pin } => {
                out.put_u8(SIGN_WITH_CARD);
                out.put_string(key);
                out.put_string(algorithm.as_bytes());
                out.put_string(data);
                put_pin(&mut out, pin.as_ref());
            }
        }
        close(&mut out);
        out
    }

    /// About how long the message gets: a buffer that grows leaves copies of the PIN behind.
    fn size(&self) -> usize {
        1024 + match self {
            Request::Enroll(enroll) => enroll.challenge.len() + enroll.application.len(),
            Request::Sign(sign) => sign.data.len() + sign.key_handle.len() + sign.application.len(),
            Request::SignWithCard { key, data, .. } => key.len() + data.len(),
            Request::Resident { .. } | Request::Card { .. } => 4096,
        }
    }

    /// Reads a message without its length.
    ///
    /// # Errors
    /// It makes no sense.
    pub fn decode(message: &[u8]) -> Result<Self, Failure> {
        let mut reader = Reader::new(message);
        let request = match reader.u8()? {
            ENROLL => Request::Enroll(Enroll {
                provider: reader.text()?.to_owned(),
                key_type: key_type(reader.text()?)?,
                device: reader.text()?.to_owned(),
                application: reader.text()?.to_owned(),
                user: reader.text()?.to_owned(),
                flags: reader.u8()?,
                challenge: reader.string()?.to_vec(),
                pin: pin(&mut reader)?,
            }),
            SIGN => Request::Sign(Sign {
                provider: reader.text()?.to_owned(),
                key_type: key_type(reader.text()?)?,
                application: reader.text()?.to_owned(),
                key_handle: Zeroizing::new(reader.string()?.to_vec()),
                flags: reader.u8()?,
                data: reader.string()?.to_vec(),
                pin: pin(&mut reader)?,
            }),
            RESIDENT => Request::Resident {
                provider: reader.text()?.to_owned(),
                device: reader.text()?.to_owned(),
                pin: pin(&mut reader)?,
            },
            CARD => Request::Card { library: reader.text()?.to_owned(), pin: pin(&mut reader)? },
            SIGN_WITH_CARD => Request::SignWithCard {
                key: reader.string()?.to_vec(),
                algorithm: reader.text()?.to_owned(),
                data: reader.string()?.to_vec(),
                pin: pin(&mut reader)?,
            },
            number => return Err(Failure::other(format!("unknown message {number}"))),
        };
        reader.finish()?;
        Ok(request)
    }
}

impl Reply {
    /// The message with its length in front.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(4096));
        out.put_u32(0);
        match self {
            Reply::Failed(failure) => {
                out.put_u8(FAILED);
                out.put_u8(match failure.kind {
                    FailureKind::Other => 0,
                    FailureKind::Pin => 1,
                    FailureKind::Exists => 2,
                });
                out.put_string(failure.text.as_bytes());
            }
            Reply::Enrolled(key) => {
                out.put_u8(ENROLL);
                put_key(&mut out, key);
            }
            Reply::Signed(signature) => {
                out.put_u8(SIGN);
                out.put_string(signature);
            }
            Reply::Resident(keys) => {
                out.put_u8(RESIDENT);
                for key in keys.iter().take(limits::KEYS) {
                    put_key(&mut out, key);
                }
            }
            Reply::Card(keys) => {
                out.put_u8(CARD);
                for key in keys.iter().take(limits::KEYS) {
                    out.put_string(key.public.blob());
                    out.put_string(key.label.as_bytes());
                }
            }
        }
        close(&mut out);
        out
    }

    /// Reads a message without its length.
    ///
    /// # Errors
    /// It makes no sense.
    pub fn decode(message: &[u8]) -> Result<Self, Failure> {
        let mut reader = Reader::new(message);
        Ok(match reader.u8()? {
            FAILED => {
                let kind = match reader.u8()? {
                    1 => FailureKind::Pin,
                    2 => FailureKind::Exists,
                    _ => FailureKind::Other,
                };
                let text = String::from_utf8_lossy(reader.string()?).into_owned();
                Reply::Failed(Failure { kind, text })
            }
            ENROLL => Reply::Enrolled(new_key(&mut reader)?),
            SIGN => Reply::Signed(reader.string()?.to_vec()),
            RESIDENT => {
                let mut keys = Vec::new();
                while !reader.is_empty() && keys.len() < limits::KEYS {
                    keys.push(new_key(&mut reader)?);
                }
                Reply::Resident(keys)
            }
            CARD => {
                let mut keys = Vec::new();
                while !reader.is_empty() && keys.len() < limits::KEYS {
                    let public = public(reader.string()?)?;
                    let label = String::from_utf8_lossy(reader.string()?).into_owned();
                    keys.push(CardKey { public, label });
                }
                Reply::Card(keys)
            }
            number => return Err(Failure::other(format!("unknown answer {number}"))),
        })
    }
}

/// The first whole message in `bytes`, and how many bytes it takes with its length.
///
/// # Errors
/// It is too long.
pub fn take(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, Failure> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length > limits::MESSAGE_BYTES {
        return Err(Failure::other("a message of the helper is too long"));
    }
    Ok(rest.get(..length).map(|message| (message, length + 4)))
}

/// Fills in the length.
fn close(out: &mut [u8]) {
    let length = u32::try_from(out.len() - 4).unwrap_or(u32::MAX);
    if let Some(place) = out.first_chunk_mut::<4>() {
        *place = length.to_be_bytes();
    }
}

fn put_pin(out: &mut Vec<u8>, pin: Option<&Zeroizing<String>>) {
    out.put_boolean(pin.is_some());
    out.put_string(pin.map_or(&[], |pin| pin.as_bytes()));
}

pub(super) fn pin(reader: &mut Reader<'_>) -> Result<Option<Zeroizing<String>>, Failure> {
    let is_there = reader.boolean()?;
    let pin = Zeroizing::new(reader.text()?.to_owned());
    Ok(is_there.then_some(pin))
}

fn put_key(out: &mut Vec<u8>, key: &NewKey) {
    out.put_string(key.public.blob());
    out.put_u8(key.flags);
    out.put_string(&key.key_handle);
    out.put_string(&key.user);
    out.put_string(&key.attestation.certificate);
    out.put_string(&key.attestation.signature);
    out.put_string(&key.attestation.authenticator_data);
}

fn new_key(reader: &mut Reader<'_>) -> Result<NewKey, Failure> {
    let public = public(reader.string()?)?;
    if !public.key_type().is_security_key() {
        return Err(Failure::other("the key is not one of a security key"));
    }
    Ok(NewKey {
        public,
        flags: reader.u8()?,
        key_handle: Zeroizing::new(reader.string()?.to_vec()),
        user: reader.string()?.to_vec(),
        attestation: Attestation {
            certificate: reader.string()?.to_vec(),
            signature: reader.string()?.to_vec(),
            authenticator_data: reader.string()?.to_vec(),
        },
    })
}

pub(super) fn public(blob: &[u8]) -> Result<PublicKey, Failure> {
    PublicKey::from_blob(blob).map_err(|problem| Failure::other(problem.to_string()))
}

pub(super) fn key_type(name: &str) -> Result<KeyType, Failure> {
    algorithms::key_algorithm(name)
        .map(|(row, _)| row.key_type)
        .filter(|key_type| key_type.is_security_key())
        .ok_or_else(|| Failure::other(format!("{name} is no type of security keys")))
}
