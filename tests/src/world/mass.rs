//! A large plant in virtual time: thousands of real state machines, and what it takes until all
//! know of something.
//!
//! Nothing goes wrong here on purpose; [`super::World`] is for that, and asks too much of every
//! step for a world of this size. Frames take 1 to 15 ms and stay in order, writes 1 to 30 ms,
//! dials 5 to 40 ms. Nodes that hold the same records share them, as the roster is a function of
//! the records: all else is each one's own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gearmesh_node::core::plant::ledger::Held;
use gearmesh_node::core::plant::overlay::neighbours;
use gearmesh_node::core::plant::{Effect, Input, LinkId, LinkUp, TICK, Ticket};
use gearmesh_node::core::record::Record;
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{Nonce, PublicKey};
use gearmesh_protocol::log::VerifiedGroup;
use gearmesh_protocol::plant::{Address, ControlFrame, Greeting, LedgerPage, MemberAddresses};

use super::dice::Dice;
use super::disk::Disk;
use super::history::{self, Founding, Keyring};
use super::machine::Machine;
use super::network::{Network, Side};

/// Bytes in front of every frame on a lane.
const LENGTH_BYTES: usize = 4;

enum Event {
    Tick(usize),
    Written { node: usize, write: u64 },
    Frame { link: LinkId, frame: Box<ControlFrame> },
    Connected { connection: u64 },
    Down { connection: u64 },
    Joins(usize),
}

struct Connection {
    ends: [usize; 2],
    /// When the last that each end sent arrives.
    arrives: [Duration; 2],
    is_up: bool,
}

/// What was sent, by the name of its frame.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// Frames and their bytes.
    pub by_name: BTreeMap<&'static str, (u64, u64)>,
}

impl Sent {
    /// All frames, and all bytes.
    #[must_use]
    pub fn total(&self) -> (u64, u64) {
        self.by_name.values().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    }
}

/// A large plant.
pub struct Mass {
    now: Duration,
    dice: Dice,
    nodes: Vec<Machine>,
    numbers: BTreeMap<PublicKey, usize>,
    connections: BTreeMap<u64, Connection>,
    opened: u64,
    events: BTreeMap<(Duration, u64), Event>,
    scheduled: u64,
    held: Vec<Held>,
    admin: Keyring,
    /// How many members each node shows as online, itself included.
    online: Vec<usize>,
    /// What was sent since it was last taken.
    pub sent: Sent,
}

impl Mass {
    /// A plant of so many members, all about to start within a second; each knows the addresses of
    /// its neighbours, as from an earlier life.
    ///
    /// # Panics
    /// The plant cannot be founded.
    #[must_use]
    pub fn new(seed: u64, count: usize) -> Self {
        let Founding { plant, journal, admin } = Founding::of(count);
        let keys: Vec<PublicKey> =
            (0..count).map(|number| history::key(&history::machine(number))).collect();
        let numbers = keys.iter().copied().zip(0..).collect();
        let mut mass = Self {
            now: Duration::ZERO,
            dice: Dice::new(seed),
            nodes: Vec::new(),
            numbers,
            connections: BTreeMap::new(),
            opened: 0,
            events: BTreeMap::new(),
            scheduled: 0,
            held: Vec::new(),
            admin,
            online: vec![0; count],
            sent: Sent::default(),
        };
        for number in 0..count {
            let mut disk = if number == 0 { journal.clone() } else { Vec::new() };
            let beside = neighbours(&plant, &keys[number], keys.iter());
            disk.extend(beside.iter().filter_map(|key| mass.remembered(key)));
            let delay = mass.dice.millis(0, 1000);
            mass.start(number, disk, delay);
        }
        mass
    }

    fn remembered(&self, key: &PublicKey) -> Option<Record> {
        let addresses = Bounded::first_of([address_of(*self.numbers.get(key)?)]);
        Some(Record::Addresses(MemberAddresses { member: *key, addresses }))
    }

    fn start(&mut self, number: usize, disk: Vec<Record>, delay: Duration) {
        let signing = history::signing(&history::machine(number));
        let mut machine = Machine::new(signing, address_of(number), Disk::holding(disk));
        machine.boot(self.now, &mut self.dice, Vec::new());
        if let Some(plant) = &mut machine.plant {
            match self.held.first() {
                Some(held) => {
                    plant.share(held);
                }
                None => self.held.extend(plant.held()),
            }
        }
        self.nodes.push(machine);
        self.schedule(delay, Event::Tick(number));
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Duration {
        self.now
    }

    /// Lets time pass until something is so, at most until `end`. Whether it is.
    pub fn until(&mut self, end: Duration, mut is_so: impl FnMut(&Self) -> bool) -> bool {
        let mut look = self.now;
        while self.now < end {
            let Some(((at, _), event)) = self.events.pop_first() else { return false };
            self.now = at;
            self.happen(event);
            if self.now >= look {
                look = self.now + Duration::from_millis(50);
                if is_so(self) {
                    return true;
                }
            }
        }
        false
    }

    /// Whether every node shows so many members as online.
    #[must_use]
    pub fn all_see(&self, count: usize) -> bool {
        self.online.iter().all(|online| *online == count)
    }

    /// How many nodes show as many members as online as the best of them.
    #[must_use]
    pub fn sees(&self) -> (usize, usize) {
        let most = self.online.iter().copied().max().unwrap_or_default();
        (most, self.online.iter().filter(|online| **online == most).count())
    }

    /// Whether every node but `except` knows how a key stands.
    #[must_use]
    pub fn all_know(&self, key: &PublicKey, is_member: bool, except: Option<usize>) -> bool {
        let knows = |machine: &Machine| {
            machine.roster().is_some_and(|roster| roster.member(key).is_some() == is_member)
        };
        let others = self.nodes.iter().enumerate().filter(|(at, _)| Some(*at) != except);
        others.map(|(_, machine)| machine).all(knows)
    }

    /// Connections that are up.
    #[must_use]
    pub fn links(&self) -> usize {
        self.connections.values().filter(|connection| connection.is_up).count()
    }

    /// A new machine is admitted at node 0, and starts with the ledger that says so. Its key.
    pub fn join(&mut self) -> PublicKey {
        let number = self.nodes.len();
        let key = history::key(&history::machine(number));
        self.numbers.insert(key, number);
        self.online.push(0);
        let group = self.admin.sign(vec![history::admission(number)]);
        self.hand_in(0, group);
        self.schedule(Duration::from_millis(100), Event::Joins(number));
        key
    }

    /// The admin throws a machine out, at some other node.
    pub fn revoke(&mut self, number: usize, at: usize) -> PublicKey {
        let key = self.nodes[number].key;
        let group = self.admin.sign(vec![history::revocation(key, Vec::new())]);
        self.hand_in(at, group);
        key
    }

    /// The admin lets a machine in that never runs, throws another such one out, or lets one take the
    /// other's place in one group.
    pub fn change(&mut self, new: Option<usize>, old: Option<usize>) {
        let key = |number: usize| history::key(&history::machine(number));
        let mut records = Vec::new();
        records.extend(old.map(|old| history::revocation(key(old), Vec::new())));
        records.extend(new.map(history::admission));
        let group = self.admin.sign(records);
        let at = self.dice.roll() as usize % self.nodes.len();
        self.hand_in(at, group);
    }

    /// Whether all nodes hold the same records.
    #[must_use]
    pub fn all_alike(&self) -> bool {
        let mut ends = self.nodes.iter().map(|machine| {
            let held = machine.plant.as_ref().and_then(|plant| plant.held());
            held.map(|held| held.ledger.ends().map(|(key, ends)| (*key, ends.clone())).collect())
        });
        let first: Option<Option<Vec<_>>> = ends.next();
        ends.all(|other| Some(&other) == first.as_ref())
    }

    /// Bytes of the ledger of the first node, as a new member gets it.
    #[must_use]
    pub fn ledger_bytes(&self) -> usize {
        self.pages().iter().map(|page| codec::encode(page).len()).sum()
    }

    /// In how many pages.
    #[must_use]
    pub fn ledger_pages(&self) -> usize {
        self.pages().len()
    }

    fn pages(&self) -> Vec<LedgerPage> {
        let held = self.nodes[0].plant.as_ref().and_then(|plant| plant.held());
        held.map(|held| held.ledger.pages()).unwrap_or_default()
    }

    fn hand_in(&mut self, at: usize, group: Arc<VerifiedGroup>) {
        self.feed(at, Input::Store { ticket: Ticket(0), group });
    }

    fn schedule(&mut self, delay: Duration, event: Event) {
        self.scheduled += 1;
        self.events.insert((self.now + delay, self.scheduled), event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tick(node) => {
                self.feed(node, Input::Tick);
                self.schedule(TICK, Event::Tick(node));
            }
            Event::Written { node, write } => {
                self.feed(node, Input::Persisted { write });
                self.share(node);
            }
            Event::Frame { link, frame } => self.on_frame(link, *frame),
            Event::Connected { connection } => self.on_connected(connection),
            Event::Down { connection } => self.on_down(connection),
            Event::Joins(number) => self.on_joins(number),
        }
    }

    /// A node that came to hold the same as others holds it with them.
    fn share(&mut self, node: usize) {
        let Some(plant) = &mut self.nodes[node].plant else { return };
        if !self.held.iter().rev().any(|held| plant.share(held)) {
            self.held.extend(plant.held());
        }
    }

    fn on_joins(&mut self, number: usize) {
        let Some(held) = self.nodes[0].plant.as_ref().and_then(|plant| plant.held()) else {
            return;
        };
        let keys = held.roster.members().keys();
        let me = history::key(&history::machine(number));
        let beside = neighbours(&held.roster.plant(), &me, keys);
        // It learnt them from the registrar, to which it had its first link.
        let disk = beside.iter().filter_map(|key| self.remembered(key)).collect();
        self.held.insert(0, held);
        self.start(number, disk, Duration::ZERO);
        self.held.remove(0);
    }

    fn feed(&mut self, node: usize, input: Input) {
        let now = self.nodes[node].clocks(self.now);
        let Some(plant) = &mut self.nodes[node].plant else { return };
        for effect in plant.handle(now, input) {
            self.carry_out(node, effect);
        }
    }

    fn carry_out(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Persist { write, .. } => {
                let delay = self.dice.millis(1, 30);
                self.schedule(delay, Event::Written { node, write });
            }
            Effect::Send { link, frame } => self.send(link, frame),
            Effect::Close { link, .. } => {
                let (connection, _) = Network::named(link);
                let delay = self.dice.millis(1, 15);
                self.schedule(delay, Event::Down { connection });
            }
            Effect::Dial { peer, .. } => {
                let Some(target) = self.numbers.get(&peer).copied() else { return };
                self.opened += 1;
                let connection = self.opened;
                let ends = [node, target];
                let arrives = [Duration::ZERO; 2];
                self.connections.insert(connection, Connection { ends, arrives, is_up: false });
                let delay = self.dice.millis(5, 40);
                self.schedule(delay, Event::Connected { connection });
            }
            Effect::Publish(view) => {
                self.online[node] = 1 + view.online();
            }
            Effect::Note { .. }
            | Effect::Answer { .. }
            | Effect::DialAddress { .. }
            | Effect::Data(_)
            | Effect::Command(_)
            | Effect::Lease(_)
            | Effect::Work(_) => {}
        }
    }

    fn on_connected(&mut self, connection: u64) {
        let Some(found) = self.connections.get_mut(&connection) else { return };
        let ends = found.ends;
        let runs = |node: usize| self.nodes.get(node).is_some_and(Machine::is_member);
        let knows = |node: usize, other: usize| {
            let key = self.nodes.get(other).map(|machine| machine.key);
            let roster = self.nodes[node].roster();
            key.zip(roster).is_some_and(|(key, roster)| roster.member(&key).is_some())
        };
        let is_up = ends.iter().all(|node| runs(*node))
            && knows(ends[0], ends[1])
            && knows(ends[1], ends[0]);
        found.is_up = is_up;
        if !is_up {
            self.connections.remove(&connection);
            let peer = self.nodes.get(ends[1]).map(|machine| machine.key);
            return self.feed(ends[0], Input::DialFailed { peer, address: None, refusal: None });
        }
        let nonces = [Nonce(self.dice.bytes()), Nonce(self.dice.bytes())];
        let greeting = |at: usize| Greeting {
            incarnation: self.nodes[ends[at]].incarnation,
            nonce: nonces[at],
        };
        let greetings = [greeting(0), greeting(1)];
        for (at, side) in [(0, Side::Dialer), (1, Side::Listener)] {
            let (node, other) = (ends[at], ends[1 - at]);
            let up = LinkUp {
                link: Network::link(connection, side),
                peer: self.nodes[other].key,
                is_dialer: at == 0,
                ours: greetings[at],
                theirs: greetings[1 - at],
                address: address_of(other),
            };
            self.feed(node, Input::LinkUp(up));
        }
    }

    fn on_down(&mut self, connection: u64) {
        let Some(found) = self.connections.remove(&connection) else { return };
        for (node, side) in found.ends.into_iter().zip([Side::Dialer, Side::Listener]) {
            self.feed(node, Input::LinkDown { link: Network::link(connection, side) });
        }
    }

    fn send(&mut self, link: LinkId, frame: ControlFrame) {
        let bytes = codec::encode(&frame).len() + LENGTH_BYTES;
        let sent = self.sent.by_name.entry(frame.name()).or_default();
        (sent.0, sent.1) = (sent.0 + 1, sent.1 + bytes as u64);
        let delay = self.dice.millis(1, 15);
        let (connection, side) = Network::named(link);
        let Some(found) = self.connections.get_mut(&connection) else { return };
        let arrives = &mut found.arrives[usize::from(side == Side::Listener)];
        *arrives = (*arrives).max(self.now + delay);
        let delay = arrives.saturating_sub(self.now);
        let link = Network::link(connection, side.other());
        self.schedule(delay, Event::Frame { link, frame: Box::new(frame) });
    }

    fn on_frame(&mut self, link: LinkId, frame: ControlFrame) {
        let (connection, side) = Network::named(link);
        let Some(found) = self.connections.get(&connection) else { return };
        let node = found.ends[usize::from(side == Side::Listener)];
        let ControlFrame::Ledger(page) = frame else {
            return self.feed(node, Input::Frame { link, frame });
        };
        let Some(plant) = self.nodes[node].roster().map(|roster| roster.plant()) else { return };
        let groups = page.groups.into_iter().filter_map(|group| group.verify(&plant).ok());
        let (acts, groups) = (page.acts.into_vec(), groups.map(Arc::new).collect());
        self.feed(node, Input::Page { link, acts, groups });
    }

    /// The members whose links a node has.
    #[must_use]
    pub fn linked(&self, node: usize) -> BTreeSet<usize> {
        let both = self.connections.values().filter(|connection| connection.is_up);
        let ends = both.filter_map(|connection| match connection.ends {
            [one, other] if one == node => Some(other),
            [one, other] if other == node => Some(one),
            _ => None,
        });
        ends.collect()
    }
}

/// Where a machine answers.
#[expect(clippy::expect_used, reason = "a short text is an address")]
fn address_of(number: usize) -> Address {
    let (high, low) = (number / 250, number % 250 + 1);
    Address::try_from(format!("/ip4/10.0.{high}.{low}/tcp/7430")).expect("an address")
}
