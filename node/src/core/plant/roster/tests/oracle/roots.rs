//! Which records are the root's, where others took the place of the first: asked backwards, from a
//! record to the roots before it.

use std::collections::BTreeSet;

use gearmesh_protocol::ids::{PublicKey, RecordId};
use gearmesh_protocol::log::LogKind;
use gearmesh_protocol::rotation::Rotation;
use gearmesh_protocol::trust::{Authority, Target, TrustRecord};

use super::{Oracle, Signed};

type Following<'a> = Vec<(RecordId, &'a Rotation)>;

impl Oracle<'_> {
    pub(super) fn find_root_records(&mut self) {
        let by_root = self.records.iter().filter(|signed| self.counts(signed, None));
        self.by_root = by_root.map(|(entry, _)| entry.id).collect();
        let first = self.ledger.genesis().root.keys.iter().copied();
        let later = self.ledger.rotations().filter(|(id, _)| self.is_on_line(id));
        let later = later.flat_map(|(_, rotation)| rotation.root.keys.iter().copied());
        self.root_keys = first.chain(later).collect::<BTreeSet<PublicKey>>();
    }

    fn genesis(&self) -> RecordId {
        RecordId(self.ledger.plant().0)
    }

    /// The root whose word a record is, if it is one's.
    fn root_of(&self, (entry, _): &Signed) -> Option<RecordId> {
        match entry.author {
            Some(author) => self.ledger.genesis().root.acts_alone(&author).then(|| self.genesis()),
            None => {
                let mut acts = self.ledger.root_records();
                acts.find(|act| act.id == entry.id).map(|act| act.root)
            }
        }
    }

    /// Whether a record is the root's and was kept; with a root, whether that would be so if all
    /// that want to follow that root had to keep it.
    fn counts(&self, signed: &Signed, frozen: Option<&RecordId>) -> bool {
        let Some(root) = self.root_of(signed) else { return false };
        let next = match frozen {
            Some(at) if root == *at => self.after(&root),
            Some(at) if !self.is_before(&root, at) => return false,
            None if !self.is_on_line(&root) => return false,
            Some(_) | None => self.following(&root),
        };
        next.iter().all(|(_, rotation)| self.keeps(rotation, signed))
    }

    fn keeps(&self, rotation: &Rotation, (entry, _): &Signed) -> bool {
        let (Some(author), Some(group)) = (entry.author, entry.group) else {
            return rotation.acts.contains(&entry.id);
        };
        let cuts = rotation.cuts.iter().filter(|cut| cut.key == author);
        let mut logs = cuts.flat_map(|cut| cut.cut.iter());
        logs.any(|log| log.kind == LogKind::Trust && self.lead_to(&log.leaves, group))
    }

    fn is_before(&self, root: &RecordId, later: &RecordId) -> bool {
        let before = |at: &RecordId| self.ledger.rotation(at).map(|it| it.after);
        std::iter::successors(before(later), before).any(|it| it == *root)
    }

    fn is_on_line(&self, root: &RecordId) -> bool {
        let Some(rotation) = self.ledger.rotation(root) else { return *root == self.genesis() };
        self.is_on_line(&rotation.after)
            && matches!(&self.following(&rotation.after)[..], [(only, _)] if only == root)
    }

    fn after(&self, root: &RecordId) -> Following<'_> {
        self.ledger.rotations().filter(|(_, rotation)| rotation.after == *root).collect()
    }

    /// The one that follows a root on the line, or all rivals that want to.
    fn following(&self, root: &RecordId) -> Following<'_> {
        let rivals = self.after(root);
        if rivals.len() < 2 {
            return rivals;
        }
        let voters = self.voters(root);
        let is_for = |voter: &PublicKey, rival: &RecordId| {
            let said = self.records.iter().filter(|(entry, _)| entry.author == Some(*voter));
            let said = said.filter_map(|(_, record)| match record {
                TrustRecord::RootVote(vote) if rivals.iter().any(|(id, _)| id == vote) => {
                    Some(vote)
                }
                _ => None,
            });
            said.collect::<BTreeSet<_>>() == BTreeSet::from([rival])
        };
        let votes = |rival: &RecordId| voters.iter().filter(|voter| is_for(voter, rival)).count();
        let winner = rivals.iter().find(|(rival, _)| votes(rival) > voters.len() / 2);
        winner.map_or(rivals.clone(), |winner| vec![*winner])
    }

    /// Admins whom every rival leaves.
    fn voters(&self, root: &RecordId) -> BTreeSet<PublicKey> {
        let kept: Vec<&TrustRecord> = self
            .records
            .iter()
            .filter(|signed| self.counts(signed, Some(root)))
            .map(|(_, record)| record)
            .collect();
        let is_key = |key: &PublicKey| {
            let is_later = |(id, rotation): (RecordId, &Rotation)| {
                (id == *root || self.is_before(&id, root)) && rotation.root.keys.contains(key)
            };
            self.ledger.genesis().root.keys.contains(key) || self.ledger.rotations().any(is_later)
        };
        let ended = |key: &PublicKey| {
            kept.iter().any(|record| Self::revokes(record, Target::Key(*key)).is_some())
        };
        let admins = kept.iter().filter_map(|record| match record {
            TrustRecord::Delegation(it) if it.authority == Authority::Admin => Some(it.key),
            _ => None,
        });
        admins.filter(|key| !ended(key) && !is_key(key)).collect()
    }
}
