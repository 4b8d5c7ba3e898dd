//! The server's side of authentication: it asks the application about each
//! request, one at a time.

use keys::PublicKey;
use zeroize::Zeroizing;

use crate::connection::Connection;
use crate::error::{Error, Misbehaved, Misuse};
use crate::event::{AuthAnswer, AuthMethod, AuthRequest, Event, Signed};
use crate::message::table::{self, Phase};
use crate::message::transport;
use crate::message::userauth::{
    self as message, CONNECTION_SERVICE, HOST_BOUND, PublicKeyFields, Request, USERAUTH_SERVICE,
};
use crate::role::Server;
use crate::userauth::host_based::{self, HOST_BASED, Voucher};
use crate::userauth::signed_data::signed_data;

/// How far authentication is.
#[derive(Default)]
pub enum ServerAuth {
    /// The client's turn.
    #[default]
    Idle,
    /// The application decides about this.
    Judging(Judged),
    /// Questions are out.
    AwaitResponse,
}

/// What the application decides about.
pub enum Judged {
    /// Nothing whose answers have fields.
    Plain,
    /// A public key query: algorithm and key.
    Query(String, Vec<u8>),
    /// A password.
    Password,
    /// Questions and answers.
    KeyboardInteractive,
}

/// SSH_MSG_SERVICE_REQUEST.
pub fn handle_service(connection: &mut Connection<Server>, payload: &[u8]) -> Result<(), Error> {
    let name = transport::decode_service(payload)?;
    if name != USERAUTH_SERVICE {
        return Err(Misbehaved::UnknownService(name).into());
    }
    connection.phase = Phase::Authentication;
    connection.send_message(&transport::encode_service(table::SERVICE_ACCEPT, &name))
}

/// A message 50 to 79.
pub fn handle(connection: &mut Connection<Server>, payload: &[u8]) -> Result<(), Error> {
    // RFC 4252 §5.1: requests after success are ignored.
    if connection.phase == Phase::Connection {
        return Ok(());
    }
    let number = payload.first().copied().unwrap_or_default();
    match number {
        table::USERAUTH_REQUEST => handle_request(connection, payload),
        table::USERAUTH_INFO_RESPONSE => {
            let ServerAuth::AwaitResponse = connection.role.auth else {
                return Err(Misbehaved::OutOfTurn { message: number }.into());
            };
            let responses = message::decode_info_response(payload)?;
            let method = AuthMethod::InfoResponse { responses };
            judge(connection, method, Judged::KeyboardInteractive);
            Ok(())
        }
        message => Err(Misbehaved::OutOfTurn { message }.into()),
    }
}

fn handle_request(connection: &mut Connection<Server>, payload: &[u8]) -> Result<(), Error> {
    let request = Request::decode(payload)?;
    let malformed =
        |error| Error::from(Misbehaved::Malformed { message: table::USERAUTH_REQUEST, error });
    if request.service != CONNECTION_SERVICE {
        return Err(Misbehaved::UnknownService(request.service.to_owned()).into());
    }
    match &connection.role.user {
        None => connection.role.user = Some(request.user.to_owned()),
        Some(user) if user == request.user => {}
        Some(_) => return Err(Misbehaved::AuthenticationChanged.into()),
    }
    let mut reader = wire::Reader::new(request.fields);
    let (method, judged) = match request.method {
        "none" => (AuthMethod::None, Judged::Plain),
        "publickey" => public_key(connection, &request, false).map_err(malformed)?,
        HOST_BOUND => public_key(connection, &request, true).map_err(malformed)?,
        HOST_BASED => host_based_method(connection, &request).map_err(malformed)?,
        "password" => {
            let change = reader.boolean().map_err(malformed)?;
            let mut text = || {
                let text = reader.text().map_err(malformed)?;
                Ok::<_, Error>(Zeroizing::new(text.to_owned()))
            };
            let password = text()?;
            let new_password = if change { Some(text()?) } else { None };
            (AuthMethod::Password { password, new_password }, Judged::Password)
        }
        "keyboard-interactive" => {
            reader.string().map_err(malformed)?;
            let submethods = reader.text().map_err(malformed)?.to_owned();
            (AuthMethod::KeyboardInteractive { submethods }, Judged::KeyboardInteractive)
        }
        other => (AuthMethod::Other(other.to_owned()), Judged::Plain),
    };
    judge(connection, method, judged);
    Ok(())
}

fn judge(connection: &mut Connection<Server>, method: AuthMethod, judged: Judged) {
    connection.role.auth = ServerAuth::Judging(judged);
    connection.waiting = true;
    let user = connection.role.user.clone().unwrap_or_default();
    let service = CONNECTION_SERVICE.to_owned();
    connection.events.push_back(Event::Authenticate(AuthRequest { user, service, method }));
}

fn public_key(
    connection: &Connection<Server>,
    request: &Request<'_>,
    host_bound: bool,
) -> Result<(AuthMethod, Judged), wire::Error> {
    let fields = PublicKeyFields::decode(request.fields, host_bound)?;
    let algorithm = fields.algorithm.to_owned();
    let unusable = |reason: String| {
        let algorithm = algorithm.clone();
        Ok((AuthMethod::UnusableKey { algorithm, reason }, Judged::Plain))
    };
    let Some(row) = keys::algorithms::lookup(fields.algorithm) else {
        return unusable("unknown public key algorithm".to_owned());
    };
    let key = match PublicKey::from_blob(fields.key_blob) {
        Ok(key) => key,
        Err(error) => return unusable(error.to_string()),
    };
    if row.key_name != key.algorithm() {
        return unusable("the key is of another type than the algorithm".to_owned());
    }
    if let Some(blob) = fields.host_key_blob {
        let ours = connection.role.exchange_key.as_ref().map(PublicKey::blob);
        if ours != Some(blob) {
            return unusable("the request is bound to another host key".to_owned());
        }
    }
    let session_id = connection.session_id.clone().unwrap_or_default();
    let signed = fields.signature.map(|signature| Signed {
        signature: signature.to_vec(),
        data: signed_data(&session_id, request.user, &algorithm, &key, fields.host_key_blob),
    });
    let judged = match signed {
        None => Judged::Query(algorithm.clone(), fields.key_blob.to_vec()),
        Some(_) => Judged::Plain,
    };
    Ok((AuthMethod::PublicKey { algorithm, key, signed, host_bound }, judged))
}

fn host_based_method(
    connection: &Connection<Server>,
    request: &Request<'_>,
) -> Result<(AuthMethod, Judged), wire::Error> {
    let (algorithm, blob, client_host, client_user, signature) =
        host_based::decode(request.fields)?;
    let Ok(key) = PublicKey::from_blob(blob) else {
        // As for a method that is not known.
        return Ok((AuthMethod::Other(HOST_BASED.to_owned()), Judged::Plain));
    };
    let voucher = Voucher {
        algorithm: algorithm.to_owned(),
        key,
        client_host: client_host.to_owned(),
        client_user: client_user.to_owned(),
    };
    let session_id = connection.session_id.clone().unwrap_or_default();
    let signed = Signed {
        signature: signature.to_vec(),
        data: voucher.signed_data(&session_id, request.user),
    };
    Ok((AuthMethod::HostBased { voucher, signed }, Judged::Plain))
}

/// The application's answer.
pub fn answer(connection: &mut Connection<Server>, answer: AuthAnswer) -> Result<(), Error> {
    let ServerAuth::Judging(judged) = std::mem::take(&mut connection.role.auth) else {
        return Err(Misuse::OutOfTurn("an answer about a user").into());
    };
    connection.waiting = false;
    match (answer, judged) {
        (AuthAnswer::Accept, Judged::Query(..)) => {
            Err(Misuse::OutOfTurn("accepting a query").into())
        }
        (AuthAnswer::Accept, _) => {
            connection.send_message(&[table::USERAUTH_SUCCESS])?;
            connection.enter_connection();
            Ok(())
        }
        (AuthAnswer::Reject { methods, partial_success }, _) => {
            connection.send_message(&message::encode_failure(&methods, partial_success))
        }
        (AuthAnswer::PublicKeyOk, Judged::Query(algorithm, blob)) => {
            connection.send_message(&message::encode_pk_ok(&algorithm, &blob))
        }
        (AuthAnswer::InfoRequest { name, instruction, prompts }, Judged::KeyboardInteractive) => {
            connection.role.auth = ServerAuth::AwaitResponse;
            connection.send_message(&message::encode_info_request(&name, &instruction, &prompts))
        }
        (AuthAnswer::PasswordChange { prompt }, Judged::Password) => {
            connection.send_message(&message::encode_password_change(&prompt))
        }
        _ => Err(Misuse::OutOfTurn("this answer to this method").into()),
    }
}
