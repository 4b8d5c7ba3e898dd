//! PKCS#11 tokens: smart cards, HSMs and what poses as one. Helper process only.

use std::collections::HashMap;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{
    Attribute, AttributeType, CertificateType, KeyType, ObjectClass, ObjectHandle,
};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use keys::hardware::{TokenInput, key_of_token_point, token_signature};
use keys::{KeyData, PublicKey};
use zeroize::Zeroizing;

use super::limits;
use super::message::{CardKey, Failure, FailureKind};
use crate::messages::{debug, error};

/// The tokens of one library.
#[derive(Default)]
pub struct Tokens {
    library: Option<(String, Pkcs11)>,
    sessions: HashMap<u64, Session>,
    pin: Option<Zeroizing<String>>,
    keys: Vec<TokenKey>,
}

/// A key, and how its private half is found.
struct TokenKey {
    card: CardKey,
    slot: Slot,
    /// `CKA_ID`, which both halves have.
    id: Vec<u8>,
}

impl Tokens {
    /// Lists the keys of a library's tokens, logging in to them if there is a PIN.
    pub fn open(
        &mut self,
        library: &str,
        pin: Option<Zeroizing<String>>,
    ) -> Result<Vec<CardKey>, Failure> {
        let context = self.context(library)?;
        if pin.is_some() {
            self.pin = pin;
        }
        let slots = context.get_slots_with_token().map_err(|why| failed("C_GetSlotList", &why))?;
        if slots.is_empty() {
            return Err(Failure::other(format!("provider {library} returned no slots")));
        }
        self.keys.clear();
        let mut problem = None;
        let mut locked = None;
        for slot in slots.into_iter().take(limits::SLOTS) {
            let info = match context.get_token_info(slot) {
                Ok(info) if info.token_initialized() => info,
                Ok(_) => {
                    debug!("ignoring uninitialised token in provider {library} slot {slot}");
                    continue;
                }
                Err(why) => {
                    debug!("C_GetTokenInfo for provider {library} slot {slot} failed: {why}");
                    continue;
                }
            };
            let before = self.keys.len();
            if let Err(why) = self.read(&context, slot, &info) {
                error!("provider {library} slot {slot}: {why}");
                problem = Some(why);
            } else if self.keys.len() == before && info.login_required() && self.pin.is_none() {
                locked = Some(info);
            }
        }
        match (self.keys.is_empty(), problem, locked) {
            (true, Some(why), _) => Err(why),
            // It may be one of those that show nothing before they know their user.
            (true, None, Some(info)) => Err(wants_pin(&info)),
            _ => Ok(self.keys.iter().map(|key| key.card.clone()).collect()),
        }
    }

    /// Signs with a key that was listed.
    pub fn sign(
        &mut self,
        blob: &[u8],
        algorithm: &str,
        data: &[u8],
        pin: Option<Zeroizing<String>>,
    ) -> Result<Vec<u8>, Failure> {
        if pin.is_some() {
            self.pin = pin;
        }
        let (_, context) = self.library.as_ref().ok_or_else(|| Failure::other("no library"))?;
        let context = context.clone();
        let key = self.keys.iter().find(|key| key.card.public.blob() == blob);
        let key = key.ok_or_else(|| Failure::other("the token has no such key"))?;
        let (slot, id, public) = (key.slot, key.id.clone(), key.card.public.clone());
        let info = context.get_token_info(slot).map_err(|why| failed("C_GetTokenInfo", &why))?;
        self.log_in(&context, slot, &info, true)?;
        let other = |problem: keys::Error| Failure::other(problem.to_string());
        let input = TokenInput::new(&public, algorithm, data).map_err(other)?;
        let pin = self.pin.clone();
        let session = self.session(&context, slot)?;
        let private = private_half(session, &id)?;
        let (mechanism, input) = match &input {
            TokenInput::Rsa(input) => (Mechanism::RsaPkcs, input),
            TokenInput::Ecdsa(input) => (Mechanism::Ecdsa, input),
            TokenInput::EdDsa(input) => {
                (Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure)), input)
            }
        };
        let raw = if asks_each_time(session, private) {
            let pin = auth_pin(&info, pin.as_ref())?;
            sign_with_consent(session, &mechanism, private, input, pin.as_ref())?
        } else {
            session.sign(&mechanism, private, input).map_err(|why| failed("C_Sign", &why))?
        };
        token_signature(&public, algorithm, &raw).map_err(other)
    }

    /// Loads the library, once.
    fn context(&mut self, library: &str) -> Result<Pkcs11, Failure> {
        if let Some((loaded, context)) = &self.library {
            return if loaded == library {
                Ok(context.clone())
            } else {
                Err(Failure::other("one helper is for one library"))
            };
        }
        let context = Pkcs11::new(library).map_err(|why| {
            Failure::other(match why {
                Error::LibraryLoading(why) => format!("dlopen {library} failed: {why}"),
                _ => format!("provider {library} is not a PKCS11 library"),
            })
        })?;
        context
            .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
            .map_err(|why| failed("C_Initialize", &why))?;
        self.library = Some((library.to_owned(), context.clone()));
        Ok(context)
    }

    fn session(&mut self, context: &Pkcs11, slot: Slot) -> Result<&Session, Failure> {
        match self.sessions.entry(slot.id()) {
            std::collections::hash_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let session = context.open_ro_session(slot);
                Ok(entry.insert(session.map_err(|why| failed("C_OpenSession", &why))?))
            }
        }
    }

    /// Logs in if the token wants it. Without a PIN that is no error where it need not be.
    fn log_in(
        &mut self,
        context: &Pkcs11,
        slot: Slot,
        info: &TokenInfo,
        must: bool,
    ) -> Result<(), Failure> {
        if !info.login_required() {
            return Ok(());
        }
        let pin = match auth_pin(info, self.pin.as_ref()) {
            Ok(Some(pin)) => Some(pin),
            _ if !must => return Ok(()),
            Ok(None) => None,
            Err(_) => {
                // Another session may have logged in already.
                return if is_logged_in(self.session(context, slot)?) {
                    Ok(())
                } else {
                    Err(wants_pin(info))
                };
            }
        };
        let result = self.session(context, slot)?.login(UserType::User, pin.as_ref());
        match result {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(why) => {
                // A wrong PIN is not tried again: tokens count.
                self.pin = None;
                Err(login_failed(&why))
            }
        }
    }

    fn read(&mut self, context: &Pkcs11, slot: Slot, info: &TokenInfo) -> Result<(), Failure> {
        self.log_in(context, slot, info, false)?;
        let session = self.session(context, slot)?;
        let mut found = Vec::new();
        let public = [Attribute::Class(ObjectClass::PUBLIC_KEY)];
        let certificates = [
            Attribute::Class(ObjectClass::CERTIFICATE),
            Attribute::CertificateType(CertificateType::X_509),
        ];
        for template in [&public[..], &certificates[..]] {
            let objects = session.find_objects(template);
            for object in objects.map_err(|why| failed("C_FindObjects", &why))? {
                match key_of(session, object, slot) {
                    Ok(key) => found.push(key),
                    Err(why) => debug!("an object of slot {slot} is left out: {why}"),
                }
            }
        }
        for key in found {
            let is_known = self.keys.iter().any(|one| one.card.public == key.card.public);
            if !is_known && self.keys.len() < limits::KEYS {
                self.keys.push(key);
            }
        }
        Ok(())
    }
}

/// The public half that an object is or holds.
fn key_of(session: &Session, object: ObjectHandle, slot: Slot) -> Result<TokenKey, String> {
    let wanted = [
        AttributeType::KeyType,
        AttributeType::Id,
        AttributeType::Label,
        AttributeType::Modulus,
        AttributeType::PublicExponent,
        AttributeType::EcParams,
        AttributeType::EcPoint,
        AttributeType::Value,
    ];
    let attributes = session.get_attributes(object, &wanted).map_err(|why| why.to_string())?;
    let (mut id, mut label, mut kind) = (Vec::new(), String::new(), None);
    let (mut n, mut e, mut parameters, mut point) = (vec![], vec![], vec![], vec![]);
    let mut value = Vec::new();
    for attribute in attributes {
        match attribute {
            Attribute::KeyType(found) => kind = Some(found),
            Attribute::Id(found) => id = found,
            Attribute::Label(found) => label = String::from_utf8_lossy(&found).into_owned(),
            Attribute::Modulus(found) => n = found,
            Attribute::PublicExponent(found) => e = found,
            Attribute::EcParams(found) => parameters = found,
            Attribute::EcPoint(found) => point = found,
            Attribute::Value(found) => value = found,
            _ => {}
        }
    }
    let trimmed = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        number.get(zeros..).unwrap_or_default().to_vec()
    };
    let public = match kind {
        Some(KeyType::RSA) => PublicKey::from_data(KeyData::Rsa { e: trimmed(&e), n: trimmed(&n) })
            .map_err(|why| why.to_string())?,
        Some(KeyType::EC | KeyType::EC_EDWARDS) => {
            key_of_token_point(&parameters, &point).map_err(|why| why.to_string())?
        }
        None if !value.is_empty() => PublicKey::from_x509(&value).map_err(|why| why.to_string())?,
        other => return Err(format!("its type is {other:?}")),
    };
    Ok(TokenKey { card: CardKey { public, label }, slot, id })
}

fn private_half(session: &Session, id: &[u8]) -> Result<ObjectHandle, Failure> {
    let mut template = vec![
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::Id(id.to_vec()),
        Attribute::Sign(true),
    ];
    // Some tokens do not say of their keys that they sign.
    for _ in 0..2 {
        let found = session.find_objects(&template);
        if let Some(first) = found.map_err(|why| failed("C_FindObjects", &why))?.first() {
            return Ok(*first);
        }
        template.truncate(2);
    }
    Err(Failure::other("the token has no private half of this key"))
}

/// `CKA_ALWAYS_AUTHENTICATE`: the PIN is wanted for every signature.
fn asks_each_time(session: &Session, key: ObjectHandle) -> bool {
    session
        .get_attributes(key, &[AttributeType::AlwaysAuthenticate])
        .is_ok_and(|found| found.contains(&Attribute::AlwaysAuthenticate(true)))
}

fn sign_with_consent(
    session: &Session,
    mechanism: &Mechanism<'_>,
    key: ObjectHandle,
    input: &[u8],
    pin: Option<&AuthPin>,
) -> Result<Vec<u8>, Failure> {
    session.sign_init(mechanism, key).map_err(|why| failed("C_SignInit", &why))?;
    session.login(UserType::ContextSpecific, pin).map_err(|why| login_failed(&why))?;
    session
        .sign_update(input)
        .and_then(|()| session.sign_final())
        .map_err(|why| failed("C_SignFinal", &why))
}

fn is_logged_in(session: &Session) -> bool {
    use cryptoki::session::SessionState::{RoUser, RwUser};
    session.get_session_info().is_ok_and(|info| matches!(info.session_state(), RoUser | RwUser))
}

/// What to log in with; nothing where the reader has a keypad of its own.
fn auth_pin(info: &TokenInfo, pin: Option<&Zeroizing<String>>) -> Result<Option<AuthPin>, Failure> {
    if info.protected_authentication_path() {
        debug!("Deferring PIN entry to reader keypad.");
        return Ok(None);
    }
    match pin.filter(|pin| !pin.is_empty()) {
        Some(pin) => Ok(Some(AuthPin::new(pin.as_str().into()))),
        None => Err(wants_pin(info)),
    }
}

/// The token's name is what the user is asked with.
fn wants_pin(info: &TokenInfo) -> Failure {
    Failure { kind: FailureKind::Pin, text: info.label().to_owned() }
}

fn login_failed(why: &Error) -> Failure {
    let Error::Pkcs11(code, _) = why else { return failed("C_Login", why) };
    Failure::other(match code {
        RvError::PinIncorrect | RvError::PinInvalid => {
            "PKCS#11 login failed: PIN incorrect".to_owned()
        }
        RvError::PinLenRange => "PKCS#11 login failed: PIN length out of range".to_owned(),
        RvError::PinLocked => "PKCS#11 login failed: PIN locked".to_owned(),
        code => format!("PKCS#11 login failed: {code}"),
    })
}

fn failed(function: &str, why: &Error) -> Failure {
    Failure::other(format!("{function} failed: {why}"))
}
