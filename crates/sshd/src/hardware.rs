//! Host keys in security keys. Whoever starts the server knows how to use one: the libraries for it are
//! no business of the server's, and the small program for connections has nothing of them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use keys::{PrivateKey, SecurityKey};

/// Signs data by an algorithm with a key of a provider's ("internal", or a library): the whole
/// signature blob.
pub type SignWithHardware =
    fn(provider: &str, key: &PrivateKey, algorithm: &str, data: &[u8]) -> Result<Vec<u8>, String>;

/// A touch is wanted for each signature. PROTOCOL.u2f.
const USER_PRESENCE: u8 = 0x01;

static SIGN: OnceLock<SignWithHardware> = OnceLock::new();
/// Whether some host key needs hardware.
static IS_NEEDED: AtomicBool = AtomicBool::new(false);

/// Gives the server's processes the means; to be called before [`main`](crate::main).
pub fn set_hardware(sign: SignWithHardware) {
    // Whoever calls twice has one means all the same.
    let _ = SIGN.set(sign);
}

/// Whether there are means.
pub(crate) fn is_there() -> bool {
    SIGN.get().is_some()
}

/// Says whether this program itself has to serve connections.
pub(crate) fn set_needed(is_needed: bool) {
    IS_NEEDED.store(is_needed, Ordering::Relaxed);
}

/// Whether this program itself has to serve connections.
pub(crate) fn is_needed() -> bool {
    IS_NEEDED.load(Ordering::Relaxed)
}

/// Signs.
///
/// # Errors
/// Why not, in words.
pub(crate) fn sign(
    provider: &str,
    key: &PrivateKey,
    algorithm: &str,
    data: &[u8],
) -> Result<Vec<u8>, String> {
    let sign = SIGN.get().ok_or("this program cannot use security keys")?;
    sign(provider, key, algorithm, data)
}

/// The key as a server uses it: nobody is there to touch it, and clients do not ask for that.
pub(crate) fn without_touch(key: PrivateKey) -> Result<PrivateKey, keys::Error> {
    let Some(handle) = key.security_key().filter(|handle| handle.flags & USER_PRESENCE != 0) else {
        return Ok(key);
    };
    let handle = SecurityKey {
        flags: handle.flags & !USER_PRESENCE,
        key_handle: handle.key_handle.clone(),
        reserved: handle.reserved.clone(),
    };
    PrivateKey::from_security_key(key.public().clone(), handle, key.comment())
}
