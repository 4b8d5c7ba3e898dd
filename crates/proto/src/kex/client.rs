//! The client's side of a key exchange: it sends the first packet and checks
//! the server's host key and signature.

use crypto::kex::{Encoding, Group, Started};
use crypto::tables::KexKind;
use keys::{PublicKey, VerifyOptions};

use crate::client::GroupExchange;
use crate::connection::Connection;
use crate::error::{Error, Misbehaved, Misuse};
use crate::event::{Event, HostKeyAsk};
use crate::kex::exchange_hash::{GroupParameters, Shares};
use crate::kex::negotiate::ChosenDirection;
use crate::kex::{Exchange, Kex, NextKeys};
use crate::limits;
use crate::message::kex::{self as message, GroupSizes, Reply};
use crate::message::table;
use crate::role::{Client, Guess};

/// Where the method stands.
pub enum ClientExchange {
    /// SSH_MSG_KEX_DH_GEX_REQUEST is out.
    AwaitGroup(GroupSizes),
    /// Our share is out.
    AwaitReply(AwaitReply),
    /// The application looks at the host key.
    CheckingHostKey(Checked),
}

/// Our share is out.
pub struct AwaitReply {
    started: Box<dyn Started>,
    encoding: Encoding,
    group: Option<GroupParameters>,
}

/// An exchange that only lacks the word of the application.
pub struct Checked {
    next: NextKeys,
    key: PublicKey,
    signature: Vec<u8>,
}

/// The first kex packet of the method we prefer, when we guess.
pub fn guess(connection: &Connection<Client>) -> Result<Option<Guess>, Error> {
    let name = connection.config.kex_algorithms.first().filter(|_| connection.config.guess_kex);
    let entry = name.and_then(|name| crypto::tables::key_exchange(name));
    let Some(KexKind::Fixed(method)) = entry.map(|entry| entry.kind) else { return Ok(None) };
    let started = method.start().map_err(|_| Misuse::OutOfTurn("a key exchange"))?;
    let packet =
        message::encode_init(table::KEX_ECDH_INIT, method.share_encoding(), started.share());
    Ok(Some((packet, started)))
}

/// Both KEXINITs are known: sends the method's first packet, unless it went
/// out with a right guess.
pub fn begin(
    connection: &mut Connection<Client>,
    exchange: Exchange,
    guess: Option<Box<dyn Started>>,
) -> Result<(), Error> {
    let state = match exchange.chosen.kex {
        KexKind::Fixed(method) => {
            let encoding = method.share_encoding();
            let started = if let Some(started) = guess {
                started
            } else {
                let started = method.start().map_err(|_| Misuse::OutOfTurn("a key exchange"))?;
                let init = message::encode_init(table::KEX_ECDH_INIT, encoding, started.share());
                connection.send_now(&init)?;
                started
            };
            ClientExchange::AwaitReply(AwaitReply { started, encoding, group: None })
        }
        KexKind::GroupExchange(_) => {
            let sizes = GroupSizes {
                min: limits::GROUP_MIN_BITS,
                n: wanted_bits(&exchange),
                max: limits::GROUP_MAX_BITS,
            };
            connection.send_now(&sizes.encode())?;
            ClientExchange::AwaitGroup(sizes)
        }
    };
    connection.role.kex_sent = Some(connection.now);
    connection.kex = Kex::Exchange(exchange, state);
    Ok(())
}

/// The group that matches the stronger cipher: RFC 4419 §3 by the estimates
/// of NIST SP 800-57.
fn wanted_bits(exchange: &Exchange) -> u32 {
    let strength = |direction: ChosenDirection| match direction.cipher.name {
        // Three keys of 56 bits, of which meeting in the middle leaves two.
        "3des-cbc" => 112,
        _ => direction.cipher.key_len * 8,
    };
    let chosen = &exchange.chosen;
    match strength(chosen.client_to_server).max(strength(chosen.server_to_client)) {
        0..=128 => 3072,
        129..=192 => 7680,
        _ => limits::GROUP_MAX_BITS,
    }
}

/// A message of the method.
pub fn handle(connection: &mut Connection<Client>, payload: &[u8]) -> Result<(), Error> {
    let number = payload.first().copied().unwrap_or_default();
    let out_of_turn = || Error::from(Misbehaved::OutOfTurn { message: number });
    let Kex::Exchange(exchange, state) = std::mem::replace(&mut connection.kex, Kex::Idle) else {
        return Err(out_of_turn());
    };
    match state {
        ClientExchange::AwaitGroup(sizes) if number == table::KEX_ECDH_REPLY => {
            let (p, g) = message::decode_group(payload)?;
            let group =
                Group::new(exchange.chosen.hash, &p, &g).map_err(|_| Misbehaved::BadGroup)?;
            let bits = group.bits() as u32;
            if bits < sizes.min || bits > sizes.max {
                return Err(Misbehaved::BadGroup.into());
            }
            let started = group.start().map_err(|_| Misbehaved::BadGroup)?;
            connection.role.group = Some(GroupExchange {
                min: sizes.min,
                n: sizes.n,
                max: sizes.max,
                bits,
                bits_set: started.share().iter().map(|byte| byte.count_ones()).sum(),
            });
            let init =
                message::encode_init(table::KEX_DH_GEX_INIT, Encoding::Mpint, started.share());
            connection.send_now(&init)?;
            let group = Some(GroupParameters { sizes, p, g });
            let encoding = Encoding::Mpint;
            let state = ClientExchange::AwaitReply(AwaitReply { started, encoding, group });
            connection.kex = Kex::Exchange(exchange, state);
            Ok(())
        }
        ClientExchange::AwaitReply(waiting) => {
            let expected = match waiting.group {
                None => table::KEX_ECDH_REPLY,
                Some(_) => table::KEX_DH_GEX_REPLY,
            };
            if number != expected {
                return Err(out_of_turn());
            }
            let sent = connection.role.kex_sent.take();
            connection.sample_round_trip(sent);
            handle_reply(connection, exchange, waiting, payload)
        }
        _ => Err(out_of_turn()),
    }
}

fn handle_reply(
    connection: &mut Connection<Client>,
    exchange: Exchange,
    waiting: AwaitReply,
    payload: &[u8],
) -> Result<(), Error> {
    let reply = Reply::decode(payload, waiting.encoding)?;
    let chosen = exchange.chosen;
    let key = PublicKey::from_blob(&reply.k_s)
        .map_err(|error| Misbehaved::BadHostKey(error.to_string()))?;
    if key.algorithm() != chosen.host_key.key_name {
        return Err(Misbehaved::HostKeyType(key.algorithm().to_owned()).into());
    }
    if key.algorithm().starts_with("ssh-rsa") && key.bits() < connection.config.min_rsa_bits {
        return Err(Misbehaved::BadHostKey(format!(
            "its {} bits are less than the {} required",
            key.bits(),
            connection.config.min_rsa_bits
        ))
        .into());
    }
    let client_share = waiting.started.share().to_vec();
    let secret = waiting.started.finish(&reply.q_s).map_err(|_| Misbehaved::BadShare)?;
    let shares = Shares {
        encoding: waiting.encoding,
        group: waiting.group.as_ref(),
        client: &client_share,
        server: &reply.q_s,
    };
    let hash = exchange.transcript.hash(chosen.hash, &reply.k_s, &shares, &secret);
    key.verify(chosen.host_key.name, hash.as_ref(), &reply.signature, &VerifyOptions::ANY)
        .map_err(|_| Misbehaved::BadHostKeySignature)?;
    let session_id = connection.session_id.get_or_insert_with(|| hash.as_ref().to_vec()).clone();
    let next =
        NextKeys::derive(chosen, crate::role::Side::Client, &secret, hash.as_ref(), &session_id)?;
    match &connection.role.host_key {
        Some(known) if *known == key => connection.send_new_keys(next),
        Some(_) => Err(Misbehaved::HostKeyChanged.into()),
        None => {
            let algorithm = chosen.host_key.name.to_owned();
            let ask = HostKeyAsk { key: key.clone(), algorithm };
            let state =
                ClientExchange::CheckingHostKey(Checked { next, key, signature: reply.signature });
            connection.kex = Kex::Exchange(exchange, state);
            connection.waiting = true;
            connection.events.push_back(Event::CheckHostKey(ask));
            Ok(())
        }
    }
}

/// The application's word on the host key.
pub fn host_key_accepted(connection: &mut Connection<Client>) -> Result<(), Error> {
    match std::mem::replace(&mut connection.kex, Kex::Idle) {
        Kex::Exchange(_, ClientExchange::CheckingHostKey(checked)) => {
            connection.waiting = false;
            connection.role.host_key = Some(checked.key);
            connection.role.host_key_signature = checked.signature;
            connection.send_new_keys(checked.next)
        }
        other => {
            connection.kex = other;
            Err(Misuse::OutOfTurn("an answer about a host key").into())
        }
    }
}
