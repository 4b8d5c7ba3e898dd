//! The server's side of a key exchange: it answers the client's share and has
//! the exchange hash signed.

use crypto::kex::{Encoding, Group, Response};
use crypto::tables::KexKind;
use keys::PublicKey;

use crate::connection::Connection;
use crate::error::{Error, Misbehaved, Misuse};
use crate::event::{Event, SignAsk, SignPurpose};
use crate::kex::exchange_hash::{GroupParameters, Shares};
use crate::kex::{Exchange, Kex, NextKeys};
use crate::limits;
use crate::message::kex::{self as message, GroupSizes, Reply};
use crate::message::table;
use crate::role::{Server, Side};

/// Where the method stands.
pub enum ServerExchange {
    /// The client's share or sizes are to come.
    AwaitInit,
    /// SSH_MSG_KEX_DH_GEX_GROUP is out.
    AwaitGroupInit(Box<GroupOut>),
    /// The application signs.
    Signing(Box<Signing>),
}

/// SSH_MSG_KEX_DH_GEX_GROUP is out.
pub struct GroupOut {
    group: Group,
    parameters: GroupParameters,
}

/// All but the signature.
pub struct Signing {
    number: u8,
    encoding: Encoding,
    reply: Reply,
    next: NextKeys,
}

/// A message of the method.
pub fn handle(connection: &mut Connection<Server>, payload: &[u8]) -> Result<(), Error> {
    let number = payload.first().copied().unwrap_or_default();
    let out_of_turn = || Error::from(Misbehaved::OutOfTurn { message: number });
    let Kex::Exchange(exchange, state) = std::mem::replace(&mut connection.kex, Kex::Idle) else {
        return Err(out_of_turn());
    };
    match (state, exchange.chosen.kex) {
        (ServerExchange::AwaitInit, KexKind::Fixed(method)) if number == table::KEX_ECDH_INIT => {
            let encoding = method.share_encoding();
            let client_share = message::decode_init(payload, encoding)?;
            let response = method.respond(&client_share).map_err(|_| Misbehaved::BadShare)?;
            sign(
                connection,
                exchange,
                table::KEX_ECDH_REPLY,
                encoding,
                &client_share,
                response,
                None,
            )
        }
        (ServerExchange::AwaitInit, KexKind::GroupExchange(hash))
            if number == table::KEX_DH_GEX_REQUEST =>
        {
            let sizes = GroupSizes::decode(payload)?;
            let group = choose_group(connection, sizes, hash)?;
            connection.send_now(&message::encode_group(group.p(), group.g()))?;
            let parameters =
                GroupParameters { sizes, p: group.p().to_vec(), g: group.g().to_vec() };
            let out = Box::new(GroupOut { group, parameters });
            connection.kex = Kex::Exchange(exchange, ServerExchange::AwaitGroupInit(out));
            Ok(())
        }
        (ServerExchange::AwaitGroupInit(out), _) if number == table::KEX_DH_GEX_INIT => {
            let client_share = message::decode_init(payload, Encoding::Mpint)?;
            let response = out.group.respond(&client_share).map_err(|_| Misbehaved::BadShare)?;
            let encoding = Encoding::Mpint;
            let group = Some(&out.parameters);
            sign(
                connection,
                exchange,
                table::KEX_DH_GEX_REPLY,
                encoding,
                &client_share,
                response,
                group,
            )
        }
        _ => Err(out_of_turn()),
    }
}

/// RFC 4419 §3: a group within the client's limits and ours.
fn choose_group(
    connection: &Connection<Server>,
    sizes: GroupSizes,
    hash: crypto::hash::HashAlgorithm,
) -> Result<Group, Error> {
    if sizes.min > sizes.n || sizes.n > sizes.max || sizes.max < limits::GROUP_MIN_BITS {
        return Err(Misbehaved::BadGroup.into());
    }
    let min = sizes.min.max(limits::GROUP_MIN_BITS);
    let max = sizes.max.min(limits::GROUP_MAX_BITS);
    let n = sizes.n.clamp(min.min(max), max);
    let from_file = connection.config.group_source.as_ref().and_then(|source| source(min, n, max));
    let group = match from_file {
        Some((p, g)) => Group::new(hash, &p, &g).ok(),
        None => Group::well_known(min, n, max, hash),
    };
    group.ok_or_else(|| Misbehaved::BadGroup.into())
}

fn sign(
    connection: &mut Connection<Server>,
    exchange: Exchange,
    number: u8,
    encoding: Encoding,
    client_share: &[u8],
    response: Response,
    group: Option<&GroupParameters>,
) -> Result<(), Error> {
    let chosen = exchange.chosen;
    let key = host_key_for(connection, chosen.host_key.key_name)
        .cloned()
        .ok_or(Misuse::OutOfTurn("a host key that was offered and is not there"))?;
    let shares = Shares { encoding, group, client: client_share, server: &response.share };
    let hash = exchange.transcript.hash(chosen.hash, key.blob(), &shares, &response.secret);
    let session_id = connection.session_id.get_or_insert_with(|| hash.as_ref().to_vec()).clone();
    let next =
        NextKeys::derive(chosen, Side::Server, &response.secret, hash.as_ref(), &session_id)?;
    let reply = Reply { k_s: key.blob().to_vec(), q_s: response.share, signature: Vec::new() };
    let ask = SignAsk {
        purpose: SignPurpose::Exchange,
        key,
        algorithm: chosen.host_key.name.to_owned(),
        data: hash.as_ref().to_vec(),
    };
    let signing = Box::new(Signing { number, encoding, reply, next });
    connection.kex = Kex::Exchange(exchange, ServerExchange::Signing(signing));
    connection.waiting = true;
    connection.events.push_back(Event::SignExchange(ask));
    Ok(())
}

/// The key or certificate whose blob has this type name.
pub fn host_key_for<'a>(
    connection: &'a Connection<Server>,
    key_name: &str,
) -> Option<&'a PublicKey> {
    connection.role.host_keys.iter().find(|key| key.algorithm() == key_name)
}

/// The application's signature over the exchange hash.
pub fn signed(
    connection: &mut Connection<Server>,
    signature: Option<Vec<u8>>,
) -> Result<(), Error> {
    match std::mem::replace(&mut connection.kex, Kex::Idle) {
        Kex::Exchange(_, ServerExchange::Signing(signing)) => {
            let Signing { number, encoding, mut reply, next } = *signing;
            reply.signature = signature.ok_or(Error::NoHostKeySignature)?;
            connection.waiting = false;
            connection.role.kex_sent = Some(connection.now);
            connection.send_now(&reply.encode(number, encoding))?;
            connection.send_new_keys(next)
        }
        other => {
            connection.kex = other;
            Err(Misuse::OutOfTurn("a signature").into())
        }
    }
}
