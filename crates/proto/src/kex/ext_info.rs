//! Extension negotiation. RFC 8308, and OpenSSH's PROTOCOL §1.10-1.12.

use crate::config::Config;
use crate::message::transport;

/// Which signature algorithms a server takes. RFC 8308 §3.1.
pub const SERVER_SIG_ALGS: &str = "server-sig-algs";
/// A server that takes host-bound public key requests.
pub const HOST_BOUND: &str = "publickey-hostbound@openssh.com";
/// A server that answers SSH_MSG_PING.
pub const PING: &str = "ping@openssh.com";
/// A client that takes EXT_INFO during authentication.
pub const EXT_INFO_IN_AUTH: &str = "ext-info-in-auth@openssh.com";

/// What a server tells.
pub(crate) fn of_server(config: &Config) -> Vec<u8> {
    let algorithms = config.signature_algorithms.join(",");
    transport::encode_ext_info(&[
        (SERVER_SIG_ALGS, algorithms.as_bytes()),
        (HOST_BOUND, b"0"),
        (PING, b"0"),
    ])
}

/// What a client tells.
pub(crate) fn of_client() -> Vec<u8> {
    transport::encode_ext_info(&[(EXT_INFO_IN_AUTH, b"0")])
}
