//! PKCS#11 tokens as the tools use them: through a helper that stays for as long as the keys are
//! of use.

use keys::PublicKey;
use zeroize::Zeroizing;

use super::helper::Helper;
use super::message::{CardKey, Failure, FailureKind, Reply, Request};
use super::security_key::checked;

/// A library's tokens.
pub struct Card {
    helper: Helper,
    /// What they hold.
    pub keys: Vec<CardKey>,
}

impl Card {
    /// Loads the library and lists its keys. `ask` is asked for the PIN of a token, by the
    /// token's name, where nothing is shown without.
    ///
    /// # Errors
    /// The library's, or that nobody knew the PIN.
    pub fn open(
        library: &str,
        ask: impl Fn(&str) -> Option<Zeroizing<String>>,
    ) -> Result<Self, Failure> {
        let mut helper = Helper::start()?;
        let library = library.to_owned();
        let asked = helper.call(&Request::Card { library: library.clone(), pin: None });
        let reply = match asked {
            Err(failure) if failure.kind == FailureKind::Pin => {
                let pin = Some(ask(&failure.text).ok_or(no_pin())?);
                helper.call(&Request::Card { library, pin })?
            }
            other => other?,
        };
        let Reply::Card(keys) = reply else { return Err(nonsense()) };
        Ok(Card { helper, keys })
    }

    /// Signs: the whole signature blob.
    ///
    /// # Errors
    /// The library's, or that nobody knew the PIN.
    pub fn sign(
        &mut self,
        key: &PublicKey,
        algorithm: &str,
        data: &[u8],
        ask: impl Fn(&str) -> Option<Zeroizing<String>>,
    ) -> Result<Vec<u8>, Failure> {
        let plain = key.plain();
        let request = |pin| Request::SignWithCard {
            key: plain.blob().to_vec(),
            algorithm: plain_name(algorithm).to_owned(),
            data: data.to_vec(),
            pin,
        };
        let reply = match self.helper.call(&request(None)) {
            Err(failure) if failure.kind == FailureKind::Pin => {
                let pin = ask(&failure.text).ok_or(no_pin())?;
                self.helper.call(&request(Some(pin)))?
            }
            other => other?,
        };
        let Reply::Signed(signature) = reply else { return Err(nonsense()) };
        checked(&plain, plain_name(algorithm), data, signature)
    }
}

/// The name under which the plain key of a certificate signs.
pub fn plain_name(algorithm: &str) -> &str {
    keys::algorithms::lookup(algorithm).map_or(algorithm, |row| row.signature_name)
}

fn no_pin() -> Failure {
    Failure::other("no PIN was given")
}

fn nonsense() -> Failure {
    Failure::other("the helper has answered something else")
}
