//! Which groups of one log lie before which, as far as the headers of an export show.

use std::collections::{BTreeMap, BTreeSet};

use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::log::Header;

/// Groups at some leaves and before them.
pub(super) struct Within<'a> {
    headers: &'a BTreeMap<GroupId, Header>,
    shown: BTreeSet<GroupId>,
    /// What has a lower number may lie before them too: groups between are missing.
    reach: u64,
}

impl<'a> Within<'a> {
    /// What lies at these leaves and before them.
    pub(super) fn of(headers: &'a BTreeMap<GroupId, Header>, leaves: &[GroupId]) -> Self {
        let (mut shown, mut reach) = (BTreeSet::new(), 0);
        let mut open = leaves.to_vec();
        while let Some(id) = open.pop() {
            let Some(header) = headers.get(&id) else { continue };
            if shown.insert(id) {
                let is_whole = header.parents.iter().all(|parent| headers.contains_key(parent));
                reach = reach.max(if is_whole { 0 } else { header.number });
                open.extend(header.parents.iter().copied());
            }
        }
        Self { headers, shown, reach }
    }

    /// Whether a group is shown to be among them; with `is_lenient`, whether it may be.
    pub(super) fn holds(&self, group: &GroupId, is_lenient: bool) -> bool {
        let may_be = || self.headers.get(group).is_some_and(|it| it.number < self.reach);
        self.shown.contains(group) || (is_lenient && may_be())
    }
}
