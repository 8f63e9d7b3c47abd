//! The local API: HTTP with JSON over a Unix socket in the node's home, and streams of frames for
//! programs with many values.
//!
//! The home is readable by its owner only, and so is the socket: whoever may open it may do what
//! the node may do. Every answer that is not a success is an
//! [`ErrorBody`](gearmesh_protocol::local::ErrorBody).

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::stream::{FOLLOW_PATH, PUBLISH_PATH};
use tokio::net::UnixListener;
use tokio::sync::mpsc;

use super::clock::Clock;
use super::commands::Commands;
use super::core_handle::CoreHandle;
use super::counters::Counters;
use super::data::DataStore;
use super::durable::Durable;
use super::leases::Leases;
use super::plant::gate::Gate;
use super::plant::live::Live;
use super::plant::swarm::Order;
use super::reading::Consumers;

mod answer;
mod audit;
mod commands;
mod durable;
mod inspect;
mod join;
mod leases;
mod live;
mod membership;
mod status;
mod stream;

pub(super) use commands::Runs;
pub(super) use stream::Places;

/// What the handlers work with.
#[derive(Clone)]
pub(super) struct State {
    pub(super) core: CoreHandle,
    pub(super) gate: Arc<Gate>,
    pub(super) live: Arc<Live>,
    pub(super) durable: Durable,
    pub(super) commands: Commands,
    pub(super) leases: Leases,
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
    /// Binds the socket. A socket left behind by a node that was killed is replaced; the journal's
    /// lock has already shown that no node runs here.
    pub(super) fn bind(path: &Path, state: State) -> Result<Self, ApiError> {
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
        Ok(Self { listener, router: router(state) })
    }

    /// Serves until it is dropped.
    pub(super) async fn run(self) {
        if let Err(error) = axum::serve(self.listener, self.router).await {
            tracing::error!(%error, "the local API ended");
        }
    }
}

fn router(state: State) -> Router {
    Router::new()
        .route("/v1/status", get(status::status))
        .route("/v1/members", get(status::members))
        .route("/v1/invitations", get(membership::invitations))
        .route("/v1/publish", post(live::publish))
        .route("/v1/subscribe", get(live::subscribe))
        .route("/v1/durable", post(durable::publish))
        .route("/v1/history", get(durable::history))
        .route("/v1/export", get(durable::export))
        .route("/v1/consume", get(durable::consume))
        .route("/v1/consume/confirm", post(durable::confirm))
        .route("/v1/verbs", get(commands::verbs))
        .route("/v1/call", post(commands::call))
        .route("/v1/serve", post(commands::serve))
        .route("/v1/serve/answer", post(commands::answer))
        .route("/v1/lease", post(leases::acquire))
        .route("/v1/lease/renew", post(leases::renew))
        .route("/v1/lease/release", post(leases::release))
        .route("/v1/leases", get(leases::list))
        .route("/v1/data/log", get(inspect::log))
        .route("/v1/data/settle", post(inspect::settle))
        .route("/v1/why", get(inspect::why))
        .route("/v1/log", get(audit::log))
        .route(FOLLOW_PATH, get(stream::follow))
        .route(PUBLISH_PATH, get(stream::publish))
        .route("/v1/join", post(join::join))
        .route("/v1/trust/log", get(membership::log))
        .route("/v1/trust/groups", post(membership::store))
        .route("/v1/trust/preview", post(membership::preview))
        .route("/v1/trust/confirmations", get(membership::confirmations))
        .route("/v1/trust/ends", get(membership::ends))
        .fallback(answer::unknown_path)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(DefaultBodyLimit::max(FRAME_BYTES_MAX))
        .with_state(state)
}
