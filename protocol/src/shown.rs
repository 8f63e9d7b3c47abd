//! What a reader without copies is shown of a data log: over the data lane, through filters.
//!
//! An observer keeps no copies. It asks a member that does for what follows its place in one log, and
//! is shown the signed header of every group there, so that it can check chain, cuts and forks
//! itself, but of the entries only those that match its filters and that it may see, each with a
//! proof that leads to the root in the header. Of the others it learns that they exist.
//!
//! ```text
//!   observer ── Read(1: press's log after #5, press/part/#) ──▶ machine
//!   observer ◀── Shown(1: #6 with two entries, #7 with none) ── machine
//! ```

use serde::{Deserialize, Serialize};

use crate::bounded::Bounded;
use crate::ids::{GroupId, PlantId, PublicKey};
use crate::limits::{
    ENTRY_BYTES_MAX, FRAME_BYTES_MAX, GROUP_BYTES_MAX, GROUP_ENTRIES_MAX, GROUPS_PAGE_MAX,
    LEAVES_MAX, READ_FILTERS_MAX,
};
use crate::log::{Group, GroupError, Header, Tip, verified_header};
use crate::merkle::{PATH_MAX, Proof, SALT_BYTES, is_proven};
use crate::signed::Signed;
use crate::topic::TopicFilter;

/// Bytes of one proof: place, salt, path.
const PROOF_BYTES_MAX: usize = 5 + SALT_BYTES + 1 + PATH_MAX * size_of::<crate::merkle::Hash>();

const _: () = assert!(
    GROUP_BYTES_MAX + GROUP_ENTRIES_MAX * PROOF_BYTES_MAX + 4096 < FRAME_BYTES_MAX,
    "the largest group fits a frame with all its proofs"
);

/// What somebody wants to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadRequest {
    /// Names the question on its link; the answer repeats it.
    pub number: u64,
    /// Whose log.
    pub author: PublicKey,
    /// The leaves of what was read already.
    pub after: Bounded<Tip, LEAVES_MAX>,
    /// Entries on topics that none of these matches are not wanted. Without any, headers alone are.
    pub filters: Bounded<TopicFilter, READ_FILTERS_MAX>,
}

/// A part of a data log as one reader is shown it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownPage {
    /// Of which question.
    pub number: u64,
    /// Whose log.
    pub author: PublicKey,
    /// The groups, parents before children, none left out that the sender has: their headers say
    /// what is missing in front of them, and its ends whether more follows.
    pub groups: Bounded<ShownGroup, GROUPS_PAGE_MAX>,
}

/// A group of which not all entries are shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownGroup {
    header: Signed<Header>,
    entries: Bounded<ShownEntry, GROUP_ENTRIES_MAX>,
}

/// One entry, and what proves that it is in its group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownEntry {
    /// The entry as its author signed it.
    pub bytes: Vec<u8>,
    /// What leads from it to the root in the header.
    pub proof: Proof,
}

/// Why a shown group is not believed. Nothing of these depends on what a reader knows already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShownError {
    /// The header is not what its author signed, or can stand in no log.
    #[error(transparent)]
    Header(#[from] GroupError),
    /// An entry is larger than any may be.
    #[error("an entry of {bytes} bytes where at most {ENTRY_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Entries stand twice, or not in the order of their group.
    #[error("entry {index} does not stand in its order")]
    OutOfOrder {
        /// Its place.
        index: u32,
    },
    /// An entry is not in the group.
    #[error("it is not proven that entry {index} is in the group")]
    Unproven {
        /// The place it claims.
        index: u32,
    },
}

/// A shown group whose signature and proofs are right. Only [`ShownGroup::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedShown {
    id: GroupId,
    header: Header,
    shown: ShownGroup,
}

impl ShownGroup {
    /// A group with those of its entries that are to be shown.
    #[must_use]
    pub fn of(group: &Group, mut is_shown: impl FnMut(&[u8]) -> bool) -> Self {
        let header = group.signed_header().clone();
        let places = (0_usize..).zip(group.entries());
        let shown: Vec<usize> =
            places.filter(|(_, entry)| is_shown(entry)).map(|(at, _)| at).collect();
        if shown.is_empty() {
            return Self { header, entries: Bounded::new() };
        }
        let proofs = group.prove_all();
        let entry = |at: usize| {
            let (bytes, proof) = (group.entries().get(at)?.clone(), proofs.get(at)?.clone());
            Some(ShownEntry { bytes, proof })
        };
        Self { header, entries: Bounded::first_of(shown.into_iter().filter_map(entry)) }
    }

    /// About as many bytes as it takes in a frame, never fewer.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let entry = |entry: &ShownEntry| entry.bytes.len() + 3 + PROOF_BYTES_MAX;
        self.header.payload().len() + 128 + self.entries.iter().map(entry).sum::<usize>()
    }

    /// Its header as its author signed it.
    #[must_use]
    pub const fn signed_header(&self) -> &Signed<Header> {
        &self.header
    }

    /// Checks all that can be checked without its log.
    ///
    /// # Errors
    /// Another's signature, or an entry that is not proven to be in the group.
    pub fn verify(self, plant: &PlantId) -> Result<VerifiedShown, ShownError> {
        let (id, header) = verified_header(plant, &self.header)?;
        let mut next = 0;
        for ShownEntry { bytes, proof } in &self.entries {
            let index = proof.index;
            if bytes.len() > ENTRY_BYTES_MAX {
                return Err(ShownError::TooLarge { bytes: bytes.len() });
            }
            if index < next {
                return Err(ShownError::OutOfOrder { index });
            }
            if !is_proven(&header.root, header.entries, bytes, proof) {
                return Err(ShownError::Unproven { index });
            }
            next = index.saturating_add(1);
        }
        Ok(VerifiedShown { id, header, shown: self })
    }
}

impl VerifiedShown {
    /// The group's id.
    #[must_use]
    pub const fn id(&self) -> GroupId {
        self.id
    }

    /// The signed header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The header as its author signed it.
    #[must_use]
    pub const fn signed_header(&self) -> &Signed<Header> {
        &self.shown.header
    }

    /// The entries that are shown.
    #[must_use]
    pub fn entries(&self) -> &[ShownEntry] {
        &self.shown.entries
    }

    /// The end of the log if this group is its leaf.
    #[must_use]
    pub const fn tip(&self) -> Tip {
        Tip::of(self.id, &self.header)
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::codec;
    use crate::ids::{Incarnation, RecordId};
    use crate::log::{Draft, LogId, LogKind};
    use crate::merkle::Salt;

    const PLANT: PlantId = PlantId([8; 32]);

    fn group(entries: &[&[u8]]) -> Group {
        let key = SigningKey::from_bytes(&[9; 32]);
        let draft = Draft {
            log: LogId { author: PublicKey::of(&key), kind: LogKind::Data },
            incarnation: Incarnation([1; 16]),
            after: vec![],
            acting_under: RecordId([2; 32]),
            salt: Salt([3; 16]),
            entries: entries.iter().map(|entry| entry.to_vec()).collect(),
        };
        Group::write(&key, &PLANT, draft).expect("a group").group().clone()
    }

    #[test]
    fn what_is_shown_is_proven_and_nothing_else_is_in_the_bytes() {
        let group = group(&[b"seen-one", b"hidden-two", b"seen-three", b"hidden-four"]);
        let shown = ShownGroup::of(&group, |entry| entry.starts_with(b"seen"));
        let bytes = codec::encode(&shown);
        assert!(bytes.len() <= shown.bytes(), "{} of {}", bytes.len(), shown.bytes());
        assert!(bytes.windows(4).any(|part| part == b"seen"));
        assert!(!bytes.windows(6).any(|part| part == b"hidden"), "a hidden entry is in the frame");
        let salt = codec::encode(&group);
        let salt = salt.windows(16).find(|part| *part == [3; 16]).expect("the group's salt");
        assert!(!bytes.windows(16).any(|part| part == salt), "what hides them is in the frame");
        let verified = shown.verify(&PLANT).expect("proven");
        let places: Vec<u32> = verified.entries().iter().map(|entry| entry.proof.index).collect();
        assert_eq!((places, verified.header().entries), (vec![0, 2], 4));
    }

    #[test]
    fn whatever_is_changed_in_a_shown_group_is_found() {
        let one = group(&[b"a", b"b", b"c"]);
        let other = group(&[b"a", b"b", b"d"]);
        let right = ShownGroup::of(&one, |_| true);
        assert!(right.clone().verify(&PLANT).is_ok());
        assert!(matches!(right.clone().verify(&PlantId([7; 32])), Err(ShownError::Header(_))));
        let with = |change: &dyn Fn(&mut Vec<ShownEntry>)| {
            let mut entries = right.entries.to_vec();
            change(&mut entries);
            let entries = Bounded::first_of(entries);
            ShownGroup { header: right.header.clone(), entries }.verify(&PLANT)
        };
        let unproven = |index| Err(ShownError::Unproven { index });
        assert_eq!(with(&|entries| entries[1].bytes = b"x".to_vec()), unproven(1));
        assert_eq!(with(&|entries| entries[2].proof.path = Bounded::new()), unproven(2));
        let foreign = ShownGroup::of(&other, |_| true).entries;
        assert_eq!(with(&|entries| entries[2] = foreign[2].clone()), unproven(2));
        assert_eq!(with(&|entries| entries[0].proof.index = 9), unproven(9));
        let twice = with(&|entries| entries[1] = entries[0].clone());
        assert_eq!(twice, Err(ShownError::OutOfOrder { index: 0 }));
        let large = with(&|entries| entries[0].bytes = vec![0; ENTRY_BYTES_MAX + 1]);
        assert_eq!(large, Err(ShownError::TooLarge { bytes: ENTRY_BYTES_MAX + 1 }));
    }

    #[test]
    fn a_group_that_no_copy_would_take_is_none_here_either() {
        let key = SigningKey::from_bytes(&[9; 32]);
        let (_, mut header) = group(&[b"a"]).peek().expect("a header");
        for (entries, is_right) in [(256, true), (257, false)] {
            header.entries = entries;
            let shown =
                ShownGroup { header: Signed::sign(&key, &PLANT, &header), entries: Bounded::new() };
            assert_eq!(shown.verify(&PLANT).is_ok(), is_right, "{entries} entries");
        }
    }
}
