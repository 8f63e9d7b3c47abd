//! Proofs that an entry is in a group.

use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::merkle::{self, PATH_MAX, Proof, Salt};

use super::{read, within};

/// The salt of the golden bytes.
const SALT: Salt = Salt([0x77; 16]);

/// A proof has one form, and of all proofs only the one that the tree gives proves an entry. The
/// first byte is the number of entries, the rest a proof and before it the entry, of one byte.
pub fn proof(bytes: &[u8]) {
    let Some(([count, entry], rest)) = bytes.split_first_chunk() else { return };
    let Some(proof) = read::<Proof>(rest, FRAME_BYTES_MAX) else { return };
    within(&proof.path, PATH_MAX);
    let entries: Vec<Vec<u8>> = (0..*count).map(|at| vec![at.wrapping_add(0xe0)]).collect();
    let root = merkle::root(&SALT, &entries);
    let is_proven = merkle::is_proven(&root, u32::from(*count), &[*entry], &proof);
    let place = usize::try_from(proof.index).expect("a place");
    let is_there = entries.get(place).is_some_and(|found| found == &[*entry]);
    let is_the_one = merkle::prove(&SALT, &entries, proof.index).as_ref() == Some(&proof);
    assert_eq!(is_proven, is_there && is_the_one, "{entry:#x} of {count}: {proof:?}");
    // However many entries a group is said to have, the way to its root ends.
    for said in [0, u32::from(*count).wrapping_mul(0x0101_0101), u32::MAX] {
        let elsewhere = merkle::is_proven(&root, said, &[*entry], &proof);
        assert!(!elsewhere || is_proven && said == u32::from(*count), "of {said}: {proof:?}");
    }
}
