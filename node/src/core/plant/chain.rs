//! Where the groups of a data log lie: the rule by which a store of any size places them.
//!
//! A data log may hold millions of groups, so nobody keeps them in memory as
//! [`log::Log`](super::log::Log) does with a trust log. What is kept is the log's shape: its
//! *branches*, each a row of groups of which every one is a child of the one before, and where they
//! begin and end. A group whose first parent ends a branch goes on with it, which is known without
//! looking anything up; a second child of a group begins a branch of its own; several parents (a
//! person settled a fork) are noted as *joins*. A group that came before its parent may turn out to
//! lie behind another group than it was placed behind: there its branch [turns](Turn).
//!
//! Storing asks only for signature, parent and order. Beyond the bounds of branches, ends and joins
//! a group is refused for good, in the order of arriving, so that copies of a log that somebody
//! forks without end may differ; what a revocation's cut names decides what is believed of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::limits::LEAVES_MAX;
use gearmesh_protocol::log::{Header, Tip};

mod extent;
mod legs;

pub use extent::Extent;
pub use legs::{Leg, Row, Turn};

/// Branches of one log, ended ones and those behind a turn among them: forks that people settled, and
/// those that a thief made before his key was revoked.
pub const BRANCHES_MAX: usize = 64;

/// Parents beyond the first that are noted of one log.
pub const JOINS_MAX: usize = 256;

/// Where a group lies in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// On which branch.
    pub branch: u16,
    /// Under which number.
    pub number: u64,
}

/// A group that was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The branch it lies on.
    pub branch: u16,
    /// The group.
    pub tip: Tip,
}

/// Groups of a branch that are missing: damaged, or never received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The group before them; none where the log's first groups are missing.
    pub after: Option<Tip>,
    /// The last of them, which the group behind the gap names as its parent.
    pub until: Tip,
}

/// A row of groups, each the child of the one before, except where it turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The group of another branch that its first group goes on from.
    pub from: Option<Place>,
    /// The group before the first that is kept. It lies at `from`, or was pruned, or never came.
    pub before: Option<Tip>,
    /// Its last group.
    pub tip: Tip,
    /// What is missing between its first and its last group, in order.
    pub gaps: Vec<Gap>,
    /// Where it turns, by the number of the first group behind.
    pub turns: BTreeMap<u64, Turn>,
}

/// The shape of one log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    branches: BTreeMap<u16, Branch>,
    /// The parents of a group beyond the first, where they tell something new.
    joins: BTreeMap<Place, Vec<Place>>,
}

/// What is to become of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placing {
    /// It is here, or lies before all that is kept here.
    Known,
    /// It is to be stored.
    Put(Put),
    /// A parent is not here.
    MissingParent,
    /// Its number or count does not continue its parents.
    Miscounted,
    /// It forks the log beyond a bound.
    Full,
}

/// Where a group is to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// On which branch.
    pub branch: u16,
    /// How it continues the branch.
    pub link: Link,
    /// Its parents beyond the first, where they tell something new.
    pub joins: Vec<Place>,
}

/// How a group continues its branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It follows the branch's last group.
    Append,
    /// It is the first that was missing in a gap.
    Fill {
        /// Behind which group the gap begins.
        after: Option<Tip>,
    },
    /// It is the last that was missing in a gap, and its own parent is missing.
    Lead {
        /// That parent.
        until: Tip,
    },
    /// It follows the branch's last group, and a parent is missing.
    Skip {
        /// The group's first parent: the last of those missing between, if it is missing.
        until: Tip,
    },
    /// It is the last that was missing in a gap, and goes on from another group than the gap lies
    /// behind.
    Turn {
        /// Behind which group the gap lies.
        left: Tip,
        /// Where the group lies that it goes on from.
        from: Place,
        /// The same group.
        before: Tip,
    },
    /// It begins the branch.
    Fork {
        /// The group of another branch that it goes on from.
        from: Option<Place>,
        /// The same group; or the parent that is missing.
        before: Option<Tip>,
    },
}

impl Link {
    /// Whether the group was missing: one that is here names it.
    #[must_use]
    pub const fn fills(&self) -> bool {
        matches!(self, Self::Fill { .. } | Self::Lead { .. } | Self::Turn { .. })
    }
}

impl Found {
    /// Where it lies.
    #[must_use]
    pub const fn place(&self) -> Place {
        Place { branch: self.branch, number: self.tip.number }
    }
}

impl Chain {
    /// A log of this shape, as a store finds it when it is opened.
    #[must_use]
    pub fn restored(branches: BTreeMap<u16, Branch>, joins: BTreeMap<Place, Vec<Place>>) -> Self {
        let mut chain = Self { branches, joins };
        chain.drop_lost_origins();
        chain
    }

    /// The branches by number. One that goes on from another has a higher number.
    #[must_use]
    pub const fn branches(&self) -> &BTreeMap<u16, Branch> {
        &self.branches
    }

    /// Where a writer goes on: the groups without children, the longest branch first.
    #[must_use]
    pub fn ends(&self) -> Vec<Tip> {
        let open = self.legs().filter(|leg| self.is_end(leg.end()));
        let mut tips: Vec<Tip> = open.map(|leg| leg.tip).collect();
        tips.sort_unstable_by_key(|tip| (std::cmp::Reverse(tip.number), tip.group));
        tips
    }

    /// Of a leg's last group, whether no other leg goes on from it.
    fn is_end(&self, tip: Place) -> bool {
        !self.joins.values().flatten().any(|parent| *parent == tip)
            && !self.legs().any(|leg| leg.from == Some(tip))
    }

    /// A group that the shape alone tells of: the last of a branch, and those around a gap.
    #[must_use]
    pub fn known(&self, id: &GroupId) -> Option<Found> {
        let ends = self.legs().map(|leg| Found { branch: leg.start.branch, tip: leg.tip });
        let gaps = self.branches.iter().flat_map(|(number, branch)| {
            // A gap at a leg's begin has behind it what lies on another.
            let after = branch.gaps.iter().filter_map(|gap| gap.after);
            let is_inside =
                move |after: &Tip| !branch.legs(*number).any(|leg| leg.before == Some(*after));
            let inside = after.filter(is_inside);
            let until = branch.gaps.iter().map(|gap| gap.until);
            inside.chain(until).map(|tip| Found { branch: *number, tip })
        });
        let befores = self.legs().filter_map(|leg| leg.origin());
        ends.chain(gaps).chain(befores).find(|found| found.tip.group == *id)
    }

    /// What is to become of a group. `find` looks up a group that is here by its id, among those
    /// with the given numbers; it is not called for a group that follows the last of a branch.
    pub fn place(
        &self,
        header: &Header,
        id: &GroupId,
        mut find: impl FnMut(RangeInclusive<u64>, &GroupId) -> Option<Found>,
    ) -> Placing {
        let is_awaited = self.awaits(id);
        if !is_awaited && self.known(id).is_some() {
            return Placing::Known;
        }
        let last = header.parents.first().and_then(|parent| self.last(parent));
        // Where a turned branch goes on from it, the group may lie there.
        let follows = last.is_some_and(|last| self.is_end(last));
        if !follows && !is_awaited {
            let is_awaiting = last.is_some() || self.branch_awaiting(header).is_some();
            if !is_awaiting && header.number < self.floor() {
                return Placing::Known;
            }
            if find(header.number..=header.number, id).is_some() {
                return Placing::Known;
            }
        }
        let below = header.number.saturating_sub(1);
        let numbers = if header.parents.len() == 1 { below..=below } else { 0..=below };
        let mut parents = Vec::with_capacity(header.parents.len());
        for parent in &header.parents {
            match self.known(parent).or_else(|| find(numbers.clone(), parent)) {
                Some(found) => parents.push(found),
                None => return Placing::MissingParent,
            }
        }
        let number = parents.iter().map(|parent| parent.tip.number.saturating_add(1)).max();
        let before = parents.first().map(|parent| parent.tip);
        if header.number != number.unwrap_or(0)
            || header.entries_before != before.map_or(0, |tip| tip.entries)
        {
            return Placing::Miscounted;
        }
        self.put(Tip::of(*id, header), &parents)
    }

    /// What is to become of a group whose parent is not here, when that is not to hinder it: it
    /// begins an empty log, or goes on with the longest branch that it can be behind. `find` is the same
    /// as for [`Chain::place`].
    pub fn place_apart(
        &self,
        header: &Header,
        mut find: impl FnMut(RangeInclusive<u64>, &GroupId) -> Option<Found>,
    ) -> Placing {
        let (Some(parent), Some(number)) = (header.parents.first(), header.number.checked_sub(1))
        else {
            return Placing::MissingParent;
        };
        let until = Tip { group: *parent, number, entries: header.entries_before };
        if self.branches.is_empty() {
            let link = Link::Fork { from: None, before: Some(until) };
            return Placing::Put(Put { branch: 0, link, joins: Vec::new() });
        }
        let id = header.id();
        let here = self.known(parent).or_else(|| find(0..=number, parent));
        if let Some(found) = here {
            // Only parents beyond the first are missing.
            if found.tip.entries != header.entries_before || found.tip.number > number {
                return Placing::Miscounted;
            }
            if self.awaits(&id) || !self.is_last(&found.tip.group) {
                return self.put(Tip::of(id, header), &[found]);
            }
            let link = Link::Skip { until: found.tip };
            return Placing::Put(Put { branch: found.branch, link, joins: Vec::new() });
        }
        let is_behind = |end: &Tip| end.number < number && end.entries <= until.entries;
        if let Some((branch, gap)) = self.gap_until(&id) {
            return match gap.after.is_none_or(|after| is_behind(&after)) {
                true => Placing::Put(Put { branch, link: Link::Lead { until }, joins: Vec::new() }),
                false => Placing::MissingParent,
            };
        }
        let ends = self.ends();
        let behind = ends.iter().find(|end| is_behind(end) && self.is_last(&end.group));
        let found = behind.and_then(|end| self.known(&end.group));
        found.map_or(Placing::MissingParent, |found| {
            let link = Link::Skip { until };
            Placing::Put(Put { branch: found.branch, link, joins: Vec::new() })
        })
    }

    /// Notes that the group was stored.
    pub fn placed(&mut self, tip: Tip, put: &Put) {
        match (put.link, self.branches.get_mut(&put.branch)) {
            (Link::Fork { from, before }, _) => {
                let (gaps, turns) = (Vec::new(), BTreeMap::new());
                let branch = Branch { from, before, tip, gaps, turns };
                self.branches.insert(put.branch, branch);
            }
            (Link::Append, Some(branch)) => branch.tip = tip,
            (Link::Skip { until }, Some(branch)) => {
                if branch.tip.group != until.group {
                    branch.gaps.push(Gap { after: Some(branch.tip), until });
                }
                branch.tip = tip;
            }
            (Link::Fill { after }, Some(branch)) => {
                if let Some(gap) = branch.gaps.iter_mut().find(|gap| gap.after == after) {
                    gap.after = Some(tip);
                }
                branch.gaps.retain(|gap| gap.after.map(|tip| tip.group) != Some(gap.until.group));
            }
            (Link::Lead { until }, Some(branch)) => {
                let gaps = branch.gaps.iter_mut();
                gaps.filter(|gap| gap.until.group == tip.group).for_each(|gap| gap.until = until);
            }
            (Link::Turn { left, from, before }, Some(branch)) => {
                branch.gaps.retain(|gap| gap.until.group != tip.group);
                let (from, before) = (Some(from), Some(before));
                branch.turns.insert(tip.number, Turn { left, from, before });
            }
            (_, None) => {}
        }
        if !put.joins.is_empty() {
            let at = Place { branch: put.branch, number: tip.number };
            self.joins.insert(at, put.joins.clone());
        }
    }

    /// Notes what is missing on a branch, as far as that is known now.
    pub fn set_gaps(&mut self, branch: u16, gaps: Vec<Gap>) {
        if let Some(branch) = self.branches.get_mut(&branch) {
            branch.gaps = gaps;
        }
    }

    /// Notes that the groups of the leg that starts there are not kept any more up to `before`.
    pub fn pruned(&mut self, leg: Place, before: Tip) {
        let gone = |number: u64| (leg.number..=before.number).contains(&number);
        if let Some(kept) = self.branches.get_mut(&leg.branch) {
            kept.begins_behind(leg, before);
            kept.gaps.retain(|gap| !gone(gap.until.number));
        }
        self.joins.retain(|at, _| at.branch != leg.branch || !gone(at.number));
    }

    /// The legs that were joined where the leg that starts at `by` is not kept any more once it begins
    /// behind `before`, and those that were joined by them: nothing would say then that they ended.
    #[must_use]
    pub fn joined_before(&self, by: Place, before: u64) -> BTreeSet<Place> {
        let mut joined = BTreeSet::new();
        let mut open = vec![(by, before)];
        while let Some((start, until)) = open.pop() {
            let until = Place { number: until, ..start };
            let noted = (start <= until).then(|| self.joins.range(start..=until));
            for end in noted.into_iter().flatten().flat_map(|(_, parents)| parents) {
                let Some(leg) = self.leg_at(*end) else { continue };
                if leg.end() == *end && joined.insert(leg.start) {
                    open.push((leg.start, end.number));
                }
            }
        }
        joined
    }

    /// Notes that nothing is kept any more of the leg that starts there.
    pub fn forget(&mut self, leg: Place) {
        let Some(gone) = self.leg_at(leg) else { return };
        let is_gone = |at: &Place| at.branch == leg.branch && gone.spans(at.number);
        self.joins.retain(|at, _| !is_gone(at));
        let Some(branch) = self.branches.get_mut(&leg.branch) else { return };
        branch.gaps.retain(|gap| !gone.spans(gap.until.number));
        if !branch.lost_leg(gone.start) {
            self.branches.remove(&leg.branch);
        }
        for branch in self.branches.values_mut() {
            branch.from = branch.from.filter(|from| !is_gone(from));
            for turn in branch.turns.values_mut() {
                turn.from = turn.from.filter(|from| !is_gone(from));
            }
        }
        self.drop_lost_origins();
    }

    /// A branch that goes on from one that is gone is what the log begins with.
    fn drop_lost_origins(&mut self) {
        let kept: BTreeSet<u16> = self.branches.keys().copied().collect();
        for branch in self.branches.values_mut() {
            branch.from = branch.from.filter(|from| kept.contains(&from.branch));
            for turn in branch.turns.values_mut() {
                turn.from = turn.from.filter(|from| kept.contains(&from.branch));
            }
        }
    }

    /// Of each leg, the first number that is not an ancestor of these places or one of them. Numbers
    /// may jump, so a group with the very number need not exist.
    #[must_use]
    pub fn beyond(&self, have: &[Place]) -> Vec<(Leg, u64)> {
        let covered = self.covered(have);
        let first = |leg: Leg| {
            let next = covered.get(&leg.start).map_or(0, |last| last.saturating_add(1));
            (leg, next.max(leg.first()))
        };
        self.legs().map(first).collect()
    }

    /// Whether a place is one of these or lies before one, also behind groups that are missing.
    #[must_use]
    pub fn is_within(&self, place: Place, leaves: &[Place]) -> bool {
        let Some(leg) = self.leg_at(place) else { return false };
        self.covered(leaves).get(&leg.start).is_some_and(|highest| place.number <= *highest)
    }

    /// Of each leg, by where it starts, the highest number among these places and their ancestors.
    fn covered(&self, have: &[Place]) -> BTreeMap<Place, u64> {
        let mut covered: BTreeMap<Place, u64> = BTreeMap::new();
        let mut open = have.to_vec();
        while let Some(place) = open.pop() {
            let Some(leg) = self.leg_at(place) else { continue };
            if covered.get(&leg.start).is_some_and(|highest| *highest >= place.number) {
                continue;
            }
            covered.insert(leg.start, place.number);
            open.extend(leg.from);
            let joined = self.joins.range(leg.start..=place);
            open.extend(joined.flat_map(|(_, parents)| parents.iter().copied()));
        }
        covered
    }

    /// The place of a group whose parents were found and counted.
    fn put(&self, tip: Tip, parents: &[Found]) -> Placing {
        let first = parents.first().copied();
        let joins = self.joins_of(parents);
        let noted: usize = self.joins.values().map(Vec::len).sum();
        if noted + joins.len() > JOINS_MAX {
            return Placing::Full;
        }
        if let Some((branch, after)) = self.gap_for(tip.number, &tip.group, first) {
            return Placing::Put(Put { branch, link: Link::Fill { after }, joins });
        }
        let joined = joins.iter().filter(|place| self.ends_at(**place)).count();
        let goes_on = first.is_some_and(|parent| self.ends_at(parent.place()));
        let ends_then = self.ends().len() + 1 - joined - usize::from(goes_on);
        let is_crowded = self.legs().count() >= BRANCHES_MAX || ends_then > LEAVES_MAX;
        if let Some((branch, link)) = first.and_then(|parent| self.turn_for(tip, parent)) {
            // What lies before the turn ends there; so there is one end more, as by a fork.
            return match is_crowded {
                true => Placing::Full,
                false => Placing::Put(Put { branch, link, joins }),
            };
        }
        let last = first.filter(|parent| self.is_last(&parent.tip.group));
        if let Some(parent) = last {
            if !goes_on && ends_then > LEAVES_MAX {
                return Placing::Full;
            }
            let link = Link::Append;
            return Placing::Put(Put { branch: parent.branch, link, joins });
        }
        if is_crowded {
            return Placing::Full;
        }
        // A group may still name the end of a branch that is gone.
        let named = self.joins.values().flatten().map(|end| end.branch);
        let last = self.branches.keys().copied().chain(named).max();
        let branch = last.map_or(0, |last| last.saturating_add(1));
        let link =
            Link::Fork { from: first.map(|p| p.place()), before: first.map(|parent| parent.tip) };
        Placing::Put(Put { branch, link, joins })
    }

    /// The parents beyond the first that are no ancestors of those before them.
    fn joins_of(&self, parents: &[Found]) -> Vec<Place> {
        let mut have: Vec<Place> = parents.iter().take(1).map(Found::place).collect();
        let mut joins = Vec::new();
        for place in parents.iter().skip(1).map(Found::place) {
            if !self.is_within(place, &have) {
                joins.push(place);
                have.push(place);
            }
        }
        joins
    }

    /// The gap that a group is the first one missing of.
    fn gap_for(
        &self,
        number: u64,
        id: &GroupId,
        parent: Option<Found>,
    ) -> Option<(u16, Option<Tip>)> {
        let mut gaps =
            self.branches.iter().flat_map(|(branch, of)| of.gaps.iter().map(|gap| (*branch, gap)));
        let begins =
            |gap: &Gap| gap.after.map(|tip| tip.group) == parent.map(|found| found.tip.group);
        if let Some((branch, gap)) = self.gap_until(id) {
            return begins(&gap).then_some((branch, gap.after));
        }
        let fits = |gap: &Gap| begins(gap) && number < gap.until.number;
        gaps.find(|(_, gap)| fits(gap)).map(|(branch, gap)| (branch, gap.after))
    }

    /// Whether a gap behind the group's parent waits to be filled.
    fn branch_awaiting(&self, header: &Header) -> Option<u16> {
        let parent = header.parents.first().copied();
        let waits = |branch: &Branch| {
            branch.gaps.iter().any(|gap| gap.after.map(|tip| tip.group) == parent)
        };
        self.branches.iter().find(|(_, branch)| waits(branch)).map(|(number, _)| *number)
    }

    /// Whether the group is missing and a stored one names it.
    fn awaits(&self, id: &GroupId) -> bool {
        self.gap_until(id).is_some()
    }

    /// The gap of which a group is the last one missing.
    fn gap_until(&self, id: &GroupId) -> Option<(u16, Gap)> {
        let mut gaps =
            self.branches.iter().flat_map(|(branch, of)| of.gaps.iter().map(|gap| (*branch, *gap)));
        gaps.find(|(_, gap)| gap.until.group == *id)
    }

    fn is_last(&self, id: &GroupId) -> bool {
        self.last(id).is_some()
    }

    /// Where a group lies, if it is the last of a branch.
    fn last(&self, id: &GroupId) -> Option<Place> {
        let (branch, of) = self.branches.iter().find(|(_, branch)| branch.tip.group == *id)?;
        Some(Place { branch: *branch, number: of.tip.number })
    }

    fn ends_at(&self, place: Place) -> bool {
        self.leg_at(place).is_some_and(|leg| leg.end() == place) && self.is_end(place)
    }

    /// Below this number something is not kept any more, or never came, and nothing is taken: what
    /// was let go would come again as a branch of its own.
    #[must_use]
    pub fn floor(&self) -> u64 {
        self.legs().filter(Leg::begins_later).map(|leg| leg.first()).max().unwrap_or(0)
    }
}

#[cfg(test)]
#[path = "chain/tests.rs"]
mod tests;
