//! The session stream of an admitted connection: its dialer opens it, the listener accepts it.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll, Waker};

use futures::future::{Ready, ready};
use gearmesh_protocol::partner_session::SESSION_PROTOCOL;
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

use super::guard::Guard;
use crate::shell::carrier::address::network_of;

/// Connections that wait for handshake and admission, in all.
const WAITING_MAX: usize = 64;

/// Of those, from one network.
const WAITING_PER_NETWORK_MAX: usize = 16;

/// Connections of one gateway. It needs one; dead ones may linger until the system gives them up.
const OF_ONE_MAX: usize = 16;

/// Everything that runs on the partner plane's swarm.
#[derive(swarm::NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
pub(super) struct Behaviour {
    pub(super) streams: Streams,
    pub(super) gossip: Guard,
}

/// A session's stream is open.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: ConnectionId,
    pub(super) stream: Stream,
}

/// Too many connections are waiting to be admitted.
#[derive(Debug, thiserror::Error)]
#[error("{0} connections are waiting to be admitted already")]
struct TooManyWaiting(usize);

/// A gateway has as many connections as it may have.
#[derive(Debug, thiserror::Error)]
#[error("this gateway has {OF_ONE_MAX} connections already")]
struct TooManyOfOne;

/// Hands out the streams of all sessions.
#[derive(Default)]
pub(super) struct Streams {
    opened: VecDeque<Opened>,
    waiting: BTreeMap<ConnectionId, Option<IpAddr>>,
    held: BTreeMap<PeerId, usize>,
    waker: Option<Waker>,
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = StreamHandler;
    type ToSwarm = Opened;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let from = network_of(remote);
        let same = self.waiting.values().filter(|other| **other == from).count();
        if self.waiting.len() >= WAITING_MAX || same >= WAITING_PER_NETWORK_MAX {
            return Err(ConnectionDenied::new(TooManyWaiting(self.waiting.len())));
        }
        self.waiting.insert(id, from);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if self.held.get(&peer).is_some_and(|held| *held >= OF_ONE_MAX) {
            return Err(ConnectionDenied::new(TooManyOfOne));
        }
        Ok(StreamHandler { opens: false, accepts: true, opened: VecDeque::new() })
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(StreamHandler { opens: true, accepts: false, opened: VecDeque::new() })
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                self.waiting.remove(&event.connection_id);
                *self.held.entry(event.peer_id).or_default() += 1;
            }
            FromSwarm::ConnectionClosed(event) => match event.remaining_established {
                0 => drop(self.held.remove(&event.peer_id)),
                left => drop(self.held.insert(event.peer_id, left)),
            },
            FromSwarm::ListenFailure(event) => {
                self.waiting.remove(&event.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        connection: ConnectionId,
        stream: THandlerOutEvent<Self>,
    ) {
        self.opened.push_back(Opened { connection, stream });
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

/// One connection's side of [`Streams`]. It takes one stream.
pub(super) struct StreamHandler {
    opens: bool,
    accepts: bool,
    opened: VecDeque<Stream>,
}

impl ConnectionHandler for StreamHandler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Stream;
    type InboundProtocol = SessionUpgrade;
    type OutboundProtocol = SessionUpgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<SessionUpgrade> {
        SubstreamProtocol::new(SessionUpgrade { is_offered: self.accepts }, ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<SessionUpgrade, (), Stream>> {
        if std::mem::take(&mut self.opens) {
            let protocol = SubstreamProtocol::new(SessionUpgrade { is_offered: true }, ());
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

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, SessionUpgrade, SessionUpgrade>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            })
            | ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol, ..
            }) => {
                self.accepts = false;
                self.opened.push_back(protocol);
            }
            _ => {}
        }
    }
}

/// Negotiates the session's protocol, or none.
#[derive(Clone, Debug)]
pub(super) struct SessionUpgrade {
    is_offered: bool,
}

impl UpgradeInfo for SessionUpgrade {
    type Info = &'static str;
    type InfoIter = std::option::IntoIter<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.is_offered.then_some(SESSION_PROTOCOL).into_iter()
    }
}

impl InboundUpgrade<Stream> for SessionUpgrade {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, _: &'static str) -> Self::Future {
        ready(Ok(stream))
    }
}

impl OutboundUpgrade<Stream> for SessionUpgrade {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, _: &'static str) -> Self::Future {
        ready(Ok(stream))
    }
}
