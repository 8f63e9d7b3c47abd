//! One connection's side of the [guard](super::guard): notices when a gossip stream begins anew.
//!
//! A gateway opens one stream and keeps it. Gossipsub closes it at a frame that is too long or is
//! none, and says so to nobody; what shows is that the other side opens a second one.

use std::task::{Context, Poll};

use libp2p::swarm::handler::ConnectionEvent;
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, SubstreamProtocol, THandler, THandlerInEvent,
    THandlerOutEvent,
};

use super::guard::Gossipsub;

type Inner = THandler<Gossipsub>;

/// What the handler tells the guard.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are of the large kind, and moved once")]
pub(super) enum Said {
    /// What gossipsub's own handler says.
    Gossip(THandlerOutEvent<Gossipsub>),
    /// The other side has opened a further stream.
    StreamAgain,
}

/// Gossipsub's handler, and how many streams the other side has opened.
pub(super) struct GuardHandler {
    inner: Inner,
    streams: u32,
    is_again: bool,
}

impl GuardHandler {
    pub(super) const fn new(inner: Inner) -> Self {
        Self { inner, streams: 0, is_again: false }
    }
}

impl ConnectionHandler for GuardHandler {
    type FromBehaviour = THandlerInEvent<Gossipsub>;
    type ToBehaviour = Said;
    type InboundProtocol = <Inner as ConnectionHandler>::InboundProtocol;
    type OutboundProtocol = <Inner as ConnectionHandler>::OutboundProtocol;
    type InboundOpenInfo = <Inner as ConnectionHandler>::InboundOpenInfo;
    type OutboundOpenInfo = <Inner as ConnectionHandler>::OutboundOpenInfo;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        self.inner.listen_protocol()
    }

    fn connection_keep_alive(&self) -> bool {
        self.inner.connection_keep_alive()
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Said>> {
        if std::mem::take(&mut self.is_again) {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(Said::StreamAgain));
        }
        self.inner.poll(cx).map(|event| event.map_custom(Said::Gossip))
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        self.inner.on_behaviour_event(event);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        if matches!(event, ConnectionEvent::FullyNegotiatedInbound(_)) {
            self.streams += 1;
            self.is_again = self.streams > 1;
        }
        self.inner.on_connection_event(event);
    }
}
