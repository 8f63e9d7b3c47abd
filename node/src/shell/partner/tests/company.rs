//! One company: a real core and a real swarm. Its disk is in memory, and whom it dials is said by a test.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{PublicKey, SheetId};
use gearmesh_protocol::limits::SHARE_PAGE_MAX;
use gearmesh_protocol::log::{LogId, VerifiedGroup};
use gearmesh_protocol::partner::{Addresses, Envelope};
use gearmesh_protocol::partner_agreement::gossip_topic;
use gearmesh_protocol::partner_local::PartnersStatus;
use gearmesh_protocol::partner_seal::EpochKey;
use gearmesh_protocol::partner_session::{Carried, GossipMessage, SessionFrame};
use gearmesh_protocol::signed::Signed;
use tokio::sync::{mpsc, oneshot};

use crate::core::partner::tests::fanout::fanned_out;
use crate::core::partner::tests::stage::{exported, next_of, start_of};
use crate::core::partner::{Answer, Effect, Input, Page, Partners, SessionId, Start, Wish, WishId};
use crate::shell::clock::Clock;
use crate::shell::partner::swarm::{Listening, ORDERS_MAX, Order, PartnerSwarm};
use crate::shell::partner::{Door, Sessions};

const INPUTS_MAX: usize = 1024;
const TICK: Duration = Duration::from_millis(50);

/// What a test wants of a company.
enum Ask {
    Export(SheetId, i64),
    MayDial(BTreeSet<PublicKey>),
    Status(oneshot::Sender<PartnersStatus>),
    Received(oneshot::Sender<Vec<i64>>),
    /// Gossips what nobody signed, under the true key.
    Forge(oneshot::Sender<()>),
}

/// A company as a test has it.
pub(super) struct Company {
    pub(super) key: PublicKey,
    /// Its agreement; of the first, none of its own.
    pub(super) sheet: SheetId,
    asks: mpsc::Sender<Ask>,
}

/// So many companies, of which the first sends what all others receive.
pub(super) fn companies(count: u8) -> Vec<Company> {
    let (stage, sheets) = fanned_out(count);
    let mut host = None;
    let starting = (0..usize::from(count)).map(|who| {
        let sheet = sheets[who.saturating_sub(1)];
        let (company, listening) = start(start_of(&stage, who), sheet, host.clone());
        host.get_or_insert(listening);
        company
    });
    starting.collect()
}

fn start(start: Start, sheet: SheetId, host: Option<Listening>) -> (Company, Listening) {
    let (key, clock) = (start.key.clone(), Clock::start());
    let (core, first) = Partners::restore(start);
    let (inputs, heard) = mpsc::channel(INPUTS_MAX);
    let (orders, carried) = mpsc::channel(ORDERS_MAX);
    let (asks, asked) = mpsc::channel(INPUTS_MAX);
    let door = Arc::new(Door::new(key.clone(), inputs.clone(), clock));
    let sessions = Sessions::new(clock);
    let at = SocketAddr::from(([127, 0, 0, 1], 0));
    let plane = (Arc::clone(&door), sessions.clone());
    let swarm = PartnerSwarm::new(&key, plane, inputs, (at, clock)).expect("a swarm");
    let listening = swarm.listening();
    let company = Company { key: PublicKey::of(&key), sheet, asks };
    let running = Running {
        core,
        key,
        door,
        sessions,
        orders,
        clock,
        sheet,
        host,
        listening: listening.clone(),
        reach: BTreeSet::new(),
        open: BTreeMap::new(),
        logs: BTreeMap::new(),
        received: Vec::new(),
        envelopes: Vec::new(),
        forged: 0,
        status: None,
    };
    tokio::spawn(swarm.run(carried));
    tokio::spawn(running.run(first, heard, asked));
    (company, listening)
}

impl Company {
    async fn ask<T>(&self, of: impl FnOnce(oneshot::Sender<T>) -> Ask) -> T {
        let (told, hears) = oneshot::channel();
        self.asks.send(of(told)).await.expect("it runs");
        hears.await.expect("it answers")
    }

    pub(super) async fn export(&self, sheet: SheetId, number: i64) {
        self.asks.send(Ask::Export(sheet, number)).await.expect("it runs");
    }

    /// Says whom it may dial. Sessions with others end.
    pub(super) async fn may_dial(&self, whom: BTreeSet<PublicKey>) {
        self.asks.send(Ask::MayDial(whom)).await.expect("it runs");
    }

    pub(super) async fn status(&self) -> PartnersStatus {
        self.ask(Ask::Status).await
    }

    pub(super) async fn received(&self) -> Vec<i64> {
        self.ask(Ask::Received).await
    }

    pub(super) async fn forge(&self) {
        self.ask(Ask::Forge).await;
    }
}

/// A company while it runs.
struct Running {
    core: Partners,
    key: SigningKey,
    door: Arc<Door>,
    sessions: Sessions,
    orders: mpsc::Sender<Order>,
    clock: Clock,
    sheet: SheetId,
    /// Where whoever sends listens; the address in the agreement is none.
    host: Option<Listening>,
    listening: Listening,
    reach: BTreeSet<PublicKey>,
    open: BTreeMap<SessionId, PublicKey>,
    logs: BTreeMap<LogId, Vec<VerifiedGroup>>,
    received: Vec<i64>,
    /// What came over the session.
    envelopes: Vec<Signed<Envelope>>,
    forged: u64,
    status: Option<PartnersStatus>,
}

fn addresses(of: &Listening) -> Vec<SocketAddr> {
    of.lock().expect("no panic").clone()
}

impl Running {
    async fn run(
        mut self,
        first: Vec<Effect>,
        mut inputs: mpsc::Receiver<Input>,
        mut asks: mpsc::Receiver<Ask>,
    ) {
        let mut tick = tokio::time::interval(TICK);
        self.carry_out(first).await;
        loop {
            tokio::select! {
                Some(input) = inputs.recv() => self.hears(input).await,
                ask = asks.recv() => match ask {
                    Some(ask) => self.asked(ask).await,
                    None => return,
                },
                _ = tick.tick() => {
                    let listen = Addresses::first_of(addresses(&self.listening));
                    let beside = self.door.beside();
                    self.give(Input::Around { listen, beside }).await;
                    self.give(Input::Tick).await;
                }
            }
            let sheet = self.sheet;
            while let Some(numbers) = next_of(&self.core, &sheet) {
                self.received.extend(numbers);
                self.give(Input::Delivered { sheet }).await;
            }
        }
    }

    async fn hears(&mut self, input: Input) {
        match &input {
            Input::SessionUp { session, peer, .. } => drop(self.open.insert(*session, *peer)),
            Input::SessionDown { session } => drop(self.open.remove(session)),
            Input::Frame { frame, .. } => {
                if let SessionFrame::Envelope(envelope) = &**frame {
                    self.envelopes.push(envelope.clone());
                }
            }
            _ => {}
        }
        self.give(input).await;
    }

    async fn give(&mut self, input: Input) {
        let effects = self.core.handle(self.clock.now(), input);
        self.carry_out(effects).await;
    }

    async fn asked(&mut self, ask: Ask) {
        match ask {
            Ask::Export(sheet, number) => {
                let effects = exported(&mut self.core, self.clock.now(), sheet, number);
                self.carry_out(effects).await;
            }
            Ask::MayDial(whom) => {
                let gone = self.open.iter().filter(|(_, peer)| !whom.contains(peer));
                gone.for_each(|(session, _)| self.sessions.close(*session));
                self.reach = whom;
            }
            Ask::Status(told) => {
                let status = self.status().await;
                told.send(status).expect("somebody waits");
            }
            Ask::Received(told) => told.send(self.received.clone()).expect("somebody waits"),
            Ask::Forge(told) => {
                for _ in 0..4 {
                    self.forge().await;
                }
                told.send(()).expect("somebody waits");
            }
        }
    }

    async fn status(&mut self) -> PartnersStatus {
        let wish = Box::new(Wish::Status);
        self.give(Input::Wish { id: WishId(1), wish }).await;
        self.status.take().expect("a status")
    }

    async fn forge(&mut self) {
        let status = self.status().await;
        let (share, sender) = (status.agreements[0].share, &status.agreements[0].with);
        let envelope = self.envelopes.last().expect("an envelope");
        let envelope = envelope.verify(&sender.plant, &sender.gateway).expect("of the sender");
        let key = EpochKey::unwrap(&self.key, &envelope).expect("for this side");
        self.forged += 1;
        let lie = Carried::Group(self.forged.to_le_bytes().to_vec());
        let mut nonce = [0; 24];
        nonce[..8].copy_from_slice(&self.forged.to_le_bytes());
        let sealed = key.seal(&share, envelope.value().epoch, nonce, &lie).expect("sealed");
        let bytes = codec::encode(&GossipMessage::Sealed(sealed));
        let topic = gossip_topic(&share, &sender.gateway);
        self.orders.send(Order::Publish { topic, bytes }).await.expect("a swarm");
    }

    async fn carry_out(&mut self, effects: Vec<Effect>) {
        self.door.set(self.core.doors(self.clock.now()));
        let mut open: VecDeque<Effect> = effects.into();
        while let Some(effect) = open.pop_front() {
            let order = match effect {
                Effect::Append(group) => {
                    self.logs.entry(group.header().log).or_default().push(*group);
                    continue;
                }
                Effect::Read { session, sheet, log, after } => {
                    let from = after.map_or(0, |after| after.number + 1);
                    let log = self.logs.get(&log).map(Vec::as_slice).unwrap_or_default();
                    let follows = log.iter().filter(|group| group.header().number >= from);
                    let groups = follows.take(SHARE_PAGE_MAX).map(|it| codec::encode(it.group()));
                    let page = Page { groups: groups.collect(), after: None };
                    let input = Input::Page { session, sheet, page };
                    open.extend(self.core.handle(self.clock.now(), input));
                    continue;
                }
                Effect::Send { session, frame } => {
                    self.sessions.send(session, &frame);
                    continue;
                }
                Effect::Close(session) => {
                    self.sessions.close(session);
                    continue;
                }
                Effect::Answer { answer, .. } => {
                    if let Answer::Status(status) = *answer {
                        self.status = Some(status);
                    }
                    continue;
                }
                Effect::Dial { peer, addresses } => match self.place_of(peer, addresses) {
                    Some(addresses) => Order::Dial { peer, addresses },
                    None => continue,
                },
                Effect::Publish { topic, bytes } => Order::Publish { topic, bytes },
                Effect::Subscribe(topic) => Order::Subscribe(topic),
                Effect::Unsubscribe(topic) => Order::Unsubscribe(topic),
                Effect::Judge { message, verdict } => Order::Judge { message, verdict },
                Effect::DialLink { link } => Order::DialLink { link },
                Effect::Persist(_) | Effect::Audit(_) | Effect::Ask { .. } => continue,
            };
            self.orders.send(order).await.expect("a swarm");
        }
    }

    /// Where a gateway is dialled, if it may be.
    fn place_of(&self, peer: PublicKey, told: Vec<String>) -> Option<Vec<String>> {
        let is_host = !told.iter().any(|address| address.starts_with("127."));
        let host = self.host.as_ref().filter(|_| is_host).map(addresses);
        let places = host.map(|host| host.iter().map(ToString::to_string).collect());
        self.reach.contains(&peer).then_some(places.unwrap_or(told))
    }
}
