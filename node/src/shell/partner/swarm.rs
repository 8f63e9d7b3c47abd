//! The partner plane's swarm: dials, connections, sessions and gossip, in the core's words on one
//! side and in libp2p's on the other.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use futures::StreamExt;
use gearmesh_protocol::ids::{Nonce, PublicKey};
use gearmesh_protocol::limits::GOSSIP_BYTES_MAX;
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::refusal::Refusal;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::gossipsub::{self, MessageAcceptance, MessageId};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, Transport, swarm, tcp};
use tokio::sync::mpsc;

use super::admission::admit;
use super::behaviour::{Behaviour, BehaviourEvent, Opened, Streams};
use super::door::Door;
use super::gossip::{self, nonce_of, topic_of, topic_score};
use super::guard::Watched;
use super::session::{Begun, Over, Sessions};
use crate::core::partner::{Grounds, Input, MessageTag, Offence, SessionId, Verdict};
use crate::shell::carrier::keys::{keypair, peer_id, public_key};
use crate::shell::carrier::secure::{CONNECTED_MAX, secured};
use crate::shell::clock::Clock;
use crate::shell::listen::{Endpoint, socket_of};

/// Orders that may wait for the swarm.
pub(in crate::shell) const ORDERS_MAX: usize = 1024;

/// Without a tick gossipsub's heartbeat stalls on an idle swarm.
const TICK: Duration = Duration::from_millis(250);

/// Gossip messages that wait for a verdict; the oldest is ignored.
const JUDGED_MAX: usize = 1024;

/// Messages of one gateway that no honest one sends, until it is closed.
const REJECTED_MAX: u32 = 16;

/// What the swarm is told to do.
#[derive(Debug)]
pub(in crate::shell) enum Order {
    /// Dial a partner's gateway.
    Dial { peer: PublicKey, addresses: Vec<String> },
    /// Ask whoever answers there who has the place of a partner's gateway.
    Ask { addresses: Vec<String> },
    /// Dial the gateway that a followed share link leads to.
    DialLink { link: PublicKey },
    /// Gossip a message.
    Publish { topic: Nonce, bytes: Vec<u8> },
    /// Hear a topic.
    Subscribe(Nonce),
    /// Hear it no more.
    Unsubscribe(Nonce),
    /// What a message is worth.
    Judge { message: MessageTag, verdict: Verdict },
}

/// Why the partner plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum PlaneError {
    /// The key does not work as a transport key.
    #[error("the gateway's partner key cannot be used: {0}")]
    Key(String),
    /// The address cannot be listened on.
    #[error("cannot listen for partners on {address}: {cause}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        cause: String,
    },
}

/// A share link that is dialled: where to try next.
struct LinkDial {
    link: PublicKey,
    rest: VecDeque<SocketAddr>,
}

/// Addresses on which the plane listens, as others see them.
pub(in crate::shell) type Listening = Arc<Mutex<Vec<SocketAddr>>>;

/// The swarm with what belongs to its connections.
pub(in crate::shell) struct PartnerSwarm {
    swarm: Swarm<Behaviour>,
    door: Arc<Door>,
    sessions: Sessions,
    inputs: mpsc::Sender<Input>,
    listening: Listening,
    /// Why each connection was let in, and by whom.
    connections: BTreeMap<ConnectionId, (PublicKey, Grounds, bool)>,
    links: BTreeMap<ConnectionId, LinkDial>,
    asked: BTreeMap<ConnectionId, Multiaddr>,
    judged: VecDeque<(MessageTag, MessageId, PeerId)>,
    rejected: BTreeMap<PeerId, u32>,
    next: u64,
    ended: (mpsc::Sender<Over>, mpsc::Receiver<Over>),
}

impl PartnerSwarm {
    pub(in crate::shell) fn new(
        key: &SigningKey,
        (door, sessions): (Arc<Door>, Sessions),
        inputs: mpsc::Sender<Input>,
        (at, clock): (SocketAddr, Clock),
    ) -> Result<Self, PlaneError> {
        let key = keypair(key).map_err(|error| PlaneError::Key(error.to_string()))?;
        let bare = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
        let carried = secured(bare, &key).map_err(|error| PlaneError::Key(error.to_string()))?;
        let admitted = TransportTimeout::new(admit(carried, Arc::clone(&door)), CONNECTED_MAX);
        let gossip = gossip::behaviour(&door, clock).map_err(PlaneError::Key)?;
        let behaviour = Behaviour { streams: Streams::default(), gossip };
        let me = key.public().to_peer_id();
        let config = swarm::Config::with_tokio_executor();
        let mut swarm = Swarm::new(admitted.boxed(), behaviour, me, config);
        let listened = swarm.listen_on(Endpoint::of(at).multiaddr().clone());
        listened.map_err(|error| PlaneError::Listen { address: at, cause: error.to_string() })?;
        Ok(Self {
            swarm,
            door,
            sessions,
            inputs,
            listening: Listening::default(),
            connections: BTreeMap::new(),
            links: BTreeMap::new(),
            asked: BTreeMap::new(),
            judged: VecDeque::new(),
            rejected: BTreeMap::new(),
            next: 0,
            ended: mpsc::channel(ORDERS_MAX),
        })
    }

    /// Where it listens, as it learns it.
    pub(in crate::shell) fn listening(&self) -> Listening {
        Arc::clone(&self.listening)
    }

    /// Runs until the orders end.
    pub(in crate::shell) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event),
                order = orders.recv() => match order {
                    Some(order) => self.carry_out(order),
                    None => return,
                },
                Some(over) = self.ended.1.recv() => self.on_over(over),
                _ = tick.tick() => {
                    self.close_strangers();
                    self.tell_beside();
                    self.swarm.behaviour_mut().gossip.tidy();
                }
            }
        }
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Dial { peer, addresses } => self.dial(&peer, &addresses),
            Order::Ask { addresses } => self.ask(&addresses),
            Order::DialLink { link } => {
                let addresses = self.door.followed(&link).map(|it| it.addresses().to_vec());
                let rest = addresses.unwrap_or_default().into();
                self.dial_link(LinkDial { link, rest });
            }
            Order::Publish { topic, bytes } => {
                if bytes.len() > GOSSIP_BYTES_MAX {
                    tracing::error!(bytes = bytes.len(), "a message is too long to be gossiped");
                    return;
                }
                // Whoever does not hear it now learns of it by the next head.
                if let Err(error) =
                    self.swarm.behaviour_mut().gossip.inner.publish(topic_of(&topic), bytes)
                {
                    tracing::debug!(%error, "nobody hears it");
                }
            }
            Order::Subscribe(topic) => {
                let (gossip, topic) =
                    (&mut self.swarm.behaviour_mut().gossip.inner, topic_of(&topic));
                if let Err(error) = gossip.subscribe(&topic) {
                    tracing::warn!(%error, "a partner's topic cannot be heard");
                }
                if let Err(error) = gossip.set_topic_params(topic, topic_score()) {
                    tracing::error!(error, "a topic is not scored");
                }
            }
            Order::Unsubscribe(topic) => {
                self.swarm.behaviour_mut().gossip.inner.unsubscribe(&topic_of(&topic));
            }
            Order::Judge { message, verdict } => self.judge(message, verdict),
        }
    }

    fn dial(&mut self, peer: &PublicKey, addresses: &[String]) {
        let Some(id) = peer_id(peer) else { return };
        let sockets = addresses.iter().filter_map(|text| text.parse::<SocketAddr>().ok());
        let addresses: Vec<Multiaddr> =
            sockets.map(|socket| Endpoint::of(socket).multiaddr().clone()).collect();
        // A connection for gossip alone is none for a session.
        let mut of_peer = self.connections.values().filter(|(key, ..)| key == peer).peekable();
        let is_for_gossip = of_peer.peek().is_some()
            && of_peer.all(|(_, grounds, _)| *grounds == Grounds::CoReceiver)
            && self.door.doors().hosts.contains(peer);
        let condition = match is_for_gossip {
            true => PeerCondition::NotDialing,
            false => PeerCondition::DisconnectedAndNotDialing,
        };
        let options = DialOpts::peer_id(id)
            .addresses(addresses)
            .condition(condition)
            .allocate_new_port()
            .build();
        if let Err(error) = self.swarm.dial(options) {
            tracing::debug!(%error, "a partner is not dialled");
        }
    }

    /// Dials addresses, whoever answers there.
    fn ask(&mut self, addresses: &[String]) {
        for socket in addresses.iter().filter_map(|text| text.parse::<SocketAddr>().ok()) {
            let address = Endpoint::of(socket).multiaddr().clone();
            if !self.door.ask(&address) {
                continue;
            }
            let options = DialOpts::unknown_peer_id().address(address.clone());
            let options = options.allocate_new_port().build();
            let id = options.connection_id();
            match self.swarm.dial(options) {
                Ok(()) => drop(self.asked.insert(id, address)),
                Err(_) => self.door.ask_no_more(&address),
            }
        }
    }

    /// A dial to an address where somebody is asked succeeded or failed.
    fn answered(&mut self, connection: &ConnectionId) {
        if let Some(address) = self.asked.remove(connection) {
            self.door.ask_no_more(&address);
        }
    }

    /// Tries the next address of a link; says so when there is none left.
    fn dial_link(&mut self, mut dial: LinkDial) {
        while let Some(next) = dial.rest.pop_front() {
            let address = Endpoint::of(next).multiaddr().clone();
            let options = DialOpts::unknown_peer_id().address(address).allocate_new_port().build();
            let id = options.connection_id();
            if self.swarm.dial(options).is_ok() {
                self.links.insert(id, dial);
                return;
            }
        }
        let refused = self.door.forget(&dial.link);
        let cause = ErrorBody::from(refused.unwrap_or(Refusal::PartnerUnreachable));
        drop(self.inputs.try_send(Input::LinkFailed { link: dial.link, cause }));
    }

    fn judge(&mut self, message: MessageTag, verdict: Verdict) {
        let Some(at) = self.judged.iter().position(|(tag, ..)| *tag == message) else { return };
        let Some((_, id, peer)) = self.judged.remove(at) else { return };
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => MessageAcceptance::Reject,
        };
        let gossip = &mut self.swarm.behaviour_mut().gossip.inner;
        gossip.report_message_validation_result(&id, &peer, acceptance);
        if verdict == Verdict::Reject {
            let count = self.rejected.entry(peer).or_default();
            *count += 1;
            if *count >= REJECTED_MAX {
                self.offended(peer, Offence::Forges);
            }
        }
    }

    /// A gateway did what no honest one does: it is closed, kept out for a while, and named.
    fn offended(&mut self, peer: PeerId, how: Offence) {
        tracing::warn!(%peer, %how, "a gateway is closed, and kept out for a while");
        self.rejected.remove(&peer);
        if let Some(key) = public_key(&peer) {
            self.door.keep_out(key);
            // If the core is too busy to hear of it now, the log has it.
            drop(self.inputs.try_send(Input::Offended { peer: key, how }));
        }
        let _is_gone_already = self.swarm.disconnect_peer_id(peer);
    }

    /// Closes whoever may not be here any more.
    fn close_strangers(&mut self) {
        let doors = self.door.doors();
        let may_stay = |(peer, grounds, is_dialer): &(PublicKey, Grounds, bool)| {
            let by_link = match grounds {
                Grounds::CoReceiver => return doors.co_receivers.contains(peer),
                Grounds::Link(_) if *is_dialer => true,
                Grounds::Link(link) => {
                    doors.links.get(link).is_some_and(|state| state.admits(peer).is_ok())
                }
                // The core lets go of whoever does not show in time that it has the place.
                Grounds::Notice => *is_dialer,
                Grounds::Agreement => false,
            };
            by_link || doors.peers.contains(peer) || doors.hosts.contains(peer)
        };
        let strangers = self.connections.iter().filter(|(_, it)| !may_stay(it));
        let strangers: Vec<ConnectionId> = strangers.map(|(id, _)| *id).collect();
        for id in strangers {
            self.swarm.close_connection(id);
        }
    }

    /// Who is connected for gossip.
    fn tell_beside(&self) {
        let for_gossip = self.connections.values();
        let for_gossip = for_gossip.filter(|(_, grounds, _)| *grounds == Grounds::CoReceiver);
        self.door.set_beside(for_gossip.map(|(peer, ..)| *peer).collect());
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Streams(opened)) => self.on_stream(opened),
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(Watched::Gossip(event))) => {
                self.on_gossip(event);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(Watched::Offence { peer, how })) => {
                self.offended(peer, how);
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.links.remove(&connection_id);
                self.answered(&connection_id);
                let grounds = self.door.take_admitted(&peer_id, endpoint.get_remote_address());
                match (grounds, public_key(&peer_id)) {
                    (Some(grounds), Some(key)) => {
                        if let (Grounds::Link(link), true) = (grounds, endpoint.is_dialer()) {
                            // It has done its work: later this gateway comes by agreement.
                            self.door.forget(&link);
                        }
                        let known = (key, grounds, endpoint.is_dialer());
                        self.connections.insert(connection_id, known);
                    }
                    _ => drop(self.swarm.close_connection(connection_id)),
                }
            }
            SwarmEvent::ConnectionClosed { connection_id, peer_id, num_established, .. } => {
                self.connections.remove(&connection_id);
                if num_established == 0 {
                    self.rejected.remove(&peer_id);
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                tracing::debug!(%error, "a partner's gateway is not reached");
                self.answered(&connection_id);
                if let Some(dial) = self.links.remove(&connection_id) {
                    self.dial_link(dial);
                }
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
                listening.extend(socket_of(&address));
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
                listening.retain(|known| Some(*known) != socket_of(&address));
            }
            _ => {}
        }
    }

    fn on_stream(&mut self, opened: Opened) {
        let Opened { connection, stream } = opened;
        let Some((peer, grounds, is_dialer)) = self.connections.get(&connection).copied() else {
            return;
        };
        if grounds == Grounds::CoReceiver {
            // It is here for gossip. What it says elsewhere is not even read.
            return;
        }
        self.next += 1;
        let begun = Begun { id: SessionId(self.next), connection, peer, grounds, is_dialer };
        let (inputs, ended) = (self.inputs.clone(), self.ended.0.clone());
        tokio::spawn(self.sessions.clone().carry(begun, stream, inputs, ended));
    }

    fn on_over(&mut self, over: Over) {
        let Over { connection, peer, how } = over;
        self.swarm.close_connection(connection);
        if let (Some(how), Some(peer)) = (how, peer_id(&peer)) {
            self.offended(peer, how);
        }
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                self.next += 1;
                let tag = MessageTag(self.next);
                if self.judged.len() >= JUDGED_MAX
                    && let Some((_, id, peer)) = self.judged.pop_front()
                {
                    let gossip = &mut self.swarm.behaviour_mut().gossip.inner;
                    let ignore = MessageAcceptance::Ignore;
                    gossip.report_message_validation_result(&id, &peer, ignore);
                }
                self.judged.push_back((tag, message_id, propagation_source));
                let topic = nonce_of(&message.topic);
                let given = topic.is_some_and(|topic| {
                    let bytes = message.data;
                    // What is lost here shows at the next head.
                    let gossip = Input::Gossip { message: tag, topic, bytes };
                    self.inputs.try_send(gossip).is_ok()
                });
                if !given {
                    self.judge(tag, Verdict::Ignore);
                }
            }
            gossipsub::Event::SlowPeer { peer_id, failed_messages } => {
                tracing::warn!(%peer_id, ?failed_messages, "a partner takes gossip too slowly");
            }
            _ => {}
        }
    }
}
