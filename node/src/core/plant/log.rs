//! One author's log as this node holds it: a tree of groups that is normally a chain.
//!
//! *Storing* asks only for signature, parent and order, which every holder judges alike; what a
//! reader may *believe* is judged elsewhere ([`super::roster`], [`super::data::judge`]). So copies of
//! a log converge whatever the order in which groups arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::limits::{LEAVES_MAX, LOCATOR_POINTS_MAX};
use gearmesh_protocol::log::{LogId, Tip, VerifiedGroup};

/// The copy of one log.
#[derive(Clone, Debug)]
pub struct Log {
    id: LogId,
    groups: BTreeMap<GroupId, Arc<VerifiedGroup>>,
    /// Children by first parent; `None` holds the first groups.
    children: BTreeMap<Option<GroupId>, BTreeSet<GroupId>>,
    leaves: BTreeSet<GroupId>,
    /// Where higher authorities said that the log ends; set by [`Log::protect`].
    named: BTreeSet<GroupId>,
    /// The named groups and their ancestors, as far as they are known: kept before all others.
    protected: BTreeSet<GroupId>,
    /// Protected groups whose parents are not here. They are no part of the log yet, but they tell
    /// which groups are to be kept when they come.
    apart: BTreeMap<GroupId, Arc<VerifiedGroup>>,
}

/// What became of a group that was offered to a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is part of the log now.
    New,
    /// It was there already.
    Known,
    /// It is protected and waits for its parents.
    Apart,
    /// It is on a branch beyond the bound of leaves; every holder drops the same ones.
    Dropped,
}

/// Why a group cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreRefusal {
    /// It belongs to another log.
    #[error("group {group:?} belongs to another log")]
    OtherLog {
        /// The group.
        group: GroupId,
    },
    /// A parent is not here yet.
    #[error("group {group:?} builds on {parent:?}, which is not here")]
    MissingParent {
        /// The group.
        group: GroupId,
        /// The parent that is missing.
        parent: GroupId,
    },
    /// Its number or count does not continue its parents.
    #[error("group {group:?} does not continue the count of its parents")]
    Miscounted {
        /// The group.
        group: GroupId,
    },
}

impl Log {
    /// An empty log.
    #[must_use]
    pub const fn new(id: LogId) -> Self {
        Self {
            id,
            groups: BTreeMap::new(),
            children: BTreeMap::new(),
            leaves: BTreeSet::new(),
            named: BTreeSet::new(),
            protected: BTreeSet::new(),
            apart: BTreeMap::new(),
        }
    }

    /// Which log this is.
    #[must_use]
    pub const fn id(&self) -> LogId {
        self.id
    }

    /// Stores a group.
    ///
    /// # Errors
    /// It belongs elsewhere, its parents are missing, or it does not continue their count.
    pub fn insert(&mut self, group: Arc<VerifiedGroup>) -> Result<Inserted, StoreRefusal> {
        let id = group.id();
        if self.groups.contains_key(&id) || self.apart.contains_key(&id) {
            return Ok(Inserted::Known);
        }
        let is_protected = self.protected.contains(&id);
        match self.check(&group) {
            Ok(()) => {}
            Err(StoreRefusal::MissingParent { .. }) if is_protected => {
                self.shelter(group.header().parents.iter().copied());
                self.apart.insert(id, group);
                return Ok(Inserted::Apart);
            }
            Err(refusal) => return Err(refusal),
        }
        self.attach(group);
        self.attach_what_waited();
        Ok(if self.groups.contains_key(&id) { Inserted::New } else { Inserted::Dropped })
    }

    fn attach(&mut self, group: Arc<VerifiedGroup>) {
        let id = group.id();
        let parents = group.header().parents.clone();
        if self.protected.contains(&id) {
            self.shelter(parents.iter().copied());
        }
        for parent in &parents {
            self.leaves.remove(parent);
        }
        self.leaves.insert(id);
        self.groups.insert(id, group);
        let siblings = self.children.entry(parents.first().copied()).or_default();
        siblings.insert(id);
        if siblings.len() > 1 {
            self.drop_branches_beyond_bound();
        }
    }

    /// Makes groups part of the log whose parents came after them.
    fn attach_what_waited(&mut self) {
        while let Some(group) = self.apart.values().find(|group| self.has_parents_of(group)) {
            let group = Arc::clone(group);
            self.apart.remove(&group.id());
            // A group that does not continue its parents never will.
            if self.check(&group).is_ok() {
                self.attach(group);
            }
        }
    }

    fn has_parents_of(&self, group: &VerifiedGroup) -> bool {
        group.header().parents.iter().all(|parent| self.groups.contains_key(parent))
    }

    /// Keeps these groups and their ancestors before all others, and nobody else's. Whether the
    /// log holds other groups now.
    ///
    /// Whoever holds a stolen key can choose the hashes of its branches, and so which of too many
    /// are dropped; what a higher authority names is not his to choose. A copy that dropped such a
    /// group before takes it again, the named one first and then, led by the parents that it
    /// names, one ancestor after the other: so all copies to which everything is offered converge.
    pub fn protect(&mut self, named: BTreeSet<GroupId>) -> bool {
        if self.named == named {
            return false;
        }
        let before: Vec<GroupId> = self.groups.keys().copied().collect();
        self.protected.clear();
        self.shelter(named.iter().copied());
        self.named = named;
        let Self { apart, protected, .. } = self;
        apart.retain(|id, _| protected.contains(id));
        self.attach_what_waited();
        self.drop_branches_beyond_bound();
        !self.groups.keys().eq(&before)
    }

    /// Protects these and all their ancestors that are known.
    fn shelter(&mut self, of: impl IntoIterator<Item = GroupId>) {
        let mut open: Vec<GroupId> = of.into_iter().collect();
        while let Some(id) = open.pop() {
            if self.protected.insert(id)
                && let Some(group) = self.groups.get(&id).or_else(|| self.apart.get(&id))
            {
                open.extend(group.header().parents.iter().copied());
            }
        }
    }

    /// How many groups wait for their parents.
    #[must_use]
    pub fn count_apart(&self) -> usize {
        self.apart.len()
    }

    /// Whether the log holds a group.
    #[must_use]
    pub fn contains(&self, group: &GroupId) -> bool {
        self.groups.contains_key(group)
    }

    /// A group of the log.
    #[must_use]
    pub fn get(&self, group: &GroupId) -> Option<&Arc<VerifiedGroup>> {
        self.groups.get(group)
    }

    /// How many groups the log holds.
    #[must_use]
    pub fn count(&self) -> usize {
        self.groups.len()
    }

    /// The groups without children, sorted by id.
    #[must_use]
    pub const fn leaves(&self) -> &BTreeSet<GroupId> {
        &self.leaves
    }

    /// Where a writer goes on: all leaves, the longest branch first.
    #[must_use]
    pub fn tips(&self) -> Vec<Tip> {
        let mut tips: Vec<Tip> =
            self.leaves.iter().filter_map(|leaf| self.groups.get(leaf)).map(|g| g.tip()).collect();
        tips.sort_unstable_by_key(|tip| (std::cmp::Reverse(tip.number), tip.group));
        tips
    }

    /// Whether somewhere two groups follow one.
    #[must_use]
    pub fn is_forked(&self) -> bool {
        self.children.values().any(|siblings| siblings.len() > 1)
    }

    /// All groups, parents before children.
    #[must_use]
    pub fn in_order(&self) -> Vec<&Arc<VerifiedGroup>> {
        let mut groups: Vec<_> = self.groups.values().collect();
        groups.sort_unstable_by_key(|group| (group.header().number, group.id()));
        groups
    }

    /// The given groups and all their ancestors, as far as they are here.
    #[must_use]
    pub fn ancestors_or_self(&self, of: &[GroupId]) -> BTreeSet<GroupId> {
        let mut found = BTreeSet::new();
        let mut open: Vec<GroupId> = of.to_vec();
        while let Some(id) = open.pop() {
            if let Some(group) = self.groups.get(&id)
                && found.insert(id)
            {
                open.extend(group.header().parents.iter().copied());
            }
        }
        found
    }

    /// What a reader lacks that has these groups and their ancestors, parents before children.
    #[must_use]
    pub fn beyond(&self, have: &[GroupId]) -> Vec<&Arc<VerifiedGroup>> {
        let known = self.ancestors_or_self(have);
        self.in_order().into_iter().filter(|group| !known.contains(&group.id())).collect()
    }

    /// How a reader says what it has: its leaves, then points at doubling distances back from the
    /// longest branch, so that an answer to an outdated or forked reader is at most twice too long.
    #[must_use]
    pub fn locator(&self) -> Vec<GroupId> {
        let tips = self.tips();
        let mut points: Vec<GroupId> = tips.iter().map(|tip| tip.group).collect();
        let Some(longest) = tips.first() else { return points };
        let mut next = 1;
        let mut at = Some(longest.group);
        let mut distance = 0_u64;
        while let Some(group) = at.and_then(|id| self.groups.get(&id)) {
            if distance == next && points.len() < LOCATOR_POINTS_MAX {
                points.push(group.id());
                next *= 2;
            }
            distance += 1;
            at = group.header().parents.first().copied();
        }
        points
    }

    fn check(&self, group: &VerifiedGroup) -> Result<(), StoreRefusal> {
        let (id, header) = (group.id(), group.header());
        if header.log != self.id {
            return Err(StoreRefusal::OtherLog { group: id });
        }
        let mut number = 0;
        let mut entries_before = 0;
        for (at, parent) in header.parents.iter().enumerate() {
            let Some(stored) = self.groups.get(parent) else {
                return Err(StoreRefusal::MissingParent { group: id, parent: *parent });
            };
            number = number.max(stored.header().number + 1);
            if at == 0 {
                entries_before = stored.tip().entries;
            }
        }
        if header.number != number || header.entries_before != entries_before {
            return Err(StoreRefusal::Miscounted { group: id });
        }
        Ok(())
    }

    /// Keeps at most [`LEAVES_MAX`] branches: what is protected, and then, in the order of
    /// (number, id), every group that is not the first child of its parent takes one of the places
    /// that are left; when there is none it goes with all its descendants. The result depends on
    /// the set of groups and on what is named alone.
    fn drop_branches_beyond_bound(&mut self) {
        let mut places = LEAVES_MAX - 1;
        let mut kept: BTreeMap<GroupId, Arc<VerifiedGroup>> = BTreeMap::new();
        let mut first_child: BTreeSet<Option<GroupId>> = BTreeSet::new();
        let in_order: Vec<_> = self.in_order().into_iter().cloned().collect();
        let (protected, others): (Vec<_>, Vec<_>) =
            in_order.into_iter().partition(|group| self.protected.contains(&group.id()));
        for group in protected {
            let is_first = first_child.insert(group.header().parents.first().copied());
            places = places.saturating_sub(usize::from(!is_first));
            kept.insert(group.id(), group);
        }
        for group in others {
            let parents = &group.header().parents;
            if !parents.iter().all(|parent| kept.contains_key(parent)) {
                continue;
            }
            let is_first = first_child.insert(parents.first().copied());
            if is_first {
                kept.insert(group.id(), group);
            } else if places > 0 {
                places -= 1;
                kept.insert(group.id(), group);
            }
        }
        if kept.len() == self.groups.len() {
            return;
        }
        self.groups = kept;
        self.reindex();
    }

    fn reindex(&mut self) {
        self.children.clear();
        self.leaves = self.groups.keys().copied().collect();
        for (id, group) in &self.groups {
            let parents = &group.header().parents;
            self.children.entry(parents.first().copied()).or_default().insert(*id);
            for parent in parents {
                self.leaves.remove(parent);
            }
        }
    }
}

#[cfg(test)]
#[path = "log/tests.rs"]
mod tests;
