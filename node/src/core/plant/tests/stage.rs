//! A node on a stage: the real state machine, a disk that is a list, and a clock in the hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::grant::Terms;
use gearmesh_protocol::ids::{GroupId, Incarnation, Nonce, PublicKey, RecordId};
use gearmesh_protocol::log::{Tip, VerifiedGroup};
use gearmesh_protocol::plant::{Address, ControlFrame, Greeting, LedgerPage};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::trust::Act;

use crate::core::clock::Now;
use crate::core::plant::chain::Extent;
use crate::core::plant::data::Keep;
use crate::core::plant::ledger::Ledger;
use crate::core::plant::redeem::Redemption;
use crate::core::plant::roster::Roster;
use crate::core::plant::world::{self, FOUNDED, key, records};
use crate::core::plant::{
    Answer, CloseReason, Effect, Input, LinkId, LinkUp, Plant, Start, TICK, Ticket,
};
use crate::core::random::Random;
use crate::core::record::Record;

/// A node under test.
pub(super) struct Node {
    pub(super) role: &'static str,
    pub(super) plant: Plant,
    pub(super) disk: Vec<Record>,
    pub(super) seeds: Vec<Address>,
    tick: Duration,
    wall: UnixMillis,
    lives: u8,
    named: u64,
}

impl Node {
    /// A node that belongs to no plant.
    pub(super) fn blank(role: &'static str) -> Self {
        Self::from_disk(role, Vec::new())
    }

    /// A node that holds all that was signed in `history`.
    pub(super) fn member(role: &'static str, history: &world::Plant) -> Self {
        Self::from_disk(role, records_of(&history.ledger()))
    }

    pub(super) fn from_disk(role: &'static str, disk: Vec<Record>) -> Self {
        Self::with_seeds(role, disk, Vec::new())
    }

    pub(super) fn with_seeds(role: &'static str, disk: Vec<Record>, seeds: Vec<Address>) -> Self {
        let plant = life(role, 0, disk.clone(), Default::default(), seeds.clone());
        let (tick, wall) = (Duration::ZERO, UnixMillis(FOUNDED + 500));
        Self { role, plant, disk, seeds, tick, wall, lives: 0, named: 0 }
    }

    /// The next life, with what the disk kept.
    pub(super) fn restart(&mut self) {
        self.restart_holding(&[]);
    }

    /// The next life, with data logs that end there.
    pub(super) fn restart_holding(&mut self, ends: &[(PublicKey, Vec<Tip>)]) {
        self.restart_written(ends, &[]);
    }

    /// The next life, with an own data log that ends with these, the oldest branch first.
    pub(super) fn restart_with(&mut self, own: &[&Arc<VerifiedGroup>]) {
        let mut ends: Vec<Tip> = own.iter().map(|group| group.tip()).collect();
        ends.sort_unstable_by_key(|end| std::cmp::Reverse(end.number));
        let written = own.iter().map(|group| (group.id(), group.header().incarnation));
        self.restart_written(&[(key(self.role), ends)], &written.collect::<Vec<_>>());
    }

    fn restart_written(
        &mut self,
        ends: &[(PublicKey, Vec<Tip>)],
        own_ends: &[(GroupId, Incarnation)],
    ) {
        self.lives += 1;
        self.tick = Duration::ZERO;
        let data = ends.iter().map(|(author, ends)| (*author, ends.clone().into())).collect();
        let data = (data, own_ends.to_vec());
        self.plant = life(self.role, self.lives, self.disk.clone(), data, self.seeds.clone());
    }

    pub(super) const fn now(&self) -> Now {
        Now { tick: self.tick, wall: self.wall }
    }

    /// Sets the wall clock.
    pub(super) const fn at(&mut self, wall: u64) {
        self.wall = UnixMillis(wall);
    }

    pub(super) fn ticket(&mut self) -> Ticket {
        self.named += 1;
        Ticket(self.named)
    }

    /// One input; its effects are carried out by nobody.
    pub(super) fn feed(&mut self, input: Input) -> Vec<Effect> {
        self.plant.handle(self.now(), input)
    }

    /// One input, and all writes that follow from it. All effects, in order.
    pub(super) fn run(&mut self, input: Input) -> Vec<Effect> {
        let first = self.feed(input);
        self.carry_out(first)
    }

    /// Carries out the writes among these effects and among those that follow.
    pub(super) fn carry_out(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut done = Vec::new();
        let mut open = effects;
        while !open.is_empty() {
            let writes: Vec<u64> = open.iter().filter_map(|effect| self.store(effect)).collect();
            done.append(&mut open);
            for write in writes {
                open.extend(self.feed(Input::Persisted { write }));
            }
        }
        done
    }

    /// Puts the records of a write on the disk. The write's number.
    pub(super) fn store(&mut self, effect: &Effect) -> Option<u64> {
        match effect {
            Effect::Persist { write, records } => {
                self.disk.extend(records.iter().cloned());
                Some(*write)
            }
            Effect::Note { records } => {
                self.disk.extend(records.iter().cloned());
                None
            }
            _ => None,
        }
    }

    /// Time passes tick by tick; writes are carried out.
    pub(super) fn wait(&mut self, how_long: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        let end = self.tick + how_long;
        while self.tick < end {
            let step = TICK.min(end - self.tick);
            effects.extend(self.jump(step));
        }
        effects
    }

    /// Time passes without a tick on the way: the node stood still.
    pub(super) fn jump(&mut self, how_long: Duration) -> Vec<Effect> {
        self.tick += how_long;
        self.wall = self.wall.plus_ms(u64::try_from(how_long.as_millis()).expect("a short time"));
        self.run(Input::Tick)
    }

    /// A link to `peer` that `peer` dialled, in its first life.
    pub(super) fn link(&mut self, peer: &str) -> LinkId {
        self.link_with(peer, |_| ()).0
    }

    /// A link to `peer` as `change` has it, and what the node does about it.
    pub(super) fn link_with(
        &mut self,
        peer: &str,
        change: impl FnOnce(&mut LinkUp),
    ) -> (LinkId, Vec<Effect>) {
        self.named += 1;
        let link = LinkId(self.named);
        let mut up = LinkUp {
            link,
            peer: key(peer),
            is_dialer: false,
            ours: greeting(self.lives, self.named),
            theirs: greeting(0, self.named + 1000),
            address: address(&format!("/ip4/192.0.2.9/tcp/{}", self.named)),
        };
        change(&mut up);
        let effects = self.run(Input::LinkUp(up));
        (link, effects)
    }

    /// `peer` sends a frame.
    pub(super) fn hear(&mut self, link: LinkId, frame: ControlFrame) -> Vec<Effect> {
        self.run(Input::Frame { link, frame })
    }

    /// `peer` sends a page of groups.
    pub(super) fn page(&mut self, link: LinkId, groups: &[&Arc<VerifiedGroup>]) -> Vec<Effect> {
        let groups = groups.iter().map(|group| Arc::clone(group)).collect();
        self.run(Input::Page { link, acts: Vec::new(), groups })
    }

    /// `joiner`, who holds `code`, asks to be admitted.
    pub(super) fn asks(&mut self, joiner: &str, code: &str) -> (Ticket, Vec<Effect>) {
        let ticket = self.ticket();
        let redemption = Redemption { invitation: key(code), joiner: key(joiner) };
        (ticket, self.feed(Input::Redeem { ticket, redemption }))
    }

    pub(super) fn ledger(&self) -> &Ledger {
        self.plant.ledger().expect("it belongs to a plant")
    }

    pub(super) fn roster(&self) -> &Roster {
        self.plant.roster().expect("it belongs to a plant")
    }

    pub(super) fn is_member(&self, role: &str) -> bool {
        self.roster().member(&key(role)).is_some()
    }

    /// The admissions by which an invitation was redeemed.
    pub(super) fn redeemed(&self, code: &str) -> Vec<(PublicKey, RecordId)> {
        let invited = self.roster().invitations().get(&key(code)).expect("an invitation");
        invited.redeemed.iter().map(|(joiner, record)| (*joiner, *record)).collect()
    }

    /// How many groups the node's own trust log holds.
    pub(super) fn own_groups(&self) -> usize {
        self.ledger().log(&self.plant.me()).map_or(0, |log| log.count())
    }
}

/// A life of a node that knows the lives before; whatever disk it got.
fn life(
    role: &str,
    number: u8,
    mut records: Vec<Record>,
    (data, own_ends): (BTreeMap<PublicKey, Extent>, Vec<(GroupId, Incarnation)>),
    seeds: Vec<Address>,
) -> Plant {
    records.extend((0..number).map(|life| Record::Incarnation(Incarnation([life; 16]))));
    let mut seed = [number; 32];
    seed[1..].copy_from_slice(&key(role).as_bytes()[1..]);
    Plant::restore(Start {
        key: world::signing(role),
        incarnation: Incarnation([number; 16]),
        random: Random::new(seed),
        records,
        data,
        own_ends,
        keep: Keep::default(),
        seeds,
        resources: Vec::new(),
    })
}

/// A plant in which the registrar is a member, and so are `left` and `right`.
pub(super) fn busy_plant() -> world::Plant {
    let mut plant = world::Plant::at_work();
    for name in ["registrar", "left", "right"] {
        plant.write("admin", records::admit(name, records::machine(&format!("{name}-machine"))));
    }
    plant
}

/// A machine of this name whose membership ends at `until`.
pub(super) fn machine_until(name: &str, until: u64) -> Terms {
    Terms { until: Some(UnixMillis(until)), ..records::machine(name) }
}

pub(super) fn greeting(life: u8, nonce: u64) -> Greeting {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&nonce.to_le_bytes());
    Greeting { incarnation: Incarnation([life; 16]), nonce: Nonce(bytes) }
}

pub(super) fn address(text: &str) -> Address {
    Address::try_from(text.to_owned()).expect("an address")
}

/// Of two roles, the one with the lower key first.
pub(super) fn by_key(one: &'static str, other: &'static str) -> (&'static str, &'static str) {
    if key(one) < key(other) { (one, other) } else { (other, one) }
}

/// A ledger as a journal.
pub(super) fn records_of(ledger: &Ledger) -> Vec<Record> {
    let (acts, groups) = parts_of(ledger.pages(), ledger);
    let groups = groups.into_iter().map(|group| Record::Group(group.group().clone()));
    acts.into_iter().map(Record::Act).chain(groups).collect()
}

/// The content of some pages, as the shell hands it in.
pub(super) fn parts_of(
    pages: Vec<LedgerPage>,
    ledger: &Ledger,
) -> (Vec<Act>, Vec<Arc<VerifiedGroup>>) {
    let (mut acts, mut groups) = (Vec::new(), Vec::new());
    for page in pages {
        acts.extend(page.acts);
        groups.extend(
            page.groups.into_iter().map(|group| {
                Arc::new(group.verify(&ledger.plant()).expect("a group of this plant"))
            }),
        );
    }
    (acts, groups)
}

/// All answers among effects.
pub(super) fn answers(effects: &[Effect]) -> Vec<(Ticket, Answer)> {
    let answer = |effect: &Effect| match effect {
        Effect::Answer { ticket, answer } => Some((*ticket, answer.clone())),
        _ => None,
    };
    effects.iter().filter_map(answer).collect()
}

/// The only answer among effects.
pub(super) fn answer(effects: &[Effect]) -> Answer {
    let all = answers(effects);
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].1.clone()
}

/// All frames among effects.
pub(super) fn frames(effects: &[Effect]) -> Vec<(LinkId, ControlFrame)> {
    let frame = |effect: &Effect| match effect {
        Effect::Send { link, frame } => Some((*link, frame.clone())),
        _ => None,
    };
    effects.iter().filter_map(frame).collect()
}

/// The frames to one link.
pub(super) fn frames_to(link: LinkId, effects: &[Effect]) -> Vec<ControlFrame> {
    frames(effects).into_iter().filter(|(to, _)| *to == link).map(|(_, frame)| frame).collect()
}

/// All closings among effects.
pub(super) fn closings(effects: &[Effect]) -> Vec<(LinkId, CloseReason)> {
    let closing = |effect: &Effect| match effect {
        Effect::Close { link, why } => Some((*link, *why)),
        _ => None,
    };
    effects.iter().filter_map(closing).collect()
}

/// How often a member is dialled.
pub(super) fn dials(role: &str, effects: &[Effect]) -> usize {
    let dial = |effect: &&Effect| matches!(effect, Effect::Dial { peer, .. } if *peer == key(role));
    effects.iter().filter(dial).count()
}

/// The writes among effects.
pub(super) fn writes(effects: &[Effect]) -> Vec<u64> {
    let write = |effect: &Effect| match effect {
        Effect::Persist { write, .. } => Some(*write),
        _ => None,
    };
    effects.iter().filter_map(write).collect()
}
