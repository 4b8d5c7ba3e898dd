use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Misuse};
use crate::message::kex::Proposal;
use crate::role::Side;

/// Chooses the group of a group exchange by its least, wanted and largest
/// size in bits: `p` and `g`. RFC 4419 §3.
pub type GroupSource = Arc<dyn Fn(u32, u32, u32) -> Option<(Vec<u8>, Vec<u8>)> + Send + Sync>;

/// Whether `zlib@openssh.com` is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// A client does not offer it; a server does, last.
    #[default]
    No,
    /// A client offers it first.
    Yes,
    /// It is not offered at all.
    Never,
}

/// What an end of a connection offers and how it behaves.
#[derive(Clone)]
pub struct Config {
    /// Sent as `SSH-2.0-` and this, with any comment behind a space.
    pub software_version: String,
    /// In order of preference.
    pub kex_algorithms: Vec<String>,
    /// In order of preference. A server offers those its host keys can do.
    pub host_key_algorithms: Vec<String>,
    /// In order of preference, for both directions.
    pub ciphers: Vec<String>,
    /// In order of preference, for both directions.
    pub macs: Vec<String>,
    /// See [`Compression`].
    pub compression: Compression,
    /// Bytes under one key; `None` is the cipher's own limit.
    pub rekey_bytes: Option<u64>,
    /// Time under one key; `None` is for ever.
    pub rekey_after: Option<Duration>,
    /// A fixed channel window; `None` grows with bandwidth and delay.
    pub window_bytes: Option<u32>,
    /// The smallest RSA host key (client) taken.
    pub min_rsa_bits: u32,
    /// Client: send the first kex packet along with KEXINIT.
    pub guess_kex: bool,
    /// Server: what `server-sig-algs` tells. RFC 8308 §3.1.
    pub signature_algorithms: Vec<String>,
    /// Server: groups for group exchange; `None` is those of RFC 3526.
    pub group_source: Option<GroupSource>,
}

impl Config {
    /// The default offers of a client.
    pub fn client() -> Self {
        Self::new(
            crypto::tables::KEY_EXCHANGES.iter().filter(|e| e.client).map(|e| e.name),
            crypto::tables::MACS.iter().filter(|e| e.client).map(|e| e.algorithm.name),
        )
    }

    /// The default offers of a server.
    pub fn server() -> Self {
        Self::new(
            crypto::tables::KEY_EXCHANGES.iter().filter(|e| e.server).map(|e| e.name),
            crypto::tables::MACS.iter().filter(|e| e.server).map(|e| e.algorithm.name),
        )
    }

    fn new<'a>(kex: impl Iterator<Item = &'a str>, macs: impl Iterator<Item = &'a str>) -> Self {
        let signatures: Vec<String> = keys::algorithms::default_signature_algorithms()
            .into_iter()
            .map(str::to_owned)
            .collect();
        Self {
            software_version: concat!("Keyway_", env!("CARGO_PKG_VERSION")).to_owned(),
            kex_algorithms: kex.map(str::to_owned).collect(),
            host_key_algorithms: signatures.clone(),
            ciphers: crypto::tables::default_ciphers().into_iter().map(str::to_owned).collect(),
            macs: macs.map(str::to_owned).collect(),
            compression: Compression::No,
            rekey_bytes: None,
            rekey_after: None,
            window_bytes: None,
            min_rsa_bits: 1024,
            guess_kex: false,
            signature_algorithms: signatures,
            group_source: None,
        }
    }

    /// Checks that every list has something in it and that all is known.
    pub(crate) fn check(&self) -> Result<(), Error> {
        type List<'a> = (&'static str, &'a Vec<String>, fn(&str) -> bool);
        let lists: [List<'_>; 4] = [
            ("key exchange method", &self.kex_algorithms, |name| {
                crypto::tables::key_exchange(name).is_some()
            }),
            ("host key algorithm", &self.host_key_algorithms, |name| {
                keys::algorithms::lookup(name).is_some()
            }),
            ("cipher", &self.ciphers, |name| crypto::tables::cipher(name).is_some()),
            ("MAC", &self.macs, |name| crypto::tables::mac(name).is_some()),
        ];
        for (what, list, known) in lists {
            if list.is_empty() {
                return Err(Misuse::EmptyList(what).into());
            }
            if let Some(name) = list.iter().find(|name| !known(name)) {
                return Err(Misuse::UnknownAlgorithm(name.clone()).into());
            }
        }
        Ok(())
    }

    /// Our KEXINIT, without the markers of the first one.
    pub(crate) fn proposal(&self, side: Side) -> Proposal {
        let compression: &[&str] = match (self.compression, side) {
            (Compression::Never, _) | (Compression::No, Side::Client) => &["none"],
            (Compression::Yes, Side::Client) => &["zlib@openssh.com", "none"],
            (Compression::No | Compression::Yes, Side::Server) => &["none", "zlib@openssh.com"],
        };
        let compression: Vec<String> = compression.iter().map(|name| (*name).to_owned()).collect();
        Proposal {
            kex_algorithms: self.kex_algorithms.clone(),
            server_host_key_algorithms: self.host_key_algorithms.clone(),
            encryption_client_to_server: self.ciphers.clone(),
            encryption_server_to_client: self.ciphers.clone(),
            mac_client_to_server: self.macs.clone(),
            mac_server_to_client: self.macs.clone(),
            compression_client_to_server: compression.clone(),
            compression_server_to_client: compression,
            ..Proposal::default()
        }
    }
}
