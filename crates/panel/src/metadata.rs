//! What servers ask about themselves at 169.254.169.254, in EC2's and in OpenStack's words. Who asks
//! is told by address and interface; there is nothing here that one server learns about another.

mod token;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, header};
use cloud::embedded::{Asker, Embedded};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use uuid::Uuid;

use crate::state::stopped;
use token::Tokens;

/// Connections of one server at a time.
const CONNECTIONS_MAX: u32 = 8;
/// For a request's head.
const PATIENCE: Duration = Duration::from_secs(5);
/// For all that is asked on one connection.
const CONNECTION_TIME: Duration = Duration::from_secs(30);
/// What is in a path's place when it is a folder.
const ROOTS: &str = "2009-04-04\nlatest\nopenstack";

type Tree = BTreeMap<String, Vec<u8>>;

/// Answers until the panel stops.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(
    cloud: Arc<Embedded>,
    listener: std::net::TcpListener,
    mut stopping: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let places = Arc::new(Places::default());
    let tokens = Arc::new(Tokens::new().map_err(std::io::Error::other)?);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stopping) => return Ok(()),
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        if let Some(place) = Place::take(&places, peer.ip()) {
            let (cloud, tokens) = (Arc::clone(&cloud), Arc::clone(&tokens));
            tokio::spawn(async move {
                let answered = connection(&cloud, tokens, stream, peer);
                let _ = tokio::time::timeout(CONNECTION_TIME, answered).await;
                drop(place);
            });
        }
    }
}

#[derive(Default)]
struct Places(Mutex<HashMap<IpAddr, u32>>);

/// One of a server's connections.
struct Place(Arc<Places>, IpAddr);

impl Place {
    fn take(places: &Arc<Places>, address: IpAddr) -> Option<Self> {
        let mut taken = places.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(address).or_default();
        if *count >= CONNECTIONS_MAX {
            return None;
        }
        *count += 1;
        Some(Self(Arc::clone(places), address))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.1);
            }
        }
    }
}

async fn connection(cloud: &Embedded, tokens: Arc<Tokens>, stream: TcpStream, peer: SocketAddr) {
    let asker = match cloud.asker(&stream, peer).await {
        Ok(asker) => asker,
        Err(error) => {
            tracing::warn!(%peer, %error, "a server's question about itself");
            return;
        }
    };
    // Nobody of ours: not even told that something is here.
    let Some(asker) = asker else { return };
    let tree = Arc::new(tree(&asker));
    let server = asker.server.id;
    let service = service_fn(move |request: Request<Incoming>| {
        let (tree, tokens) = (Arc::clone(&tree), Arc::clone(&tokens));
        async move { Ok::<_, Infallible>(answer(&tree, &tokens, server, &request)) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(16 * 1024);
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

fn answer<B>(tree: &Tree, tokens: &Tokens, server: Uuid, request: &Request<B>) -> Response<Body> {
    let refused = |status| said(status, "text/plain", Vec::new());
    let path = normal(request.uri().path());
    if path == token::PATH && request.method() == Method::PUT {
        return match tokens.issue(server, request.headers()) {
            Ok((token, lifetime)) => {
                let mut response = said(StatusCode::OK, "text/plain", token.into_bytes());
                response.headers_mut().insert(token::LIFETIME, lifetime.into());
                response
            }
            Err(status) => refused(status),
        };
    }
    if path == token::PATH || (request.method() != Method::GET && request.method() != Method::HEAD)
    {
        return refused(StatusCode::METHOD_NOT_ALLOWED);
    }
    if !tokens.allow(server, request.headers()) {
        return refused(StatusCode::UNAUTHORIZED);
    }
    match tree.get(&path) {
        Some(text)
            if std::path::Path::new(&path).extension().is_some_and(|kind| kind == "json") =>
        {
            said(StatusCode::OK, "application/json", text.clone())
        }
        Some(text) => said(StatusCode::OK, "text/plain; charset=utf-8", text.clone()),
        None => match listing(tree, &path) {
            Some(text) => said(StatusCode::OK, "text/plain; charset=utf-8", text.into_bytes()),
            None => said(StatusCode::NOT_FOUND, "text/plain", b"404 Not Found\n".to_vec()),
        },
    }
}

fn said(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

/// Without empty parts, and every version by the name of the latest: what is said is the same in
/// all of them.
fn normal(path: &str) -> String {
    let is_version = |part: &str| {
        part == "latest"
            || part == "1.0"
            || (part.len() == 10 && part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
    };
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let place = usize::from(parts.first() == Some(&"openstack"));
    if let Some(part) = parts.get_mut(place).filter(|part| is_version(part)) {
        *part = "latest";
    }
    parts.join("/")
}

/// The names in a folder; those that are folders themselves with a slash, as EC2 has it.
fn listing(tree: &Tree, path: &str) -> Option<String> {
    match path {
        "" => return Some(ROOTS.to_owned()),
        "openstack" => return Some("2018-08-27\nlatest".to_owned()),
        _ => {}
    }
    let inside = format!("{path}/");
    let names: BTreeSet<String> = tree
        .keys()
        .filter_map(|key| key.strip_prefix(&inside))
        .map(|rest| match rest.split_once('/') {
            Some((folder, _)) => format!("{folder}/"),
            None => rest.to_owned(),
        })
        .collect();
    if names.is_empty() {
        return None;
    }
    Some(names.into_iter().collect::<Vec<_>>().join("\n"))
}

fn tree(asker: &Asker) -> Tree {
    let mut tree = Tree::new();
    ec2(&mut tree, asker);
    openstack(&mut tree, asker);
    tree
}

/// Key names, and the lines they stand for.
fn key_pairs(asker: &Asker) -> impl Iterator<Item = (String, &str)> {
    let names = asker.server.key_names.iter().map(String::as_str).map(Some);
    let names = names.chain(std::iter::repeat(None));
    asker.public_keys.iter().zip(names).enumerate().map(|(number, (key, name))| {
        (name.map_or_else(|| format!("key-{number}"), str::to_owned), key.as_str())
    })
}

fn ec2(tree: &mut Tree, asker: &Asker) {
    let server = &asker.server;
    let address = server.addresses.first();
    let ip = address.map(|at| at.address.to_string()).unwrap_or_default();
    let texts = [
        ("ami-id", server.image_id.to_string()),
        ("hostname", asker.hostname.clone()),
        ("instance-id", server.id.to_string()),
        ("instance-type", server.flavor.name.clone()),
        ("local-hostname", asker.hostname.clone()),
        ("local-ipv4", ip.clone()),
        ("mac", address.map(|at| at.mac.clone()).unwrap_or_default()),
        ("placement/availability-zone", server.region.clone()),
        ("placement/region", server.region.clone()),
        ("public-hostname", asker.hostname.clone()),
        ("public-ipv4", ip),
    ];
    for (name, text) in texts {
        tree.insert(format!("latest/meta-data/{name}"), text.into_bytes());
    }
    let mut names = Vec::new();
    for (number, (name, key)) in key_pairs(asker).enumerate() {
        names.push(format!("{number}={name}"));
        tree.insert(
            format!("latest/meta-data/public-keys/{number}/openssh-key"),
            format!("{key}\n").into_bytes(),
        );
    }
    if !names.is_empty() {
        tree.insert("latest/meta-data/public-keys".into(), names.join("\n").into_bytes());
    }
    if !asker.user_data.is_empty() {
        tree.insert("latest/user-data".into(), asker.user_data.clone());
    }
}

fn openstack(tree: &mut Tree, asker: &Asker) {
    let server = &asker.server;
    let keys: Vec<(String, &str)> = key_pairs(asker).collect();
    let public_keys: BTreeMap<&str, &str> =
        keys.iter().map(|(name, key)| (name.as_str(), *key)).collect();
    let list: Vec<_> = keys
        .iter()
        .map(|(name, key)| json!({ "name": name, "type": "ssh", "data": key }))
        .collect();
    let meta = json!({
        "uuid": server.id,
        "name": server.name,
        "hostname": asker.hostname,
        "availability_zone": server.region,
        "project_id": server.project_id,
        "launch_index": 0,
        "public_keys": public_keys,
        "keys": list,
        "meta": server.metadata,
        "devices": [],
    });
    // The interface has its address from outside.
    let network = json!({ "links": [], "networks": [], "services": [] });
    let vendor = json!({ "cloud-init": asker.vendor_data });
    for (name, value) in
        [("meta_data.json", meta), ("network_data.json", network), ("vendor_data.json", vendor)]
    {
        tree.insert(format!("openstack/latest/{name}"), value.to_string().into_bytes());
    }
    if !asker.user_data.is_empty() {
        tree.insert("openstack/latest/user_data".into(), asker.user_data.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> Tree {
        ["latest/meta-data/instance-id", "latest/meta-data/placement/region", "latest/user-data"]
            .map(|path| (path.to_owned(), b"x".to_vec()))
            .into()
    }

    #[test]
    fn folders_are_listed() {
        let tree = paths();
        assert_eq!(listing(&tree, "latest").unwrap(), "meta-data/\nuser-data");
        assert_eq!(listing(&tree, "latest/meta-data").unwrap(), "instance-id\nplacement/");
        assert_eq!(listing(&tree, "latest/meta"), None);
    }

    #[test]
    fn versions_are_one() {
        assert_eq!(normal("/2009-04-04//meta-data/"), "latest/meta-data");
        assert_eq!(normal("/openstack/2018-08-27/user_data"), "openstack/latest/user_data");
        assert_eq!(normal("/other/2009-04-04"), "other/2009-04-04");
        assert_eq!(normal("/"), "");
    }

    #[test]
    fn nothing_can_be_written() {
        let tokens = Tokens::new().unwrap();
        for (request, status) in [
            (Request::put("/latest/user-data"), StatusCode::METHOD_NOT_ALLOWED),
            (Request::post("/latest/api/token"), StatusCode::METHOD_NOT_ALLOWED),
            (Request::get("/latest/api/token"), StatusCode::METHOD_NOT_ALLOWED),
            (Request::put("/latest/api/token"), StatusCode::BAD_REQUEST),
            (Request::get("/latest/../etc/passwd"), StatusCode::NOT_FOUND),
        ] {
            let request = request.body(()).unwrap();
            assert_eq!(answer(&paths(), &tokens, Uuid::nil(), &request).status(), status);
        }
    }
}
