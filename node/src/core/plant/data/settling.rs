//! Branches of the own log: noticing what this node did not write, and joining what a person says is
//! all its own.
//!
//! A fork ends only by a person's decision. If a node joined branches by itself, what a thief wrote
//! with its key would become an ancestor of what it writes, and no later cut could part the two.

use std::sync::Arc;

use gearmesh_protocol::ids::{GroupId, Incarnation, PublicKey};
use gearmesh_protocol::log::{LogKind, Tip, VerifiedGroup};
use gearmesh_protocol::plant::Address;
use gearmesh_protocol::refusal::Refusal;

use super::super::{Answer, Effect, LinkId, Now, Plant, Ticket, standing};
use super::Kept;

/// Groups of the own log that a member showed and that are on their way to the disk.
#[derive(Debug)]
pub(super) struct SeenOwn {
    /// The member and its address.
    by: Option<(PublicKey, Address)>,
    /// The groups with the lives that they name, in their order.
    groups: Vec<(GroupId, Incarnation)>,
}

impl Plant {
    /// A person decided that all branches of the own log are this node's.
    pub(super) fn on_settle(
        &mut self,
        now: Now,
        ticket: Ticket,
        ends: Vec<GroupId>,
        effects: &mut Vec<Effect>,
    ) {
        let may = self.joined(now, &ends).map(drop);
        if let Err(refusal) = may.and_then(|()| self.data.commit.settle(ticket, ends)) {
            effects.push(Effect::Answer { ticket, answer: Answer::Refused(refusal) });
        }
    }

    /// The ends that a group has to name to join all branches. The person has seen each of them, or
    /// this life of the node wrote it meanwhile.
    pub(super) fn joined(&self, now: Now, seen: &[GroupId]) -> Result<Vec<Tip>, Refusal> {
        let roster = self.roster.as_ref().ok_or(Refusal::NotAMember)?;
        standing(roster, &self.me, now)?;
        let (ends, last) = (self.data.ends(&self.me), self.data.commit.last());
        if ends.len() <= 1 {
            return Err(Refusal::NotForked);
        }
        let is_known = |end: &Tip| seen.contains(&end.group) || Some(*end) == last;
        match ends.iter().all(is_known) {
            true => Ok(ends.to_vec()),
            false => Err(Refusal::BranchesChanged),
        }
    }

    /// A page of the own log came.
    pub(super) fn remember_shown(
        &mut self,
        write: u64,
        link: LinkId,
        author: PublicKey,
        groups: &[Arc<VerifiedGroup>],
    ) {
        if author != self.me {
            return;
        }
        let by = self.links.get(link).map(|link| (link.peer, link.address.clone()));
        let groups = groups.iter().map(|group| (group.id(), group.header().incarnation)).collect();
        self.data.shown.insert(write, SeenOwn { by, groups });
    }

    /// Groups of this node's own key that it did not write are a matter for a person. A page may
    /// hold what it has written since it asked: that is here already. What was missing is what this
    /// node wrote: a stored group names it.
    pub(super) fn watch_own_data(&mut self, write: u64, kept: &[Kept]) {
        let Some(SeenOwn { by, groups }) = self.data.shown.remove(&write) else { return };
        let has_written = self.data.commit.has_written();
        let new = groups.into_iter().zip(kept).filter(|(_, kept)| kept.is_new && !kept.fills);
        let new: Vec<(GroupId, Incarnation)> = new.map(|(group, _)| group).collect();
        for (_, life) in &new {
            self.view_is_stale |= self.lives.shown(LogKind::Data, *life, has_written, by.clone());
        }
        let ends = kept.last().map_or(&[][..], |kept| &kept.extent.ends);
        self.data.writers.came(new, ends);
    }
}
