//! One connection's side of the [guard](super::guard): notices when a gossip stream begins anew, and looks
//! for what waits.
//!
//! A gateway opens one stream and keeps it. Gossipsub closes it at a frame that is too long or is
//! none, and says so to nobody; what shows is that the other side opens a second one.
//!
//! Gossipsub's handler (0.50) asks to be woken for its queue only while it has a stream of its own. A second
//! connection that outlives the first has none yet, one whose stream broke has none any more, and what is
//! published then would wait until something else happens on the connection. So it is looked at by the clock.

use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::swarm::handler::ConnectionEvent;
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, SubstreamProtocol, THandler, THandlerInEvent,
    THandlerOutEvent,
};
use tokio::time::{Interval, MissedTickBehavior};

use super::guard::Gossipsub;

/// How long a message may wait for a connection without a stream.
const LOOK_EVERY: Duration = Duration::from_millis(250);

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
    look: Interval,
}

impl GuardHandler {
    /// # Panics
    /// Outside of a runtime.
    pub(super) fn new(inner: Inner) -> Self {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { inner, streams: 0, is_again: false, look }
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
        while self.look.poll_tick(cx).is_ready() {}
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
