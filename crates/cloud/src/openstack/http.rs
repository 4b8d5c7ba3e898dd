//! Requests to OpenStack's services: each with a limit on its time and on its answer's size, and
//! none to a service that did not answer a moment ago.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use super::fault;
use crate::accounts::Token;
use crate::{Error, Result};

/// For a connection and its TLS handshake's first half.
const CONNECT: Duration = Duration::from_secs(5);
/// For what only looks.
const READ: Duration = Duration::from_secs(20);
/// For what changes something: Nova asks its neighbours first.
const WRITE: Duration = Duration::from_secs(60);
/// More than a thousand servers with all that is said of them.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A service that did not answer is left alone for this long.
const REST: Duration = Duration::from_secs(30);
/// One that says itself that it cannot answer may soon do.
const SHORT_REST: Duration = Duration::from_secs(5);
/// Services that are remembered as silent; a cloud has a few per region.
const SILENT_MAX: usize = 256;

/// What is asked.
pub(super) struct Ask<'a> {
    /// Who is asked, for the words of an error: `Nova`.
    pub(super) service: &'static str,
    /// Of which region; empty for Keystone.
    pub(super) region: &'a str,
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) token: Option<&'a Token>,
    /// Keystone's: the token that the request is about.
    pub(super) subject: Option<&'a Token>,
    /// Nova's `2.N`.
    pub(super) microversion: Option<u32>,
    pub(super) body: Option<Value>,
    /// The panel's own request, so that both logs tell the same story.
    pub(super) request_id: Option<&'a str>,
    /// The answer is one of a login: no status of it is an error here.
    pub(super) raw: bool,
}

impl<'a> Ask<'a> {
    pub(super) fn new(service: &'static str, method: Method, url: String) -> Self {
        Self {
            service,
            region: "",
            method,
            url,
            token: None,
            subject: None,
            microversion: None,
            body: None,
            request_id: None,
            raw: false,
        }
    }

    pub(super) fn token(mut self, token: &'a Token) -> Self {
        self.token = Some(token);
        self
    }

    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON.
    pub(super) fn json(&self, service: &str) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::Internal(format!("{service}'s answer cannot be read: {error}")))
    }
}

/// The client, and which services are silent.
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    silent: Mutex<HashMap<String, Silence>>,
}

struct Silence {
    until: Instant,
    reason: String,
}

impl Http {
    /// With the system's certificate authorities, and those of `cacert`, a file's PEM.
    pub(super) fn new(cacert: Option<&[u8]>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        if let Some(pem) = cacert {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate
                    .map_err(|error| Error::Internal(format!("the file of cacert: {error}")))?;
                roots
                    .add(certificate)
                    .map_err(|error| Error::Internal(format!("the file of cacert: {error}")))?;
            }
        }
        let native = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(native.certs);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Internal(format!("TLS: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .pool_max_idle_per_host(8)
            .build(connector);
        Ok(Self { client, silent: Mutex::default() })
    }

    /// Asks. Every status but 2xx is an error, in the service's own words.
    pub(super) async fn ask(&self, ask: Ask<'_>) -> Result<Answer> {
        let service = ask.service;
        let whose = if ask.region.is_empty() {
            service.to_owned()
        } else {
            format!("{service} of {}", ask.region)
        };
        let url: Uri = ask
            .url
            .parse()
            .map_err(|_| Error::Internal(format!("{service}'s address {:?}", ask.url)))?;
        let at = url.authority().map(ToString::to_string).unwrap_or_default();
        // Several services may share a host: each is silent for itself.
        let silence = format!("{whose} ({at})");
        self.may_ask(&silence)?;
        let limit = if ask.method == Method::GET { READ } else { WRITE };
        let raw = ask.raw;
        let exchange = tokio::time::timeout(limit, self.exchange(ask, url)).await;
        let answer = match exchange {
            Ok(Ok(answer)) => {
                self.silences().remove(&silence);
                answer
            }
            Ok(Err(Failure::Silent(reason))) => {
                let reason = format!("{silence} does not answer: {reason}.");
                return Err(self.note(silence, reason, REST));
            }
            Ok(Err(Failure::TooLarge)) => {
                return Err(Error::Internal(format!(
                    "{service}'s answer is larger than {} MiB.",
                    ANSWER_BYTES_MAX / (1024 * 1024)
                )));
            }
            Ok(Err(Failure::Ours(reason))) => return Err(Error::Internal(reason)),
            Err(_) => {
                let seconds = limit.as_secs();
                let reason = format!("{silence} did not answer within {seconds} seconds.");
                return Err(self.note(silence, reason, REST));
            }
        };
        if raw || answer.status.is_success() {
            return Ok(answer);
        }
        match fault::of(service, &answer) {
            Error::Unreachable(words) => {
                let reason = format!("{silence} cannot answer. {words}");
                Err(self.note(silence, reason, SHORT_REST))
            }
            other => Err(other),
        }
    }

    async fn exchange(&self, ask: Ask<'_>, url: Uri) -> std::result::Result<Answer, Failure> {
        let request = build(ask, url).map_err(Failure::Ours)?;
        let response =
            self.client.request(request).await.map_err(|error| Failure::Silent(chain(&error)))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                Failure::TooLarge
            } else {
                Failure::Silent(error.to_string())
            }
        })?;
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    }

    fn silences(&self) -> std::sync::MutexGuard<'_, HashMap<String, Silence>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request after the rest finds out whether the service is back; others go on failing.
    fn may_ask(&self, whose: &str) -> Result<()> {
        let mut silences = self.silences();
        let Some(silence) = silences.get_mut(whose) else { return Ok(()) };
        let now = Instant::now();
        if silence.until > now {
            return Err(Error::Unreachable(silence.reason.clone()));
        }
        silence.until = now + REST;
        Ok(())
    }

    /// What does not answer at the moment, in sentences.
    pub(super) fn silent(&self) -> Vec<String> {
        let now = Instant::now();
        let mut reasons: Vec<String> = self
            .silences()
            .values()
            .filter(|silence| silence.until > now)
            .map(|silence| silence.reason.clone())
            .collect();
        reasons.sort();
        reasons
    }

    fn note(&self, whose: String, reason: String, rest: Duration) -> Error {
        tracing::warn!(reason, "a service of the cloud is silent");
        let mut silences = self.silences();
        let now = Instant::now();
        if silences.len() >= SILENT_MAX {
            silences.retain(|_, silence| silence.until > now);
        }
        if silences.len() < SILENT_MAX {
            silences.insert(whose, Silence { until: now + rest, reason: reason.clone() });
        }
        Error::Unreachable(reason)
    }
}

enum Failure {
    Silent(String),
    TooLarge,
    Ours(String),
}

fn build(ask: Ask<'_>, url: Uri) -> std::result::Result<Request<Full<Bytes>>, String> {
    let body = match &ask.body {
        Some(body) => serde_json::to_vec(body).map_err(|error| error.to_string())?,
        None => Vec::new(),
    };
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = ask.method;
    *request.uri_mut() = url;
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("keyway-panel/", env!("CARGO_PKG_VERSION"))),
    );
    if ask.body.is_some() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (name, token) in [("x-auth-token", ask.token), ("x-subject-token", ask.subject)] {
        let Some(token) = token else { continue };
        let mut value = HeaderValue::from_str(token.expose())
            .map_err(|_| "the token cannot be sent".to_owned())?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(name), value);
    }
    if let Some(minor) = ask.microversion {
        let number = format!("2.{minor}");
        for (name, value) in [
            ("openstack-api-version", format!("compute {number}")),
            ("x-openstack-nova-api-version", number),
        ] {
            let value = HeaderValue::from_str(&value).map_err(|error| error.to_string())?;
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    if let Some(value) = ask.request_id.and_then(|id| HeaderValue::from_str(id).ok()) {
        headers.insert(HeaderName::from_static("x-openstack-request-id"), value);
    }
    Ok(request)
}

/// An error with those below it: the last one says what really happened.
fn chain(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
