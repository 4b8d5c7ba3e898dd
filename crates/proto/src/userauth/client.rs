//! The client's side of authentication: it tries, the application chooses what.

use keys::PublicKey;
use wire::Writer;
use zeroize::Zeroizing;

use crate::connection::Connection;
use crate::error::{Error, Misbehaved, Misuse};
use crate::event::{AuthAttempt, Event, SignAsk, SignPurpose};
use crate::kex::ext_info;
use crate::message::table::{self, Phase};
use crate::message::transport;
use crate::message::userauth::{
    self as message, HOST_BOUND, PublicKeyFields, Request, USERAUTH_SERVICE,
};
use crate::role::Client;
use crate::userauth::host_based::Voucher;
use crate::userauth::signed_data::signed_data;

/// How far authentication is.
#[derive(Default)]
pub enum ClientAuth {
    /// Nothing is asked.
    #[default]
    Idle,
    /// The application signs.
    Signing(Signing),
    /// The application has this host's key sign.
    Vouching(String, Voucher),
    /// A request is out.
    Asked(Asked),
    /// Questions came.
    Answering,
}

/// The application signs.
pub struct Signing {
    user: String,
    algorithm: String,
    key: PublicKey,
    host_bound: bool,
}

/// What is asked, which tells what messages 60 to 79 mean.
#[derive(Clone, PartialEq, Eq)]
pub enum Asked {
    /// Nothing that has messages of its own.
    Plain,
    /// A public key query: algorithm and key blob.
    Query(String, Vec<u8>),
    /// A password.
    Password,
    /// Questions and answers.
    KeyboardInteractive,
}

/// Tries to authenticate.
pub fn authenticate(
    connection: &mut Connection<Client>,
    user: &str,
    attempt: AuthAttempt,
) -> Result<(), Error> {
    let phase_fits = matches!(connection.phase, Phase::Service | Phase::Authentication);
    if !phase_fits || !matches!(connection.role.auth, ClientAuth::Idle) {
        return Err(Misuse::OutOfTurn("authentication").into());
    }
    if !std::mem::replace(&mut connection.role.service_requested, true) {
        // RFC 4252 §4 has no need to wait for the answer.
        connection
            .send_message(&transport::encode_service(table::SERVICE_REQUEST, USERAUTH_SERVICE))?;
    }
    let asked = match attempt {
        AuthAttempt::None => {
            connection.send_message(&Request::encode_head(user, "none"))?;
            Asked::Plain
        }
        AuthAttempt::PublicKeyQuery { algorithm, key } => {
            let mut payload = Request::encode_head(user, "publickey");
            PublicKeyFields::encode_unsigned(&mut payload, false, &algorithm, &key, None);
            connection.send_message(&payload)?;
            Asked::Query(algorithm, key.blob().to_vec())
        }
        AuthAttempt::PublicKey { algorithm, key } => {
            return ask_to_sign(connection, user, algorithm, key);
        }
        AuthAttempt::HostBased(voucher) => return ask_to_vouch(connection, user, voucher),
        AuthAttempt::Password { password, new_password } => {
            let room =
                64 + user.len() + password.len() + new_password.as_ref().map_or(0, |p| p.len());
            let mut payload = Zeroizing::new(Vec::with_capacity(room));
            payload.put_bytes(&Request::encode_head(user, "password"));
            payload.put_boolean(new_password.is_some());
            payload.put_string(password.as_bytes());
            if let Some(new_password) = new_password {
                payload.put_string(new_password.as_bytes());
            }
            connection.send_message(&payload)?;
            Asked::Password
        }
        AuthAttempt::KeyboardInteractive { submethods } => {
            let mut payload = Request::encode_head(user, "keyboard-interactive");
            payload.put_string(b"");
            payload.put_string(submethods.as_bytes());
            connection.send_message(&payload)?;
            Asked::KeyboardInteractive
        }
    };
    connection.role.auth = ClientAuth::Asked(asked);
    Ok(())
}

fn ask_to_sign(
    connection: &mut Connection<Client>,
    user: &str,
    algorithm: String,
    key: PublicKey,
) -> Result<(), Error> {
    let session_id = connection.session_id.clone().ok_or(Misuse::OutOfTurn("authentication"))?;
    let host_bound = connection.supports(ext_info::HOST_BOUND);
    let host_key_blob = connection.role.host_key_blob(host_bound);
    let data = signed_data(&session_id, user, &algorithm, &key, host_key_blob);
    let ask = SignAsk {
        purpose: SignPurpose::Authentication,
        key: key.clone(),
        algorithm: algorithm.clone(),
        data,
    };
    connection.role.auth =
        ClientAuth::Signing(Signing { user: user.to_owned(), algorithm, key, host_bound });
    connection.events.push_back(Event::SignAuth(ask));
    Ok(())
}

fn ask_to_vouch(
    connection: &mut Connection<Client>,
    user: &str,
    voucher: Voucher,
) -> Result<(), Error> {
    let session_id = connection.session_id.clone().ok_or(Misuse::OutOfTurn("authentication"))?;
    let ask = SignAsk {
        purpose: SignPurpose::Authentication,
        key: voucher.key.clone(),
        algorithm: voucher.algorithm.clone(),
        data: voucher.signed_data(&session_id, user),
    };
    connection.role.auth = ClientAuth::Vouching(user.to_owned(), voucher);
    connection.events.push_back(Event::SignAuth(ask));
    Ok(())
}

/// The application's signature, or that it has none.
pub fn signed(
    connection: &mut Connection<Client>,
    signature: Option<Vec<u8>>,
) -> Result<(), Error> {
    let state = std::mem::take(&mut connection.role.auth);
    if !matches!(state, ClientAuth::Signing(_) | ClientAuth::Vouching(..)) {
        connection.role.auth = state;
        return Err(Misuse::OutOfTurn("a signature").into());
    }
    let Some(signature) = signature else {
        let methods = connection.role.methods.clone();
        connection.events.push_back(Event::AuthFailed { methods, partial_success: false });
        return Ok(());
    };
    let mut payload = match state {
        ClientAuth::Vouching(user, voucher) => voucher.encode_unsigned(&user),
        ClientAuth::Signing(Signing { user, algorithm, key, host_bound }) => {
            let host_key_blob = connection.role.host_key_blob(host_bound);
            let method = if host_key_blob.is_some() { HOST_BOUND } else { "publickey" };
            let mut payload = Request::encode_head(&user, method);
            PublicKeyFields::encode_unsigned(&mut payload, true, &algorithm, &key, host_key_blob);
            payload
        }
        _ => return Err(Misuse::OutOfTurn("a signature").into()),
    };
    payload.put_string(&signature);
    connection.send_message(&payload)?;
    connection.role.auth = ClientAuth::Asked(Asked::Plain);
    Ok(())
}

/// The user's answers. RFC 4256 §3.4.
pub fn answer_info(
    connection: &mut Connection<Client>,
    responses: &[Zeroizing<String>],
) -> Result<(), Error> {
    if !matches!(connection.role.auth, ClientAuth::Answering) {
        return Err(Misuse::OutOfTurn("answers").into());
    }
    connection.send_message(&message::encode_info_response(responses))?;
    connection.role.auth = ClientAuth::Asked(Asked::KeyboardInteractive);
    Ok(())
}

/// A message 50 to 79.
pub fn handle(connection: &mut Connection<Client>, payload: &[u8]) -> Result<(), Error> {
    let number = payload.first().copied().unwrap_or_default();
    let out_of_turn = || Error::from(Misbehaved::OutOfTurn { message: number });
    if number == table::USERAUTH_BANNER {
        let message = message::decode_banner(payload)?;
        connection.events.push_back(Event::Banner { message });
        return Ok(());
    }
    let ClientAuth::Asked(asked) = &connection.role.auth else { return Err(out_of_turn()) };
    let asked = asked.clone();
    match number {
        table::USERAUTH_SUCCESS => {
            connection.role.auth = ClientAuth::Idle;
            connection.enter_connection();
            connection.authenticated()
        }
        table::USERAUTH_FAILURE => {
            let (methods, partial_success) = message::decode_failure(payload)?;
            connection.role.auth = ClientAuth::Idle;
            connection.role.methods.clone_from(&methods);
            connection.role.early_failed();
            connection.events.push_back(Event::AuthFailed { methods, partial_success });
            Ok(())
        }
        table::USERAUTH_PK_OK => match asked {
            Asked::Query(asked_algorithm, asked_blob) => {
                let (algorithm, key_blob) = message::decode_pk_ok(payload)?;
                // What will be signed with is ours to choose, not the server's.
                if (&algorithm, &key_blob) != (&asked_algorithm, &asked_blob) {
                    return Err(Misbehaved::OtherKey.into());
                }
                connection.role.auth = ClientAuth::Idle;
                connection.events.push_back(Event::PublicKeyOk { algorithm, key_blob });
                Ok(())
            }
            Asked::Password => {
                let prompt = message::decode_password_change(payload)?;
                connection.role.auth = ClientAuth::Idle;
                connection.events.push_back(Event::PasswordChange { prompt });
                Ok(())
            }
            Asked::KeyboardInteractive => {
                let (name, instruction, prompts) = message::decode_info_request(payload)?;
                connection.role.auth = ClientAuth::Answering;
                connection.events.push_back(Event::InfoRequest { name, instruction, prompts });
                Ok(())
            }
            Asked::Plain => Err(out_of_turn()),
        },
        _ => Err(out_of_turn()),
    }
}

/// SSH_MSG_SERVICE_ACCEPT.
pub fn handle_service(connection: &mut Connection<Client>, payload: &[u8]) -> Result<(), Error> {
    let name = transport::decode_service(payload)?;
    if !connection.role.service_requested || !(name.is_empty() || name == USERAUTH_SERVICE) {
        return Err(Misbehaved::UnknownService(name).into());
    }
    connection.phase = Phase::Authentication;
    Ok(())
}
