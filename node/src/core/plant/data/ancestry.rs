//! Which groups of one log lie before which: asked only where a log forked, was cut or had its
//! terms changed, since it has to be held in memory.

use std::collections::{BTreeMap, BTreeSet};

use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::log::Header;

/// The parents of groups of one log.
#[derive(Debug, Default)]
pub struct Ancestry {
    parents: BTreeMap<GroupId, Vec<GroupId>>,
    /// What lies before or at some leaves; a log is asked for few lists of leaves, again and again.
    known: BTreeMap<Vec<GroupId>, BTreeSet<GroupId>>,
}

impl Ancestry {
    /// Adds a group.
    pub fn add(&mut self, id: GroupId, header: &Header) {
        self.parents.insert(id, header.parents.iter().copied().collect());
        self.known.clear();
    }

    /// Whether a group is one of these leaves or an ancestor of one.
    pub fn is_within(&mut self, group: &GroupId, leaves: &[GroupId]) -> bool {
        if let Some(within) = self.known.get(leaves) {
            return within.contains(group);
        }
        let within = self.ancestors_or_self(leaves);
        let is_within = within.contains(group);
        self.known.insert(leaves.to_vec(), within);
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
