//! The line of roots: which root acts for the plant now, and what stays of those before it.
//!
//! Rotations form a tree that begins at the genesis. Where one root is followed by one rotation, that
//! one stands. Where several want to follow it, none does until more than half of the admins are for
//! one of them; until then the old root is frozen: of what it signed, that counts which all of them
//! keep, and it signs no more. Admins are those whom the frozen root leaves, so that nobody is asked
//! whom one of the rivals made. All of it follows from the records alone, whatever their order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gearmesh_protocol::ids::{GroupId, PublicKey, RecordId};
use gearmesh_protocol::log::Cut;
use gearmesh_protocol::rotation::Rotation;
use gearmesh_protocol::trust::{ActBody, Authority, Root, Target, TrustRecord, VerifiedAct};

use super::Entry;
use crate::core::plant::log::Log;
use crate::core::plant::roster::within_all;

/// Which root acts, and what counts of those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The roots that others replaced, the first one first, each by the record that made it.
    past: Vec<(RecordId, Root)>,
    /// The root that acts, or that is frozen.
    now: (RecordId, Root),
    /// The acts that count.
    acts: BTreeSet<RecordId>,
    /// What counts of the logs of the first root's keys, where another root took its place.
    kept: Option<BTreeMap<PublicKey, BTreeSet<GroupId>>>,
    contest: Option<Contest>,
}

/// Several rotations want to follow the same root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contest {
    /// The admins who decide: more than half of them.
    pub voters: BTreeSet<PublicKey>,
    /// The rotations, with the admins who are for them. Whoever is for two is for none.
    pub rivals: BTreeMap<RecordId, BTreeSet<PublicKey>>,
}

impl Contest {
    fn winner(&self) -> Option<RecordId> {
        let wins = |votes: &BTreeSet<PublicKey>| votes.len() * 2 > self.voters.len();
        self.rivals.iter().find(|(_, votes)| wins(votes)).map(|(rival, _)| *rival)
    }
}

impl Line {
    /// The line that begins with the root of this genesis.
    pub(super) fn of(
        genesis: (RecordId, &Root),
        acts: &BTreeMap<RecordId, Arc<VerifiedAct>>,
        entries: &[Arc<Entry>],
        logs: &BTreeMap<PublicKey, Log>,
    ) -> Self {
        let (now, acts_kept) = ((genesis.0, genesis.1.clone()), BTreeSet::new());
        let mut line = Self { past: Vec::new(), now, acts: acts_kept, kept: None, contest: None };
        loop {
            let at = line.made_by();
            let rivals = after(acts, &at);
            let signed = || records_of(acts, &at, &genesis.0);
            let standing = match rivals.first_key_value() {
                None => {
                    line.acts.extend(signed());
                    return line;
                }
                Some((only, _)) if rivals.len() == 1 => *only,
                Some(_) => {
                    let mut frozen = line.clone();
                    frozen.leave(rivals.values().copied(), signed(), logs);
                    let contest = frozen.contest(rivals.keys().copied(), entries);
                    let winner = contest.winner();
                    frozen.contest = Some(contest);
                    let Some(winner) = winner else { return frozen };
                    winner
                }
            };
            let Some(rotation) = rivals.get(&standing) else { return line };
            line.leave([*rotation], signed(), logs);
            let next = (standing, rotation.root.clone());
            line.past.push(std::mem::replace(&mut line.now, next));
        }
    }

    /// Keeps of the root that acts now what all of these leave of it.
    fn leave<'a>(
        &mut self,
        rotations: impl IntoIterator<Item = &'a Rotation>,
        signed: impl Iterator<Item = RecordId>,
        logs: &BTreeMap<PublicKey, Log>,
    ) {
        let rotations: Vec<&Rotation> = rotations.into_iter().collect();
        let is_kept = |act: &RecordId| rotations.iter().all(|it| it.acts.contains(act));
        self.acts.extend(signed.filter(is_kept));
        // No later root has a key that acts alone.
        if !self.past.is_empty() {
            return;
        }
        let mut kept = BTreeMap::new();
        for log in self.root().keys.iter().filter_map(|key| logs.get(key)) {
            let key = log.id().author;
            let cuts: Vec<Cut> = rotations.iter().map(|it| cut_of(it, &key)).collect();
            kept.insert(key, within_all(log, &cuts));
        }
        self.kept = Some(kept);
    }

    /// Who decides between rivals, and what has been said so far, by the records that count now.
    fn contest(&self, rivals: impl Iterator<Item = RecordId>, entries: &[Arc<Entry>]) -> Contest {
        let entries = || {
            let within = entries.iter().filter(|entry| entry.is_within_bound());
            within.filter_map(|entry| Some((entry, &entry.entry.as_ref()?.record)))
        };
        let (mut voters, mut gone) = (BTreeSet::new(), BTreeSet::new());
        for (_, record) in entries().filter(|(entry, _)| self.counts(entry)) {
            match record {
                TrustRecord::Delegation(it) if it.authority == Authority::Admin => {
                    voters.insert(it.key);
                }
                TrustRecord::Revocation(it) => {
                    if let Target::Key(key) = it.target {
                        gone.insert(key);
                    }
                }
                _ => {}
            }
        }
        voters.retain(|key| !gone.contains(key) && !self.is_root_key(key));
        let mut rivals: BTreeMap<RecordId, BTreeSet<PublicKey>> =
            rivals.map(|rival| (rival, BTreeSet::new())).collect();
        let mut choices: BTreeMap<PublicKey, BTreeSet<RecordId>> = BTreeMap::new();
        for (entry, record) in entries() {
            if let (Some(author), TrustRecord::RootVote(rival)) = (entry.author, record)
                && voters.contains(&author)
                && rivals.contains_key(rival)
            {
                choices.entry(author).or_default().insert(*rival);
            }
        }
        for (voter, choice) in choices {
            if let (1, Some(rival)) = (choice.len(), choice.first())
                && let Some(votes) = rivals.get_mut(rival)
            {
                votes.insert(voter);
            }
        }
        Contest { voters, rivals }
    }

    /// The record that made the root that acts now: a rotation, or the genesis.
    #[must_use]
    pub const fn made_by(&self) -> RecordId {
        self.now.0
    }

    /// The root that acts now, or that is frozen.
    #[must_use]
    pub const fn root(&self) -> &Root {
        &self.now.1
    }

    fn roots(&self) -> impl Iterator<Item = &(RecordId, Root)> {
        self.past.iter().chain(std::iter::once(&self.now))
    }

    /// The records that made the roots one after the other, the genesis first.
    pub fn made(&self) -> impl Iterator<Item = RecordId> + '_ {
        self.roots().map(|(made_by, _)| *made_by)
    }

    /// What is to be decided before a root acts again.
    #[must_use]
    pub const fn contested(&self) -> Option<&Contest> {
        self.contest.as_ref()
    }

    /// Whether a key is, or was, one of the root's.
    #[must_use]
    pub fn is_root_key(&self, key: &PublicKey) -> bool {
        self.roots().any(|(_, root)| root.keys.contains(key))
    }

    /// Whether a key was one of a root that another one replaced.
    #[must_use]
    pub fn is_past_key(&self, key: &PublicKey) -> bool {
        self.is_root_key(key) && !self.root().keys.contains(key)
    }

    /// Keys of roots that another one replaced.
    pub fn past_keys(&self) -> impl Iterator<Item = PublicKey> + '_ {
        let keys = self.past.iter().flat_map(|(_, root)| root.keys.iter().copied());
        keys.filter(|key| self.is_past_key(key))
    }

    /// Whether an act counts.
    #[must_use]
    pub fn has_act(&self, act: &RecordId) -> bool {
        self.acts.contains(act)
    }

    /// Whether a key speaks for the root by itself.
    #[must_use]
    pub fn acts_alone(&self, key: &PublicKey) -> bool {
        self.contest.is_none() && self.root().acts_alone(key)
    }

    /// Whether a record is the root's, and counts.
    #[must_use]
    pub fn counts(&self, entry: &Entry) -> bool {
        let (Some(author), Some(group)) = (entry.author, entry.group) else {
            return self.acts.contains(&entry.id);
        };
        let (_, first) = self.past.first().unwrap_or(&self.now);
        let is_kept = |kept: &BTreeMap<PublicKey, BTreeSet<GroupId>>| {
            kept.get(&author).is_some_and(|kept| kept.contains(&group))
        };
        first.acts_alone(&author) && self.kept.as_ref().is_none_or(is_kept)
    }
}

/// Where a rotation ends the log of a key.
fn cut_of(rotation: &Rotation, key: &PublicKey) -> Cut {
    let found = rotation.cuts.iter().find(|cut| cut.key == *key);
    found.map(|cut| cut.cut.clone()).unwrap_or_default()
}

/// The rotation that an act is.
pub(super) fn rotation(act: &VerifiedAct) -> Option<&Rotation> {
    match act.body() {
        ActBody::Rotation(rotation) => Some(rotation),
        _ => None,
    }
}

/// The rotations that come after a root.
fn after<'a>(
    acts: &'a BTreeMap<RecordId, Arc<VerifiedAct>>,
    root: &RecordId,
) -> BTreeMap<RecordId, &'a Rotation> {
    let rotations = acts.iter().filter_map(|(id, act)| Some((*id, rotation(act)?)));
    rotations.filter(|(_, rotation)| rotation.after == *root).collect()
}

/// The records that a root signed.
fn records_of(
    acts: &BTreeMap<RecordId, Arc<VerifiedAct>>,
    root: &RecordId,
    genesis: &RecordId,
) -> impl Iterator<Item = RecordId> {
    let is_of = move |act: &VerifiedAct| match act.body() {
        ActBody::Record(_) => root == genesis,
        ActBody::RecordOf { root: by, .. } => by == root,
        ActBody::Genesis(_) | ActBody::RootRotation { .. } | ActBody::Rotation(_) => false,
    };
    acts.iter().filter(move |(_, act)| is_of(act)).map(|(id, _)| *id)
}
