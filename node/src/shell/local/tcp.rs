//! The local API on a TCP port of loopback, for programs that speak to no Unix socket.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::tokens::Tokens;
use super::door::{Door, guard};

/// Connections at once; whoever comes later waits for one to end.
const CONNECTIONS_MAX: usize = 256;

/// How long nothing is accepted after the system refused to, for want of files most of the time.
const PAUSE: Duration = Duration::from_millis(100);

/// The API, bound to its port.
pub(in crate::shell) struct TcpServer {
    listener: Bounded,
    router: Router,
}

/// Why it cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("the API cannot listen on {address}: {source}")]
pub struct TcpApiError {
    address: SocketAddr,
    source: io::Error,
}

impl TcpServer {
    /// Binds the port.
    pub(super) fn bind(
        address: SocketAddr,
        router: Router,
        tokens: Tokens,
    ) -> Result<Self, TcpApiError> {
        let failed = |source| TcpApiError { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let door = Arc::new(Door { address, tokens });
        let router = router.layer(from_fn_with_state(door, guard));
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Ok(Self { listener: Bounded { listener, places }, router })
    }

    /// Where it listens.
    pub(in crate::shell) fn address(&self) -> Option<SocketAddr> {
        self.listener.listener.local_addr().ok()
    }

    /// Serves until it is dropped.
    pub(in crate::shell) async fn run(self) {
        if let Err(error) = axum::serve(self.listener, self.router).await {
            tracing::error!(%error, "the API on TCP ended");
        }
    }
}

/// A listener with so many places.
struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

/// A connection and its place.
struct Placed {
    stream: TcpStream,
    _place: Option<OwnedSemaphorePermit>,
}

impl Listener for Bounded {
    type Io = Placed;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Placed, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => return (Placed { stream, _place: place }, address),
                Err(error) => {
                    tracing::warn!(%error, "a connection to the API was not accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl AsyncRead for Placed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Placed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
