//! Security keys through a library of OpenSSH's middleware interface. Helper process only.

use std::ffi::{CStr, CString};
use std::path::Path;

use keys::KeyType;
use keys::hardware::RawSkSignature;
use zeroize::Zeroizing;

use super::message::{Attestation, Enroll, Failure, FailureKind, NewKey, Sign};
use super::security_key::public_key;
use crate::messages::debug;
use crate::sys::middleware::{Choice, Enrolled, Middleware, Problem};

/// What the interface calls the types of keys.
const ECDSA: u32 = 0;
const ED25519: u32 = 1;

/// What a library answers beside "no".
const UNSUPPORTED: i32 = -2;
const PIN_REQUIRED: i32 = -3;
const DEVICE_NOT_FOUND: i32 = -4;
const CREDENTIAL_EXISTS: i32 = -5;

/// Makes a key.
pub fn enroll(enroll: &Enroll) -> Result<NewKey, Failure> {
    let library = load(&enroll.provider)?;
    let mut choices: Vec<Choice<'_>> = Vec::new();
    if !enroll.device.is_empty() {
        choices.push(("device", &enroll.device, true));
    }
    if !enroll.user.is_empty() {
        choices.push(("user", &enroll.user, true));
    }
    let pin = c_pin(enroll.pin.as_ref().map(|pin| pin.as_str()))?;
    let enrolled = library
        .enroll(
            number(enroll.key_type),
            &enroll.challenge,
            &c_text(&enroll.application)?,
            enroll.flags,
            pin.as_ref().map(Pin::as_c_str),
            &choices,
        )
        .map_err(|problem| failure(&enroll.provider, problem))?;
    new_key(enroll.key_type, &enroll.application, Vec::new(), enrolled)
}

/// Signs.
pub fn sign(sign: &Sign) -> Result<Vec<u8>, Failure> {
    let library = load(&sign.provider)?;
    let pin = c_pin(sign.pin.as_ref().map(|pin| pin.as_str()))?;
    let signed = library
        .sign(
            number(sign.key_type),
            &sign.data,
            &c_text(&sign.application)?,
            &sign.key_handle,
            sign.flags,
            pin.as_ref().map(Pin::as_c_str),
            &[],
        )
        .map_err(|problem| failure(&sign.provider, problem))?;
    let raw =
        RawSkSignature { r: &signed.r, s: &signed.s, flags: signed.flags, counter: signed.counter };
    raw.blob(sign.key_type).map_err(|problem| Failure::other(problem.to_string()))
}

/// The keys that devices keep.
pub fn resident_keys(
    provider: &str,
    device: &str,
    pin: Option<&str>,
) -> Result<Vec<NewKey>, Failure> {
    let library = load(provider)?;
    let choices = [("device", device, true)];
    let choices = if device.is_empty() { &[][..] } else { &choices[..] };
    let pin = c_pin(pin)?;
    let found = library
        .resident_keys(pin.as_ref().map(Pin::as_c_str), choices)
        .map_err(|problem| failure(provider, problem))?;
    let mut keys = Vec::new();
    for resident in found {
        let key_type = match resident.algorithm {
            ECDSA => KeyType::SkEcdsa,
            ED25519 => KeyType::SkEd25519,
            other => {
                debug!("a resident key of unknown type {other} is left out");
                continue;
            }
        };
        keys.push(new_key(key_type, &resident.application, resident.user, resident.key)?);
    }
    Ok(keys)
}

fn new_key(
    key_type: KeyType,
    application: &str,
    user: Vec<u8>,
    enrolled: Enrolled,
) -> Result<NewKey, Failure> {
    Ok(NewKey {
        public: public_key(key_type, &enrolled.public_key, application)?,
        flags: enrolled.flags,
        key_handle: enrolled.key_handle,
        user,
        attestation: Attestation {
            certificate: enrolled.certificate,
            signature: enrolled.signature,
            authenticator_data: enrolled.authenticator_data,
        },
    })
}

fn load(provider: &str) -> Result<Middleware, Failure> {
    Middleware::load(Path::new(provider)).map_err(|problem| failure(provider, problem))
}

fn number(key_type: KeyType) -> u32 {
    if key_type == KeyType::SkEcdsa { ECDSA } else { ED25519 }
}

/// As C has it; no text that we pass on holds a zero byte.
pub fn c_text(text: &str) -> Result<CString, Failure> {
    CString::new(text).map_err(|_| Failure::other("a text for the authenticator has a zero byte"))
}

/// A PIN as C has it, wiped after use.
pub struct Pin(Zeroizing<Vec<u8>>);

impl Pin {
    /// For C.
    pub fn as_c_str(&self) -> &CStr {
        // It ends in the one zero byte that it holds.
        CStr::from_bytes_with_nul(&self.0).unwrap_or_default()
    }
}

/// A PIN as C has it.
pub fn c_pin(pin: Option<&str>) -> Result<Option<Pin>, Failure> {
    let Some(pin) = pin else { return Ok(None) };
    if pin.contains('\0') {
        return Err(Failure::other("the PIN has a zero byte"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(pin.len() + 1));
    bytes.extend_from_slice(pin.as_bytes());
    bytes.push(0);
    Ok(Some(Pin(bytes)))
}

fn failure(provider: &str, problem: Problem) -> Failure {
    let refused = |text: &str| Failure::other(format!("Provider \"{provider}\": {text}"));
    match problem {
        Problem::Load(why) if why.contains(provider) => Failure::other(format!("Provider {why}")),
        Problem::Load(why) => refused(&why),
        Problem::Nonsense(what) => refused(what),
        Problem::Refused(UNSUPPORTED) => refused("requested feature not supported"),
        Problem::Refused(PIN_REQUIRED) => Failure::pin(),
        Problem::Refused(DEVICE_NOT_FOUND) => Failure::other("device not found"),
        Problem::Refused(CREDENTIAL_EXISTS) => Failure {
            kind: FailureKind::Exists,
            text: "the authenticator keeps such a key already".to_owned(),
        },
        Problem::Refused(number) => refused(&format!("it returned failure {number}")),
    }
}
