use wire::{Reader, Writer};

use crate::error::{Error, printable};
use crate::limits;
use crate::public::PublicKey;

const LIFETIME: u8 = 1;
const CONFIRM: u8 = 2;
const EXTENSION: u8 = 255;

const SK_PROVIDER: &str = "sk-provider@openssh.com";
const RESTRICT_DESTINATION: &str = "restrict-destination-v00@openssh.com";
const ASSOCIATED_CERTIFICATES: &str = "associated-certs-v00@openssh.com";

/// On what terms an agent holds a key. RFC 9987 §3.2.7 and PROTOCOL.agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constraint {
    /// Forget the key after so many seconds.
    Lifetime(u32),
    /// Ask before every signature.
    Confirm,
    /// The library that speaks to the security key.
    SkProvider(String),
    /// Sign only for these hosts, and on the way to them.
    RestrictDestination(Vec<DestinationConstraint>),
    /// Certificates for the keys of a smart card.
    AssociatedCertificates {
        /// Offer the certificates alone.
        only: bool,
        /// The certificates.
        certificates: Vec<PublicKey>,
    },
}

/// One step that a key may be used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationConstraint {
    /// From where; without a name and keys, from the agent's own machine.
    pub from: Hop,
    /// To where.
    pub to: Hop,
}

/// One end of a step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hop {
    /// The user there, a pattern; empty for any.
    pub user: String,
    /// The host, for messages; the keys decide.
    pub host: String,
    /// The host's keys.
    pub keys: Vec<HopKey>,
}

/// A key of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HopKey {
    /// The key itself.
    pub key: PublicKey,
    /// Whether it is a CA that signs the host's key.
    pub is_ca: bool,
}

/// Reads constraints to the end of the message. What comes behind one that is
/// not known cannot be found, so there is none that can be skipped.
pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Vec<Constraint>, Error> {
    let mut constraints = Vec::new();
    while !reader.is_empty() {
        if constraints.len() == limits::AGENT_CONSTRAINTS {
            return Err(Error::BadAgentMessage("too many constraints"));
        }
        constraints.push(match reader.u8()? {
            LIFETIME => Constraint::Lifetime(reader.u32()?),
            CONFIRM => Constraint::Confirm,
            EXTENSION => match reader.text()? {
                SK_PROVIDER => Constraint::SkProvider(reader.text()?.to_owned()),
                RESTRICT_DESTINATION => Constraint::RestrictDestination(destinations(reader)?),
                ASSOCIATED_CERTIFICATES => certificates(reader)?,
                name => return Err(Error::UnknownType(printable(name.as_bytes()))),
            },
            _ => return Err(Error::BadAgentMessage("an unknown constraint")),
        });
    }
    Ok(constraints)
}

pub(super) fn encode(constraints: &[Constraint], out: &mut Vec<u8>) {
    for constraint in constraints {
        match constraint {
            Constraint::Lifetime(seconds) => {
                out.put_u8(LIFETIME);
                out.put_u32(*seconds);
            }
            Constraint::Confirm => out.put_u8(CONFIRM),
            Constraint::SkProvider(path) => {
                extension(SK_PROVIDER, out);
                out.put_string(path.as_bytes());
            }
            Constraint::RestrictDestination(destinations) => {
                extension(RESTRICT_DESTINATION, out);
                let mut packed = Vec::new();
                for DestinationConstraint { from, to } in destinations {
                    let mut destination = Vec::new();
                    put_hop(from, &mut destination);
                    put_hop(to, &mut destination);
                    destination.put_string(b""); // reserved
                    packed.put_string(&destination);
                }
                out.put_string(&packed);
            }
            Constraint::AssociatedCertificates { only, certificates } => {
                extension(ASSOCIATED_CERTIFICATES, out);
                out.put_boolean(*only);
                let mut packed = Vec::new();
                for certificate in certificates {
                    packed.put_string(certificate.blob());
                }
                out.put_string(&packed);
            }
        }
    }
}

fn extension(name: &str, out: &mut Vec<u8>) {
    out.put_u8(EXTENSION);
    out.put_string(name.as_bytes());
}

fn put_hop(hop: &Hop, out: &mut Vec<u8>) {
    let mut packed = Vec::new();
    packed.put_string(hop.user.as_bytes());
    packed.put_string(hop.host.as_bytes());
    packed.put_string(b""); // reserved
    for HopKey { key, is_ca } in &hop.keys {
        packed.put_string(key.blob());
        packed.put_boolean(*is_ca);
    }
    out.put_string(&packed);
}

fn limited<T>(items: &[T]) -> Result<(), Error> {
    if items.len() == limits::AGENT_CONSTRAINT_ITEMS {
        return Err(Error::BadAgentMessage("too many items in a constraint"));
    }
    Ok(())
}

fn destinations(reader: &mut Reader<'_>) -> Result<Vec<DestinationConstraint>, Error> {
    let mut packed = Reader::new(reader.string()?);
    let mut destinations = Vec::new();
    while !packed.is_empty() {
        limited(&destinations)?;
        let mut one = Reader::new(packed.string()?);
        let from = hop(one.string()?)?;
        let to = hop(one.string()?)?;
        reserved(&mut one)?;
        one.finish()?;
        // From the agent itself has neither name nor keys; to somewhere has
        // both.
        if from.host.is_empty() != from.keys.is_empty() || !from.user.is_empty() {
            return Err(Error::BadAgentMessage("a constraint from nowhere"));
        }
        if to.host.is_empty() || to.keys.is_empty() {
            return Err(Error::BadAgentMessage("a constraint to nowhere"));
        }
        destinations.push(DestinationConstraint { from, to });
    }
    Ok(destinations)
}

fn hop(packed: &[u8]) -> Result<Hop, Error> {
    let mut reader = Reader::new(packed);
    let user = reader.text()?.to_owned();
    let host = reader.text()?.to_owned();
    reserved(&mut reader)?;
    let mut keys = Vec::new();
    while !reader.is_empty() {
        limited(&keys)?;
        let key = PublicKey::from_blob(reader.string()?)?;
        keys.push(HopKey { key, is_ca: reader.boolean()? });
    }
    Ok(Hop { user, host, keys })
}

fn reserved(reader: &mut Reader<'_>) -> Result<(), Error> {
    if reader.string()?.is_empty() {
        Ok(())
    } else {
        Err(Error::BadAgentMessage("a reserved field of a constraint is used"))
    }
}

fn certificates(reader: &mut Reader<'_>) -> Result<Constraint, Error> {
    let only = reader.boolean()?;
    let mut packed = Reader::new(reader.string()?);
    let mut certificates = Vec::new();
    while !packed.is_empty() {
        limited(&certificates)?;
        certificates.push(PublicKey::from_blob(packed.string()?)?);
    }
    Ok(Constraint::AssociatedCertificates { only, certificates })
}
