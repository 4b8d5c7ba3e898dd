//! RFC 4253 §10-11 and RFC 8308.

use wire::{Reader, Writer};

use crate::error::{DisconnectReason, Error};
use crate::limits;
use crate::message::{decode, table};

/// SSH_MSG_DISCONNECT.
pub fn decode_disconnect(payload: &[u8]) -> Result<(DisconnectReason, String), Error> {
    decode(payload, |reader| {
        let reason = DisconnectReason::from_code(reader.u32()?);
        let description = String::from_utf8_lossy(reader.string()?).into_owned();
        // Some peers leave the language tag out.
        if !reader.is_empty() {
            reader.string()?;
        }
        Ok((reason, description))
    })
}

/// SSH_MSG_DISCONNECT.
pub fn encode_disconnect(reason: DisconnectReason, description: &str) -> Vec<u8> {
    let mut payload = vec![table::DISCONNECT];
    payload.put_u32(reason.code());
    payload.put_string(description.as_bytes());
    payload.put_string(b"");
    payload
}

/// SSH_MSG_DEBUG: whether it is to be shown, and its text.
pub fn decode_debug(payload: &[u8]) -> Result<(bool, String), Error> {
    decode(payload, |reader| {
        let always_display = reader.boolean()?;
        let message = String::from_utf8_lossy(reader.string()?).into_owned();
        reader.string()?;
        Ok((always_display, message))
    })
}

/// SSH_MSG_DEBUG, which clients show on request only.
pub fn encode_debug(text: &str) -> Vec<u8> {
    let mut payload = vec![table::DEBUG];
    payload.put_boolean(false);
    payload.put_string(text.as_bytes());
    payload.put_string(b"");
    payload
}

/// SSH_MSG_UNIMPLEMENTED.
pub fn encode_unimplemented(sequence_number: u32) -> Vec<u8> {
    let mut payload = vec![table::UNIMPLEMENTED];
    payload.put_u32(sequence_number);
    payload
}

/// SSH_MSG_SERVICE_REQUEST and SSH_MSG_SERVICE_ACCEPT.
pub fn decode_service(payload: &[u8]) -> Result<String, Error> {
    decode(payload, |reader| {
        // Some servers leave the name out of SERVICE_ACCEPT.
        if reader.is_empty() {
            return Ok(String::new());
        }
        Ok(String::from_utf8_lossy(reader.string()?).into_owned())
    })
}

/// SSH_MSG_SERVICE_REQUEST or SSH_MSG_SERVICE_ACCEPT.
pub fn encode_service(number: u8, name: &str) -> Vec<u8> {
    let mut payload = vec![number];
    payload.put_string(name.as_bytes());
    payload
}

/// SSH_MSG_EXT_INFO. RFC 8308 §2.3: values are bytes of any kind.
pub fn decode_ext_info(payload: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Error> {
    decode(payload, |reader: &mut Reader<'_>| {
        let count = reader.u32()?;
        if count > limits::EXTENSIONS {
            return Err(wire::Error::Truncated);
        }
        let mut extensions = Vec::new();
        for _ in 0..count {
            let name = String::from_utf8_lossy(reader.string()?).into_owned();
            extensions.push((name, reader.string()?.to_vec()));
        }
        Ok(extensions)
    })
}

/// SSH_MSG_EXT_INFO.
pub fn encode_ext_info(extensions: &[(&str, &[u8])]) -> Vec<u8> {
    let mut payload = vec![table::EXT_INFO];
    payload.put_u32(extensions.len() as u32);
    for (name, value) in extensions {
        payload.put_string(name.as_bytes());
        payload.put_string(value);
    }
    payload
}

/// SSH_MSG_PING or SSH_MSG_PONG of OpenSSH's PROTOCOL §1.10.
pub fn encode_ping(number: u8, data: &[u8]) -> Vec<u8> {
    let mut payload = vec![number];
    payload.put_string(data);
    payload
}

/// SSH_MSG_PING or SSH_MSG_PONG.
pub fn decode_ping(payload: &[u8]) -> Result<Vec<u8>, Error> {
    decode(payload, |reader| Ok(reader.string()?.to_vec()))
}
