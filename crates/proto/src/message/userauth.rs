//! RFC 4252, RFC 4256.

use keys::PublicKey;
use wire::Writer;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::event::Prompt;
use crate::limits;
use crate::message::{decode, table};

/// The service that authenticates.
pub const USERAUTH_SERVICE: &str = "ssh-userauth";
/// The service that is authenticated for.
pub const CONNECTION_SERVICE: &str = "ssh-connection";
/// A public key method that also signs the server's host key. OpenSSH's
/// PROTOCOL §3.1.
pub const HOST_BOUND: &str = "publickey-hostbound-v00@openssh.com";

/// SSH_MSG_USERAUTH_REQUEST.
pub struct Request<'a> {
    /// The account.
    pub user: &'a str,
    /// The service to start.
    pub service: &'a str,
    /// The method's name.
    pub method: &'a str,
    /// The method's own fields.
    pub fields: &'a [u8],
}

impl<'a> Request<'a> {
    /// The head of SSH_MSG_USERAUTH_REQUEST; the method's fields follow.
    pub fn encode_head(user: &str, method: &str) -> Vec<u8> {
        let mut payload = vec![table::USERAUTH_REQUEST];
        payload.put_string(user.as_bytes());
        payload.put_string(CONNECTION_SERVICE.as_bytes());
        payload.put_string(method.as_bytes());
        payload
    }

    /// SSH_MSG_USERAUTH_REQUEST.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn decode(payload: &'a [u8]) -> Result<Self, Error> {
        decode(payload, |reader| {
            let request = Self {
                user: reader.text()?,
                service: reader.text()?,
                method: reader.text()?,
                fields: reader.rest(),
            };
            reader.bytes(request.fields.len())?;
            Ok(request)
        })
    }
}

/// The fields of `publickey` and [`HOST_BOUND`].
pub struct PublicKeyFields<'a> {
    /// The signature algorithm.
    pub algorithm: &'a str,
    /// The key.
    pub key_blob: &'a [u8],
    /// The server's host key, in [`HOST_BOUND`].
    pub host_key_blob: Option<&'a [u8]>,
    /// Absent in a query.
    pub signature: Option<&'a [u8]>,
}

impl<'a> PublicKeyFields<'a> {
    /// Decodes `fields` of a request.
    ///
    /// # Errors
    /// When they are malformed.
    pub fn decode(fields: &'a [u8], host_bound: bool) -> Result<Self, wire::Error> {
        let mut reader = wire::Reader::new(fields);
        let signed = reader.boolean()?;
        let algorithm = reader.text()?;
        let key_blob = reader.string()?;
        let host_key_blob = if host_bound { Some(reader.string()?) } else { None };
        let signature = if signed { Some(reader.string()?) } else { None };
        reader.finish()?;
        Ok(Self { algorithm, key_blob, host_key_blob, signature })
    }

    /// Appends all but the signature.
    pub fn encode_unsigned(
        out: &mut Vec<u8>,
        signed: bool,
        algorithm: &str,
        key: &PublicKey,
        host_key_blob: Option<&[u8]>,
    ) {
        out.put_boolean(signed);
        out.put_string(algorithm.as_bytes());
        out.put_string(key.blob());
        if let Some(blob) = host_key_blob {
            out.put_string(blob);
        }
    }
}

/// SSH_MSG_USERAUTH_FAILURE. RFC 4252 §5.1.
pub fn encode_failure(methods: &[String], partial_success: bool) -> Vec<u8> {
    let mut payload = vec![table::USERAUTH_FAILURE];
    payload.put_name_list(methods);
    payload.put_boolean(partial_success);
    payload
}

/// SSH_MSG_USERAUTH_FAILURE: the methods that can continue, and whether this
/// one succeeded in part.
///
/// # Errors
/// When it is malformed.
pub fn decode_failure(payload: &[u8]) -> Result<(Vec<String>, bool), Error> {
    decode(payload, |reader| {
        let methods = reader.name_list()?.iter().map(str::to_owned).collect();
        Ok((methods, reader.boolean()?))
    })
}

/// SSH_MSG_USERAUTH_BANNER. RFC 4252 §5.4.
pub fn encode_banner(text: &str) -> Vec<u8> {
    let mut payload = vec![table::USERAUTH_BANNER];
    payload.put_string(text.as_bytes());
    payload.put_string(b"");
    payload
}

/// SSH_MSG_USERAUTH_BANNER.
///
/// # Errors
/// When it is malformed.
pub fn decode_banner(payload: &[u8]) -> Result<String, Error> {
    decode(payload, |reader| {
        let text = String::from_utf8_lossy(reader.string()?).into_owned();
        reader.string()?;
        Ok(text)
    })
}

/// SSH_MSG_USERAUTH_PK_OK. RFC 4252 §7.
pub fn encode_pk_ok(algorithm: &str, key_blob: &[u8]) -> Vec<u8> {
    let mut payload = vec![table::USERAUTH_PK_OK];
    payload.put_string(algorithm.as_bytes());
    payload.put_string(key_blob);
    payload
}

/// SSH_MSG_USERAUTH_PK_OK.
///
/// # Errors
/// When it is malformed.
pub fn decode_pk_ok(payload: &[u8]) -> Result<(String, Vec<u8>), Error> {
    decode(payload, |reader| {
        Ok((String::from_utf8_lossy(reader.string()?).into_owned(), reader.string()?.to_vec()))
    })
}

/// SSH_MSG_USERAUTH_PASSWD_CHANGEREQ. RFC 4252 §8.
pub fn encode_password_change(prompt: &str) -> Vec<u8> {
    let mut payload = vec![table::USERAUTH_PK_OK];
    payload.put_string(prompt.as_bytes());
    payload.put_string(b"");
    payload
}

/// SSH_MSG_USERAUTH_PASSWD_CHANGEREQ.
///
/// # Errors
/// When it is malformed.
pub fn decode_password_change(payload: &[u8]) -> Result<String, Error> {
    decode(payload, |reader| {
        let prompt = String::from_utf8_lossy(reader.string()?).into_owned();
        reader.string()?;
        Ok(prompt)
    })
}

/// SSH_MSG_USERAUTH_INFO_REQUEST. RFC 4256 §3.2.
pub fn encode_info_request(name: &str, instruction: &str, prompts: &[Prompt]) -> Vec<u8> {
    let mut payload = vec![table::USERAUTH_PK_OK];
    payload.put_string(name.as_bytes());
    payload.put_string(instruction.as_bytes());
    payload.put_string(b"");
    payload.put_u32(prompts.len() as u32);
    for prompt in prompts {
        payload.put_string(prompt.text.as_bytes());
        payload.put_boolean(prompt.echo);
    }
    payload
}

/// SSH_MSG_USERAUTH_INFO_REQUEST: name, instruction, prompts.
///
/// # Errors
/// When it is malformed.
pub fn decode_info_request(payload: &[u8]) -> Result<(String, String, Vec<Prompt>), Error> {
    decode(payload, |reader| {
        let name = String::from_utf8_lossy(reader.string()?).into_owned();
        let instruction = String::from_utf8_lossy(reader.string()?).into_owned();
        reader.string()?;
        let count = reader.u32()? as usize;
        if count > limits::PROMPTS {
            return Err(wire::Error::Truncated);
        }
        let mut prompts = Vec::with_capacity(count);
        for _ in 0..count {
            let text = String::from_utf8_lossy(reader.string()?).into_owned();
            prompts.push(Prompt { text, echo: reader.boolean()? });
        }
        Ok((name, instruction, prompts))
    })
}

/// SSH_MSG_USERAUTH_INFO_RESPONSE. RFC 4256 §3.4.
pub fn encode_info_response(responses: &[Zeroizing<String>]) -> Zeroizing<Vec<u8>> {
    let mut payload = Zeroizing::new(Vec::with_capacity(
        5 + responses.iter().map(|response| 4 + response.len()).sum::<usize>(),
    ));
    payload.put_u8(table::USERAUTH_INFO_RESPONSE);
    payload.put_u32(responses.len() as u32);
    for response in responses {
        payload.put_string(response.as_bytes());
    }
    payload
}

/// SSH_MSG_USERAUTH_INFO_RESPONSE.
///
/// # Errors
/// When it is malformed.
pub fn decode_info_response(payload: &[u8]) -> Result<Vec<Zeroizing<String>>, Error> {
    decode(payload, |reader| {
        let count = reader.u32()? as usize;
        if count > limits::PROMPTS {
            return Err(wire::Error::Truncated);
        }
        let mut responses = Vec::with_capacity(count);
        for _ in 0..count {
            responses.push(Zeroizing::new(reader.text()?.to_owned()));
        }
        Ok(responses)
    })
}
