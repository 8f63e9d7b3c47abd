//! The start-up story of a node, and how it ends.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use ed25519_dalek::SigningKey;
use gearmesh_protocol::ids::{GroupId, Incarnation, PublicKey};
use gearmesh_protocol::invite::Code;
use gearmesh_protocol::lease::Resource;
use gearmesh_protocol::limits::RESOURCES_MAX;
use gearmesh_protocol::plant::Address;
use gearmesh_protocol::topic::TopicFilter;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::allocator::keep_what_is_freed;
use super::ballast::Ballast;
use super::belonging::{Held, keep_plant_note};
use super::carrier::tls::collect_entropy;
use super::clock::Clock;
use super::commands::Commands;
use super::core_handle::{CoreHandle, INPUTS_MAX, OpenTickets};
use super::counters::Counters;
use super::data::{DataError, DataStore, Shelf};
use super::data_effects::DataEffects;
use super::durable::Durable;
use super::home::{Home, HomeError};
use super::items::Items;
use super::journal::{AppendError, Journal, OpenError};
use super::leases::Leases;
use super::listen::{DEFAULT_PORT, Endpoint, default_endpoints, is_taken, next_free, socket_of};
use super::local::{self, ApiError, TcpApiError, TcpServer};
use super::news::News;
use super::partners::{self, PartnersError};
use super::plant::claims::Claims;
use super::plant::finder::Finder;
use super::plant::gate::Gate;
use super::plant::lanes::LaneContext;
use super::plant::live::Live;
use super::plant::swarm::{ORDERS_MAX, PlaneError, PlantSwarm};
use super::plant::transport::Medium;
use super::port_claim::PortClaim;
use super::reading::{Consumers, Cursors, Members, Sources};
use super::runtime::{Runtime, WRITTEN_MAX, lines};
use super::source::{card, host};
use super::tokens::{Tokens, TokensError};
use super::values::Values;
use crate::config::Card;
use crate::core::plant::chain::Extent;
use crate::core::plant::claimable::Opening;
use crate::core::plant::data::Keep;
use crate::core::plant::news::Line;
use crate::core::plant::{Input, Plant, Start};
use crate::core::random::Random;
use crate::core::record::Record;

/// How a node is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its home directory.
    pub home: PathBuf,
    /// Where to listen; empty means every interface at the default port.
    pub listen: Vec<Endpoint>,
    /// Members to dial besides those that are found.
    pub connect: Vec<Endpoint>,
    /// Whether to find other nodes by multicast.
    pub mdns: bool,
    /// Whether to publish the machine's own values.
    pub host: bool,
    /// How much of durable values is kept, and for how long.
    pub keep: Keep,
    /// What is wired to this machine, for which it gives leases.
    pub resources: Vec<Resource>,
    /// What the board follows all the time.
    pub follow: Vec<TopicFilter>,
    /// What the machine is.
    pub card: Card,
    /// Where programs with a token reach the API, besides the socket in the home.
    pub api: Option<SocketAddr>,
    /// Where to meet partners, on a gateway that does.
    pub partners: Option<SocketAddr>,
    /// How a machine without a plant lets itself be found and claimed, if it does.
    pub claimable: Option<Opening>,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Another node runs in this home.
    #[error("a node is running in {} already", home.display())]
    Running {
        /// The home.
        home: PathBuf,
    },
    /// The journal is of a member whose key is gone; a new key would be a stranger.
    #[error("the key of the member in {} is gone", home.display())]
    KeyMissing {
        /// The home.
        home: PathBuf,
    },
    /// The key is of one member and the journal of another: parts of two copies got mixed.
    #[error("the key in {} is not of the member whose journal is there", home.display())]
    KeyForeign {
        /// The home.
        home: PathBuf,
    },
    /// The home is of a member whose journal is gone, or holds no plant any more.
    #[error(
        "the journal in {home} holds nothing of the plant {plant:?}, to which the node belongs"
    )]
    JournalMissing {
        /// The home.
        home: PathBuf,
        /// What the plant is called.
        plant: String,
    },
    /// Its journal cannot be used.
    #[error(transparent)]
    Journal(OpenError),
    /// Its journal cannot be written.
    #[error("the journal cannot be written: {0}")]
    Append(#[from] AppendError),
    /// Its data logs cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The plant plane cannot start.
    #[error(transparent)]
    Plane(#[from] PlaneError),
    /// Somebody listens there already.
    #[error("{address} is taken by another program")]
    PortInUse {
        /// The address.
        address: String,
    },
    /// No port is left.
    #[error("no port is free from {DEFAULT_PORT} on")]
    NoPort,
    /// One name stands for two resources, or there are too many.
    #[error("a machine has at most {RESOURCES_MAX} resources, each with a name of its own")]
    Resources,
    /// The local API cannot start.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The API is to be reached over the network from elsewhere.
    #[error("{address} is no address of this machine alone")]
    ApiNotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The API cannot listen where it is to.
    #[error(transparent)]
    TcpApi(#[from] TcpApiError),
    /// Nobody can be let in by the tokens.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The partner plane cannot start.
    #[error(transparent)]
    Partners(#[from] PartnersError),
}

/// A node that runs.
pub struct Node {
    pub(super) core: CoreHandle,
    pub(super) live: Arc<Live>,
    pub(super) durable: Durable,
    pub(super) commands: Commands,
    pub(super) leases: Leases,
    pub(super) items: Items,
    gate: Arc<Gate>,
    listening: Listening,
    ends: Ends,
}

/// What a node ends when it stops.
struct Ends {
    tasks: JoinSet<()>,
    journal: Journal,
    store: DataStore,
    socket: PathBuf,
    runtime: tokio::task::JoinHandle<()>,
}

impl Node {
    /// Starts a node: home, key, journal, core, swarm, local API, sources, in this order.
    ///
    /// # Errors
    /// Whatever of these cannot be had; nothing is left running.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let clock = Clock::start();
        keep_what_is_freed();
        tokio::task::spawn_blocking(collect_entropy);
        check_resources(&options.resources)?;
        let home = Home::open(&options.home)?;
        let (key, journal, records) = held(&home)?;
        let mut listening = Listening::claim(&options)?;
        let (store, stored) = DataStore::open(&home.data(), None, &options.keep, clock)?;
        let stores = (&store, stored.extents());
        let plant = restored(&key, (&journal, records), stores, &options).await?;
        let (inputs, waiting_inputs) = mpsc::channel(INPUTS_MAX);
        let (orders, waiting_orders) = mpsc::channel(ORDERS_MAX);
        let (view, views) = watch::channel(Arc::new(plant.view()));
        let (tickets, counters) = (Arc::new(OpenTickets::default()), Arc::new(Counters::default()));
        let core = CoreHandle::new(inputs, views, Arc::clone(&tickets));
        let (gate, claimed) = gate(&core, (clock, &counters), &home, options.claimable)?;
        let live = Arc::new(Live::new(core.view(), clock, Arc::clone(&counters)));
        let (heard, written) = (Arc::new(Shelf::default()), mpsc::channel(WRITTEN_MAX));
        let lanes = LaneContext::new(core.clone(), Arc::clone(&live), Arc::clone(&counters));
        let commands = Commands::beside(&lanes, clock);
        let (plane, medium) = ((Arc::clone(&gate), lanes.clone()), medium_of(&listening.endpoints));
        let (leases, items) =
            (Leases::new(core.clone(), clock), Items::new(core.clone(), store.clone()));
        let mut swarm = PlantSwarm::new(&key, plane, options.mdns, medium)?;
        listening.without_quic = swarm.listen_on_all(&listening.endpoints)?;
        let (durable, wishes) =
            Durable::new(core.clone(), Arc::clone(&live), Arc::clone(&counters));
        let (stores, members) = ((store.clone(), Arc::clone(&heard)), (&lanes, orders.clone()));
        let runtime = Runtime {
            plant,
            clock,
            journal: journal.clone(),
            orders: orders.clone(),
            data: DataEffects::start(stores, members, written.0.clone()),
            commands: commands.effects(store.clone(), &lanes, orders.clone()),
            leases: leases.watchers(),
            lanes,
            view,
            tickets,
            inputs: waiting_inputs,
            wishes,
            written,
        };
        let state = local::State {
            core: core.clone(),
            gate: Arc::clone(&gate),
            finder: Arc::new(Finder::new(&key, Arc::clone(&gate), options.mdns)),
            live: Arc::clone(&live),
            durable: durable.clone(),
            commands: commands.clone(),
            leases: leases.clone(),
            items: items.clone(),
            runs: local::Runs::default(),
            consumers: consumers(&core, (store.clone(), heard), &durable, &home),
            store: store.clone(),
            counters,
            clock,
            orders,
            streams: local::Places::default(),
        };
        let (socket, mut tasks) = (home.socket(), JoinSet::new());
        let ways = partners::Ways::of(Values::new(&core, &live, &durable), &state);
        let more = partners::beside(&home, options.partners, ways, clock, &mut tasks)?;
        listening.api = serve(&mut tasks, (state, more), claimed, options.api, &home)?;
        background(&core, &live, clock, home, options, &mut tasks);
        tasks.spawn(swarm.run(waiting_orders));
        let ends = Ends { tasks, journal, store, socket, runtime: tokio::spawn(runtime.run()) };
        Ok(Self { core, live, durable, commands, leases, items, gate, listening, ends })
    }

    /// Where the node listens, once the system has said so.
    pub async fn listening(&self) -> Vec<SocketAddr> {
        let mut views = self.core.views();
        let known = views.wait_for(|view| !view.listening.is_empty());
        let Ok(Ok(view)) = tokio::time::timeout(LISTENING_MAX, known).await else {
            return Vec::new();
        };
        let parse = |address: &Address| socket_of(&address.as_str().parse().ok()?);
        view.listening.iter().filter_map(parse).collect()
    }

    /// Where programs with a token reach the API, if it is on a port.
    #[must_use]
    pub const fn api_address(&self) -> Option<SocketAddr> {
        self.listening.api
    }

    /// Whether the node chose its port itself.
    #[must_use]
    pub const fn uses_default_port(&self) -> bool {
        self.listening.any_port
    }

    /// Why the node does not listen for QUIC beside TCP somewhere, if it does not.
    #[must_use]
    pub fn without_quic(&self) -> Option<&str> {
        self.listening.without_quic.as_deref()
    }

    /// What changes in the plant from now on, and what needs a person already.
    #[must_use]
    pub fn news(&self) -> News {
        News::new(self.core.views())
    }

    /// Says who sees and claims this machine, as long as the node runs. Says it once.
    pub async fn tell_claims(&self, say: impl Fn(&Line)) {
        let lines = self.gate.claims().and_then(|claims| claims.lines());
        if let Some(mut lines) = lines {
            while let Some(line) = lines.recv().await {
                say(&line);
            }
        }
        // Who waits for this waits for something else as well.
        std::future::pending().await
    }

    /// The plant this node belongs to, once it has joined.
    #[must_use]
    pub fn plant_name(&self) -> Option<String> {
        self.core.view().roster.as_ref().map(|roster| roster.name().as_str().to_owned())
    }

    /// Runs until `stop` is ready, then stops in good order.
    pub async fn run_until(self, stop: impl Future<Output = ()>) {
        stop.await;
        self.stop().await;
    }

    /// Says goodbye to all members, makes the journal durable, and ends.
    pub async fn stop(self) {
        self.core.tell(Input::Stop).await;
        let Ends { mut tasks, journal, store, socket, runtime } = self.ends;
        drop(runtime.await);
        // The goodbyes are in the links' queues; their writers get a moment to hand them over.
        tokio::time::sleep(FAREWELL).await;
        tasks.shutdown().await;
        drop(std::fs::remove_file(&socket));
        store.close().await;
        journal.close().await;
    }
}

/// What admissions share, and the codes of claims that are to be followed.
fn gate(
    core: &CoreHandle,
    (clock, counters): (Clock, &Arc<Counters>),
    home: &Home,
    opening: Option<Opening>,
) -> Result<(Arc<Gate>, mpsc::Receiver<Arc<Code>>), StartError> {
    let gate = Arc::new(Gate::new(core.clone(), clock, random()?, Arc::clone(counters)));
    let (claims, claimed) = Claims::new(opening, clock, home.clone());
    gate.open_to(claims);
    Ok((gate, claimed))
}

/// Serves the local API and what is beside it, also by TCP if an address is given, and says where that is.
fn serve(
    tasks: &mut JoinSet<()>,
    (state, more): (local::State, Router),
    claimed: mpsc::Receiver<Arc<Code>>,
    address: Option<SocketAddr>,
    home: &Home,
) -> Result<Option<SocketAddr>, StartError> {
    if let Some(claims) = state.gate.claims().map(Arc::clone) {
        tasks.spawn(local::follow_claims(state.clone(), claims, claimed));
    }
    let api = local::Server::bind(&home.socket(), state.clone(), more)?;
    tasks.spawn(api.for_visits(&state));
    let tcp = address.map(|address| tcp_api(&api, address, home)).transpose()?;
    tasks.spawn(api.run());
    let Some(tcp) = tcp else { return Ok(None) };
    let address = tcp.address();
    tasks.spawn(tcp.run());
    Ok(address)
}

/// The API on a port of loopback. Tokens that others could read open nothing, and somebody should know
/// at the start.
fn tcp_api(api: &local::Server, address: SocketAddr, home: &Home) -> Result<TcpServer, StartError> {
    if !address.ip().is_loopback() {
        return Err(StartError::ApiNotLoopback { address });
    }
    let tokens = Tokens::of(home);
    tokens.all()?;
    Ok(api.on_tcp(address, tokens)?)
}

/// Readers by name: of the own store, or of what was heard of members' copies.
fn consumers(
    core: &CoreHandle,
    (store, heard): (DataStore, Arc<Shelf>),
    durable: &Durable,
    home: &Home,
) -> Consumers {
    let sources = Sources::new(store, Members::new(core.clone(), heard));
    let cursors = Cursors::in_folder(home.cursors());
    Consumers::new(core.clone(), sources, durable.clone(), cursors)
}

/// Its key, its journal, and what that held. The journal's lock comes first: two starts in a fresh home
/// must not draw two keys.
fn held(home: &Home) -> Result<(SigningKey, Journal, Vec<Record>), StartError> {
    let held = Held::open(home)?;
    let key = held.key(home)?;
    let Held { journal, records, .. } = held;
    Ok((key, journal, records))
}

/// The core's state that follows from journal and store, in a new life.
async fn restored(
    key: &SigningKey,
    (journal, records): (&Journal, Vec<Record>),
    (store, data): (&DataStore, BTreeMap<PublicKey, Extent>),
    options: &Options,
) -> Result<Plant, StartError> {
    Ok(Plant::restore(Start {
        key: key.clone(),
        incarnation: begin_life(journal).await?,
        random: random()?,
        records,
        data,
        own_ends: own_ends(store, PublicKey::of(key)).await,
        keep: options.keep,
        seeds: addresses(&options.connect),
        resources: options.resources.clone(),
    }))
}

/// Draws a life, and writes it down before anything is said in its name.
async fn begin_life(journal: &Journal) -> Result<Incarnation, StartError> {
    let incarnation = Incarnation(random_bytes()?);
    journal.append(lines(&[Record::Incarnation(incarnation)])).await?;
    Ok(incarnation)
}

/// The ends of the own data log and the lives that wrote them. Where the disk does not say it any
/// more, the node goes on behind the longest branch.
async fn own_ends(store: &DataStore, me: PublicKey) -> Vec<(GroupId, Incarnation)> {
    store.written_by(me).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "nobody knows which branch of the own log this node wrote");
        Vec::new()
    })
}

/// What goes on beside the swarm and the local API.
fn background(
    core: &CoreHandle,
    live: &Arc<Live>,
    clock: Clock,
    home: Home,
    options: Options,
    tasks: &mut JoinSet<()>,
) {
    tasks.spawn(Ballast::beside(&home.journal()).keep(core.clone()));
    tasks.spawn(keep_plant_note(core.clone(), home));
    tasks.spawn(keep_interest(core.clone(), Arc::clone(live)));
    tasks.spawn(card::run(core.clone(), Arc::clone(live), clock, options.card));
    for filter in options.follow {
        tasks.spawn(follow(Arc::clone(live), filter));
    }
    if options.host {
        tasks.spawn(host::run(core.clone(), Arc::clone(live), clock));
    }
}

/// How long the system may take to name the addresses that a node listens on.
const LISTENING_MAX: std::time::Duration = std::time::Duration::from_secs(2);

/// How long goodbyes may take to leave.
const FAREWELL: std::time::Duration = std::time::Duration::from_millis(100);

/// Tells the core whenever what local subscribers follow changes.
async fn keep_interest(core: CoreHandle, live: Arc<Live>) {
    loop {
        let filters = live.interest_changed().await;
        if !core.tell(Input::Interest { filters }).await {
            return;
        }
    }
}

/// Follows a filter, so that the board knows the last value of what it matches.
async fn follow(live: Arc<Live>, filter: TopicFilter) {
    let subscription = match live.subscribe(filter) {
        Ok(subscription) => subscription,
        Err(error) => return tracing::warn!(%error, "the board does not follow what it is to"),
    };
    let mut values = Vec::new();
    loop {
        subscription.next_many(&mut values, 1024).await;
        values.clear();
    }
}

/// Where a node listens.
struct Listening {
    endpoints: Vec<Endpoint>,
    /// Whether the node chose every port.
    any_port: bool,
    /// Why not for QUIC beside TCP, if somewhere not.
    without_quic: Option<String>,
    /// Where programs with a token reach the API, if it is on a port.
    api: Option<SocketAddr>,
    /// Kept for their drop: then others may listen there.
    _claims: Vec<PortClaim>,
}

impl Listening {
    fn claim(options: &Options) -> Result<Self, StartError> {
        let (endpoints, claims) = if options.listen.is_empty() {
            let (endpoints, claim) = default_endpoints().ok_or(StartError::NoPort)?;
            (endpoints, vec![claim])
        } else {
            let claimed: Vec<_> = options.listen.iter().map(claimed).collect::<Result<_, _>>()?;
            let (endpoints, claims): (_, Vec<_>) = claimed.into_iter().unzip();
            (endpoints, claims.into_iter().flatten().collect())
        };
        let any_port = options.listen.iter().all(Endpoint::has_any_port);
        let partners = options.partners.map(|at| claimed(&Endpoint::of(at))).transpose()?;
        let claims = claims.into_iter().chain(partners.and_then(|(_, claim)| claim)).collect();
        Ok(Self { endpoints, any_port, without_quic: None, api: None, _claims: claims })
    }
}

/// An endpoint with its port chosen, and the claim on it if it has a TCP port.
fn claimed(endpoint: &Endpoint) -> Result<(Endpoint, Option<PortClaim>), StartError> {
    let Some(address) = endpoint.socket() else { return Ok((endpoint.clone(), None)) };
    if endpoint.has_any_port() {
        let (address, claim) = next_free(address.ip()).ok_or(StartError::NoPort)?;
        return Ok((Endpoint::of(address), Some(claim)));
    }
    let claim = PortClaim::take(&address).filter(|_| !is_taken(&address));
    let claim = claim.ok_or_else(|| StartError::PortInUse { address: address.to_string() })?;
    Ok((endpoint.clone(), Some(claim)))
}

/// Whoever listens in memory alone does without a network.
fn medium_of(endpoints: &[Endpoint]) -> Medium {
    match endpoints.iter().all(Endpoint::is_in_memory) {
        true => Medium::Memory,
        false => Medium::Network,
    }
}

fn addresses(endpoints: &[Endpoint]) -> Vec<Address> {
    let text = |endpoint: &Endpoint| endpoint.multiaddr().to_string().try_into().ok();
    endpoints.iter().filter_map(text).collect()
}

fn random_bytes() -> Result<[u8; 16], StartError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(HomeError::Random)?;
    Ok(bytes)
}

fn random() -> Result<Random, StartError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(HomeError::Random)?;
    Ok(Random::new(seed))
}

fn check_resources(resources: &[Resource]) -> Result<(), StartError> {
    let names: BTreeSet<_> = resources.iter().map(|resource| &resource.name).collect();
    match names.len() == resources.len() && names.len() <= RESOURCES_MAX {
        true => Ok(()),
        false => Err(StartError::Resources),
    }
}
