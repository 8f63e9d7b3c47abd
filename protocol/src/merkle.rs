//! The Merkle tree over a group's entries.
//!
//! The tree has the shape of RFC 9162 section 2.1 (Certificate Transparency): a group of `n`
//! entries splits at the largest power of two below `n`. Hashes are BLAKE3, with different
//! first bytes for leaves and nodes. Each leaf is salted: a reader who is given some entries of a
//! group sees the hashes of the others, and a short value would otherwise be found by trying.
//! Salts are derived from one secret per group, so a whole group carries only 16 bytes more.

use blake3::hazmat::{ContextKey, HasherExt as _, hash_derive_key_context};
use serde::{Deserialize, Serialize};

use crate::bounded::Bounded;

/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;

/// Hashes on the way from a leaf to the root of the largest group: log2 of
/// [`GROUP_ENTRIES_MAX`](crate::limits::GROUP_ENTRIES_MAX).
pub const PATH_MAX: usize = 8;

const _: () = assert!(1 << PATH_MAX >= crate::limits::GROUP_ENTRIES_MAX);

/// A hash inside the tree, or its root.
pub type Hash = [u8; 32];

/// What is known of a salt: a whole group's, or one leaf's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Salt(pub [u8; SALT_BYTES]);

impl Salt {
    /// Of a group without entries: there is no leaf to hide.
    pub const NONE: Self = Self([0; SALT_BYTES]);

    /// The salt of leaf `index` of the group with this salt.
    #[must_use]
    pub fn leaf(&self, index: u32) -> Self {
        self.leaf_of(&leaf_salts(), index)
    }

    fn leaf_of(&self, context: &ContextKey, index: u32) -> Self {
        let mut hasher = blake3::Hasher::new_from_context_key(context);
        let mut input = [0; SALT_BYTES + 4];
        input[..SALT_BYTES].copy_from_slice(&self.0);
        input[SALT_BYTES..].copy_from_slice(&index.to_le_bytes());
        hasher.update(&input);
        let mut salt = [0; SALT_BYTES];
        salt.copy_from_slice(&hasher.finalize().as_bytes()[..SALT_BYTES]);
        Self(salt)
    }
}

/// One entry, and what leads from it to the root of its group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Place of the entry in its group.
    pub index: u32,
    /// Salt of this leaf alone.
    pub salt: Salt,
    /// Sibling hashes, from the leaf up.
    pub path: Bounded<Hash, PATH_MAX>,
}

/// The root over all entries of a group. A group without entries has the hash of nothing.
#[must_use]
pub fn root(salt: &Salt, entries: &[Vec<u8>]) -> Hash {
    subtree(&leaves(salt, entries))
}

/// The proof for entry `index`, or `None` if there is no such entry.
#[must_use]
pub fn prove(salt: &Salt, entries: &[Vec<u8>], index: u32) -> Option<Proof> {
    let hashes = leaves(salt, entries);
    let at = usize::try_from(index).ok()?;
    if at >= hashes.len() {
        return None;
    }
    let mut path = Vec::new();
    collect_path(&hashes, at, &mut path);
    Some(Proof { index, salt: salt.leaf(index), path: Bounded::first_of(path) })
}

/// The proofs for all entries: each hash of the tree is made once.
#[must_use]
pub fn prove_all(salt: &Salt, entries: &[Vec<u8>]) -> Vec<Proof> {
    let mut paths = vec![Vec::new(); entries.len()];
    collect_paths(&leaves(salt, entries), &mut paths);
    let context = leaf_salts();
    let proof = |(index, path)| {
        let salt = salt.leaf_of(&context, index);
        Proof { index, salt, path: Bounded::first_of(path) }
    };
    (0..).zip(paths).map(proof).collect()
}

/// Whether `entry` stands at the proof's place in the group with this root and size.
#[must_use]
pub fn is_proven(root: &Hash, count: u32, entry: &[u8], proof: &Proof) -> bool {
    if proof.index >= count {
        return false;
    }
    let start = leaf(&proof.salt, entry);
    let mut siblings = proof.path.iter();
    let climbed = climb(u64::from(proof.index), u64::from(count), start, &mut siblings);
    climbed.as_ref() == Some(root) && siblings.next().is_none()
}

fn leaves(salt: &Salt, entries: &[Vec<u8>]) -> Vec<Hash> {
    let context = leaf_salts();
    let mut input = Vec::new();
    let leaf_at = |(index, entry): (u32, &Vec<u8>)| {
        leaf_in(&mut input, &salt.leaf_of(&context, index), entry)
    };
    (0..).zip(entries).map(leaf_at).collect()
}

/// What sets salts of leaves apart from other derived keys; the same for all leaves of a group.
fn leaf_salts() -> ContextKey {
    hash_derive_key_context("gearmesh 2026 leaf salt v1")
}

fn leaf(salt: &Salt, entry: &[u8]) -> Hash {
    leaf_in(&mut Vec::new(), salt, entry)
}

/// A leaf's hash. What is hashed in one piece is hashed fastest, so it is gathered in `input`.
fn leaf_in(input: &mut Vec<u8>, salt: &Salt, entry: &[u8]) -> Hash {
    input.clear();
    input.push(0);
    input.extend_from_slice(&salt.0);
    input.extend_from_slice(entry);
    *blake3::hash(input).as_bytes()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut input = [1; 65];
    input[1..33].copy_from_slice(left);
    input[33..].copy_from_slice(right);
    *blake3::hash(&input).as_bytes()
}

fn subtree(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => *blake3::hash(&[]).as_bytes(),
        [only] => *only,
        many => {
            let (left, right) = many.split_at(split(many.len() as u64) as usize);
            node(&subtree(left), &subtree(right))
        }
    }
}

fn collect_path(hashes: &[Hash], at: usize, path: &mut Vec<Hash>) {
    if hashes.len() < 2 {
        return;
    }
    let middle = split(hashes.len() as u64) as usize;
    let (left, right) = hashes.split_at(middle);
    if at < middle {
        collect_path(left, at, path);
        path.push(subtree(right));
    } else {
        collect_path(right, at - middle, path);
        path.push(subtree(left));
    }
}

/// Puts the siblings of each leaf, from the leaf up, into its path. The root over the leaves.
fn collect_paths(hashes: &[Hash], paths: &mut [Vec<Hash>]) -> Hash {
    if hashes.len() < 2 {
        return subtree(hashes);
    }
    let middle = split(hashes.len() as u64) as usize;
    let (left, right) = hashes.split_at(middle);
    let (of_left, of_right) = paths.split_at_mut(middle);
    let (left, right) = (collect_paths(left, of_left), collect_paths(right, of_right));
    of_left.iter_mut().for_each(|path| path.push(right));
    of_right.iter_mut().for_each(|path| path.push(left));
    node(&left, &right)
}

fn climb<'a>(
    at: u64,
    count: u64,
    start: Hash,
    siblings: &mut impl Iterator<Item = &'a Hash>,
) -> Option<Hash> {
    if count < 2 {
        return Some(start);
    }
    let middle = split(count);
    if at < middle {
        let left = climb(at, middle, start, siblings)?;
        Some(node(&left, siblings.next()?))
    } else {
        let right = climb(at - middle, count - middle, start, siblings)?;
        Some(node(siblings.next()?, &right))
    }
}

/// The largest power of two below `count`, which is at least 2.
const fn split(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_of_every_size_is_proven_and_no_other() {
        let salt = Salt([5; SALT_BYTES]);
        for count in 1..=33_u32 {
            let entries: Vec<Vec<u8>> = (0..count).map(|i| vec![i as u8; 3]).collect();
            let root = root(&salt, &entries);
            let all = prove_all(&salt, &entries);
            for index in 0..count {
                let proof = prove(&salt, &entries, index).expect("an entry");
                assert_eq!(all.get(index as usize), Some(&proof));
                let entry = &entries[index as usize];
                assert!(is_proven(&root, count, entry, &proof));
                assert!(!is_proven(&root, count, b"forged", &proof));
                let moved = Proof { index: (index + 1) % count, ..proof.clone() };
                assert!(count == 1 || !is_proven(&root, count, entry, &moved));
                assert!(!is_proven(&root, count + 64, entry, &proof));
            }
            assert!(prove(&salt, &entries, count).is_none());
        }
    }
}
