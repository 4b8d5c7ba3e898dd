//! Security keys through the system's libfido2. Helper process only.
//!
//! What is asked of the devices, and in which order, is what OpenSSH asks: keys made by either
//! work with the other.

use std::ffi::CStr;
use std::time::{Duration, Instant};

use crypto::hash::HashAlgorithm;
use keys::KeyType;
use keys::hardware::RawSkSignature;
use zeroize::Zeroizing;

use super::limits;
use super::message::{Attestation, Enroll, Failure, FailureKind, NewKey, Sign};
use super::middleware::{Pin, c_pin, c_text};
use super::security_key::{
    FORCE_OPERATION, RESIDENT_KEY, USER_PRESENCE, USER_VERIFICATION, public_key,
};
use crate::messages::{debug, error};
use crate::sys::fido::{self, Code, Device, Fido, Wish};

/// A user's name as the device keeps it: padded with zeros, as OpenSSH has it.
const USER_BYTES: usize = 32;
/// How long to wait for one of several devices to be touched, as in OpenSSH.
const SELECT_TIME: Duration = Duration::from_secs(15);
const SELECT_POLL_MILLISECONDS: i32 = 50;

/// Makes a key, on this device or on the one that the request names.
pub fn enroll(enroll: &Enroll, path: &str) -> Result<NewKey, Failure> {
    let fido = load()?;
    let application = c_text(&enroll.application)?;
    let pin = c_pin(enroll.pin.as_ref().map(|pin| pin.as_str()))?;
    let pin = pin.as_ref().map(Pin::as_c_str);
    let user = padded(&enroll.user)?;
    let path = if enroll.device.is_empty() { path } else { &enroll.device };
    let device = device(&fido, path)?;
    let is_resident = enroll.flags & RESIDENT_KEY != 0;
    let is_verified = enroll.flags & USER_VERIFICATION != 0;
    let verifies_itself = verifies_itself(&device, is_verified, pin)?;
    if is_resident
        && enroll.flags & FORCE_OPERATION == 0
        && keeps(&fido, &device, &application, &user, pin, verifies_itself)?
    {
        return Err(Failure {
            kind: FailureKind::Exists,
            text: "the authenticator keeps such a key already".to_owned(),
        });
    }
    let protection = match (is_verified, is_resident) {
        (false, false) => None,
        _ if !device.protects() => {
            return Err(Failure::other(format!(
                "{} does not support credprot, refusing to create unprotected \
                 resident/verify-required key",
                device.path.to_string_lossy()
            )));
        }
        (true, _) => Some(fido::PROTECT_VERIFIED),
        (false, true) => Some(fido::PROTECT_WITH_ID),
    };
    let failed = |code| failure(&fido, code);
    let hash = HashAlgorithm::Sha256.digest(&[&enroll.challenge]);
    let credential = fido.credential().map_err(failed)?;
    credential
        .wish(&Wish {
            kind: cose(enroll.key_type),
            hash: hash.as_ref(),
            application: &application,
            user: &user,
            resident: is_resident,
            verify: verifies_itself,
            protection,
        })
        .map_err(failed)?;
    device.make(&credential, pin).map_err(failed)?;
    credential.verify().map_err(failed)?;
    Ok(NewKey {
        public: public_of(enroll.key_type, &credential.public_key(), &enroll.application)?,
        flags: enroll.flags,
        key_handle: Zeroizing::new(credential.id()),
        user: Vec::new(),
        attestation: Attestation {
            certificate: credential.certificate(),
            signature: credential.signature(),
            authenticator_data: credential.authenticator_data(),
        },
    })
}

/// Signs, on this device or on the one that has the key.
pub fn sign(sign: &Sign, path: &str) -> Result<Vec<u8>, Failure> {
    let fido = &load()?;
    let application = c_text(&sign.application)?;
    let pin = c_pin(sign.pin.as_ref().map(|pin| pin.as_str()))?;
    let pin = pin.as_ref().map(Pin::as_c_str);
    let failed = |code| failure(fido, code);
    let device = if path.is_empty() {
        holder(fido, &application, &sign.key_handle, pin)?
    } else {
        device(fido, path)?
    };
    let is_verified = sign.flags & USER_VERIFICATION != 0;
    let verifies_itself = verifies_itself(&device, is_verified, pin)?;
    let hash = HashAlgorithm::Sha256.digest(&[&sign.data]);
    let assertion = fido.assertion(&application, hash.as_ref()).map_err(failed)?;
    let touch = sign.flags & USER_PRESENCE != 0;
    assertion.with(&sign.key_handle, touch, verifies_itself).map_err(failed)?;
    device.sign(&assertion, pin).map_err(failed)?;
    let (flags, counter, signature) = assertion.signature();
    let (r, s) = match sign.key_type {
        KeyType::SkEcdsa => keys::hardware::ecdsa_numbers(&signature)
            .map_err(|problem| Failure::other(problem.to_string()))?,
        _ => (signature, Vec::new()),
    };
    let raw = RawSkSignature { r: &r, s: &s, flags, counter };
    raw.blob(sign.key_type).map_err(|problem| Failure::other(problem.to_string()))
}

/// The keys that a device keeps.
pub fn resident_keys(path: &str, pin: Option<&str>) -> Result<Vec<NewKey>, Failure> {
    let fido = load()?;
    let pin = c_pin(pin)?.ok_or_else(Failure::pin)?;
    let pin = pin.as_c_str();
    let device = device(&fido, path)?;
    let failed = |code| failure(&fido, code);
    let mut keys = Vec::new();
    for application in device.applications(pin).map_err(failed)? {
        // Others than SSH keep their keys in the same device.
        if !application.as_bytes().starts_with(b"ssh:") {
            continue;
        }
        for kept in device.kept(&application, pin).map_err(failed)? {
            let key_type = match kept.kind {
                fido::COSE_ES256 => KeyType::SkEcdsa,
                fido::COSE_EDDSA => KeyType::SkEd25519,
                other => {
                    debug!("a resident key of unknown type {other} is left out");
                    continue;
                }
            };
            if keys.len() >= limits::KEYS {
                break;
            }
            let verified = kept.protection == fido::PROTECT_VERIFIED;
            keys.push(NewKey {
                public: public_of(key_type, &kept.public_key, &kept.application)?,
                flags: USER_PRESENCE | RESIDENT_KEY | if verified { USER_VERIFICATION } else { 0 },
                key_handle: Zeroizing::new(kept.id),
                user: kept.user,
                attestation: Attestation::default(),
            });
        }
    }
    Ok(keys)
}

fn load() -> Result<Fido, Failure> {
    Fido::load().map_err(|why| {
        Failure::other(format!(
            "libfido2, which speaks to security keys, cannot be loaded: {why}; install the \
             package libfido2-1 (Debian, Ubuntu) or libfido2 (Fedora, Arch, Homebrew), or name \
             another library with -w, SSH_SK_PROVIDER or SecurityKeyProvider"
        ))
    })
}

/// The device of that name; without a name the only one there is, or the one that is touched.
fn device<'a>(fido: &'a Fido, path: &str) -> Result<Device<'a>, Failure> {
    if !path.is_empty() {
        return fido.open(&c_text(path)?).map_err(|code| {
            Failure::other(format!("device {path} cannot be used: {}", fido.reason(code)))
        });
    }
    let mut devices = open_devices(fido)?;
    if devices.len() > 1 {
        return touched(devices);
    }
    devices.pop().ok_or_else(not_found)
}

fn open_devices(fido: &Fido) -> Result<Vec<Device<'_>>, Failure> {
    let (devices, count) = fido.devices();
    debug!("{count} security keys are here, {} can be opened", devices.len());
    if devices.is_empty() && count > 0 {
        return Err(Failure::other(
            "device not found: there is one, but it cannot be opened (another program may use it, \
             or the system's rules may not give it to you)",
        ));
    }
    Ok(devices)
}

fn not_found() -> Failure {
    Failure::other("device not found")
}

/// The first one to be touched.
fn touched(devices: Vec<Device<'_>>) -> Result<Device<'_>, Failure> {
    let mut waiting: Vec<Device<'_>> =
        devices.into_iter().filter(|device| device.begin_touch().is_ok()).collect();
    let until = Instant::now() + SELECT_TIME;
    while !waiting.is_empty() && Instant::now() < until {
        let mut index = 0;
        while let Some(device) = waiting.get(index) {
            match device.is_touched(SELECT_POLL_MILLISECONDS) {
                Ok(true) => {
                    let chosen = waiting.swap_remove(index);
                    for other in &waiting {
                        other.cancel();
                    }
                    return Ok(chosen);
                }
                Ok(false) => index += 1,
                Err(code) => {
                    debug!("{}: error {}", device.path.to_string_lossy(), code.0);
                    waiting.swap_remove(index);
                }
            }
        }
    }
    for device in &waiting {
        device.cancel();
    }
    Err(Failure::other("device not found: none of them was touched"))
}

/// The device that has this key; with only one device it is not asked.
fn holder<'a>(
    fido: &'a Fido,
    application: &CStr,
    key_handle: &[u8],
    pin: Option<&CStr>,
) -> Result<Device<'a>, Failure> {
    let mut devices = open_devices(fido)?;
    if devices.len() <= 1 {
        return devices.pop().ok_or_else(not_found);
    }
    let found = devices.iter().position(|device| has(fido, device, application, key_handle));
    match found {
        Some(index) => Ok(devices.swap_remove(index)),
        // Some do not say before they know their user.
        None if pin.is_none() => touched(devices),
        None => Err(Failure::other("device not found: none of them has this key")),
    }
}

/// Whether the device has a key, found without a touch.
fn has(fido: &Fido, device: &Device<'_>, application: &CStr, key_handle: &[u8]) -> bool {
    let mut nothing = [0; 32];
    crypto::random::fill(&mut nothing);
    let Ok(assertion) = fido.assertion(application, &nothing) else { return false };
    if assertion.with(key_handle, false, false).is_err() {
        return false;
    }
    match device.sign(&assertion, None) {
        Ok(()) => true,
        Err(Code(fido::USER_PRESENCE_REQUIRED)) => !device.is_fido2(),
        Err(_) => false,
    }
}

/// Whether the device keeps a key for this application and user.
fn keeps(
    fido: &Fido,
    device: &Device<'_>,
    application: &CStr,
    user: &[u8],
    pin: Option<&CStr>,
    verifies_itself: bool,
) -> Result<bool, Failure> {
    let mut nothing = [0; 32];
    crypto::random::fill(&mut nothing);
    let failed = |code| failure(fido, code);
    let assertion = fido.assertion(application, &nothing).map_err(failed)?;
    assertion.with(&[], false, verifies_itself).map_err(failed)?;
    match device.sign(&assertion, pin) {
        Ok(()) => Ok(assertion.users().iter().any(|known| known == user)),
        Err(Code(fido::NO_CREDENTIALS)) => Ok(false),
        Err(code) => Err(failed(code)),
    }
}

/// Whether the device is to verify its user by itself, because no PIN does.
fn verifies_itself(
    device: &Device<'_>,
    is_required: bool,
    pin: Option<&CStr>,
) -> Result<bool, Failure> {
    match (is_required, pin) {
        (true, None) if device.verifies_user() => Ok(true),
        (true, None) => Err(Failure::pin()),
        _ => Ok(false),
    }
}

fn padded(user: &str) -> Result<Vec<u8>, Failure> {
    if user.len() >= USER_BYTES {
        return Err(Failure::other(format!("user names have less than {USER_BYTES} bytes")));
    }
    let mut padded = user.as_bytes().to_vec();
    padded.resize(USER_BYTES, 0);
    Ok(padded)
}

fn cose(key_type: KeyType) -> i32 {
    if key_type == KeyType::SkEcdsa { fido::COSE_ES256 } else { fido::COSE_EDDSA }
}

/// The library has points without the byte that says they are whole.
fn public_of(key_type: KeyType, raw: &[u8], application: &str) -> Result<keys::PublicKey, Failure> {
    let mut point = Vec::with_capacity(65);
    if key_type == KeyType::SkEcdsa {
        point.push(4);
    }
    point.extend_from_slice(raw);
    public_key(key_type, &point, application)
}

fn failure(fido: &Fido, code: Code) -> Failure {
    let reason = fido.reason(code);
    debug!("libfido2: {reason}");
    match code.0 {
        fido::PIN_REQUIRED | fido::PIN_INVALID | fido::OPERATION_DENIED => Failure::pin(),
        fido::UNSUPPORTED_ALGORITHM | fido::UNSUPPORTED_OPTION => {
            Failure::other(format!("requested feature not supported ({reason})"))
        }
        fido::NO_CREDENTIALS => {
            Failure::other(format!("this authenticator does not have the key ({reason})"))
        }
        _ => {
            error!("the authenticator has answered: {reason}");
            Failure::other(reason)
        }
    }
}
