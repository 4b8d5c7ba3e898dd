//! The runtime that hickory's traits ask for and that is not there: nothing is ever awaited.
//!
//! Its validator takes any source of answers; the one of this program blocks. Of a runtime only the
//! clock is used, so sockets and tasks are types that have no values.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::io::{AsyncRead, AsyncWrite};
use hickory_net::runtime::{DnsTcpStream, DnsUdpSocket, RuntimeProvider, Spawn, Time};

type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A runtime that runs nothing.
#[derive(Clone)]
pub(super) struct Blocking;

impl RuntimeProvider for Blocking {
    type Handle = Blocking;
    type Timer = Blocking;
    type Udp = Nothing;
    type Tcp = Nothing;

    fn create_handle(&self) -> Self::Handle {
        Blocking
    }

    fn connect_tcp(
        &self,
        _: SocketAddr,
        _: Option<SocketAddr>,
        _: Option<Duration>,
    ) -> Later<io::Result<Nothing>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    fn bind_udp(&self, _: SocketAddr, _: SocketAddr) -> Later<io::Result<Nothing>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
}

impl Spawn for Blocking {
    fn spawn_bg(&mut self, _: impl Future<Output = ()> + Send + 'static) {}
}

#[async_trait::async_trait]
impl Time for Blocking {
    async fn delay_for(_: Duration) {}

    async fn timeout<F: 'static + Future + Send>(_: Duration, future: F) -> io::Result<F::Output> {
        Ok(future.await)
    }
}

/// A socket that cannot be had.
pub(super) struct Nothing(Infallible);

impl DnsUdpSocket for Nothing {
    type Time = Blocking;

    fn poll_recv_from(
        &self,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        match self.0 {}
    }

    fn poll_send_to(
        &self,
        _: &mut Context<'_>,
        _: &[u8],
        _: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        match self.0 {}
    }
}

impl DnsTcpStream for Nothing {
    type Time = Blocking;
}

impl AsyncRead for Nothing {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self.0 {}
    }
}

impl AsyncWrite for Nothing {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match self.0 {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }
}
