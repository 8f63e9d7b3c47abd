//! Where members may be reached, and when to dial again.
//!
//! Known members are dialled for ever, with a back-off that stays short enough for halves of a
//! plant to find each other again while somebody is watching. Addresses are hints from anybody
//! on the network; only keys of the roster are dialled, and the transport proves the key.

use std::collections::BTreeMap;
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::{ADDRESS_BOOK_MAX, ADDRESSES_PER_MEMBER_MAX};
use gearmesh_protocol::plant::{Address, MemberAddresses};

use super::links::Links;
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
}

#[derive(Clone, Debug, Default)]
struct Contact {
    /// Best known first.
    addresses: Vec<Address>,
    schedule: Schedule,
}

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
    known: BTreeMap<PublicKey, Contact>,
    seeds: Vec<Seed>,
}

impl Contacts {
    pub(super) fn new(me: PublicKey, seeds: Vec<Address>) -> Self {
        let seed = |address| Seed { address, schedule: Schedule::default(), found: None };
        Self { me, known: BTreeMap::new(), seeds: seeds.into_iter().map(seed).collect() }
    }

    /// Somebody says that `peer` answers at `address`. Whether that is news.
    pub(super) fn learn(&mut self, peer: PublicKey, address: Address, now: Duration) -> bool {
        let is_full = self.known.len() >= STRANGERS_MAX && !self.known.contains_key(&peer);
        if peer == self.me || is_full {
            return false;
        }
        let me = self.me;
        let contact = self.known.entry(peer).or_default();
        if contact.addresses.contains(&address) {
            return false;
        }
        if contact.addresses.len() >= ADDRESSES_PER_MEMBER_MAX {
            contact.addresses.pop();
        }
        contact.addresses.push(address);
        let wait = if me < peer { Duration::ZERO } else { HIGHER_KEY_WAITS };
        contact.schedule.not_before = contact.schedule.not_before.max(now + wait);
        contact.schedule.soon(now + wait);
        true
    }

    /// A dial of `peer` succeeded at `address`. A record to note, if that is news.
    pub(super) fn reached(&mut self, peer: PublicKey, address: &Address) -> Option<Record> {
        for seed in self.seeds.iter_mut().filter(|seed| seed.address == *address) {
            seed.found = Some(peer);
            seed.schedule.dialled_at = None;
        }
        let contact = self.known.entry(peer).or_default();
        contact.schedule = Schedule::default();
        if contact.addresses.first() == Some(address) {
            return None;
        }
        contact.addresses.retain(|known| known != address);
        contact.addresses.insert(0, address.clone());
        contact.addresses.truncate(ADDRESSES_PER_MEMBER_MAX);
        self.record(peer)
    }

    /// What the journal is to remember of a member's addresses.
    pub(super) fn record(&self, member: PublicKey) -> Option<Record> {
        let known = &self.known.get(&member)?.addresses;
        let addresses = Bounded::first_of(known.iter().cloned());
        Some(Record::Addresses(MemberAddresses { member, addresses }))
    }

    /// What the journal remembers of a member's addresses.
    pub(super) fn restore(&mut self, remembered: MemberAddresses) {
        let contact = self.known.entry(remembered.member).or_default();
        contact.addresses = remembered.addresses.into_vec();
    }

    /// The last link to `peer` ended.
    pub(super) fn lost(&mut self, peer: PublicKey, now: Duration) {
        let schedule = &mut self.known.entry(peer).or_default().schedule;
        schedule.dialled_at = None;
        let wait = if self.me < peer { Duration::ZERO } else { HIGHER_KEY_WAITS };
        schedule.not_before = now + wait;
        schedule.back_off = Duration::ZERO;
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
        if let Some(contact) = peer.and_then(|peer| self.known.get_mut(&peer)) {
            contact.schedule.failed(now);
        }
        for seed in self.seeds.iter_mut().filter(|seed| Some(&seed.address) == address) {
            seed.schedule.failed(now);
        }
    }

    /// Dials whoever is due.
    pub(super) fn dial(
        &mut self,
        roster: &Roster,
        links: &Links,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        for (peer, contact) in &mut self.known {
            let wanted = roster.member_at(peer, now.wall).is_some() && links.to(peer).is_none();
            if wanted && !contact.addresses.is_empty() && contact.schedule.take_turn(now.tick) {
                let addresses = contact.addresses.clone();
                effects.push(Effect::Dial { peer: *peer, addresses });
            }
        }
        for seed in &mut self.seeds {
            let is_linked = seed.found.is_some_and(|peer| links.to(&peer).is_some());
            if !is_linked && seed.schedule.take_turn(now.tick) {
                effects.push(Effect::DialAddress { address: seed.address.clone() });
            }
        }
        self.forget_strangers(roster);
    }

    /// Addresses of members, as other members may use them.
    #[must_use]
    pub fn of_members(&self, roster: &Roster) -> Vec<MemberAddresses> {
        let members = self.known.iter().filter(|(peer, _)| roster.member(peer).is_some());
        members
            .filter(|(_, contact)| !contact.addresses.is_empty())
            .map(|(peer, contact)| MemberAddresses {
                member: *peer,
                addresses: Bounded::first_of(contact.addresses.iter().cloned()),
            })
            .collect()
    }

    /// Where a member was last reached, or is said to be.
    #[must_use]
    pub fn address(&self, peer: &PublicKey) -> Option<&Address> {
        self.known.get(peer)?.addresses.first()
    }

    /// How many keys are remembered.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.known.len()
    }

    fn forget_strangers(&mut self, roster: &Roster) {
        if self.known.len() >= STRANGERS_MAX {
            self.known.retain(|peer, _| roster.member(peer).is_some());
        }
    }
}
