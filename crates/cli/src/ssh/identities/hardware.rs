//! Keys in security keys and PKCS#11 tokens.

use config::ClientConfig;
use keys::{FingerprintHash, PrivateKey, PublicKey};

use super::Identity;
use crate::hardware::card::Card;
use crate::hardware::security_key::{Asking, INTERNAL, sign_asking};
use crate::messages::{debug, error};
use crate::ui::clean;
use crate::ui::prompt::{self, Place};

/// The libraries to reach them by.
pub(super) struct Hardware {
    /// Of `SecurityKeyProvider`.
    provider: String,
    /// Of `PKCS11Provider`.
    card: Option<Card>,
}

impl Hardware {
    /// The library that speaks to security keys, as an agent is told it.
    pub(super) fn provider(&self) -> &str {
        &self.provider
    }

    /// Loads the configured PKCS#11 library, and lists the keys of its tokens: they are tried
    /// before those of files.
    pub(super) fn prepare(config: &ClientConfig) -> (Self, Vec<Identity>) {
        let provider = provider_of(&config.security_key_provider);
        let mut hardware = Hardware { provider, card: None };
        let Some(library) = config.pkcs11_provider.as_ref() else {
            return (hardware, Vec::new());
        };
        let batch_mode = *config.batch_mode;
        let card = Card::open(library, |token| ask_for_pin(token, batch_mode));
        let card = match card {
            Ok(card) => card,
            Err(failure) => {
                error!("{failure}");
                return (hardware, Vec::new());
            }
        };
        debug!("{library} has {} keys", card.keys.len());
        let identity = |held: &crate::hardware::message::CardKey| {
            let name = if held.label.is_empty() { library.clone() } else { held.label.clone() };
            let mut identity = Identity::new(name, Some(held.public.clone()), None, true);
            identity.in_card = true;
            identity
        };
        let list = card.keys.iter().map(identity).collect();
        hardware.card = Some(card);
        (hardware, list)
    }

    pub(super) fn sign_by_card(
        &mut self,
        key: &PublicKey,
        algorithm: &str,
        data: &[u8],
        batch_mode: bool,
    ) -> Result<Vec<u8>, String> {
        let card = self.card.as_mut().ok_or("its library is not loaded")?;
        card.sign(key, algorithm, data, |token| ask_for_pin(token, batch_mode)).map_err(|failure| {
            error!("signing by the token failed: {failure}");
            failure.to_string()
        })
    }

    /// By a security key.
    pub(super) fn sign(
        &self,
        name: &str,
        key: &PrivateKey,
        algorithm: &str,
        data: &[u8],
        batch_mode: bool,
    ) -> Result<Vec<u8>, String> {
        let label = key.public().type_label();
        let fingerprint = key.public().fingerprint(FingerprintHash::Sha256);
        let asking = Asking {
            question: &format!("Enter PIN for {label} key {}: ", clean::visible(name)),
            place: Place::Terminal,
            notice: Some(&format!("Confirm user presence for key {label} {fingerprint}")),
            in_window: batch_mode,
        };
        sign_asking(&self.provider, key, algorithm, data, &asking).map_err(|failure| {
            error!("sign_and_send_pubkey: signing failed for {label} \"{name}\": {failure}");
            failure.to_string()
        })
    }
}

/// A value that starts with `$` names a variable with the library's path in it.
fn provider_of(setting: &str) -> String {
    match setting.strip_prefix('$').filter(|name| !name.is_empty()) {
        None => setting.to_owned(),
        Some(name) => match std::env::var(name) {
            Ok(path) if !path.is_empty() => path,
            _ => {
                debug!("{setting} does not name a security key provider; the system's is used");
                INTERNAL.to_owned()
            }
        },
    }
}

fn ask_for_pin(token: &str, batch_mode: bool) -> Option<zeroize::Zeroizing<String>> {
    if batch_mode {
        return None;
    }
    prompt::secret(&format!("Enter PIN for '{}': ", clean::visible(token)), Place::Terminal)
}
