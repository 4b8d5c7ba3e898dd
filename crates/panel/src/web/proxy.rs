//! Where a request really comes from, behind proxies that are trusted to say so.
//!
//! `X-Forwarded-For` and `X-Forwarded-Proto` are taken from a connection whose other end is one of
//! the proxies in the settings, and from nobody else: anybody can write a header. The first layer
//! puts what it found where all others look for it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State as AxumState};
use axum::http::{Extensions, HeaderMap};
use axum::middleware::Next;
use axum::response::Response;

use super::Peer;
use crate::State;
use crate::settings::Net;

/// Whether the reader's own connection is by HTTPS, here or at the proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Secure(bool);

/// Whether this request came by HTTPS as far as it can be seen.
pub(crate) fn is_secure(state: &State, extensions: &Extensions) -> bool {
    extensions.get::<Secure>().map_or(state.settings.https, |secure| secure.0)
}

/// The outermost layer.
pub(super) async fn seen(
    AxumState(state): AxumState<Arc<State>>,
    mut request: Request,
    next: Next,
) -> Response {
    let extensions = request.extensions();
    let near = extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|at| at.0)
        .or_else(|| extensions.get::<Peer>().map(|peer| SocketAddr::new(peer.0, 0)));
    if let Some(near) = near {
        let trusted = &state.settings.trusted_proxies;
        let (far, https) = look(trusted, near.ip(), request.headers());
        let port = if far == near.ip() { near.port() } else { 0 };
        let extensions = request.extensions_mut();
        extensions.insert(Peer(far));
        extensions.insert(ConnectInfo(SocketAddr::new(far, port)));
        extensions.insert(Secure(https.unwrap_or(state.settings.https)));
    }
    next.run(request).await
}

/// The address that a request comes from, and whether a trusted proxy says by HTTPS.
fn look(trusted: &[Net], near: IpAddr, headers: &HeaderMap) -> (IpAddr, Option<bool>) {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(address));
    if !is_trusted(near) {
        return (near, None);
    }
    let words = |name: &str| {
        let mut words: Vec<&str> = headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .collect();
        words.reverse();
        words
    };
    // Each proxy adds the one it talks to at the end, so the last one that is no proxy of ours is
    // the client; what stands before that is what the client itself wrote.
    let mut far = near;
    for word in words("x-forwarded-for") {
        let Some(address) = address(word) else { break };
        far = address;
        if !is_trusted(address) {
            break;
        }
    }
    let https = words("x-forwarded-proto")
        .first()
        .map(|word| word.eq_ignore_ascii_case("https") || word.eq_ignore_ascii_case("wss"));
    (far, https)
}

/// An address as proxies write it: plain, in brackets, or with a port.
fn address(word: &str) -> Option<IpAddr> {
    let plain = || word.parse::<IpAddr>().ok();
    let with_port = || word.parse::<SocketAddr>().ok().map(|at| at.ip());
    let bracketed = || word.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    plain().or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(near: &str, forwarded: &[&str], proto: Option<&str>) -> (String, Option<bool>) {
        let trusted: Vec<Net> =
            ["10.0.0.0/8", "::1"].iter().map(|net| net.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        if let Some(proto) = proto {
            headers.append("x-forwarded-proto", proto.parse().unwrap());
        }
        let (far, https) = look(&trusted, near.parse().unwrap(), &headers);
        (far.to_string(), https)
    }

    #[test]
    fn only_proxies_are_believed() {
        assert_eq!(seen("192.0.2.1", &["203.0.113.9"], Some("https")), ("192.0.2.1".into(), None));
        assert_eq!(
            seen("10.0.0.1", &["203.0.113.9"], Some("https")),
            ("203.0.113.9".into(), Some(true))
        );
        assert_eq!(seen("::ffff:10.0.0.1", &["203.0.113.9"], None).0, "203.0.113.9");
        assert_eq!(seen("10.0.0.1", &[], None), ("10.0.0.1".into(), None));
        assert_eq!(seen("10.0.0.1", &[], Some("http")).1, Some(false));
    }

    #[test]
    fn what_the_client_wrote_is_not_believed() {
        let forged = ["198.51.100.7, 203.0.113.9", "10.1.2.3"];
        assert_eq!(seen("::1", &forged, Some("https, http")), ("203.0.113.9".into(), Some(false)));
        assert_eq!(seen("::1", &["nonsense, 203.0.113.9"], None).0, "203.0.113.9");
        assert_eq!(seen("::1", &["203.0.113.9, nonsense"], None).0, "::1");
        assert_eq!(seen("::1", &["[2001:db8::1]:4711"], None).0, "2001:db8::1");
        assert_eq!(seen("::1", &["203.0.113.9:80"], None).0, "203.0.113.9");
    }
}
