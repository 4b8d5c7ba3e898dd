//! The listener: plain HTTP on loopback, HTTPS elsewhere, and an end that lets requests finish.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::state::stopped;
use crate::web::Peer;

/// Connections at one time; more wait in the kernel's queue.
const CONNECTIONS_MAX: u32 = 4096;
/// For the TLS handshake, and for a request's head.
const PATIENCE: Duration = Duration::from_secs(15);
/// For requests to finish after the panel was told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until told to stop.
pub async fn run(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, mostly: some connection will end.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            },
            () = stopped(&mut stopping) => break,
        };
        let _ = stream.set_nodelay(true);
        tokio::spawn(connection(
            stream,
            peer,
            tls.clone(),
            router.clone(),
            graceful.watcher(),
            Arc::new(place),
        ));
    }
    drop(listener);
    let finished = async {
        graceful.shutdown().await;
        // Requests whose connection is gone have their places still.
        let _ = places.acquire_many(CONNECTIONS_MAX).await;
    };
    if tokio::time::timeout(GRACE, finished).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    graceful: Watcher,
    place: Arc<OwnedSemaphorePermit>,
) {
    match tls {
        None => http(stream, peer, router, graceful, place).await,
        Some(tls) => match tokio::time::timeout(PATIENCE, tls.accept(stream)).await {
            Ok(Ok(stream)) => http(stream, peer, router, graceful, place).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS"),
            Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
        },
    }
}

async fn http<S>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    graceful: Watcher,
    place: Arc<OwnedSemaphorePermit>,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer.ip()));
        request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
        // In a task of its own: what a person asked for is done to its end, also when the
        // browser has gone elsewhere meanwhile.
        let (router, place) = (router.clone(), Arc::clone(&place));
        let answer = tokio::spawn(async move {
            let answer = router.oneshot(request).await;
            drop(place);
            answer
        });
        async move {
            match answer.await {
                Ok(answer) => answer,
                Err(_) => Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
            }
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(100);
    let connection =
        builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    if let Err(error) = graceful.watch(connection).await {
        tracing::debug!(%peer, %error, "a connection ended");
    }
}
