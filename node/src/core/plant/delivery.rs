//! Whether a stored group of a data log is believed, and how it is marked.
//!
//! Storing asks only who signed; delivering asks whether the author might say so. A group is
//! judged by the membership record that it names, which never goes backwards along a log, so that
//! old entries stay readable after a member's terms changed.

use std::collections::BTreeSet;

use gearmesh_protocol::ids::{GroupId, RecordId};
use gearmesh_protocol::log::VerifiedGroup;
use gearmesh_protocol::trust::Reason;

use super::log::Log;
use super::roster::{Revoked, within_all};

/// How a reader takes a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Believed.
    Plain,
    /// Believed, and marked: it lies beyond the cut of a revocation that is no accusation.
    AfterCut,
    /// Kept and not believed.
    Withheld(Withheld),
}

/// Why a group is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// Beyond the cut of a key that somebody else may hold.
    Compromised,
    /// It names an older membership record than a group before it.
    WentBack,
    /// It names a record that was amended, and comes after the leaves the amendment names.
    Amended,
    /// It names a record that never made its author a member.
    NeverMember,
}

/// The membership records of one author, oldest first, with the data leaves at which each ended;
/// the last one stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memberships {
    records: Vec<(RecordId, Option<Vec<GroupId>>)>,
}

impl Memberships {
    /// An author that became a member by `record`.
    #[must_use]
    pub fn starting_with(record: RecordId) -> Self {
        Self { records: vec![(record, None)] }
    }

    /// The author's terms changed: groups beyond `leaves` must name `record`.
    pub fn amended(&mut self, record: RecordId, leaves: Vec<GroupId>) {
        if let Some(last) = self.records.last_mut() {
            last.1 = Some(leaves);
        }
        self.records.push((record, None));
    }

    fn rank(&self, record: &RecordId) -> Option<usize> {
        self.records.iter().position(|(known, _)| known == record)
    }
}

/// Judges one group of `log`.
#[must_use]
pub fn judge(
    log: &Log,
    group: &VerifiedGroup,
    memberships: &Memberships,
    revoked: Option<&Revoked>,
) -> Delivery {
    let Some(rank) = memberships.rank(&group.header().acting_under) else {
        return Delivery::Withheld(Withheld::NeverMember);
    };
    if let Some((_, Some(leaves))) = memberships.records.get(rank)
        && !log.ancestors_or_self(leaves).contains(&group.id())
    {
        return Delivery::Withheld(Withheld::Amended);
    }
    let ancestors: BTreeSet<GroupId> = log.ancestors_or_self(&[group.id()]);
    let highest_before = log
        .in_order()
        .into_iter()
        .filter(|other| other.id() != group.id() && ancestors.contains(&other.id()))
        .filter_map(|other| memberships.rank(&other.header().acting_under))
        .max();
    if highest_before.is_some_and(|before| before > rank) {
        return Delivery::Withheld(Withheld::WentBack);
    }
    match revoked {
        Some(revoked) if !within_all(log, &revoked.cuts).contains(&group.id()) => {
            match revoked.reason {
                Reason::Compromised => Delivery::Withheld(Withheld::Compromised),
                Reason::Retired | Reason::Lost | Reason::Replaced => Delivery::AfterCut,
            }
        }
        Some(_) | None => Delivery::Plain,
    }
}

#[cfg(test)]
#[path = "delivery/tests.rs"]
mod tests;
