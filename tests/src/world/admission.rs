//! The admission, as the shell holds it: both sides ask the core whether the other is a member.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_node::core::plant::ledger::Ledger;
use gearmesh_node::core::plant::redeem::Redemption;
use gearmesh_node::core::plant::{Answer, Input, LinkUp, Ticket, standing};
use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::ids::{CommandId, PublicKey, WorkId};
use gearmesh_protocol::log::VerifiedGroup;
use gearmesh_protocol::plant::{Address, LedgerPage};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::trust::Act;

use super::network::{Network, Purpose, Side, Stage};
use super::{Event, Open, World, history};

/// Connections of a hundred that die between their admission and their lanes, without a report.
const DIE_UNSEEN: usize = 1;

/// Where an admission stands.
#[derive(Debug)]
pub(super) enum Step {
    /// The dialer's first message arrives.
    Hello,
    /// The listener believes the dialer.
    Welcome,
    /// The redeemer's ledger arrives.
    Offer(Vec<LedgerPage>),
    /// Both sides believe each other.
    Done,
    /// One side said no.
    Refused(Refusal),
}

impl Step {
    /// Which side takes it.
    pub(super) const fn taken_by(&self) -> Side {
        match self {
            Self::Hello | Self::Done => Side::Listener,
            Self::Welcome | Self::Offer(_) | Self::Refused(_) => Side::Dialer,
        }
    }
}

/// Why a node was asked something.
#[derive(Debug)]
pub(super) enum Question {
    /// Whether this side believes the other.
    Believe { connection: u64, side: Side },
    /// To redeem.
    Redeem { connection: u64 },
    /// To adopt.
    Adopt { connection: u64 },
    /// To store what people signed.
    Store { errand: usize },
    /// To join all branches of its data log.
    Settle,
    /// To make an entry durable.
    Publish { entry: Vec<u8>, ack: AckLevel },
    /// To serve a verb.
    Serve,
    /// To have a machine do something.
    Call { target: usize, id: CommandId },
    /// To have something done by whoever can.
    Offer { id: WorkId },
}

impl World {
    pub(super) fn begin_admission(&mut self, connection: u64) {
        self.pass_on(connection, Side::Listener, Step::Hello);
    }

    /// Carries a message of the exchange to one side, if the network does.
    fn pass_on(&mut self, connection: u64, to: Side, step: Step) {
        let delay = self.delay();
        let Some(found) = self.network.get(connection) else { return };
        let (from, to) = (found.end(to.other()).node, found.end(to).node);
        if self.network.passes(from, to) && self.network.passes(to, from) {
            self.schedule(delay, Event::Admission { connection, step });
        } else {
            self.give_up(connection, None);
        }
    }

    pub(super) fn on_admission(&mut self, connection: u64, step: Step) {
        let alive = self.is_alive(connection, Side::Dialer)
            && self.is_alive(connection, Side::Listener)
            && self.runs(connection, Side::Listener);
        if !alive {
            return self.give_up(connection, None);
        }
        let Some(found) = self.network.get(connection) else { return };
        match step {
            Step::Hello if found.purpose == Purpose::Join => self.ask_to_redeem(connection),
            Step::Hello => self.believe(connection, Side::Listener),
            Step::Welcome => self.believe(connection, Side::Dialer),
            Step::Offer(pages) => self.ask_to_adopt(connection, pages),
            Step::Done => self.become_link(connection),
            Step::Refused(refusal) => self.give_up(connection, Some(refusal)),
        }
    }

    fn runs(&self, connection: u64, side: Side) -> bool {
        let found = self.network.get(connection);
        found.is_some_and(|found| self.machines[found.end(side).node].plant.is_some())
    }

    /// One side makes sure that the other is a member, by its slice of the ledger if need be.
    fn believe(&mut self, connection: u64, side: Side) {
        let Some(found) = self.network.get(connection) else { return };
        let (node, other) = (found.end(side).node, found.end(side.other()).node);
        let peer = self.machines[other].key;
        let now = self.machines[node].clocks(self.now);
        let Some(roster) = self.machines[node].roster() else {
            return self.give_up(connection, Some(Refusal::NotAdmitted));
        };
        match standing(roster, &peer, now) {
            Ok(()) => self.on_believed(connection, side),
            Err(Refusal::NotAMember) => {
                let slice = self.machines[other].ledger().map(|ledger| parts(ledger, &peer));
                let (acts, groups) = slice.unwrap_or_default();
                let ticket = self.ask(node, Question::Believe { connection, side });
                self.feed(node, Input::Credential { ticket, peer, acts, groups });
            }
            Err(refusal) => self.give_up(connection, Some(refusal)),
        }
    }

    fn on_believed(&mut self, connection: u64, side: Side) {
        match side {
            Side::Listener => self.pass_on(connection, Side::Dialer, Step::Welcome),
            Side::Dialer => self.pass_on(connection, Side::Listener, Step::Done),
        }
    }

    fn ask_to_redeem(&mut self, connection: u64) {
        let Some(found) = self.network.get(connection) else { return };
        let (node, joiner) = (found.end(Side::Listener).node, found.end(Side::Dialer).node);
        let joiner = self.machines[joiner].key;
        let redemption = Redemption { invitation: history::code(), joiner };
        let ticket = self.ask(node, Question::Redeem { connection });
        self.feed(node, Input::Redeem { ticket, redemption });
    }

    fn ask_to_adopt(&mut self, connection: u64, pages: Vec<LedgerPage>) {
        let Some(found) = self.network.get(connection) else { return };
        let node = found.end(Side::Dialer).node;
        let Some((acts, groups)) = checked(pages) else {
            return self.give_up(connection, Some(Refusal::Protocol));
        };
        let ticket = self.ask(node, Question::Adopt { connection });
        self.feed(node, Input::Adopt { ticket, acts, groups });
    }

    pub(super) fn ask(&mut self, node: usize, question: Question) -> Ticket {
        self.tickets += 1;
        let (ticket, life) = (Ticket(self.tickets), self.machines[node].life);
        self.open.insert(ticket, Open { node, life, asked: self.now, question });
        ticket
    }

    pub(super) fn on_answered(&mut self, ticket: Ticket, answer: Answer) {
        let Some(open) = self.open.remove(&ticket) else { return };
        match (open.question, answer) {
            (Question::Settle, _) => {}
            (Question::Store { errand }, answer) => self.on_stored(errand, &answer),
            (Question::Publish { entry, ack }, answer) => {
                self.on_published(open.node, entry, ack, &answer);
            }
            (Question::Offer { id }, Answer::Item(_)) => self.offerers.promise(open.node, id),
            (Question::Call { target, id }, answer) => {
                self.on_told(open.node, target, id, answer);
            }
            (Question::Serve | Question::Offer { .. }, _) => {}
            (Question::Believe { connection, side }, Answer::Admitted) => {
                self.on_believed(connection, side);
            }
            (Question::Redeem { connection }, Answer::Redeemed(pages)) => {
                self.pass_on(connection, Side::Dialer, Step::Offer(pages));
            }
            (Question::Adopt { connection }, Answer::Adopted) => {
                self.pass_on(connection, Side::Listener, Step::Done);
            }
            (
                Question::Believe { connection, .. }
                | Question::Redeem { connection }
                | Question::Adopt { connection },
                answer,
            ) => {
                let refusal = match answer {
                    Answer::Refused(refusal) => refusal,
                    _ => Refusal::Protocol,
                };
                let delay = self.delay();
                let step = Step::Refused(refusal);
                self.schedule(delay, Event::Admission { connection, step });
            }
        }
    }

    /// Both ends open their lanes, each in its time.
    fn become_link(&mut self, connection: u64) {
        if self.dice.percent(DIE_UNSEEN) {
            for side in [Side::Dialer, Side::Listener] {
                self.set_stage(connection, side, Stage::Down);
            }
            return;
        }
        for side in [Side::Dialer, Side::Listener] {
            let delay = self.dice.millis(0, 20);
            self.schedule(delay, Event::Up { connection, side });
        }
    }

    pub(super) fn on_up(&mut self, connection: u64, side: Side) {
        if !self.is_alive(connection, side) {
            return;
        }
        self.set_stage(connection, side, Stage::Up);
        let Some(found) = self.network.get(connection) else { return };
        let (end, other) = (found.end(side), found.end(side.other()));
        let (node, ours, theirs) = (end.node, end.greeting, other.greeting);
        let is_dialer = side == Side::Dialer;
        let address = match (&found.purpose, is_dialer) {
            (Purpose::Seed(address), true) => address.clone(),
            (_, true) => self.machines[other.node].address.clone(),
            (_, false) => source_address(other.node, connection),
        };
        let peer = self.machines[other.node].key;
        let link = Network::link(connection, side);
        self.trace.add("up", &[node as u64, link.0]);
        self.feed(node, Input::LinkUp(LinkUp { link, peer, is_dialer, ours, theirs, address }));
        self.read_lanes(connection, side);
    }

    /// What came before the lanes were read is read now, each frame in its turn.
    fn read_lanes(&mut self, connection: u64, to: Side) {
        let Some(found) = self.network.get_mut(connection) else { return };
        for (lane, waiting) in found.end_mut(to).inbox.begin() {
            for _ in 0..waiting {
                self.schedule(Duration::ZERO, Event::Frame { connection, to, lane });
            }
        }
    }

    fn set_stage(&mut self, connection: u64, side: Side, stage: Stage) {
        if let Some(found) = self.network.get_mut(connection) {
            found.end_mut(side).stage = stage;
        }
    }

    /// An admission ends without a link.
    fn give_up(&mut self, connection: u64, refusal: Option<Refusal>) {
        let Some(found) = self.network.get(connection) else { return };
        let (end, purpose) = (found.end(Side::Dialer), found.purpose.clone());
        if end.stage == Stage::Down {
            return;
        }
        let (node, life) = (end.node, end.life);
        let peer = self.machines[found.end(Side::Listener).node].key;
        for side in [Side::Dialer, Side::Listener] {
            self.set_stage(connection, side, Stage::Down);
        }
        self.trace.add("refused", &[connection, refusal.map_or(0, |r| u64::from(r.code()))]);
        match purpose {
            Purpose::Join => {}
            Purpose::Link => self.fail_dial(node, life, Some(peer), None, refusal),
            Purpose::Seed(address) => self.fail_dial(node, life, None, Some(address), refusal),
        }
    }

    pub(super) fn fail_dial(
        &mut self,
        node: usize,
        life: u64,
        peer: Option<PublicKey>,
        address: Option<Address>,
        refusal: Option<Refusal>,
    ) {
        let delay = self.dice.millis(1, 300);
        let input = Box::new(Input::DialFailed { peer, address, refusal });
        self.schedule(delay, Event::Comes { node, life, input });
    }
}

/// From which port a machine dialled.
fn source_address(node: usize, connection: u64) -> Address {
    let port = 50_000 + connection % 10_000;
    Address::try_from(format!("/ip4/192.0.2.{node}/tcp/{port}"))
        .unwrap_or_else(|_| super::address_of(node))
}

type Parts = (Vec<Act>, Vec<Arc<VerifiedGroup>>);

/// The slice of a ledger by which a member shows that it is one.
fn parts(ledger: &Ledger, member: &PublicKey) -> Parts {
    checked(ledger.credential(member)).unwrap_or_default()
}

/// The content of pages, verified for the plant that their genesis founds.
fn checked(pages: Vec<LedgerPage>) -> Option<Parts> {
    let genesis = pages.first()?.acts.first()?.clone();
    let (plant, ..) = genesis.verify_genesis().ok()?;
    let (mut acts, mut groups) = (Vec::new(), Vec::new());
    for page in pages {
        acts.extend(page.acts);
        for group in page.groups {
            groups.push(Arc::new(group.verify(&plant).ok()?));
        }
    }
    Some((acts, groups))
}
