//! The swarm's loop: dials, connections, lanes; in the core's words on one side, in libp2p's on
//! the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use futures::StreamExt;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::plant::Address;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, Stream, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, mdns, swarm};
use tokio::sync::mpsc;

use super::behaviour::{Behaviour, BehaviourEvent, Lane, Lanes, Opened};
use super::gate::Gate;
use super::lanes::{LaneContext, LinkQueues, LinkTasks, Streams};
use super::transport::{self, KEY_LOG_VARIABLE, Medium};
use crate::core::plant::{Input, LinkId, LinkUp};
use crate::shell::carrier::address::{is_quic, quic_twin, tcp_twin, without_peer};
use crate::shell::carrier::keys::{keypair, peer_id, public_key};
use crate::shell::listen::{Endpoint, quic_socket_of};

/// Orders that may wait for the swarm.
pub(in crate::shell) const ORDERS_MAX: usize = 1024;

/// How often the loop looks around even when nothing happens, so that counters stay fresh.
const LOOK_AROUND: Duration = Duration::from_millis(500);

/// Looks around after which a connection without lanes is closed: 5 s.
const LOOKS_WITHOUT_LANES_MAX: u32 = 10;

/// What the swarm is told to do.
#[derive(Debug)]
pub(in crate::shell) enum Order {
    /// Dial a member.
    Dial { peer: PublicKey, addresses: Vec<Address> },
    /// Dial whoever answers.
    DialAddress(Address),
    /// Dial one address of an invitation code.
    DialRedeemer(Multiaddr),
    /// Close a link.
    Close(LinkId),
}

/// Why the plant plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum PlaneError {
    /// The key does not work as a transport key.
    #[error("the node's key cannot be used: {0}")]
    Key(String),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the system said.
        cause: String,
    },
    /// Multicast discovery cannot start.
    #[error("cannot discover nodes by multicast: {0}; start with --no-mdns to do without")]
    Mdns(std::io::Error),
}

/// A connection that waits for its lanes, or has them.
struct Connection {
    link: LinkId,
    peer: PublicKey,
    up: LinkUp,
    control: Option<Stream>,
    live: Option<Stream>,
    data: Option<Stream>,
    command: Option<Stream>,
    tasks: Option<LinkTasks>,
    /// How often the loop looked around since the connection stands.
    looks: u32,
}

impl Connection {
    /// The streams of all lanes, once all are open.
    fn take_lanes(&mut self) -> Option<Streams> {
        let lanes = [&self.control, &self.live, &self.data, &self.command];
        if lanes.into_iter().any(Option::is_none) {
            return None;
        }
        let (control, live) = (self.control.take()?, self.live.take()?);
        let (data, command) = (self.data.take()?, self.command.take()?);
        Some(Streams { control, live, data, command })
    }
}

/// Whom an outgoing connection was for.
#[derive(Default)]
struct Dial {
    peer: Option<PublicKey>,
    address: Option<Address>,
    redeemer: Option<Multiaddr>,
    /// Where to dial if it fails without a refusal.
    otherwise: Vec<Multiaddr>,
}

/// The swarm with what belongs to its connections.
pub(in crate::shell) struct PlantSwarm {
    swarm: Swarm<Behaviour>,
    gate: Arc<Gate>,
    context: LaneContext,
    connections: BTreeMap<ConnectionId, Connection>,
    links: BTreeMap<LinkId, ConnectionId>,
    dials: BTreeMap<ConnectionId, Dial>,
    next_link: u64,
    ended: (mpsc::Sender<LinkId>, mpsc::Receiver<LinkId>),
}

impl PlantSwarm {
    pub(in crate::shell) fn new(
        key: &SigningKey,
        (gate, context): (Arc<Gate>, LaneContext),
        with_mdns: bool,
        medium: Medium,
    ) -> Result<Self, PlaneError> {
        let key = keypair(key).map_err(|error| PlaneError::Key(error.to_string()))?;
        let transport = transport::build(&key, Arc::clone(&gate), medium)
            .map_err(|error| PlaneError::Key(error.to_string()))?;
        let me = key.public().to_peer_id();
        let mdns = with_mdns
            .then(|| mdns::tokio::Behaviour::new(mdns::Config::default(), me))
            .transpose()
            .map_err(PlaneError::Mdns)?;
        let behaviour = Behaviour { lanes: Lanes::new(gate.core().clone()), mdns: mdns.into() };
        let config = swarm::Config::with_tokio_executor();
        Ok(Self {
            swarm: Swarm::new(transport, behaviour, me, config),
            gate,
            context,
            connections: BTreeMap::new(),
            links: BTreeMap::new(),
            dials: BTreeMap::new(),
            next_link: 0,
            ended: mpsc::channel(ORDERS_MAX),
        })
    }

    /// Listens everywhere on a TCP port, and on the UDP port of the same number for QUIC if it can
    /// be had; if not, it comes back with why.
    pub(in crate::shell) fn listen_on_all(
        &mut self,
        endpoints: &[Endpoint],
    ) -> Result<Option<String>, PlaneError> {
        let mut without_quic = None;
        for endpoint in endpoints {
            without_quic = without_quic.or(self.listen(endpoint.multiaddr().clone())?);
        }
        Ok(without_quic)
    }

    fn listen(&mut self, address: Multiaddr) -> Result<Option<String>, PlaneError> {
        self.swarm.listen_on(address.clone()).map_err(|error| {
            let cause = root_cause(&error);
            PlaneError::Listen { address: address.clone(), cause }
        })?;
        let Some(twin) = quic_twin(&address) else { return Ok(None) };
        if !transport::has_quic() {
            return Ok(Some(format!("{KEY_LOG_VARIABLE} is set, which would write its keys down")));
        }
        let tried = self.swarm.listen_on(twin.clone());
        let place =
            |twin| quic_socket_of(twin).map_or_else(String::new, |at| format!("UDP {at}: "));
        Ok(tried.err().map(|error| format!("{}{}", place(&twin), root_cause(&error))))
    }

    /// Runs until the orders end.
    pub(in crate::shell) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut look_around = tokio::time::interval(LOOK_AROUND);
        look_around.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event).await,
                order = orders.recv() => match order {
                    Some(order) => self.carry_out(order).await,
                    None => return,
                },
                Some(link) = self.ended.1.recv() => self.close(link),
                _ = look_around.tick() => {
                    let refused = self.swarm.behaviour().lanes.refused();
                    self.context.counters.refused_connections.set(refused);
                    self.sweep();
                }
            }
        }
    }

    async fn carry_out(&mut self, order: Order) {
        match order {
            Order::Dial { peer, addresses } => self.dial_member(peer, &addresses).await,
            Order::DialAddress(address) => {
                let Ok(target) = address.as_str().parse::<Multiaddr>() else { return };
                let dial = Dial { address: Some(address), ..Dial::default() };
                self.dial(DialOpts::unknown_peer_id().address(target).build(), dial).await;
            }
            Order::DialRedeemer(target) => {
                let options =
                    DialOpts::unknown_peer_id().address(target.clone()).allocate_new_port();
                let dial = Dial { redeemer: Some(target), ..Dial::default() };
                self.dial(options.build(), dial).await;
            }
            Order::Close(link) => self.close(link),
        }
    }

    async fn dial_member(&mut self, peer: PublicKey, addresses: &[Address]) {
        let addresses = addresses.iter().filter_map(|address| address.as_str().parse().ok());
        // TCP carries more (docs/decisions/0007); QUIC is for networks that do not let it through.
        // Whoever listens for QUIC listens for TCP on the port of the same number.
        let (quic, mut tcp): (Vec<Multiaddr>, Vec<_>) = addresses.partition(is_quic);
        let twins: Vec<_> = quic.iter().filter_map(tcp_twin).collect();
        tcp.extend(twins);
        tcp.sort_unstable();
        tcp.dedup();
        self.dial_first(peer, tcp, quic).await;
    }

    async fn dial_first(
        &mut self,
        peer: PublicKey,
        first: Vec<Multiaddr>,
        otherwise: Vec<Multiaddr>,
    ) {
        let Some(id) = peer_id(&peer) else { return };
        let (first, otherwise) =
            if first.is_empty() { (otherwise, first) } else { (first, otherwise) };
        let options = DialOpts::peer_id(id)
            .addresses(first)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .allocate_new_port()
            .build();
        let dial = Dial { peer: Some(peer), otherwise, ..Dial::default() };
        self.dial(options, dial).await;
    }

    async fn dial(&mut self, options: DialOpts, dial: Dial) {
        let id = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => {
                self.dials.insert(id, dial);
            }
            Err(error) => self.report_failed(dial, None, &error.to_string()).await,
        }
    }

    /// Closes connections whose lanes were never opened, of which the core has not heard, and
    /// those of keys that are no members any more.
    fn sweep(&mut self) {
        let view = self.context.core.view();
        for (id, connection) in &mut self.connections {
            connection.looks += 1;
            let has_lanes = connection.tasks.is_some();
            let is_late = !has_lanes && connection.looks > LOOKS_WITHOUT_LANES_MAX;
            if is_late || view.author(&connection.peer).is_none() {
                self.swarm.close_connection(*id);
            }
        }
    }

    fn close(&mut self, link: LinkId) {
        if let Some(id) = self.links.get(&link) {
            self.swarm.close_connection(*id);
        }
    }

    async fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Lanes(opened)) => self.on_lane(opened).await,
            SwarmEvent::Behaviour(BehaviourEvent::Mdns(event)) => self.on_mdns(event).await,
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.dials.remove(&connection_id);
                let address = endpoint.get_remote_address().clone();
                self.on_established(&peer_id, connection_id, &address, endpoint.is_dialer());
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                self.on_closed(connection_id).await;
            }
            SwarmEvent::OutgoingConnectionError { connection_id, peer_id, error } => {
                let Some(mut dial) = self.dials.remove(&connection_id) else { return };
                let refusal = peer_id.and_then(|peer| self.gate.take_refusal(&peer));
                let otherwise = std::mem::take(&mut dial.otherwise);
                if let (None, Some(peer), [_, ..]) = (refusal, dial.peer, &otherwise[..]) {
                    self.dial_first(peer, otherwise, Vec::new()).await;
                    return;
                }
                self.report_failed(dial, refusal, &error.to_string()).await;
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                tracing::info!(%address, "listening");
                self.report_listening().await;
            }
            SwarmEvent::ExpiredListenAddr { .. } | SwarmEvent::ListenerClosed { .. } => {
                self.report_listening().await;
            }
            _ => {}
        }
    }

    async fn on_mdns(&mut self, event: mdns::Event) {
        let mdns::Event::Discovered(found) = event else { return };
        for (peer, address) in found {
            let address: Result<Address, _> = without_peer(&address).to_string().try_into();
            if let (Some(peer), Ok(address)) = (public_key(&peer), address) {
                self.context.core.tell(Input::Discovered { peer, address }).await;
            }
        }
    }

    fn on_established(
        &mut self,
        peer: &PeerId,
        id: ConnectionId,
        address: &Multiaddr,
        is_dialer: bool,
    ) {
        let greetings = self.gate.take_admitted(peer, address);
        let text: Result<Address, _> = without_peer(address).to_string().try_into();
        let (Some(greetings), Some(key), Ok(address)) = (greetings, public_key(peer), text) else {
            self.swarm.close_connection(id);
            return;
        };
        self.next_link += 1;
        let link = LinkId(self.next_link);
        let (ours, theirs) = (greetings.ours, greetings.theirs);
        let up = LinkUp { link, peer: key, is_dialer, ours, theirs, address };
        self.links.insert(link, id);
        let connection = Connection {
            link,
            peer: key,
            up,
            control: None,
            live: None,
            data: None,
            command: None,
            tasks: None,
            looks: 0,
        };
        self.connections.insert(id, connection);
    }

    async fn on_lane(&mut self, opened: Opened) {
        let Some(connection) = self.connections.get_mut(&opened.connection) else { return };
        if connection.tasks.is_some() || Some(connection.peer) != public_key(&opened.peer) {
            return;
        }
        match opened.lane {
            Lane::Control => connection.control = Some(opened.stream),
            Lane::Live => connection.live = Some(opened.stream),
            Lane::Data => connection.data = Some(opened.stream),
            Lane::Command => connection.command = Some(opened.stream),
        }
        let Some(streams) = connection.take_lanes() else { return };
        let (link, peer) = (connection.link, connection.peer);
        let queues = LinkQueues::open(&self.context, link);
        self.context.core.tell(Input::LinkUp(connection.up.clone())).await;
        let tasks = queues.start(&self.context, peer, streams, &self.ended.0);
        connection.tasks = Some(tasks);
    }

    async fn on_closed(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else { return };
        self.links.remove(&connection.link);
        self.context.control.close(connection.link);
        self.context.data.close(connection.link);
        self.context.command.close(connection.link);
        self.context.live.close_queue(connection.link);
        if connection.tasks.is_some() {
            self.context.core.tell(Input::LinkDown { link: connection.link }).await;
        }
    }

    async fn report_failed(
        &mut self,
        dial: Dial,
        refusal: Option<gearmesh_protocol::refusal::Refusal>,
        cause: &str,
    ) {
        if let Some(address) = &dial.redeemer {
            self.gate.report_join_failure(address, refusal, cause);
        }
        let (peer, address) = (dial.peer, dial.address);
        tracing::debug!(?peer, ?address, ?refusal, cause, "a dial failed");
        self.context.core.tell(Input::DialFailed { peer, address, refusal }).await;
    }

    async fn report_listening(&mut self) {
        let mut addresses: Vec<&Multiaddr> = self.swarm.listeners().collect();
        // What is told to others is bounded, from the front.
        addresses.sort_by_key(|address| is_quic(address));
        let addresses = addresses.iter().filter_map(|address| address.to_string().try_into().ok());
        self.context.core.tell(Input::Listening { addresses: addresses.collect() }).await;
    }
}

/// What lies at the bottom of an error: the layers above it say nothing of their own.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
