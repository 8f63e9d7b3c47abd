//! Which groups of one log lie before which: asked only where a log forked, was cut or had its
//! terms changed, since it has to be held in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use gearmesh_protocol::ids::{GroupId, PublicKey};

use super::super::data::{DataStore, ReadError};
use super::walk::Walk;

/// The parents of all groups of one log.
pub(super) struct Ancestry {
    walk: Walk,
    parents: BTreeMap<GroupId, Vec<GroupId>>,
    /// What lies before or at some leaves; a log is asked for few lists of leaves, again and again.
    known: Mutex<BTreeMap<Vec<GroupId>, BTreeSet<GroupId>>>,
}

impl Ancestry {
    pub(super) const fn of(store: DataStore, author: PublicKey) -> Self {
        let walk = Walk::after(store, author, Vec::new());
        Self { walk, parents: BTreeMap::new(), known: Mutex::new(BTreeMap::new()) }
    }

    /// Takes in what was added to the log.
    pub(super) async fn grow(&mut self) -> Result<(), ReadError> {
        while let Some(passed) = self.walk.next().await? {
            self.parents.insert(passed.id, passed.header.parents.into_iter().collect());
            self.known.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        }
        Ok(())
    }

    /// Whether a group is one of these leaves or an ancestor of one.
    pub(super) fn is_within(&self, group: &GroupId, leaves: &[GroupId]) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(within) = known.get(leaves) {
            return within.contains(group);
        }
        let within = self.ancestors_or_self(leaves);
        let is_within = within.contains(group);
        known.insert(leaves.to_vec(), within);
        is_within
    }

    fn ancestors_or_self(&self, leaves: &[GroupId]) -> BTreeSet<GroupId> {
        let mut found = BTreeSet::new();
        let mut open = leaves.to_vec();
        while let Some(id) = open.pop() {
            if let Some(parents) = self.parents.get(&id)
                && found.insert(id)
            {
                open.extend(parents);
            }
        }
        found
    }
}
