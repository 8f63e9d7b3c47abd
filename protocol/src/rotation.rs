//! Another root takes the place of a plant's root.
//!
//! Rotations form a tree: each names the one that it comes after, or the genesis. Which of them
//! stand is for the ledger to say.

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

use crate::bounded::Bounded;
use crate::ids::{PlantId, PublicKey, RecordId};
use crate::limits::{ROOT_KEYS_MAX, ROTATION_ACTS_MAX};
use crate::time::UnixMillis;
use crate::trust::{Act, ActBody, KeyCut, Root, TrustEntry};

/// A new root, and what stays of all that the one before it signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// The rotation that made the root which this one replaces, or the genesis.
    pub after: RecordId,
    /// The new root, of which no key acts alone and none is of the root before. As many as act
    /// together sign the rotation, beside as many of the old one.
    pub root: Root,
    /// Where the logs of old root keys end that act alone. Of those not named nothing counts.
    pub cuts: Bounded<KeyCut, ROOT_KEYS_MAX>,
    /// The acts of the old root that go on counting. No other does.
    pub acts: Bounded<RecordId, ROTATION_ACTS_MAX>,
    /// When it was signed.
    pub at: UnixMillis,
}

impl Rotation {
    /// Whether its root can act, never by one key, and shares no key with the one before.
    #[must_use]
    pub fn is_sound(&self, before: &Root) -> bool {
        let is_new = |key: &PublicKey| !before.keys.contains(key);
        self.root.is_sound() && self.root.threshold > 1 && self.root.keys.iter().all(is_new)
    }
}

/// A record that a root signs, which may be the one of the genesis or one that took its place.
#[must_use]
pub fn record_of_root(
    keys: &[&SigningKey],
    plant: &PlantId,
    root: RecordId,
    entry: TrustEntry,
) -> Act {
    let body = match root.0 == plant.0 {
        true => ActBody::Record(entry),
        false => ActBody::RecordOf { root, entry },
    };
    Act::sign(keys, plant, &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::ActError;

    const PLANT: PlantId = PlantId([7; 32]);

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn root(seeds: &[u8], threshold: u8) -> Root {
        let mut keys: Vec<PublicKey> = seeds.iter().map(|s| PublicKey::of(&key(*s))).collect();
        keys.sort_unstable();
        Root { keys: keys.try_into().expect("few keys"), threshold }
    }

    fn rotation(to: Root, signers: &[u8]) -> Act {
        let rotation = Rotation {
            after: RecordId(PLANT.0),
            root: to,
            cuts: Bounded::new(),
            acts: Bounded::new(),
            at: UnixMillis(2),
        };
        let keys: Vec<SigningKey> = signers.iter().map(|seed| key(*seed)).collect();
        Act::sign(&keys.iter().collect::<Vec<_>>(), &PLANT, &ActBody::Rotation(rotation))
    }

    #[test]
    fn a_rotation_needs_both_roots() {
        let old = root(&[1, 2, 3], 2);
        let new = || root(&[4, 5, 6], 2);
        assert!(rotation(new(), &[1, 3, 4, 6]).verify(&PLANT, &old).is_ok());
        for few in [&[1, 2][..], &[4, 5], &[1, 2, 4], &[1, 4, 5], &[1, 1, 4, 5]] {
            let refused = rotation(new(), few).verify(&PLANT, &old);
            assert!(matches!(refused, Err(ActError::Threshold { .. })), "{few:?}: {refused:?}");
        }
        let elsewhere = rotation(new(), &[1, 3, 4, 6]).verify(&PlantId([8; 32]), &old);
        assert!(elsewhere.is_err());
    }

    #[test]
    fn a_new_root_is_no_key_alone_and_none_of_the_old_keys() {
        let old = root(&[1], 1);
        for (to, signers) in [
            (root(&[4], 1), &[1, 4][..]),
            (root(&[1, 4], 2), &[1, 4]),
            (root(&[4, 5], 3), &[1, 4, 5]),
            (root(&[4, 5], 0), &[1, 4, 5]),
        ] {
            let refused = rotation(to, signers).verify(&PLANT, &old);
            assert!(matches!(refused, Err(ActError::UnsoundRoot { .. })), "{refused:?}");
        }
        assert!(rotation(root(&[4, 5], 2), &[1, 4, 5]).verify(&PLANT, &old).is_ok());
    }
}
