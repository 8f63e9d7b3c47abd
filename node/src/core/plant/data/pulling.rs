//! Getting hold of what members have and this node lacks.

use std::sync::Arc;

use gearmesh_protocol::data::{LogEnds, LogParts};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::log::{LogId, LogKind, VerifiedGroup};

use super::super::chain::Extent;
use super::super::{Effect, LinkId, Now, Plant};
use super::copies::Lack;
use super::pulls::Page;
use super::{DataEffect, is_replica};

/// A page of a log that came over a link.
pub(super) struct Came {
    pub(super) groups: Vec<Arc<VerifiedGroup>>,
    /// Whether the sender does not have what was before.
    pub(super) is_apart: bool,
    pub(super) is_last: bool,
}

impl Plant {
    pub(super) fn on_data_ends(
        &mut self,
        now: Now,
        link: LinkId,
        ends: Vec<LogEnds>,
        effects: &mut Vec<Effect>,
    ) {
        let copies = ends.into_iter().map(|log| (log.author, log.into()));
        self.on_copies(now, link, copies, effects);
    }

    pub(super) fn on_data_parts(
        &mut self,
        now: Now,
        link: LinkId,
        parts: Vec<LogParts>,
        effects: &mut Vec<Effect>,
    ) {
        let copies = parts.into_iter().map(|log| (log.author, log.into()));
        self.on_copies(now, link, copies, effects);
    }

    /// A member said what there is in its copies.
    fn on_copies(
        &mut self,
        now: Now,
        link: LinkId,
        copies: impl Iterator<Item = (PublicKey, Extent)>,
        effects: &mut Vec<Effect>,
    ) {
        // Whoever keeps no copies has nothing to say of them.
        let peer = self.links.get(link).map(|link| link.peer);
        let Some(peer) = peer.filter(|_| self.is_replicating(link)) else { return };
        for (author, extent) in copies {
            if !self.was_ever_a_member(&author) {
                continue;
            }
            if author == self.me {
                self.data.acks.confirmed(peer, &extent, effects);
            }
            self.data.copies.told(link, author, extent.ends);
            self.tell_readers(author, effects);
            if author == self.me {
                self.data.copies.send_own(link, author, now.tick, effects);
            }
            self.consider(now, link, author, effects);
        }
        self.answer_waiting(now, effects);
    }

    /// Tells readers here where a log ends that is not kept here.
    pub(super) fn tell_readers(&self, author: PublicKey, effects: &mut Vec<Effect>) {
        if !self.keeps_copies() {
            let ends = self.data.copies.furthest(&author).to_vec();
            effects.push(DataEffect::Heard { author, ends }.into());
        }
    }

    /// Asks a member for what it has of a log and this node lacks, if it is to have it.
    pub(super) fn consider(
        &mut self,
        now: Now,
        link: LinkId,
        author: PublicKey,
        effects: &mut Vec<Effect>,
    ) {
        if !self.is_to_hold(&author) {
            return;
        }
        let Some(theirs) = self.data.copies.told_by(link, &author) else { return };
        match self.data.copies.lacks(&author, theirs) {
            Lack::Nothing => {}
            Lack::Something => self.pull(now, link, author, effects),
            Lack::Perhaps(tips) => {
                if self.data.copies.begin_finding(link, author) {
                    effects.push(DataEffect::Find { link, author, tips }.into());
                }
            }
        }
    }

    /// The store knows whether something that a member has is here.
    pub(super) fn on_found(
        &mut self,
        now: Now,
        link: LinkId,
        author: PublicKey,
        is_missing: bool,
        effects: &mut Vec<Effect>,
    ) {
        let has_said_more = self.data.copies.end_finding(link, author);
        if is_missing {
            self.pull(now, link, author, effects);
        } else if has_said_more {
            self.consider(now, link, author, effects);
        }
    }

    fn pull(&mut self, now: Now, link: LinkId, author: PublicKey, effects: &mut Vec<Effect>) {
        if self.links.get(link).is_some() && self.is_to_hold(&author) {
            let after = self.data.copies.ends(&author).to_vec();
            self.data.pulls.begin((link, author), after, false, now.tick, effects);
        }
    }

    /// Asks again for logs of which something is to be had: last the member that was asked in vain.
    pub(super) fn pull_left_out(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for (author, in_vain) in self.data.pulls.left_out(now.tick) {
            let mut holders = self.data.copies.holders(&author);
            holders.sort_by_key(|link| Some(*link) == in_vain);
            for link in holders {
                self.consider(now, link, author, effects);
            }
        }
    }

    /// Groups that were asked for go to the disk. What nobody asked for is not this peer's to send.
    pub(super) fn on_groups(
        &mut self,
        now: Now,
        link: LinkId,
        author: PublicKey,
        came: Came,
        effects: &mut Vec<Effect>,
    ) {
        if !self.data.pulls.expects(link, &author) {
            return;
        }
        let Came { groups, is_apart, is_last } = came;
        // What is missing goes where it was, or nowhere.
        let is_apart = is_apart && !self.data.pulls.is_for_gap(&author);
        let log = LogId { author, kind: LogKind::Data };
        let groups: Vec<_> = groups.into_iter().filter(|group| group.header().log == log).collect();
        if groups.is_empty() {
            let is_for_gap = self.data.pulls.is_for_gap(&author);
            self.data.pulls.end(author, is_for_gap, now.tick);
            effects.extend(is_for_gap.then(|| DataEffect::Survey.into()));
            return;
        }
        if author == self.me {
            self.recall_pulled(now, &groups, effects);
        }
        let write = self.data.next_write();
        self.remember_shown(write, link, author, &groups);
        let page = Page { author, groups: &groups, is_last, write };
        self.data.pulls.came(&page, now.tick, effects);
        effects.push(DataEffect::Store { write, groups, is_apart }.into());
    }

    /// Whether this node is to have a copy of a log: its own always.
    pub(super) fn is_to_hold(&self, author: &PublicKey) -> bool {
        let roster = self.roster.as_deref();
        *author == self.me
            || roster.is_some_and(|roster| {
                self.was_ever_a_member(author) && is_replica(roster, &self.me, author)
            })
    }

    fn was_ever_a_member(&self, key: &PublicKey) -> bool {
        let roster = self.roster.as_deref();
        roster.is_some_and(|it| it.member(key).is_some() || it.revoked().contains_key(key))
    }
}
