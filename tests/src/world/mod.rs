//! A small simulated world: real state machines, and everything around them made from one seed.
//!
//! ```text
//!   people, faults, a hostile member
//!        │
//!      World ── events in virtual time ── Machine (Plant, Disk, clocks) × N
//!        │                                   │ effects
//!      Network (connections, cuts)  ◄────────┘
//! ```
//!
//! The world plays the shell: it carries out effects in their order, models the admission by the
//! same decisions that the shell asks the core for, and keeps the shell's order: frames of a lane, jobs
//! of a disk, and whatever comes to a machine that stands still are taken one after the other.
//! Time is virtual, so a minute takes as long as its events do.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gearmesh_node::core::plant::data::Keep;
use gearmesh_node::core::plant::{Answer, Effect, Input, LinkId, TICK, Ticket};
use gearmesh_protocol::command::CommandFrame;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::log::VerifiedGroup;
use gearmesh_protocol::plant::Address;

mod admission;
pub mod callers;
mod commands;
pub mod copy;
mod data;
pub mod dice;
pub mod disk;
mod effects;
pub mod faults;
pub mod history;
mod hostile;
mod lane;
mod lying;
pub mod machine;
pub mod mass;
pub mod network;
pub mod offerers;
pub mod people;
pub mod publishers;
pub mod readers;
pub mod run;
pub mod scenarios;
pub mod store;
pub mod trace;

use admission::Question;
use callers::Callers;
use data::Job;
use dice::Dice;
use disk::Disk;
use faults::Faults;
use history::Founding;
use lane::Lane;
use machine::Machine;
use network::{Network, Side, Stage};
use offerers::Offerers;
use people::People;
use publishers::Publishers;
use readers::Readers;
use trace::Trace;

/// Events after which a run is thought to go round in circles.
const EVENTS_MAX: u64 = 200_000;

/// Bytes of a log that a machine keeps which is short of room: a few groups.
const LITTLE_ROOM: u64 = 1000;

/// Something that is going to happen.
#[derive(Debug)]
enum Event {
    Boot { node: usize },
    Tick { node: usize, life: u64 },
    Written { node: usize, life: u64, write: u64, well: bool },
    Frame { connection: u64, to: Side, lane: Lane },
    Storage { node: usize, life: u64, job: Job },
    Publish { node: usize },
    Read { node: usize },
    Call { node: usize },
    Copied { node: usize, life: u64, link: LinkId, frame: Box<CommandFrame> },
    Offer { node: usize },
    Admission { connection: u64, step: admission::Step },
    Answered { ticket: Ticket, answer: Answer },
    Up { connection: u64, side: Side },
    Down { connection: u64, side: Side },
    Comes { node: usize, life: u64, input: Box<Input> },
    Thaw { node: usize },
    Discovered { node: usize, peer: usize },
    Fault,
    Mischief { node: usize },
    Errand { number: usize },
}

/// A question to a node that is not answered yet.
#[derive(Debug)]
struct Open {
    node: usize,
    life: u64,
    asked: Duration,
    question: Question,
}

/// What the last step did, for the invariants.
#[derive(Debug, Default)]
pub struct Step {
    /// Who took an input.
    pub node: usize,
    /// Whether its ledger may have changed.
    pub wrote: bool,
    /// What it wanted done.
    pub effects: Vec<Effect>,
    /// Tickets that it answered though nobody asked, or twice.
    pub stray_answers: usize,
}

/// How a world begins.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Machines that are members from the start; machine 0 redeems.
    pub members: usize,
    /// Machines that are to join.
    pub joiners: usize,
    /// Whether the last member is hostile.
    pub with_hostile: bool,
    /// Whether members publish what must not be lost.
    pub with_publishers: bool,
    /// Whether members ask each other to do things.
    pub with_callers: bool,
    /// Whether members hand work to each other.
    pub with_offerers: bool,
}

/// Everything.
pub struct World {
    now: Duration,
    dice: Dice,
    machines: Vec<Machine>,
    network: Network,
    events: BTreeMap<(Duration, u64), Event>,
    scheduled: u64,
    /// What came to machines that stand still, in its order.
    held: BTreeMap<usize, VecDeque<Event>>,
    open: BTreeMap<Ticket, Open>,
    tickets: u64,
    people: People,
    publishers: Publishers,
    readers: Readers,
    callers: Callers,
    offerers: Offerers,
    faults: Faults,
    /// Whether the member that lies forks its log beyond all bounds.
    is_excessive: bool,
    /// Groups of data logs that somebody read, by their bytes.
    read: BTreeMap<Vec<u8>, Arc<VerifiedGroup>>,
    trace: Trace,
    /// Steps that were not shown to the invariants yet.
    steps: Vec<Step>,
}

impl World {
    /// A world in which everybody is about to start.
    #[must_use]
    pub fn new(seed: u64, shape: Shape, faults: Faults) -> Self {
        let founding = Founding::of(shape.members);
        let machine = |number: usize| {
            let held = if number < shape.members { founding.journal.clone() } else { Vec::new() };
            let mut machine = Machine::new(
                history::signing(&history::machine(number)),
                address_of(number),
                Disk::holding(held),
            );
            machine.is_hostile = shape.with_hostile && number + 1 == shape.members;
            machine
        };
        let machines: Vec<Machine> = (0..shape.members + shape.joiners).map(machine).collect();
        let mut world = Self {
            now: Duration::ZERO,
            dice: Dice::new(seed),
            machines,
            network: Network::default(),
            events: BTreeMap::new(),
            scheduled: 0,
            held: BTreeMap::new(),
            open: BTreeMap::new(),
            tickets: 0,
            people: People::new(founding),
            publishers: Publishers::default(),
            readers: Readers::default(),
            callers: Callers::default(),
            offerers: Offerers::default(),
            faults,
            is_excessive: false,
            read: BTreeMap::new(),
            trace: Trace::default(),
            steps: Vec::new(),
        };
        for node in 0..world.machines.len() {
            if world.dice.percent(faults.short_of_room) {
                world.machines[node].keep = Keep { log_bytes: LITTLE_ROOM, ..Keep::default() };
            }
            let delay = world.dice.millis(0, 400);
            world.schedule(delay, Event::Boot { node });
        }
        for joiner in shape.members..shape.members + shape.joiners {
            world.ask_to_join(joiner);
        }
        if shape.with_publishers {
            world.begin_publishing();
            world.begin_reading();
            if world.dice.percent(50) {
                world.begin_settling();
            }
        }
        if shape.with_callers {
            world.begin_calling(shape.members);
        }
        world.is_excessive = world.dice.percent(25);
        if shape.with_offerers {
            world.begin_offering(shape.members);
        }
        world.begin_faults();
        world.begin_mischief();
        world
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Duration {
        self.now
    }

    /// All machines, by number.
    #[must_use]
    pub fn machines(&self) -> &[Machine] {
        &self.machines
    }

    /// The network.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// What people want.
    #[must_use]
    pub const fn people(&self) -> &People {
        &self.people
    }

    /// The hash of all that happened.
    #[must_use]
    pub const fn trace(&self) -> Trace {
        self.trace
    }

    /// Since when the node that is latest owes an answer.
    #[must_use]
    pub fn oldest_question(&self) -> Option<(usize, Duration)> {
        let waiting = self.open.values().filter(|open| {
            let machine = &self.machines[open.node];
            machine.life == open.life
        });
        // Who stood still meanwhile has had time only since.
        let since = |open: &Open| {
            let had = open.asked.max(self.machines[open.node].frozen_until);
            match open.question {
                // It may wait for members, and that is no fault of the node.
                Question::Publish { .. } => had + publishers::REPLICATION_MAX,
                Question::Call { .. } | Question::Offer { .. } => had + callers::CALL_MAX,
                _ => had,
            }
        };
        waiting.map(|open| (open.node, since(open))).min_by_key(|(_, asked)| *asked)
    }

    /// Whether a machine is what a healthy plant consists of: it runs, is honest, and nobody ever
    /// threw it out.
    #[must_use]
    pub fn is_sound(&self, node: usize) -> bool {
        let machine = &self.machines[node];
        machine.plant.is_some() && !machine.is_hostile && !self.people.is_out(&machine.key)
    }

    /// Whether copies of a data log agree in the end: of one that forks beyond all bounds each keeps what
    /// came first.
    #[must_use]
    pub fn is_agreed_on(&self, author: &PublicKey) -> bool {
        let mut machines = self.machines.iter();
        !self.is_excessive || !machines.any(|machine| machine.is_hostile && machine.key == *author)
    }

    /// The steps since the last look.
    pub fn take_steps(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.steps)
    }

    /// Lets the next thing happen. False when a run does not end.
    pub fn advance(&mut self) -> bool {
        let Some(((at, _), event)) = self.events.pop_first() else { return false };
        self.now = at;
        self.trace.at(at);
        self.happen(event);
        self.scheduled < EVENTS_MAX
    }

    fn schedule(&mut self, delay: Duration, event: Event) {
        self.scheduled += 1;
        self.events.insert((self.now + delay, self.scheduled), event);
    }

    fn happen(&mut self, event: Event) {
        match self.concerns(&event).filter(|node| self.stands_still(*node)) {
            Some(node) => self.held.entry(node).or_default().push_back(event),
            None => self.take(event),
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Boot { node } => self.boot(node),
            Event::Tick { node, life } => {
                if self.machines[node].life == life {
                    self.feed(node, Input::Tick);
                    self.schedule(TICK, Event::Tick { node, life });
                }
            }
            Event::Written { node, life, write, well } => self.on_written(node, life, write, well),
            Event::Frame { connection, to, lane } => self.on_frame(connection, to, lane),
            Event::Storage { node, life, job } => self.on_storage(node, life, job),
            Event::Publish { node } => self.on_publish(node),
            Event::Read { node } => self.on_read(node),
            Event::Call { node } => self.on_call(node),
            Event::Copied { node, life, link, frame } => {
                if self.machines[node].life == life {
                    self.send_again(link, &frame);
                }
            }
            Event::Offer { node } => self.on_offer(node),
            Event::Admission { connection, step } => self.on_admission(connection, step),
            Event::Answered { ticket, answer } => self.on_answered(ticket, answer),
            Event::Up { connection, side } => self.on_up(connection, side),
            Event::Down { connection, side } => self.on_down(connection, side),
            Event::Comes { node, life, input } => {
                if self.machines[node].life == life {
                    self.feed(node, *input);
                }
            }
            Event::Thaw { node } => self.on_thaw(node),
            Event::Discovered { node, peer } => self.on_discovered(node, peer),
            Event::Fault => self.on_fault(),
            Event::Mischief { node } => self.on_mischief(node),
            Event::Errand { number } => self.on_errand(number),
        }
    }

    /// The machine that takes an event in, if it does so in the order in which things come to it.
    fn concerns(&self, event: &Event) -> Option<usize> {
        let end = |connection: u64, side| Some(self.network.get(connection)?.end(side).node);
        match event {
            Event::Tick { node, .. }
            | Event::Written { node, .. }
            | Event::Storage { node, .. }
            | Event::Publish { node }
            | Event::Read { node }
            | Event::Call { node }
            | Event::Offer { node }
            | Event::Copied { node, .. }
            | Event::Comes { node, .. }
            | Event::Discovered { node, .. } => Some(*node),
            Event::Frame { connection, to, .. } => end(*connection, *to),
            Event::Up { connection, side } | Event::Down { connection, side } => {
                end(*connection, *side)
            }
            Event::Admission { connection, step } => end(*connection, step.taken_by()),
            Event::Errand { number } => self.people.place_of(*number),
            Event::Boot { .. }
            | Event::Answered { .. }
            | Event::Thaw { .. }
            | Event::Fault
            | Event::Mischief { .. } => None,
        }
    }

    /// Whether what comes to a machine waits: it stands still, or has not taken yet what came before.
    fn stands_still(&self, node: usize) -> bool {
        self.machines[node].frozen_until > self.now
            || self.held.get(&node).is_some_and(|held| !held.is_empty())
    }

    /// A machine goes on: it takes what came first, and then the next.
    fn on_thaw(&mut self, node: usize) {
        if self.machines[node].frozen_until > self.now {
            return;
        }
        let event = self.held.get_mut(&node).and_then(VecDeque::pop_front);
        if let Some(event) = event {
            self.take(event);
            self.schedule(Duration::ZERO, Event::Thaw { node });
        }
    }

    /// Switches a machine on; it finds the others as far as the network lets it.
    fn boot(&mut self, node: usize) {
        if self.machines[node].plant.is_some() {
            return;
        }
        // It does not start before it is durable that it does.
        let full_until = self.machines[node].full_until;
        if full_until > self.now {
            return self.schedule(full_until - self.now, Event::Boot { node });
        }
        // Everybody but the redeemer was told where the redeemer is.
        let seeds = if node == 0 { Vec::new() } else { vec![address_of(0)] };
        self.machines[node].boot(self.now, &mut self.dice, seeds);
        self.trace.add("boot", &[node as u64]);
        let life = self.machines[node].life;
        self.schedule(Duration::ZERO, Event::Tick { node, life });
        let addresses = vec![self.machines[node].address.clone()];
        self.feed(node, Input::Listening { addresses });
        self.begin_serving(node);
        self.announce(node);
    }

    /// A machine and the others hear of each other.
    fn announce(&mut self, node: usize) {
        for peer in (0..self.machines.len()).filter(|peer| *peer != node) {
            for (node, peer) in [(node, peer), (peer, node)] {
                let delay = self.dice.millis(10, 1500);
                self.schedule(delay, Event::Discovered { node, peer });
            }
        }
    }

    fn on_discovered(&mut self, node: usize, peer: usize) {
        let heard = self.network.passes(peer, node) && self.machines[peer].plant.is_some();
        if heard {
            let (peer, address) = (self.machines[peer].key, self.machines[peer].address.clone());
            self.feed(node, Input::Discovered { peer, address });
        }
    }

    fn on_written(&mut self, node: usize, life: u64, write: u64, well: bool) {
        if self.machines[node].life == life && self.machines[node].disk.end(write, well) {
            let input = match well {
                true => Input::Persisted { write },
                false => Input::PersistFailed { write, cause: "a bad write".to_owned() },
            };
            self.feed(node, input);
        }
    }

    /// Whether an end belongs to a machine that still lives the same life.
    fn is_alive(&self, connection: u64, side: Side) -> bool {
        self.network.get(connection).is_some_and(|connection| {
            let end = connection.end(side);
            end.stage != Stage::Down && self.machines[end.node].life == end.life
        })
    }
}

/// Where a machine answers.
#[must_use]
#[expect(clippy::expect_used, reason = "a short text is an address")]
pub fn address_of(number: usize) -> Address {
    Address::try_from(format!("/ip4/192.0.2.{number}/tcp/4070")).expect("an address")
}

#[cfg(test)]
mod tests;
