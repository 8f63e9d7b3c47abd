//! Who may have a trust log at all.
//!
//! A log is stored if its author was ever given a rank by somebody who ever had the power to give
//! it. Cuts are not asked, so that storing depends on no judgement; but a mere member, whose records
//! could never count, gets no log, and nobody whom it names: or else one machine could fill every
//! disk of the plant.

use std::collections::BTreeMap;
use std::sync::Arc;

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::trust::{Authority, Root, TrustEntry, TrustRecord};

use super::Entry;

/// How high a key ever stood, highest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Root,
    Admin,
    Registrar,
}

impl Rank {
    /// Whether a key of this rank may give `other` to a key.
    const fn gives(self, other: Self) -> bool {
        match other {
            Self::Root => false,
            Self::Admin => matches!(self, Self::Root),
            Self::Registrar => matches!(self, Self::Root | Self::Admin),
        }
    }
}

/// All keys with a rank, each with the highest that these records give it.
pub(super) fn of_keys(root: &Root, entries: &[Arc<Entry>]) -> BTreeMap<PublicKey, Rank> {
    let mut ranks: BTreeMap<PublicKey, Rank> =
        root.keys.iter().map(|key| (*key, Rank::Root)).collect();
    // Each rank is given by higher ones alone, so one look for each is enough.
    for wanted in [Rank::Admin, Rank::Registrar] {
        for entry in entries {
            let author = match entry.author {
                None => Some(Rank::Root),
                Some(key) if root.keys.contains(&key) && !root.acts_alone(&key) => None,
                Some(key) => ranks.get(&key).copied(),
            };
            let Some((key, given)) = entry.entry.as_ref().and_then(named) else { continue };
            if given == wanted && author.is_some_and(|author| author.gives(given)) {
                ranks.entry(key).or_insert(given);
            }
        }
    }
    ranks
}

/// Whom a record gives a rank, and which.
fn named(entry: &TrustEntry) -> Option<(PublicKey, Rank)> {
    match &entry.record {
        TrustRecord::Delegation(delegation) => match delegation.authority {
            Authority::Admin => Some((delegation.key, Rank::Admin)),
            Authority::Registrar => Some((delegation.key, Rank::Registrar)),
        },
        TrustRecord::Admission(_)
        | TrustRecord::Invitation(_)
        | TrustRecord::Amendment(_)
        | TrustRecord::Revocation(_) => None,
    }
}
