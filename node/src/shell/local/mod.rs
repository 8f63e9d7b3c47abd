//! The local API: HTTP with JSON over a Unix socket in the node's home, and streams of frames for
//! programs with many values.
//!
//! The home is readable by its owner only, and so is the socket: whoever may open it may do what
//! the node may do. Where the settings name a port of loopback, the same paths answer there to whoever
//! has a [token](super::tokens). Every answer that is not a success is an
//! [`ErrorBody`](gearmesh_protocol::local::ErrorBody).

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use tokio::net::UnixListener;
use tokio::sync::mpsc;

use super::clock::Clock;
use super::commands::Commands;
use super::core_handle::CoreHandle;
use super::counters::Counters;
use super::data::DataStore;
use super::durable::Durable;
use super::items::Items;
use super::leases::Leases;
use super::plant::finder::Finder;
use super::plant::gate::Gate;
use super::plant::live::Live;
use super::plant::swarm::Order;
use super::reading::Consumers;
use super::tokens::Tokens;

mod acts;
pub(in crate::shell) mod answer;
mod audit;
mod board;
mod claims;
mod commands;
mod door;
mod durable;
mod found;
mod inspect;
mod items;
mod join;
mod leases;
mod leave;
mod live;
mod membership;
mod metrics;
mod openapi;
mod routes;
mod status;
mod stream;
mod tcp;
mod visits;

pub(super) use claims::follow as follow_claims;
pub(super) use commands::Runs;
pub(super) use stream::Places;
pub(super) use tcp::{TcpApiError, TcpServer};

use routes::router;

/// What the handlers work with.
#[derive(Clone)]
pub(super) struct State {
    pub(super) core: CoreHandle,
    pub(super) gate: Arc<Gate>,
    pub(super) finder: Arc<Finder>,
    pub(super) live: Arc<Live>,
    pub(super) durable: Durable,
    pub(super) commands: Commands,
    pub(super) leases: Leases,
    pub(super) items: Items,
    pub(super) runs: Runs,
    pub(super) store: DataStore,
    pub(super) consumers: Consumers,
    pub(super) counters: Arc<Counters>,
    pub(super) clock: Clock,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) streams: Places,
}

/// Why the local API cannot start.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the local socket {}: {source}", path.display())]
pub struct ApiError {
    path: PathBuf,
    source: std::io::Error,
}

/// The local API, bound to its socket.
pub(super) struct Server {
    listener: UnixListener,
    router: Router,
}

impl Server {
    /// Binds the socket, for these paths and for more. A socket left behind by a node that was killed is replaced; the journal's
    /// lock has already shown that no node runs here.
    pub(super) fn bind(path: &Path, state: State, more: Router) -> Result<Self, ApiError> {
        let failed = |source| ApiError { path: path.to_owned(), source };
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(path, private).map_err(failed)?;
        Ok(Self { listener, router: router(state).merge(more) })
    }

    /// The same API on a TCP port, for those who have a token.
    pub(super) fn on_tcp(
        &self,
        address: SocketAddr,
        tokens: Tokens,
    ) -> Result<TcpServer, TcpApiError> {
        TcpServer::bind(address, self.router.clone(), tokens)
    }

    /// The same API for admins that come over the network, as far as their work needs it. It lasts until
    /// it is dropped.
    pub(super) fn for_visits(&self, state: &State) -> impl Future<Output = ()> + use<> {
        let State { core, clock, durable, gate, .. } = state.clone();
        let host = visits::Host { core, clock, durable };
        visits::serve(host, self.router.clone(), gate.visits().serve())
    }

    /// Serves until it is dropped.
    pub(super) async fn run(self) {
        if let Err(error) = axum::serve(self.listener, self.router).await {
            tracing::error!(%error, "the local API ended");
        }
    }
}
