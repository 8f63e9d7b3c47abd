//! Where members may be reached, and when to dial again.
//!
//! Known members are dialled for ever, with a back-off that stays short enough for halves of a
//! plant to find each other again while somebody is watching. Addresses are hints from anybody
//! on the network; only keys of the roster are dialled, and the transport proves the key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::{ADDRESS_BOOK_MAX, ADDRESSES_PER_MEMBER_MAX};
use gearmesh_protocol::plant::{Address, MemberAddresses};

use super::links::{LINKS_MAX, Links};
use super::overlay::Wanted;
use super::roster::Roster;
use super::{Effect, Now};
use crate::core::record::Record;

/// First pause after a failed dial.
pub const BACK_OFF_MIN: Duration = Duration::from_millis(500);

/// Longest pause between two dials of one member.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(8);

/// How long the higher key leaves the first dial to the lower one.
pub const HIGHER_KEY_WAITS: Duration = Duration::from_millis(1500);

/// How long a dial of which nothing is heard counts as under way: longer than transport and
/// admission take. A connection may die after its admission without becoming a link.
pub const DIAL_MAX: Duration = Duration::from_secs(15);

/// Keys whose addresses are remembered before they are known as members: a new member's address
/// may arrive before its admission does.
pub(super) const STRANGERS_MAX: usize = ADDRESS_BOOK_MAX;

/// Dials under way at once, besides those of a full mesh: who follows many members of a large
/// plant reaches them in turn.
pub(super) const DIALS_MAX: usize = 64;

/// When to dial next.
#[derive(Clone, Copy, Debug, Default)]
struct Schedule {
    not_before: Duration,
    back_off: Duration,
    dialled_at: Option<Duration>,
}

impl Schedule {
    fn failed(&mut self, now: Duration) {
        self.dialled_at = None;
        self.back_off = (self.back_off * 2).clamp(BACK_OFF_MIN, BACK_OFF_MAX);
        self.not_before = now + self.back_off;
    }

    fn soon(&mut self, at: Duration) {
        self.back_off = Duration::ZERO;
        if self.dialled_at.is_none() {
            self.not_before = self.not_before.min(at);
        }
    }

    /// Whether to dial now. If so, the dial is under way.
    fn take_turn(&mut self, now: Duration) -> bool {
        if self.dialled_at.is_some_and(|at| now.saturating_sub(at) >= DIAL_MAX) {
            self.failed(now);
        }
        let is_due = self.dialled_at.is_none() && now >= self.not_before;
        if is_due {
            self.dialled_at = Some(now);
        }
        is_due
    }

    /// Whether a dial has been under way for longer than any takes.
    fn is_overdue(&self, now: Duration) -> bool {
        self.dialled_at.is_some_and(|at| now.saturating_sub(at) >= DIAL_MAX)
    }
}

/// Where keys may be reached: of each the addresses, the best known first.
pub type Places = BTreeMap<PublicKey, Arc<[Address]>>;

/// An address that a person gave, at which some member is expected.
#[derive(Clone, Debug)]
struct Seed {
    address: Address,
    schedule: Schedule,
    found: Option<PublicKey>,
}

/// Where members may be reached.
#[derive(Debug)]
pub struct Contacts {
    me: PublicKey,
    /// Views show it, so it is copied where it changes while one of them does.
    known: Arc<Places>,
    /// When to dial, as far as that is not at once: of members of a large plant to whom no link is
    /// wanted, nothing is kept.
    schedules: BTreeMap<PublicKey, Schedule>,
    /// Those of the known that are no members, as far as this node knows. Members have a place
    /// whatever their number; strangers share a bounded one.
    strangers: BTreeSet<PublicKey>,
    seeds: Vec<Seed>,
}

/// Whose word an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It was found on the network, or the member says it of itself.
    FirstHand,
    /// Another member says so. It never takes the place of what is known, or two addresses that
    /// push each other out would go round for ever.
    Hearsay,
}

impl Contacts {
    pub(super) fn new(me: PublicKey, seeds: Vec<Address>) -> Self {
        let seed = |address| Seed { address, schedule: Schedule::default(), found: None };
        let (known, schedules, strangers) = (Arc::default(), BTreeMap::new(), BTreeSet::new());
        let seeds = seeds.into_iter().map(seed).collect();
        Self { me, known, schedules, strangers, seeds }
    }

    /// Where members and some strangers may be reached.
    #[must_use]
    pub fn places(&self) -> Arc<Places> {
        Arc::clone(&self.known)
    }

    /// The roster changed: members have places of their own, and who is none any more gives up its.
    pub(super) fn on_roster(&mut self, roster: &Roster) {
        let is_member = |peer: &PublicKey| roster.member(peer).is_some();
        self.strangers.retain(|peer| !is_member(peer));
        let strangers = &mut self.strangers;
        let mut has_place = |peer: &PublicKey| {
            let has_place = is_member(peer) || strangers.contains(peer);
            has_place || strangers.len() < STRANGERS_MAX && strangers.insert(*peer)
        };
        let gone: Vec<PublicKey> =
            self.known.keys().filter(|peer| !has_place(peer)).copied().collect();
        if !gone.is_empty() {
            let known = Arc::make_mut(&mut self.known);
            gone.iter().for_each(|peer| drop(known.remove(peer)));
        }
        let known = &self.known;
        self.schedules.retain(|peer, _| is_member(peer) || known.contains_key(peer));
    }

    /// Whether a key has a place among the known, or gets one.
    fn takes_place(&mut self, peer: &PublicKey, roster: Option<&Roster>) -> bool {
        let is_member = roster.is_some_and(|roster| roster.member(peer).is_some());
        if is_member || self.known.contains_key(peer) {
            return true;
        }
        self.strangers.len() < STRANGERS_MAX && self.strangers.insert(*peer)
    }

    /// Somebody says that `peer` answers at `address`. Whether that is news.
    pub(super) fn learn(
        &mut self,
        peer: PublicKey,
        address: Address,
        word: Word,
        (roster, wanted): (Option<&Roster>, &Wanted),
        now: Duration,
    ) -> bool {
        if peer == self.me || !self.takes_place(&peer, roster) {
            return false;
        }
        let known = self.addresses(&peer);
        if known.contains(&address) {
            return false;
        }
        if known.len() >= ADDRESSES_PER_MEMBER_MAX && word == Word::Hearsay {
            return false;
        }
        let kept = known.iter().take(ADDRESSES_PER_MEMBER_MAX - 1).cloned();
        let addresses = kept.chain([address]).collect();
        Arc::make_mut(&mut self.known).insert(peer, addresses);
        if wanted.wants(&peer) {
            let due = now + if self.me < peer { Duration::ZERO } else { HIGHER_KEY_WAITS };
            let schedule = self.schedules.entry(peer).or_default();
            schedule.not_before = schedule.not_before.max(due);
            schedule.soon(due);
        }
        true
    }

    /// A dial of `peer` succeeded at `address`. A record to note, if that is news.
    pub(super) fn reached(&mut self, peer: PublicKey, address: &Address) -> Option<Record> {
        for seed in self.seeds.iter_mut().filter(|seed| seed.address == *address) {
            seed.found = Some(peer);
            seed.schedule.dialled_at = None;
        }
        self.schedules.remove(&peer);
        let known = self.addresses(&peer);
        if known.first() == Some(address) {
            return None;
        }
        let others = known.iter().filter(|known| *known != address);
        let addresses = std::iter::once(address).chain(others).take(ADDRESSES_PER_MEMBER_MAX);
        let addresses = addresses.cloned().collect();
        Arc::make_mut(&mut self.known).insert(peer, addresses);
        self.record(peer)
    }

    /// What the journal is to remember of a member's addresses.
    pub(super) fn record(&self, member: PublicKey) -> Option<Record> {
        let known = self.known.get(&member)?;
        let addresses = Bounded::first_of(known.iter().cloned());
        Some(Record::Addresses(MemberAddresses { member, addresses }))
    }

    /// What the journal remembers of a member's addresses.
    pub(super) fn restore(&mut self, remembered: MemberAddresses) {
        let addresses = remembered.addresses.into_vec().into();
        Arc::make_mut(&mut self.known).insert(remembered.member, addresses);
    }

    /// The last link to `peer` ended.
    pub(super) fn lost(&mut self, peer: PublicKey, now: Duration) {
        let wait = if self.me < peer { Duration::ZERO } else { HIGHER_KEY_WAITS };
        let schedule = Schedule { not_before: now + wait, ..Schedule::default() };
        self.schedules.insert(peer, schedule);
        for seed in self.seeds.iter_mut().filter(|seed| seed.found == Some(peer)) {
            seed.found = None;
        }
    }

    /// A dial ended without a link.
    pub(super) fn failed(
        &mut self,
        peer: Option<PublicKey>,
        address: Option<&Address>,
        now: Duration,
    ) {
        if let Some(peer) = peer.filter(|peer| self.known.contains_key(peer)) {
            self.schedules.entry(peer).or_default().failed(now);
        }
        for seed in self.seeds.iter_mut().filter(|seed| Some(&seed.address) == address) {
            seed.schedule.failed(now);
        }
    }

    /// Dials whoever is wanted and due.
    pub(super) fn dial(
        &mut self,
        roster: &Roster,
        links: &Links,
        wanted: &Wanted,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let is_missing = |peer: &PublicKey| {
            roster.member_at(peer, now.wall).is_some() && links.to(peer).is_none()
        };
        if wanted.is_full_mesh() {
            let missing: Vec<PublicKey> =
                self.known.keys().filter(|peer| is_missing(peer)).copied().collect();
            for peer in missing {
                self.dial_one(peer, now.tick, effects);
            }
        } else {
            let missing: Vec<PublicKey> =
                wanted.iter().filter(|peer| is_missing(peer)).copied().collect();
            self.dial_some(&missing, links, wanted, now.tick, effects);
        }
        // In a large plant they are the way in, and not a link for ever.
        let is_alone = wanted.is_full_mesh() || links.members() * 2 < wanted.neighbours();
        for seed in self.seeds.iter_mut().filter(|_| is_alone) {
            let is_linked = seed.found.is_some_and(|peer| links.to(&peer).is_some());
            if !is_linked && seed.schedule.take_turn(now.tick) {
                effects.push(Effect::DialAddress { address: seed.address.clone() });
            }
        }
    }

    /// Dials a member if its turn has come. Whether it has.
    fn dial_one(&mut self, peer: PublicKey, now: Duration, effects: &mut Vec<Effect>) -> bool {
        let is_known = !self.addresses(&peer).is_empty();
        let is_due = is_known && self.schedules.entry(peer).or_default().take_turn(now);
        if is_due {
            effects.push(Effect::Dial { peer, addresses: self.addresses(&peer).to_vec() });
        }
        is_due
    }

    /// Dials as many of these as there are places for.
    fn dial_some(
        &mut self,
        missing: &[PublicKey],
        links: &Links,
        wanted: &Wanted,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let is_under_way = |peer: &&PublicKey| {
            self.schedules.get(peer).is_some_and(|schedule| schedule.dialled_at.is_some())
        };
        let under_way = missing.iter().filter(is_under_way).count();
        let mut places = DIALS_MAX.saturating_sub(under_way);
        for peer in missing {
            let has_place = places > 0 && links.count() + under_way < LINKS_MAX;
            // A dial that went silent gives up its place here, too.
            let is_overdue =
                self.schedules.get(peer).is_some_and(|schedule| schedule.is_overdue(now));
            let may_dial = has_place || wanted.is_neighbour(peer) || is_overdue;
            if may_dial && self.dial_one(*peer, now, effects) {
                places = places.saturating_sub(1);
            }
        }
    }

    /// Addresses of all members, as other members may use them.
    pub fn of_members<'a>(
        &'a self,
        roster: &'a Roster,
    ) -> impl Iterator<Item = MemberAddresses> + 'a {
        let members = self.known.keys().filter(|peer| roster.member(peer).is_some());
        members.filter_map(|peer| self.of(peer))
    }

    /// Addresses of a member, as other members may use them.
    #[must_use]
    pub fn of(&self, member: &PublicKey) -> Option<MemberAddresses> {
        let known = self.known.get(member).filter(|known| !known.is_empty())?;
        let addresses = Bounded::first_of(known.iter().cloned());
        Some(MemberAddresses { member: *member, addresses })
    }

    fn addresses(&self, peer: &PublicKey) -> &[Address] {
        self.known.get(peer).map_or(&[], |known| known)
    }

    /// How many keys are remembered that are no members.
    #[cfg(test)]
    pub(super) fn strangers(&self) -> usize {
        self.strangers.len()
    }
}
