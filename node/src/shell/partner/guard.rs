//! Gossipsub under guard: what one gateway can make this one do is bounded before gossipsub does it.
//!
//! Gossipsub keeps whatever arrives, on any topic, for some seconds, remembers ids for a minute, and
//! tells nobody of a frame that ended a stream. So messages on topics that nobody here hears, and
//! messages that are too long, are refused before it keeps them. Frames, messages and bytes of each
//! gateway are paid for out of a budget; frames of one that has spent it are left out. Whoever goes
//! on all the same, or breaks its stream, is reported, and the swarm closes it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use gearmesh_protocol::limits::GOSSIP_BYTES_MAX;
use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::gossipsub::{self, DataTransform, Message, RawMessage, TopicHash};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};

use super::budget::Budget;
use super::door::Door;
use super::gossip::{Known, nonce_of};
use super::guarded::{GuardHandler, Said};
use crate::core::partner::Offence;
use crate::shell::clock::Clock;

/// Frames and messages of one gateway in a second; no honest one comes near.
const MESSAGES_RATE: u32 = 512;

/// Frames and messages that it may send at once after a pause.
const MESSAGES_BURST: u32 = 4_096;

/// Bytes of messages of one gateway in a second, and at once after a pause.
const BYTES_RATE: u32 = 32 << 20;

/// Frames of a gateway that has spent its budget which are left out, until it is reported.
const LEFT_OUT_MAX: u32 = 1_024;

/// Messages longer than any may be, until it is reported.
const TOO_LONG_MAX: u32 = 4;

/// Gateways that are reported and wait for the swarm; one more is reported at its next offence.
const REPORTS_MAX: usize = 256;

/// Gossipsub as this plane runs it.
pub(super) type Gossipsub = gossipsub::Behaviour<Sieve, Known>;

/// What the messages of one frame amount to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    messages: AtomicU64,
    bytes: AtomicU64,
    too_long: AtomicU64,
}

/// Lets those messages through that somebody here can use.
pub(super) struct Sieve {
    door: Arc<Door>,
    tally: Arc<Tally>,
}

impl Sieve {
    pub(super) fn new(door: &Arc<Door>) -> (Self, Arc<Tally>) {
        let tally = Arc::new(Tally::default());
        (Self { door: Arc::clone(door), tally: Arc::clone(&tally) }, tally)
    }
}

impl DataTransform for Sieve {
    fn inbound_transform(&self, raw: RawMessage) -> io::Result<Message> {
        self.tally.messages.fetch_add(1, Ordering::Relaxed);
        self.tally.bytes.fetch_add(raw.data.len() as u64, Ordering::Relaxed);
        if raw.data.len() > GOSSIP_BYTES_MAX {
            self.tally.too_long.fetch_add(1, Ordering::Relaxed);
            return Err(io::Error::other("longer than a message may be"));
        }
        let topic = nonce_of(&raw.topic);
        if topic.is_none_or(|topic| !self.door.doors().heard.contains(&topic)) {
            return Err(io::Error::other("nobody here hears this topic"));
        }
        let RawMessage { source, data, sequence_number, topic, .. } = raw;
        Ok(Message { source, data, sequence_number, topic })
    }

    fn outbound_transform(&self, _: &TopicHash, data: Vec<u8>) -> io::Result<Vec<u8>> {
        Ok(data)
    }
}

/// What one gateway has used.
struct Account {
    messages: Budget,
    bytes: Budget,
    left_out: u32,
    too_long: u32,
}

impl Account {
    const fn new(at: Duration) -> Self {
        let messages = Budget::new(at, MESSAGES_RATE, MESSAGES_BURST);
        let bytes = Budget::new(at, BYTES_RATE, BYTES_RATE);
        Self { messages, bytes, left_out: 0, too_long: 0 }
    }

    fn is_full(&mut self, at: Duration) -> bool {
        self.messages.is_full(at) && self.bytes.is_full(at)
    }

    /// Whether its next frame is read.
    fn is_solvent(&mut self, at: Duration) -> bool {
        self.messages.has_some(at) && self.bytes.has_some(at)
    }
}

/// What the guard says.
#[derive(Debug)]
pub(super) enum Watched {
    /// What gossipsub says.
    Gossip(gossipsub::Event),
    /// A gateway did what no honest one does.
    Offence { peer: PeerId, how: Offence },
}

/// Gossipsub with an account for each gateway.
pub(super) struct Guard {
    pub(super) inner: Gossipsub,
    tally: Arc<Tally>,
    clock: Clock,
    accounts: BTreeMap<PeerId, Account>,
    reports: VecDeque<(PeerId, Offence)>,
    waker: Option<Waker>,
}

impl Guard {
    pub(super) fn new(inner: Gossipsub, tally: Arc<Tally>, clock: Clock) -> Self {
        let (accounts, reports) = (BTreeMap::default(), VecDeque::default());
        Self { inner, tally, clock, accounts, reports, waker: None }
    }

    /// Forgets accounts that say nothing any more. Whoever comes back early finds its old one.
    pub(super) fn tidy(&mut self) {
        let at = self.clock.tick();
        self.accounts.retain(|_, account| !account.is_full(at));
    }

    fn report(&mut self, peer: PeerId, how: Offence) {
        if self.reports.len() < REPORTS_MAX {
            self.reports.push_back((peer, how));
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Lets gossipsub read a frame, if its sender can pay for it.
    fn read(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Gossipsub>) {
        let at = self.clock.tick();
        let account = self.accounts.entry(peer).or_insert_with(|| Account::new(at));
        if !account.is_solvent(at) {
            account.left_out += 1;
            if account.left_out == LEFT_OUT_MAX {
                account.left_out = 0;
                self.report(peer, Offence::Floods);
            }
            return;
        }
        let taken = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        let Tally { messages, bytes, too_long } = &*self.tally;
        self.inner.on_connection_handler_event(peer, connection, event);
        account.messages.pay(1 + taken(messages));
        account.bytes.pay(taken(bytes));
        account.too_long += u32::try_from(taken(too_long)).unwrap_or(u32::MAX);
        if account.too_long >= TOO_LONG_MAX {
            account.too_long = 0;
            self.report(peer, Offence::TooLong);
        }
    }
}

impl NetworkBehaviour for Guard {
    type ConnectionHandler = GuardHandler;
    type ToSwarm = Watched;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner = self.inner.handle_established_inbound_connection(id, peer, local, remote);
        inner.map(GuardHandler::new)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner.handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner =
            self.inner.handle_established_outbound_connection(id, peer, address, role, port);
        inner.map(GuardHandler::new)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {
            Said::Gossip(event) => self.read(peer, connection, event),
            Said::StreamAgain => self.report(peer, Offence::TooLong),
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some((peer, how)) = self.reports.pop_front() {
            return Poll::Ready(ToSwarm::GenerateEvent(Watched::Offence { peer, how }));
        }
        self.waker = Some(cx.waker().clone());
        self.inner.poll(cx).map(|event| event.map_out(Watched::Gossip))
    }
}
