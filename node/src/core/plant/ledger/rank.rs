//! Who may have a trust log at all.
//!
//! A log is stored if its author was ever given a rank by somebody who ever had the power to give
//! it. Cuts are not asked, so that storing depends on no judgement; but a mere member has one thing to
//! say, that it resigns, so one record of it is stored and no more, and nothing of whom it names: or else
//! one machine could fill every disk of the plant.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::limits::LEAVES_MAX;
use gearmesh_protocol::log::{LogKind, VerifiedGroup};
use gearmesh_protocol::rotation::Rotation;
use gearmesh_protocol::trust::{Authority, Root, Target, TrustEntry, TrustRecord};

use super::{Entry, Read};

/// How many ranks there are.
pub(super) const COUNT: usize = 4;

/// How high a key ever stood, highest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Root,
    Admin,
    Registrar,
    Member,
}

impl Rank {
    /// Whether a key of this rank may give `other` to a key.
    const fn gives(self, other: Self) -> bool {
        match other {
            Self::Root => false,
            Self::Admin => matches!(self, Self::Root),
            Self::Registrar => matches!(self, Self::Root | Self::Admin),
            Self::Member => !matches!(self, Self::Member),
        }
    }
}

/// All keys with a rank, each with the highest that these records give it.
pub(super) fn of_keys(root: &Root, entries: &[Arc<Entry>]) -> BTreeMap<PublicKey, Rank> {
    let mut ranks: BTreeMap<PublicKey, Rank> =
        root.keys.iter().map(|key| (*key, Rank::Root)).collect();
    // Each rank is given by higher ones alone, so one look for each is enough.
    for wanted in [Rank::Admin, Rank::Registrar, Rank::Member] {
        for entry in entries {
            let author = author_of(root, &ranks, entry);
            let Some((key, given)) = entry.entry.as_ref().and_then(named) else { continue };
            if given == wanted && author.is_some_and(|author| author.gives(given)) {
                ranks.entry(key).or_insert(given);
            }
        }
    }
    ranks
}

/// The rank with which a record speaks.
fn author_of(root: &Root, ranks: &BTreeMap<PublicKey, Rank>, entry: &Entry) -> Option<Rank> {
    match entry.author {
        None => Some(Rank::Root),
        Some(key) if root.keys.contains(&key) && !root.acts_alone(&key) => None,
        Some(key) => ranks.get(&key).copied(),
    }
}

/// Where trust logs end, as those say who ever stood higher than the author: what they name is
/// kept, whoever forks the log. Of too many names for one log the root's count first, and then
/// those with the lowest ids. The logs of root keys end where rotations say.
pub(super) fn named_leaves<'a>(
    root: &Root,
    read: &Read,
    rotations: impl Iterator<Item = &'a Rotation>,
) -> BTreeMap<PublicKey, BTreeSet<GroupId>> {
    let mut all: BTreeMap<PublicKey, BTreeSet<(Rank, GroupId)>> = BTreeMap::new();
    for cut in rotations.flat_map(|rotation| rotation.cuts.iter()) {
        if root.keys.contains(&cut.key) {
            let logs = cut.cut.iter().filter(|log| log.kind == LogKind::Trust);
            let leaves = logs.flat_map(|log| log.leaves.iter());
            all.entry(cut.key).or_default().extend(leaves.map(|leaf| (Rank::Root, *leaf)));
        }
    }
    for entry in &read.entries {
        let Some(TrustEntry { record: TrustRecord::Revocation(revocation), .. }) = &entry.entry
        else {
            continue;
        };
        let (Target::Key(target) | Target::Registrar(target)) = revocation.target else { continue };
        let speaks = author_of(root, &read.ranks, entry);
        let Some((speaks, stands)) = speaks.zip(read.ranks.get(&target)) else { continue };
        // Of a mere member nothing is dropped that could be kept: its logs are as short as they can be.
        if speaks < *stands && *stands != Rank::Member {
            let leaves = revocation.leaves(LogKind::Trust).iter();
            all.entry(target).or_default().extend(leaves.map(|leaf| (speaks, *leaf)));
        }
    }
    let first = |names: BTreeSet<(Rank, GroupId)>| {
        let mut first = BTreeSet::new();
        for (_, leaf) in names {
            if first.len() < LEAVES_MAX {
                first.insert(leaf);
            }
        }
        first
    };
    all.into_iter().map(|(target, names)| (target, first(names))).collect()
}

/// Whom a record gives a rank, and which.
fn named(entry: &TrustEntry) -> Option<(PublicKey, Rank)> {
    match &entry.record {
        TrustRecord::Delegation(delegation) => match delegation.authority {
            Authority::Admin => Some((delegation.key, Rank::Admin)),
            Authority::Registrar => Some((delegation.key, Rank::Registrar)),
        },
        TrustRecord::Admission(admission) => Some((admission.node, Rank::Member)),
        TrustRecord::Invitation(_)
        | TrustRecord::Amendment(_)
        | TrustRecord::Revocation(_)
        | TrustRecord::RootVote(_) => None,
    }
}

/// Whether a group is one that a mere member may sign: the first of its log, with one record.
pub(super) fn is_of_members(group: &VerifiedGroup) -> bool {
    group.header().number == 0 && group.tip().entries <= 1
}
