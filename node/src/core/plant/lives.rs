//! Groups of this node's own key that this node did not write.
//!
//! A node knows its own lives: each draws an incarnation and puts it into the journal before
//! anything else. So a group of one of its own logs that others show, and that names a life the
//! journal does not know, has one of two causes: the journal is older than what members hold, or
//! somebody else signs with the key. What tells them apart is whether this life has written yet.

use std::collections::{BTreeMap, BTreeSet};

use gearmesh_protocol::ids::{Incarnation, PublicKey};
use gearmesh_protocol::log::LogKind;
use gearmesh_protocol::plant::Address;

/// Lives that are named one by one. A thief can name a new one in every group; further ones are
/// counted.
pub const STRANGE_LIVES_MAX: usize = 8;

/// What the groups of a strange life say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sighting {
    /// They came before this life wrote anything, while it still asked where its log ends. A disk
    /// that was put back to an older copy looks like this, and the node goes on where they end; so
    /// does a thief who signed while the node was off. A person knows which of the two it was.
    OlderJournal,
    /// They came after this life had written, or name this very life: the key is used in two
    /// places.
    Clone,
}

/// A life of this node's key that its journal does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrangeLife {
    /// What it means.
    pub sighting: Sighting,
    /// Whether it signed records of trust, and not values alone.
    pub has_signed_trust: bool,
    /// The member that showed it and its address, if it came over a link.
    pub shown_by: Option<(PublicKey, Address)>,
}

/// The lives of this node's key.
#[derive(Clone, Debug)]
pub struct Lives {
    current: Incarnation,
    earlier: BTreeSet<Incarnation>,
    strange: BTreeMap<Incarnation, StrangeLife>,
    unnamed: u64,
}

impl Lives {
    pub(super) const fn new(current: Incarnation) -> Self {
        Self { current, earlier: BTreeSet::new(), strange: BTreeMap::new(), unnamed: 0 }
    }

    /// This life of the node.
    #[must_use]
    pub const fn current(&self) -> Incarnation {
        self.current
    }

    /// Lives that the journal does not know.
    #[must_use]
    pub const fn strange(&self) -> &BTreeMap<Incarnation, StrangeLife> {
        &self.strange
    }

    /// Groups of strange lives beyond the bound.
    #[must_use]
    pub const fn unnamed(&self) -> u64 {
        self.unnamed
    }

    /// Whether it is this life or an earlier one that the journal knows.
    #[must_use]
    pub fn is_own(&self, life: &Incarnation) -> bool {
        *life == self.current || self.earlier.contains(life)
    }

    /// The journal holds the beginning of this life.
    pub(super) fn lived(&mut self, life: Incarnation) {
        self.earlier.insert(life);
    }

    /// A person decided that all branches of the own data log are this node's, so the lives that
    /// wrote them are too; those that signed records of trust stay strange. Whether there were any.
    pub(super) fn accept_data(&mut self) -> bool {
        let before = self.strange.len();
        let accepted = self.strange.extract_if(.., |_, seen| !seen.has_signed_trust);
        self.earlier.extend(accepted.map(|(life, _)| life));
        self.strange.len() != before
    }

    /// Somebody showed a group of one of this node's own logs that was not here. Whether that is
    /// strange.
    pub(super) fn shown(
        &mut self,
        log: LogKind,
        life: Incarnation,
        has_written: bool,
        shown_by: Option<(PublicKey, Address)>,
    ) -> bool {
        // A write that this life was answered for is here; whatever else bears its name is not its.
        let is_own = life != self.current && self.earlier.contains(&life);
        if is_own {
            return false;
        }
        let is_clone = has_written || life == self.current;
        let sighting = if is_clone { Sighting::Clone } else { Sighting::OlderJournal };
        let has_signed_trust = log == LogKind::Trust;
        if let Some(known) = self.strange.get_mut(&life) {
            known.sighting = known.sighting.max(sighting);
            known.has_signed_trust |= has_signed_trust;
        } else if self.strange.len() < STRANGE_LIVES_MAX {
            self.strange.insert(life, StrangeLife { sighting, has_signed_trust, shown_by });
        } else {
            self.unnamed += 1;
        }
        true
    }
}
