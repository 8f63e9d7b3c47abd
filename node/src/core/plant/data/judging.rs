//! Whether a group of a data log is believed, and how it is marked.
//!
//! Storing asks only who signed; believing asks whether the author might say so. A group is judged
//! by the membership record that it names, and by where later records say that its author's log, or
//! its acting under that record, ended. So old entries stay readable after a member's terms changed.
//! Along a log the record never goes backwards: an amendment names groups by their hash, so none of
//! them, nor any before them, can name the amendment.

use gearmesh_protocol::grant::Terms;
use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::log::{Header, LogKind};
use gearmesh_protocol::topic::Topic;
use gearmesh_protocol::trust::Reason;

use super::super::roster::Roster;

/// How a reader takes a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged<'a> {
    /// It counts for what these terms allow.
    Believed {
        /// What its author was allowed when it wrote it.
        terms: &'a Terms,
        /// Whether it lies beyond the cut of a revocation that is no accusation.
        is_after_cut: bool,
    },
    /// It does not count.
    Withheld(Withheld),
}

/// Why a group is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// Beyond the cut of a key that somebody else may hold.
    #[error("it lies beyond the cut of a compromised key")]
    Compromised,
    /// It names a record that was amended, and comes after the leaves the amendment names.
    #[error("it names a membership that was changed before it was written")]
    Amended,
    /// It names a record that never made its author a member.
    #[error("it names no membership of its author")]
    NeverMember,
}

impl Judged<'_> {
    /// Whether a value on this topic is believed; if it is, whether it lies beyond a cut.
    #[must_use]
    pub fn allows(&self, topic: &Topic) -> Option<bool> {
        match self {
            Self::Believed { terms, is_after_cut } => {
                terms.may_publish(topic).then_some(*is_after_cut)
            }
            Self::Withheld(_) => None,
        }
    }

    /// Whether it lies beyond a cut, if it is believed at all.
    ///
    /// # Errors
    /// Why it is not.
    pub const fn is_after_cut(&self) -> Result<bool, Withheld> {
        match self {
            Self::Believed { is_after_cut, .. } => Ok(*is_after_cut),
            Self::Withheld(why) => Err(*why),
        }
    }
}

/// Judges one group. `is_within` says whether it is one of the given groups or an ancestor of one.
pub fn judge<'a>(
    roster: &'a Roster,
    header: &Header,
    mut is_within: impl FnMut(&[GroupId]) -> bool,
) -> Judged<'a> {
    let author = &header.log.author;
    let Some(past) = roster.past(author, &header.acting_under) else {
        return Judged::Withheld(Withheld::NeverMember);
    };
    if past.ended_at.iter().any(|leaves| !is_within(leaves)) {
        return Judged::Withheld(Withheld::Amended);
    }
    let believed = |is_after_cut| Judged::Believed { terms: &past.terms, is_after_cut };
    let Some(revoked) = roster.revoked().get(author) else { return believed(false) };
    let is_cut = revoked.cuts.iter().any(|cut| {
        let kept = cut.iter().find(|cut| cut.kind == LogKind::Data);
        !kept.is_some_and(|cut| is_within(&cut.leaves))
    });
    match revoked.reason {
        Reason::Compromised if is_cut => Judged::Withheld(Withheld::Compromised),
        Reason::Compromised => believed(false),
        Reason::Retired | Reason::Lost | Reason::Replaced => believed(is_cut),
    }
}

#[cfg(test)]
mod tests;
