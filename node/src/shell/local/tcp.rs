//! The local API on a TCP port of loopback, for programs that speak to no Unix socket.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::middleware::from_fn_with_state;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::tokens::{Token, Tokens};
use super::door::{Door, guard};

/// Connections at once; whoever comes later waits for one to end.
const CONNECTIONS_MAX: usize = 256;

/// How often a connection looks whether its token still is one.
const LOOK_EVERY: Duration = Duration::from_secs(1);

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
        let door = Arc::new(Door { address, tokens: tokens.clone() });
        let router = router.layer(from_fn_with_state(door, guard));
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Ok(Self { listener: Bounded { listener, places, tokens }, router })
    }

    /// Where it listens.
    pub(in crate::shell) fn address(&self) -> Option<SocketAddr> {
        self.listener.listener.local_addr().ok()
    }

    /// Serves until it is dropped.
    pub(in crate::shell) async fn run(self) {
        let service = self.router.into_make_service_with_connect_info::<Shown>();
        if let Err(error) = axum::serve(self.listener, service).await {
            tracing::error!(%error, "the API on TCP ended");
        }
    }
}

/// A listener with so many places.
struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
    tokens: Tokens,
}

/// A connection and its place. It ends with the token that was shown on it last, whatever streams on
/// it still.
struct Placed {
    stream: TcpStream,
    shown: Shown,
    is_over: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
    _place: Option<OwnedSemaphorePermit>,
}

/// The token that was shown on a connection last.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown(Arc<Mutex<Option<Token>>>);

impl Shown {
    /// Notes what the newest request shows.
    pub(super) fn note(&self, token: Token) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }

    /// Waits until the token is one no more.
    async fn over(self, tokens: Tokens) {
        let holds = || match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(token) => tokens.holds(token),
            None => true,
        };
        while holds() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl Connected<IncomingStream<'_, Bounded>> for Shown {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        stream.io().shown.clone()
    }
}

impl Listener for Bounded {
    type Io = Placed;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Placed, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    let shown = Shown::default();
                    let is_over = Box::pin(shown.clone().over(self.tokens.clone()));
                    return (Placed { stream, shown, is_over, _place: place }, address);
                }
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
        // What is sent without end is read from meanwhile too, to notice that the other side went.
        if self.is_over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
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
