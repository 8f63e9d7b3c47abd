//! A gateway's business with partners: the core of their plane, the bridge, the swarm and the
//! values of the plant, put together. Nothing is decided here.

mod api;
mod commands;
mod feeds;
mod held;
mod journal;
mod missed;
mod moves;
pub mod papers;
mod preview;
mod rings;
mod runtime;
mod schemas;
mod word;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::Router;
use gearmesh_protocol::ids::Incarnation;
use gearmesh_protocol::invite::CODE_ADDRESSES_MAX;
use gearmesh_protocol::topic::TextError;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::clock::Clock;
use super::commands::Commands;
use super::home::{Home, HomeError, create_key, read_key};
use super::journal::OpenError;
use super::local::State;
use super::partner::logs::ShareLogs;
pub use super::partner::swarm::PlaneError as PartnerPlaneError;
use super::partner::swarm::{Listening, ORDERS_MAX, PartnerSwarm};
use super::partner::{Door, Sessions};
use super::reading::Consumers;
use super::values::Values;
use crate::core::bridge::Bridge;
use crate::core::partner::{Partners, Start};
use crate::core::random::Random;
use commands::Commanding;
use feeds::Feeds;
use held::HeldFile;
use missed::Missed;
use rings::Rings;
use runtime::{INPUTS_MAX, REQUESTS_MAX, Runtime};
use schemas::Shelf;
use word::WordFile;

/// The port on which a gateway meets partners if it is not told otherwise.
pub const PARTNER_PORT: u16 = 7440;

/// Why a gateway cannot meet partners.
#[derive(Debug, thiserror::Error)]
pub enum PartnersError {
    /// The key cannot be had.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The partner journal cannot be used.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// The share logs cannot be used.
    #[error("the share logs in {}: {source}", path.display())]
    Logs {
        /// Where they lie.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The name by which gateways read is none.
    #[error(transparent)]
    Name(TextError),
    /// The swarm cannot start.
    #[error(transparent)]
    Plane(#[from] PartnerPlaneError),
}

/// The ways of the partner plane to the plant.
pub(super) struct Ways {
    values: Values,
    commands: Commands,
    consumers: Consumers,
}

impl Ways {
    /// The ways of this node.
    pub(super) fn of(values: Values, state: &State) -> Self {
        let (commands, consumers) = (state.commands.clone(), state.consumers.clone());
        Self { values, commands, consumers }
    }
}

/// The partner plane beside a node, if it is wanted; its part of the local API in any case.
///
/// # Errors
/// It is wanted and cannot start.
pub(super) fn beside(
    home: &Home,
    at: Option<SocketAddr>,
    ways: Ways,
    clock: Clock,
    tasks: &mut JoinSet<()>,
) -> Result<Router, PartnersError> {
    match at {
        Some(at) => start(home, at, ways, clock, tasks),
        None => Ok(api::off()),
    }
}

/// Starts the partner plane beside a node. Its tasks, and its part of the local API.
///
/// # Errors
/// Whatever of it cannot be had; nothing is left running.
fn start(
    home: &Home,
    at: SocketAddr,
    Ways { values, commands, consumers }: Ways,
    clock: Clock,
    tasks: &mut JoinSet<()>,
) -> Result<Router, PartnersError> {
    let folder = home.partners();
    let logs_at = folder.join("shares");
    let failed = |source| PartnersError::Logs { path: logs_at.clone(), source };
    // The folder comes with the logs; key and journal lie beside them.
    let logs = ShareLogs::open(&logs_at).map_err(failed)?;
    let key_at = folder.join("partner.key");
    let key = if key_at.exists() { read_key(&key_at)? } else { create_key(&key_at)? };
    let (journal, records) = journal::open(&folder.join("journal"))?;
    let start = Start {
        key: key.clone(),
        incarnation: Incarnation(drawn()?),
        random: Random::new(drawn()?),
        records,
        tips: logs.tips(),
    };
    let (core, effects) = Partners::restore(start);
    let goes_on = core.live(clock.now()).any(|deal| deal.exports().next().is_some());
    let name = Missed::name().parse().map_err(PartnersError::Name)?;
    let (inputs, waiting) = mpsc::channel(INPUTS_MAX);
    let (orders, waiting_orders) = mpsc::channel(ORDERS_MAX);
    let door = Arc::new(Door::new(key.clone(), inputs.clone(), clock));
    door.set(core.doors(clock.now()));
    let sessions = Sessions::new(clock);
    let plane = (Arc::clone(&door), sessions.clone());
    let swarm = PartnerSwarm::new(&key, plane, inputs, (at, clock))?;
    let (requests, waiting_requests) = mpsc::channel(REQUESTS_MAX);
    let handle = api::Handle {
        requests,
        door: Arc::clone(&door),
        listening: swarm.listening(),
        values: values.clone(),
        consumers: consumers.clone(),
        rings: Rings::default(),
        clock,
    };
    let runtime = Runtime {
        core,
        bridge: Bridge::default(),
        commanding: Commanding::new(commands, values.clone()),
        feeds: Feeds::new(values),
        schemas: Shelf::default(),
        missed: Missed::new(consumers, name),
        held: HeldFile::at(folder.join("held")),
        word: WordFile::open(folder.join("word"), clock.now()),
        held_before: Vec::new(),
        held_at: Duration::ZERO,
        goes_on,
        journal,
        logs,
        door,
        listening: swarm.listening(),
        sessions,
        orders,
        clock,
    };
    tasks.spawn(swarm.run(waiting_orders));
    tasks.spawn(runtime.run(effects, waiting, waiting_requests));
    Ok(api::router(handle))
}

/// Where others may reach this gateway: addresses that they see come first.
fn addresses_of(listening: &Listening) -> Vec<SocketAddr> {
    let listening = listening.lock().unwrap_or_else(PoisonError::into_inner);
    let mut addresses = listening.clone();
    addresses.sort_by_key(|address| address.ip().is_loopback());
    addresses.truncate(CODE_ADDRESSES_MAX);
    addresses
}

fn drawn<const N: usize>() -> Result<[u8; N], HomeError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(HomeError::Random)?;
    Ok(bytes)
}
