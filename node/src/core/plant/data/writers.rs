//! Which life of the node wrote the ends of its own log, and so where a new life goes on.

use gearmesh_protocol::ids::{GroupId, Incarnation};
use gearmesh_protocol::log::Tip;

use super::super::Plant;
use super::acks::Acks;

/// The ends of the own log with the lives that wrote them, what came here first before the others.
#[derive(Debug, Default)]
pub(super) struct Writers(Vec<(GroupId, Incarnation)>);

impl Writers {
    /// As the store found them.
    pub(super) const fn of(ends: Vec<(GroupId, Incarnation)>) -> Self {
        Self(ends)
    }

    /// Takes groups that came, of which some may be ends now.
    pub(super) fn came(
        &mut self,
        groups: impl IntoIterator<Item = (GroupId, Incarnation)>,
        ends: &[Tip],
    ) {
        self.0.extend(groups);
        self.0.retain(|(group, _)| ends.iter().any(|end| end.group == *group));
    }
}

impl Plant {
    /// Where the own log goes on: behind what this life wrote last, while nothing else follows that.
    /// What stands beside it may be another's, and what is written on top would take it in.
    pub(super) fn own_end(&self) -> Vec<Tip> {
        if let Some(before) = self.data.commit.under_way() {
            return vec![before];
        }
        let (ends, last) = (self.data.ends(&self.me), self.data.commit.last());
        let own = ends.iter().find(|end| Some(**end) == last).copied();
        own.or_else(|| self.earlier_end()).into_iter().collect()
    }

    /// Where the node goes on that has not written in this life: behind what an earlier life of it
    /// wrote, however long a branch is that another holder of the key may have made. Only where its
    /// journal knows none of them it is the longest.
    pub(super) fn earlier_end(&self) -> Option<Tip> {
        let ends = self.data.ends(&self.me);
        let own = self.data.writers.0.iter().filter(|(_, life)| self.lives.is_own(life));
        let mut own = own.filter_map(|(group, _)| ends.iter().find(|end| end.group == *group));
        own.next().or(ends.first()).copied()
    }

    /// The journal was read: members that name the end from which the node goes on confirm it.
    pub(in crate::core::plant) fn await_confirmation(&mut self) {
        self.data.acks = Acks::after(self.earlier_end());
    }
}
