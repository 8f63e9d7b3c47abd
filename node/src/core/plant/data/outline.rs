//! The outline of a data log: its shape, and where the few groups lie in it that something else
//! names: a cut, an amendment, a reader's place, a group that joins branches.
//!
//! To judge a group takes to know whether it lies before another. A store knows the shape of its
//! logs by their branches ([`Chain`]), and so does whoever keeps none: it draws the shape from the
//! headers that members show, from the first on, by the same rules. Their numbers never fall, so a
//! parent is one of the last groups that were drawn, or noted; nothing else has to be remembered,
//! however long the log is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::log::{Header, Tip};

use super::super::chain::{BRANCHES_MAX, Chain, Found, Link, Place, Placing, Put};
use super::checking::Odd;

/// Groups that are remembered while an outline is drawn: those of the last two numbers, on as many
/// branches as a log can have.
pub const RECENT_MAX: usize = 2 * BRANCHES_MAX;

/// Places in one log where groups may be missing; beyond them it cannot be drawn.
pub const LEAPS_MAX: usize = 64;

/// The shape of a log, with the places of some of its groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    chain: Chain,
    noted: BTreeMap<GroupId, Found>,
    /// What is to be noted when it comes.
    wanted: BTreeSet<GroupId>,
    /// Where the log ends, as members say: what ends there is no ancestor of anything.
    told: Vec<Tip>,
    recent: VecDeque<Found>,
    highest: Option<u64>,
    leaps: usize,
}

/// A group that was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drawn {
    pub(super) place: Place,
    /// Whether it was not shown where it goes on from.
    pub(super) is_leap: bool,
}

impl Outline {
    /// The outline of a log that has this shape, in which these groups were found.
    #[must_use]
    pub fn of(chain: Chain, found: BTreeMap<GroupId, Found>) -> Self {
        Self { chain, noted: found, ..Self::default() }
    }

    /// Nothing yet of a log that ends there, as members say, and in which these groups matter.
    #[must_use]
    pub fn begin(wanted: BTreeSet<GroupId>, told: Vec<Tip>) -> Self {
        Self { wanted, told, ..Self::default() }
    }

    /// Whether a group lies at one of these leaves or before one.
    #[must_use]
    pub fn is_within(&self, place: Place, leaves: &[GroupId]) -> bool {
        let leaves = leaves.iter().filter_map(|leaf| self.find(leaf));
        self.chain.is_within(place, &leaves.map(|found| found.place()).collect::<Vec<_>>())
    }

    /// Whether a group lies on a branch beside the longest.
    #[must_use]
    pub fn is_beside(&self, place: Place) -> bool {
        let ends = self.chain.ends();
        let longest = ends.first().filter(|_| ends.len() > 1);
        longest.is_some_and(|longest| !self.is_within(place, &[longest.group]))
    }

    /// Whether one of these groups is to be noted and was not asked for when it was begun.
    #[must_use]
    pub fn ignores(&self, groups: &BTreeSet<GroupId>) -> bool {
        groups.iter().any(|group| !self.wanted.contains(group) && self.find(group).is_none())
    }

    /// Whether a place was drawn.
    #[must_use]
    pub fn holds(&self, place: Place) -> bool {
        let branch = self.chain.branches().get(&place.branch);
        branch.is_some_and(|branch| place.number <= branch.tip.number)
    }

    /// The shape.
    pub(super) const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// A group whose place is remembered.
    pub(super) fn find(&self, id: &GroupId) -> Option<Found> {
        let recent = || self.recent.iter().find(|found| found.tip.group == *id);
        let noted = self.noted.get(id).or_else(recent).copied();
        noted.or_else(|| self.chain.known(id))
    }

    /// The only branch that has groups of this number, of those of which `is_open` is true.
    pub(super) fn only_branch(
        &self,
        number: u64,
        is_open: impl Fn(Place) -> bool,
    ) -> Option<Place> {
        let spans = self.chain.legs().filter_map(|leg| {
            let place = Place { number, ..leg.start };
            let is_spanned = (leg.first()..=leg.tip.number).contains(&number);
            (is_spanned && is_open(place)).then_some(place)
        });
        let mut spans = spans.fuse();
        spans.next().filter(|_| spans.next().is_none())
    }

    /// Draws the next group.
    pub(super) fn draw(&mut self, id: GroupId, header: &Header) -> Result<Drawn, Odd> {
        let find = |_, id: &GroupId| self.find(id);
        let (put, is_leap) = match self.chain.place(header, &id, find) {
            Placing::Put(put) => (put, false),
            Placing::Miscounted => return Err(Odd::Miscounted),
            Placing::Full => return Err(Odd::TooForked),
            Placing::Known => return Err(Odd::Beside),
            Placing::MissingParent => (self.leap(header)?, true),
        };
        let tip = Tip::of(id, header);
        let place = Place { branch: put.branch, number: header.number };
        let found = Found { branch: put.branch, tip };
        let from = match put.link {
            Link::Fork { from, .. } => from,
            Link::Turn { from, .. } => Some(from),
            Link::Append | Link::Fill { .. } | Link::Lead { .. } | Link::Skip { .. } => None,
        };
        let parents = header.parents.iter().filter_map(|parent| self.find(parent));
        let is_noted =
            |found: &Found| from == Some(found.place()) || put.joins.contains(&found.place());
        let parents: Vec<Found> = parents.filter(is_noted).collect();
        self.noted.extend(parents.into_iter().map(|found| (found.tip.group, found)));
        if matches!(put.link, Link::Fork { .. }) || self.wanted.contains(&id) {
            self.noted.insert(id, found);
        }
        self.chain.placed(tip, &put);
        self.leaps += usize::from(is_leap);
        self.highest = self.highest.max(Some(header.number));
        self.recent.push_back(found);
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
        Ok(Drawn { place, is_leap })
    }

    /// Where a group goes of which not all parents were shown: behind the longest branch that it can
    /// be behind, or on one of its own.
    fn leap(&self, header: &Header) -> Result<Put, Odd> {
        if self.highest.is_some_and(|highest| header.number < highest) {
            return Err(Odd::Beside);
        }
        if self.leaps == LEAPS_MAX || self.chain.branches().len() == BRANCHES_MAX {
            return Err(Odd::TooForked);
        }
        let (Some(parent), Some(number)) = (header.parents.first(), header.number.checked_sub(1))
        else {
            return Err(Odd::Miscounted);
        };
        let until = Tip { group: *parent, number, entries: header.entries_before };
        let joins = header.parents.iter().skip(1).filter_map(|parent| self.find(parent));
        let joins: Vec<Place> = joins.map(|found| found.place()).collect();
        let can_be = |end: &&Tip| {
            let is_end = self.told.contains(end) || header.parents.contains(&end.group);
            !is_end && end.number < number && end.entries <= until.entries
        };
        let ends = self.chain.ends();
        let known = self.find(parent);
        let is_last = |found: &Found| ends.contains(&found.tip);
        let (branch, link) = match known {
            Some(found) if is_last(&found) => (found.branch, Link::Skip { until: found.tip }),
            Some(found) => {
                (self.next(), Link::Fork { from: Some(found.place()), before: Some(found.tip) })
            }
            None => match ends.iter().find(can_be).and_then(|end| self.chain.known(&end.group)) {
                Some(behind) => (behind.branch, Link::Skip { until }),
                None => (self.next(), Link::Fork { from: None, before: Some(until) }),
            },
        };
        Ok(Put { branch, link, joins })
    }

    /// The number of the next branch.
    fn next(&self) -> u16 {
        self.chain.branches().keys().next_back().map_or(0, |last| last.saturating_add(1))
    }
}

#[cfg(test)]
mod tests;
