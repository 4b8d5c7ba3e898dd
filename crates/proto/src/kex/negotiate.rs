//! Which algorithms two proposals settle on. RFC 4253 §7.1.

use crypto::cipher::CipherAlgorithm;
use crypto::hash::HashAlgorithm;
use crypto::mac::MacAlgorithm;
use crypto::tables::KexKind;
use keys::algorithms::SignatureAlgorithm;

use crate::error::{Error, Incompatible};
use crate::message::kex::Proposal;
use crate::role::Side;

/// A client's marker for EXT_INFO. RFC 8308 §2.1.
pub const EXT_INFO_CLIENT: &str = "ext-info-c";
/// A server's marker for EXT_INFO.
pub const EXT_INFO_SERVER: &str = "ext-info-s";
/// A client's marker for strict key exchange.
pub const STRICT_CLIENT: &str = "kex-strict-c-v00@openssh.com";
/// A server's marker for strict key exchange.
pub const STRICT_SERVER: &str = "kex-strict-s-v00@openssh.com";

/// The algorithms of one direction.
#[derive(Clone, Copy)]
pub struct ChosenDirection {
    pub cipher: &'static CipherAlgorithm,
    pub mac: Option<&'static MacAlgorithm>,
    pub zlib: bool,
}

/// What was settled on.
#[derive(Clone, Copy)]
pub struct Chosen {
    pub kex_name: &'static str,
    pub kex: KexKind,
    pub hash: HashAlgorithm,
    pub host_key: &'static SignatureAlgorithm,
    pub client_to_server: ChosenDirection,
    pub server_to_client: ChosenDirection,
}

/// The names that were settled on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// The key exchange method.
    pub kex: String,
    /// The host key algorithm.
    pub host_key: String,
    /// From the client to the server.
    pub client_to_server: NegotiatedDirection,
    /// From the server to the client.
    pub server_to_client: NegotiatedDirection,
    /// Whether strict key exchange is in force.
    pub strict: bool,
}

/// The names of one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NegotiatedDirection {
    /// The cipher.
    pub cipher: String,
    /// The MAC; none beside an AEAD.
    pub mac: Option<String>,
    /// The compression.
    pub compression: String,
}

impl Chosen {
    pub fn names(&self, strict: bool) -> Negotiated {
        let direction = |chosen: &ChosenDirection| NegotiatedDirection {
            cipher: chosen.cipher.name.to_owned(),
            mac: chosen.mac.map(|mac| mac.name.to_owned()),
            compression: if chosen.zlib { "zlib@openssh.com" } else { "none" }.to_owned(),
        };
        Negotiated {
            kex: self.kex_name.to_owned(),
            host_key: self.host_key.name.to_owned(),
            client_to_server: direction(&self.client_to_server),
            server_to_client: direction(&self.server_to_client),
            strict,
        }
    }
}

/// Settles on algorithms.
///
/// # Errors
/// [`Error::Incompatible`] names the first class with nothing in common.
pub fn choose(local: &Proposal, remote: &Proposal, side: Side) -> Result<Chosen, Error> {
    let (client, server) = match side {
        Side::Client => (local, remote),
        Side::Server => (remote, local),
    };
    let pick = |what: &'static str, list: fn(&Proposal) -> &Vec<String>| {
        let both = list(client).iter().find(|name| list(server).contains(name));
        both.ok_or_else(|| {
            Error::Incompatible(Incompatible {
                what,
                local: list(local).iter().filter(|name| !is_marker(name)).cloned().collect(),
                remote: list(remote).iter().filter(|name| !is_marker(name)).cloned().collect(),
            })
        })
    };
    let kex = pick("key exchange method", |p| &p.kex_algorithms)?;
    let host_key = pick("host key type", |p| &p.server_host_key_algorithms)?;
    let direction = |cipher: fn(&Proposal) -> &Vec<String>,
                     mac: fn(&Proposal) -> &Vec<String>,
                     compression: fn(&Proposal) -> &Vec<String>| {
        let cipher_name = pick("cipher", cipher)?;
        let cipher = crypto::tables::cipher(cipher_name).ok_or_else(|| unknown(cipher_name))?;
        let mac = if cipher.is_aead() {
            None
        } else {
            let name = pick("MAC", mac)?;
            Some(crypto::tables::mac(name).ok_or_else(|| unknown(name))?)
        };
        let zlib = pick("compression method", compression)? == "zlib@openssh.com";
        Ok::<_, Error>(ChosenDirection { cipher, mac, zlib })
    };
    let client_to_server = direction(
        |p| &p.encryption_client_to_server,
        |p| &p.mac_client_to_server,
        |p| &p.compression_client_to_server,
    )?;
    let server_to_client = direction(
        |p| &p.encryption_server_to_client,
        |p| &p.mac_server_to_client,
        |p| &p.compression_server_to_client,
    )?;
    let entry = crypto::tables::key_exchange(kex).ok_or_else(|| unknown(kex))?;
    let hash = match entry.kind {
        KexKind::Fixed(method) => method.hash(),
        KexKind::GroupExchange(hash) => hash,
    };
    Ok(Chosen {
        kex_name: entry.name,
        kex: entry.kind,
        hash,
        host_key: keys::algorithms::lookup(host_key).ok_or_else(|| unknown(host_key))?,
        client_to_server,
        server_to_client,
    })
}

/// Whether the sender of `guesser` guessed right: both lists begin alike.
/// RFC 4253 §7.
pub fn guess_is_right(guesser: &Proposal, other: &Proposal) -> bool {
    guesser.kex_algorithms.first() == other.kex_algorithms.first()
        && guesser.server_host_key_algorithms.first() == other.server_host_key_algorithms.first()
}

fn is_marker(name: &str) -> bool {
    [EXT_INFO_CLIENT, EXT_INFO_SERVER, STRICT_CLIENT, STRICT_SERVER].contains(&name)
}

/// Our own list names it, so the table has it; kept as an error all the same.
fn unknown(name: &str) -> Error {
    crate::error::Misuse::UnknownAlgorithm(name.to_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_clients_order_wins() {
        let mut client = Config::client().proposal(Side::Client);
        let server = Config::server().proposal(Side::Server);
        client.kex_algorithms = vec!["ecdh-sha2-nistp384".into(), "curve25519-sha256".into()];
        let chosen = choose(&client, &server, Side::Client).ok().unwrap();
        assert_eq!(chosen.kex_name, "ecdh-sha2-nistp384");
        let chosen = choose(&server, &client, Side::Server).ok().unwrap();
        assert_eq!(chosen.kex_name, "ecdh-sha2-nistp384");
    }

    #[test]
    fn incompatible() {
        let mut client = Config::client().proposal(Side::Client);
        let server = Config::server().proposal(Side::Server);
        client.kex_algorithms = vec!["diffie-hellman-group1-sha1".into(), EXT_INFO_CLIENT.into()];
        let Err(Error::Incompatible(missing)) = choose(&client, &server, Side::Client) else {
            panic!("there is nothing in common");
        };
        assert_eq!(missing.what, "key exchange method");
        assert_eq!(missing.local, ["diffie-hellman-group1-sha1"]);
    }

    #[test]
    fn a_guess_needs_both_lists_to_begin_alike() {
        let client = Config::client().proposal(Side::Client);
        let mut server = Config::server().proposal(Side::Server);
        assert!(guess_is_right(&client, &server));
        server.server_host_key_algorithms.rotate_left(1);
        assert!(!guess_is_right(&client, &server));
    }
}
