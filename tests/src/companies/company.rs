//! One company: its gateway's keys, its disk, its clock, and the real core and bridge while it runs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use gearmesh_node::core::bridge::{Bridge, Schemas};
use gearmesh_node::core::clock::Now;
use gearmesh_node::core::partner::{
    Answer, Effect, Input, PartnerRecord, Partners, Signer, Start, Wish, WishId,
};
use gearmesh_node::core::plant::view::View;
use gearmesh_node::core::plant::{Plant, Start as PlantStart};
use gearmesh_node::core::random::Random;
use gearmesh_node::core::record::Record;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{Incarnation, Nonce, PlantId, PublicKey, SheetId};
use gearmesh_protocol::limits::SHARE_ENTRY_BYTES_MAX;
use gearmesh_protocol::log::VerifiedGroup;
use gearmesh_protocol::partner::ShareEntry;
use gearmesh_protocol::time::UnixMillis;

use super::disk::Disk;
use super::{Seen, World};
use crate::world::dice::Dice;
use crate::world::history::{FOUNDED, Founding, key, revocation, signing};

/// Ten years.
const YEARS: u64 = 10 * 365 * 24 * 3_600_000;

/// A company.
pub struct Company {
    /// The gateway's core, while it runs.
    pub core: Option<Partners>,
    /// Its bridge.
    pub bridge: Bridge,
    /// Whether its plant still has it as a gateway.
    pub is_gateway: bool,
    pub(super) disk: Disk,
    pub(super) gateway: SigningKey,
    pub(super) admin: SigningKey,
    pub(super) plant: PlantId,
    pub(super) down_until: Duration,
    /// Of a hundred effects, so many are the last before a crash.
    pub(super) crashes: usize,
    pub(super) topics: BTreeSet<Nonce>,
    pub(super) answers: BTreeMap<WishId, Answer>,
    ended: BTreeSet<SheetId>,
    booted: Duration,
    lives: u64,
    /// How wrong its clock is, in milliseconds ahead of the slowest.
    wall_offset: u64,
    /// What its plant says of it: while it is a gateway, and when it is none any more.
    views: [View; 2],
}

/// No schema is agreed on.
struct NoSchemas;

impl Schemas for NoSchemas {
    fn check(&self, _: &[u8; 32], _: &serde_json::Value) -> Result<(), String> {
        Err("the schema is not here".to_owned())
    }
}

/// What a plant says of a gateway, from its records.
fn view(journal: Vec<Record>) -> View {
    let start = PlantStart {
        key: signing("machine-0"),
        incarnation: Incarnation([1; 16]),
        random: Random::new([1; 32]),
        records: journal,
        data: BTreeMap::default(),
        own_ends: Vec::new(),
        keep: gearmesh_node::Keep::default(),
        seeds: Vec::new(),
        resources: Vec::new(),
    };
    Plant::restore(start).view()
}

impl Company {
    pub(super) fn new(number: usize, dice: &mut Dice) -> Self {
        let seed = u8::try_from(number).expect("a few") + 1;
        let Founding { plant, journal, mut admin } = Founding::of_gateway(seed);
        let revoked = admin.sign(vec![revocation(key("machine-0"), Vec::new())]);
        let fallen = [&journal[..], &[Record::Group(revoked.group().clone())]].concat();
        let offsets = [YEARS, YEARS + 1_000, 0, 2 * YEARS];
        let wall_offset = if dice.percent(30) { offsets[dice.below(4)] } else { YEARS };
        let keeps = dice.percent(20).then(|| 3 + dice.below(20));
        Self {
            core: None,
            bridge: Bridge::default(),
            is_gateway: true,
            disk: Disk { keeps, ..Disk::default() },
            gateway: SigningKey::from_bytes(&[seed; 32]),
            admin: signing("admin"),
            plant,
            down_until: Duration::ZERO,
            crashes: dice.below(3),
            topics: BTreeSet::new(),
            answers: BTreeMap::new(),
            ended: BTreeSet::new(),
            booted: Duration::ZERO,
            lives: 0,
            wall_offset,
            views: [view(fallen), view(journal)],
        }
    }

    pub(super) fn clocks(&self, at: Duration) -> Now {
        let ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let wall = UnixMillis(FOUNDED).plus_ms(ms).plus_ms(self.wall_offset);
        Now { tick: at.saturating_sub(self.booted), wall }
    }

    /// The gateway's key.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        PublicKey::of(&self.gateway)
    }

    pub(super) fn signer(&self, name: &str) -> Signer {
        let name = name.parse().expect("a title");
        Signer { plant: self.plant, name, admin: PublicKey::of(&self.admin) }
    }

    fn view(&self) -> &View {
        &self.views[usize::from(self.is_gateway)]
    }

    /// Whether it knows that an agreement ended.
    #[must_use]
    pub fn knows_end(&self, sheet: &SheetId) -> bool {
        self.ended.contains(sheet)
    }
}

/// The values of a group.
pub(super) fn entries_of(group: &VerifiedGroup) -> Vec<ShareEntry> {
    let entries = group.entries().iter();
    let decoded = entries.map(|bytes| codec::decode(bytes, SHARE_ENTRY_BYTES_MAX));
    decoded.map(|entry| entry.expect("a value")).collect()
}

impl World {
    /// Switches a gateway on.
    pub(super) fn start(&mut self, who: usize) {
        let (at, mut seed) = (self.at, [0; 32]);
        seed[..16].copy_from_slice(&self.dice.bytes());
        let company = &mut self.companies[who];
        company.lives += 1;
        company.booted = at;
        let mut life = [0; 16];
        life[..8].copy_from_slice(&company.lives.to_le_bytes());
        let (core, effects) = Partners::restore(Start {
            key: company.gateway.clone(),
            incarnation: Incarnation(life),
            random: Random::new(seed),
            records: company.disk.records(),
            tips: company.disk.tips(),
        });
        company.core = Some(core);
        self.carry_out(who, effects);
    }

    /// Kills a gateway. What is on its disk stays.
    pub(super) fn crash(&mut self, who: usize) {
        let down = self.dice.millis(0, 4_000);
        let company = &mut self.companies[who];
        if company.core.take().is_none() {
            return;
        }
        company.bridge = Bridge::default();
        company.topics.clear();
        company.answers.clear();
        company.down_until = self.at + down;
        self.seen.push(Seen::Crashed { who });
        for other in 0..self.companies.len() {
            self.cut(who, other);
        }
    }

    pub(super) fn wish(&mut self, who: usize, wish: Wish) -> WishId {
        self.next += 10;
        let id = WishId(self.next.unsigned_abs());
        self.give(who, Input::Wish { id, wish: Box::new(wish) });
        id
    }

    pub(super) fn give(&mut self, who: usize, input: Input) {
        let now = self.now(who);
        let Some(core) = &mut self.companies[who].core else { return };
        let effects = core.handle(now, input);
        self.carry_out(who, effects);
    }

    /// Lets cross what may cross, as the real gateway does.
    pub(super) fn cross(&mut self, who: usize) {
        let now = self.now(who);
        let company = &mut self.companies[who];
        let view = company.view().clone();
        let Company { core: Some(core), bridge, .. } = company else { return };
        bridge.follow(now, core, &view);
        let effects = bridge.export(now, core);
        self.carry_out(who, effects);
        loop {
            let Company { core: Some(core), bridge, .. } = &mut self.companies[who] else { return };
            let Some((sheet, values)) = bridge.import(now, core, &NoSchemas) else { return };
            let values: Vec<_> =
                values.iter().map(|it| (it.topic().clone(), it.sample().clone())).collect();
            self.seen.push(Seen::Entered { who, sheet, values: values.clone() });
            values.into_iter().for_each(|(topic, sample)| self.publish(who, topic, sample));
            if self.may_crash(who) {
                return;
            }
            self.give(who, Input::Delivered { sheet });
        }
    }

    fn may_crash(&mut self, who: usize) -> bool {
        let crashes = self.companies[who].crashes;
        if crashes > 0 && self.dice.below(1_000) < crashes {
            self.crash(who);
        }
        self.companies[who].core.is_none()
    }

    /// Carries effects out in their order. A crash comes between any two of them.
    pub(super) fn carry_out(&mut self, who: usize, effects: Vec<Effect>) {
        let mut open: VecDeque<Effect> = effects.into();
        while let Some(effect) = open.pop_front() {
            if self.may_crash(who) {
                return;
            }
            match effect {
                Effect::Persist(record) => self.persist(who, record),
                Effect::Append(group) => self.append(who, *group),
                Effect::Send { session, frame } => self.send(who, session, *frame),
                Effect::Close(session) => self.close(session),
                Effect::Publish { topic, bytes } => {
                    self.seen.push(Seen::Gossiped { who, topic });
                    self.gossip(who, topic, &bytes);
                }
                Effect::Subscribe(topic) => drop(self.companies[who].topics.insert(topic)),
                Effect::Unsubscribe(topic) => drop(self.companies[who].topics.remove(&topic)),
                Effect::Read { session, sheet, log, after } => {
                    let page = self.companies[who].disk.read(&log, after);
                    let now = self.now(who);
                    let Some(core) = &mut self.companies[who].core else { return };
                    open.extend(core.handle(now, Input::Page { session, sheet, page }));
                }
                Effect::Dial { peer, .. } => self.dial(who, &peer),
                Effect::DialLink { link } => self.dial_link(who, link),
                Effect::Answer { id, answer } => {
                    drop(self.companies[who].answers.insert(id, *answer));
                }
                // What the trail says, nobody here reads.
                // Nobody here has the place of another.
                Effect::Judge { .. } | Effect::Audit(_) | Effect::Ask { .. } => {}
            }
        }
    }

    fn persist(&mut self, who: usize, record: PartnerRecord) {
        let company = &mut self.companies[who];
        match &record {
            PartnerRecord::Ended { sheet, .. } => {
                company.ended.insert(*sheet);
                self.seen.push(Seen::EndKnown { who, sheet: *sheet });
            }
            PartnerRecord::Lost { sheet, entries, .. } => {
                self.seen.push(Seen::Lost { who, sheet: *sheet, entries: *entries });
            }
            _ => {}
        }
        self.companies[who].disk.records.push(record);
    }

    fn append(&mut self, who: usize, group: VerifiedGroup) {
        let company = &self.companies[who];
        let sheet = SheetId(group.header().acting_under.0);
        let seen = if group.header().log.author == company.key() {
            let (entries, stands) = (entries_of(&group), company.is_gateway);
            Seen::Written { who, sheet, entries, stands }
        } else {
            Seen::Kept { who, sheet }
        };
        self.seen.push(seen);
        self.companies[who].disk.append(group);
    }
}
