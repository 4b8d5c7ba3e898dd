//! Security keys as the tools use them: through a helper, with every answer checked.

use std::ffi::OsStr;
use std::path::Path;

use keys::{KeyData, KeyType, PrivateKey, PublicKey, SecurityKey, VerifyOptions};
use zeroize::Zeroizing;

use super::helper::Helper;
use super::message::{Enroll, Failure, FailureKind, NewKey, Reply, Request, Sign};
use crate::ui::notify::Notice;
use crate::ui::prompt::{self, Place};

/// What is asked of a key and its user. PROTOCOL.u2f.
pub const USER_PRESENCE: u8 = 0x01;
/// The user is to be verified, by PIN or biometry.
pub const USER_VERIFICATION: u8 = 0x04;
/// A resident key is made although there is one like it.
pub const FORCE_OPERATION: u8 = 0x10;
/// The device keeps the key.
pub const RESIDENT_KEY: u8 = 0x20;

/// The provider that is no library of its own: the system's libfido2. Behind a colon it may name
/// one device, for systems that cannot list them.
pub const INTERNAL: &str = "internal";
/// Names the provider where nothing else does.
pub const PROVIDER_VARIABLE: &str = "SSH_SK_PROVIDER";

/// The provider to use: what was given, what the environment says, or the system's.
pub fn provider(given: Option<&OsStr>) -> String {
    let from_environment = std::env::var_os(PROVIDER_VARIABLE).filter(|name| !name.is_empty());
    let name = given.map(OsStr::to_owned).or(from_environment);
    name.map_or_else(|| INTERNAL.to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Makes a key.
///
/// # Errors
/// The helper's, or that the device gave another kind of key.
pub fn enroll(request: Enroll) -> Result<NewKey, Failure> {
    let key_type = request.key_type;
    let application = request.application.clone();
    match Helper::start()?.call(&Request::Enroll(request))? {
        Reply::Enrolled(key) if is_as_asked(&key.public, key_type, &application) => Ok(key),
        _ => Err(Failure::other("the authenticator has made another key than was asked for")),
    }
}

/// The keys that devices keep, and whose they are.
///
/// # Errors
/// The helper's.
pub fn resident_keys(
    provider: &str,
    device: &str,
    pin: Option<&Zeroizing<String>>,
) -> Result<Vec<NewKey>, Failure> {
    let request = Request::Resident {
        provider: provider.to_owned(),
        device: device.to_owned(),
        pin: pin.cloned(),
    };
    match Helper::start()?.call(&request)? {
        Reply::Resident(keys) => Ok(keys),
        _ => Err(Failure::other("the helper has answered something else")),
    }
}

/// Signs `data` with a key that is in a security key: the whole signature blob.
///
/// # Errors
/// The helper's, or that the signature is not valid.
pub fn sign(
    provider: &str,
    key: &PrivateKey,
    algorithm: &str,
    data: &[u8],
    pin: Option<Zeroizing<String>>,
) -> Result<Vec<u8>, Failure> {
    let request = sign_request(provider, key, data, pin)?;
    match Helper::start()?.call(&Request::Sign(request))? {
        Reply::Signed(signature) => checked(key.public(), algorithm, data, signature),
        _ => Err(Failure::other("the helper has answered something else")),
    }
}

/// Whom to ask for what a signature may take, and with which words.
pub struct Asking<'a> {
    /// For the PIN.
    pub question: &'a str,
    /// Where to ask.
    pub place: Place,
    /// For the touch; nothing where the caller has said it already.
    pub notice: Option<&'a str>,
    /// The terminal is left alone.
    pub in_window: bool,
}

/// [`sign`], asking for PIN and touch as the key wants them.
///
/// # Errors
/// As [`sign`], and that nobody knew the PIN.
pub fn sign_asking(
    provider: &str,
    key: &PrivateKey,
    algorithm: &str,
    data: &[u8],
    asking: &Asking<'_>,
) -> Result<Vec<u8>, Failure> {
    let flags = key.security_key().map_or(0, |handle| handle.flags);
    let ask = || {
        let pin = prompt::secret(asking.question, asking.place);
        pin.ok_or_else(|| Failure::other("couldn't read PIN")).map(Some)
    };
    let mut pin = if flags & USER_VERIFICATION == 0 { None } else { ask()? };
    loop {
        let notice = asking.notice.filter(|_| flags & USER_PRESENCE != 0);
        let notice = notice.map(|text| Notice::show(text, asking.in_window));
        match sign(provider, key, algorithm, data, pin.clone()) {
            Err(failure) if failure.kind == FailureKind::Pin && pin.is_none() => {
                drop(notice);
                pin = ask()?;
            }
            Ok(signature) => {
                if let Some(notice) = notice {
                    notice.done("User presence confirmed");
                }
                return Ok(signature);
            }
            failed => return failed,
        }
    }
}

/// What the helper is asked for a signature.
///
/// # Errors
/// The key is in no security key.
pub fn sign_request(
    provider: &str,
    key: &PrivateKey,
    data: &[u8],
    pin: Option<Zeroizing<String>>,
) -> Result<Sign, Failure> {
    let handle = key.security_key().ok_or_else(|| Failure::other("it is in no security key"))?;
    let (KeyData::SkEd25519 { application, .. } | KeyData::SkEcdsa { application, .. }) =
        key.public().data()
    else {
        return Err(Failure::other("it is in no security key"));
    };
    Ok(Sign {
        provider: provider.to_owned(),
        key_type: key.public().key_type(),
        application: String::from_utf8_lossy(application).into_owned(),
        key_handle: handle.key_handle.clone(),
        flags: handle.flags,
        data: data.to_vec(),
        pin,
    })
}

/// A signature, if it is one by this key.
///
/// # Errors
/// It is not.
pub fn checked(
    key: &PublicKey,
    algorithm: &str,
    data: &[u8],
    signature: Vec<u8>,
) -> Result<Vec<u8>, Failure> {
    // For a certificate the key signs as without one.
    let plain = keys::algorithms::lookup(algorithm).map_or(algorithm, |row| row.signature_name);
    match key.plain().verify(plain, data, &signature, &VerifyOptions::ANY) {
        Ok(_) => Ok(signature),
        Err(problem) => Err(Failure::other(format!("what the hardware has signed: {problem}"))),
    }
}

/// The private key file's content for a key that a device has made.
///
/// # Errors
/// There is none: the helper gives keys of these types only.
pub fn private_key(key: &NewKey, comment: &str) -> Result<PrivateKey, Failure> {
    let handle =
        SecurityKey { flags: key.flags, key_handle: key.key_handle.clone(), reserved: Vec::new() };
    PrivateKey::from_security_key(key.public.clone(), handle, comment)
        .map_err(|problem| Failure::other(problem.to_string()))
}

/// The relying party of a key.
pub fn application(key: &PublicKey) -> &[u8] {
    match key.data() {
        KeyData::SkEd25519 { application, .. } | KeyData::SkEcdsa { application, .. } => {
            application
        }
        _ => &[],
    }
}

/// A public key out of what a device or library gives.
///
/// # Errors
/// The bytes are no such key.
pub fn public_key(key_type: KeyType, raw: &[u8], application: &str) -> Result<PublicKey, Failure> {
    let application = application.as_bytes().to_vec();
    let data = match key_type {
        KeyType::SkEcdsa => KeyData::SkEcdsa { point: raw.to_vec(), application },
        _ => KeyData::SkEd25519 {
            public: raw.try_into().map_err(|_| {
                Failure::other("the authenticator has given a key of a wrong length")
            })?,
            application,
        },
    };
    PublicKey::from_data(data)
        .map_err(|problem| Failure::other(format!("the authenticator's key: {problem}")))
}

fn is_as_asked(key: &PublicKey, key_type: KeyType, wanted: &str) -> bool {
    key.key_type() == key_type && application(key) == wanted.as_bytes()
}

/// The provider's real path, as agents compare it with what they allow; the system's own stays
/// [`INTERNAL`].
///
/// # Errors
/// There is no such file.
pub fn real_provider(provider: &str) -> std::io::Result<String> {
    if provider.eq_ignore_ascii_case(INTERNAL) {
        return Ok(INTERNAL.to_owned());
    }
    Ok(Path::new(provider).canonicalize()?.to_string_lossy().into_owned())
}
