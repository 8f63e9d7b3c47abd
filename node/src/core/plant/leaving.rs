//! A node that leaves its plant by its own word.
//!
//! The record goes into its own trust log and to its links, which it keeps for a moment. Whoever hangs
//! up within that has the record: a member closes its links to those that are none.

use std::collections::BTreeSet;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::log::{LogCut, LogKind};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::trust::{Reason, Revocation, Target, TrustEntry, TrustRecord};

use super::work::answer;
use super::{Answer, Effect, Now, OWN_FAREWELL, Plant, Ticket};

/// A node that said that it leaves.
#[derive(Debug)]
pub(super) struct Leaving {
    ticket: Ticket,
    told: BTreeSet<PublicKey>,
}

/// The record by which a member ends its own membership; its data log ends at `data`.
pub(super) fn resignation(me: PublicKey, at: UnixMillis, data: Vec<GroupId>) -> TrustEntry {
    let leaves = Bounded::first_of(data);
    let cut = (!leaves.is_empty()).then_some(LogCut { kind: LogKind::Data, leaves });
    let (target, reason) = (Target::Key(me), Reason::Retired);
    let revocation = Revocation { target, reason, cut: Bounded::first_of(cut) };
    TrustEntry { at, record: TrustRecord::Revocation(revocation) }
}

impl Plant {
    pub(super) fn begin_to_leave(&mut self, ticket: Ticket) {
        self.leaving = Some(Leaving { ticket, told: BTreeSet::new() });
    }

    /// The last link to a member ended.
    pub(super) fn is_left_by(&mut self, now: Now, peer: PublicKey) {
        let is_saying = self.out_since.is_some_and(|since| now.tick < since + OWN_FAREWELL);
        if let Some(leaving) = self.leaving.as_mut().filter(|_| is_saying) {
            leaving.told.insert(peer);
        }
    }

    /// Answers when everybody has hung up, or the time for that is over.
    pub(super) fn leave(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let is_over = self.out_since.is_some_and(|since| now.tick >= since + OWN_FAREWELL);
        if (is_over || self.links.ids().next().is_none())
            && let Some(Leaving { ticket, told }) = self.leaving.take()
        {
            answer(ticket, Answer::Left(told.into_iter().collect()), effects);
        }
    }
}
