//! The lanes of an admitted connection.
//!
//! Every connection between members carries four long-lived streams, opened by its dialer: the
//! control lane for trust, presence and interest, the live lane for values, the data lane for
//! what must not be lost, and the command lane, so that neither a flood of values nor a member that
//! catches up ever holds up a revocation or a command. The behaviour opens and accepts them and hands them out; it
//! understands nothing of what they carry. It also turns strangers away before any handshake, once
//! too many are waiting.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll, Waker};

use futures::future::{Ready, ready};
use gearmesh_protocol::command::COMMAND_PROTOCOL;
use gearmesh_protocol::data::DATA_PROTOCOL;
use gearmesh_protocol::plant::{CONTROL_PROTOCOL, LIVE_PROTOCOL};
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, Stream, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent,
    ToSwarm,
};
use libp2p::{PeerId, swarm};

use super::super::core_handle::CoreHandle;
use crate::shell::carrier::address::network_of;

/// Connections that wait for handshake and admission, from one address. Several nodes may share
/// one (a test bench, a NAT), and each dials once or twice.
pub(super) const WAITING_PER_ADDRESS_MAX: usize = 32;

/// Connections that wait for handshake and admission, in all. A handshake takes a millisecond of
/// work and a few kilobytes.
pub(super) const WAITING_MAX: usize = 128;

/// Of the waiting places, those that only addresses of known members may take, so that strangers
/// with many addresses cannot keep a member from coming back.
const KEPT_FOR_MEMBERS: usize = WAITING_MAX / 4;

/// Connections to one peer: one that is used, one that replaces it, and some on their way out.
const CONNECTIONS_PER_PEER_MAX: usize = 4;

/// One of the streams of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// Trust, presence, interest.
    Control,
    /// Values.
    Live,
    /// Data logs.
    Data,
    /// Commands and queries.
    Command,
}

impl AsRef<str> for Lane {
    fn as_ref(&self) -> &str {
        match self {
            Self::Control => CONTROL_PROTOCOL,
            Self::Live => LIVE_PROTOCOL,
            Self::Data => DATA_PROTOCOL,
            Self::Command => COMMAND_PROTOCOL,
        }
    }
}

/// A lane is open.
#[derive(Debug)]
pub(super) struct Opened {
    /// The member at the other end.
    pub(super) peer: PeerId,
    /// The connection.
    pub(super) connection: ConnectionId,
    /// Which lane.
    pub(super) lane: Lane,
    /// The stream.
    pub(super) stream: Stream,
}

/// Too many connections are waiting to be admitted.
#[derive(Debug, thiserror::Error)]
#[error("{waiting} connections are waiting to be admitted already")]
struct TooManyWaiting {
    waiting: usize,
}

/// A peer has as many connections as it may.
#[derive(Debug, thiserror::Error)]
#[error("the peer has {CONNECTIONS_PER_PEER_MAX} connections already")]
struct TooManyConnections;

/// Hands out the lanes of all connections.
pub(super) struct Lanes {
    core: CoreHandle,
    opened: VecDeque<Opened>,
    waiting: BTreeMap<ConnectionId, Option<IpAddr>>,
    established: BTreeMap<PeerId, usize>,
    refused: u64,
    waker: Option<Waker>,
}

impl Lanes {
    pub(super) fn new(core: CoreHandle) -> Self {
        Self {
            core,
            opened: VecDeque::new(),
            waiting: BTreeMap::new(),
            established: BTreeMap::new(),
            refused: 0,
            waker: None,
        }
    }

    /// Connections turned away before the handshake, since the start.
    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }

    fn admit_to_handshake(
        &mut self,
        id: ConnectionId,
        from: Option<IpAddr>,
    ) -> Result<(), TooManyWaiting> {
        let same = self.waiting.values().filter(|other| **other == from).count();
        let waiting = self.waiting.len();
        // The members' places are looked at only when the others are taken: there may be thousands.
        let has_place = waiting < WAITING_MAX - KEPT_FOR_MEMBERS
            || waiting < WAITING_MAX && from.is_some_and(|ip| self.is_of_a_member(ip));
        if !has_place || same >= WAITING_PER_ADDRESS_MAX {
            self.refused += 1;
            return Err(TooManyWaiting { waiting });
        }
        self.waiting.insert(id, from);
        Ok(())
    }
}

impl Lanes {
    /// Whether a member is known to be reachable at this address.
    fn is_of_a_member(&self, ip: IpAddr) -> bool {
        let view = self.core.view();
        let linked = view.links.values().map(|link| &link.address);
        let members = view.roster.iter().flat_map(|roster| roster.members().keys());
        let mut known = members.filter_map(|member| view.address(member)).chain(linked);
        known.any(|address| {
            address.as_str().parse().ok().and_then(|address| network_of(&address)) == Some(ip)
        })
    }

    fn admit_another(&self, peer: &PeerId) -> Result<LaneHandler, ConnectionDenied> {
        match self.established.get(peer) {
            Some(count) if *count >= CONNECTIONS_PER_PEER_MAX => {
                Err(ConnectionDenied::new(TooManyConnections))
            }
            Some(_) | None => Ok(LaneHandler::accepting()),
        }
    }
}

impl NetworkBehaviour for Lanes {
    type ConnectionHandler = LaneHandler;
    type ToSwarm = Opened;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.admit_to_handshake(id, network_of(remote)).map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit_another(&peer)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        role: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let handler = self.admit_another(&peer)?;
        Ok(if role.is_dialer() { LaneHandler::opening() } else { handler })
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                self.waiting.remove(&event.connection_id);
                *self.established.entry(event.peer_id).or_default() += 1;
            }
            FromSwarm::ConnectionClosed(event) => {
                if event.remaining_established == 0 {
                    self.established.remove(&event.peer_id);
                } else {
                    self.established.insert(event.peer_id, event.remaining_established);
                }
            }
            FromSwarm::ListenFailure(event) => {
                self.waiting.remove(&event.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        (lane, stream): THandlerOutEvent<Self>,
    ) {
        self.opened.push_back(Opened { peer, connection, lane, stream });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(opened) = self.opened.pop_front() {
            return Poll::Ready(ToSwarm::GenerateEvent(opened));
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// One connection's side of [`Lanes`].
pub(super) struct LaneHandler {
    to_open: Vec<Lane>,
    accepts: bool,
    opened: VecDeque<(Lane, Stream)>,
}

impl LaneHandler {
    fn opening() -> Self {
        let to_open = vec![Lane::Command, Lane::Data, Lane::Live, Lane::Control];
        Self { to_open, accepts: false, opened: VecDeque::new() }
    }

    fn accepting() -> Self {
        Self { to_open: Vec::new(), accepts: true, opened: VecDeque::new() }
    }
}

type HandlerEvent = ConnectionHandlerEvent<LaneUpgrade, (), (Lane, Stream)>;

impl ConnectionHandler for LaneHandler {
    type FromBehaviour = Infallible;
    type ToBehaviour = (Lane, Stream);
    type InboundProtocol = LaneUpgrade;
    type OutboundProtocol = LaneUpgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<LaneUpgrade> {
        let all = vec![Lane::Control, Lane::Live, Lane::Data, Lane::Command];
        let lanes = if self.accepts { all } else { Vec::new() };
        SubstreamProtocol::new(LaneUpgrade { lanes }, ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<HandlerEvent> {
        if let Some(lane) = self.to_open.pop() {
            let protocol = SubstreamProtocol::new(LaneUpgrade { lanes: vec![lane] }, ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        match self.opened.pop_front() {
            Some(opened) => Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(opened)),
            None => Poll::Pending,
        }
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, LaneUpgrade, LaneUpgrade>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            })
            | ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol, ..
            }) => self.opened.push_back(protocol),
            _ => {}
        }
    }
}

/// Negotiates one of some lanes.
#[derive(Clone, Debug)]
pub(super) struct LaneUpgrade {
    lanes: Vec<Lane>,
}

impl UpgradeInfo for LaneUpgrade {
    type Info = Lane;
    type InfoIter = std::vec::IntoIter<Lane>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.lanes.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for LaneUpgrade {
    type Output = (Lane, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, lane: Lane) -> Self::Future {
        ready(Ok((lane, stream)))
    }
}

impl OutboundUpgrade<Stream> for LaneUpgrade {
    type Output = (Lane, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, lane: Lane) -> Self::Future {
        ready(Ok((lane, stream)))
    }
}

/// Everything that runs on the plant's swarm.
#[derive(swarm::NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
pub(super) struct Behaviour {
    pub(super) lanes: Lanes,
    pub(super) mdns: swarm::behaviour::toggle::Toggle<libp2p::mdns::tokio::Behaviour>,
}
