//! Logs: signed groups of entries that hang together by hash.
//!
//! A log belongs to one author key and one kind. A group commit makes one [`Group`]: its
//! [`Header`] is signed and names its parents, how many entries came before, and the Merkle root
//! over its entries. Numbers run on across restarts; the last group without a child is the log's
//! leaf. What may be stored, and what may be believed, are questions for the node's core.

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

use crate::bounded::{Bounded, byte_strings};
use crate::codec::{self, DecodeError};
use crate::ids::{GroupId, Incarnation, PlantId, PublicKey, RecordId, ShareId};
use crate::limits::{
    CUT_LOGS_MAX, ENTRY_BYTES_MAX, GROUP_BYTES_MAX, GROUP_ENTRIES_MAX, LEAVES_MAX, PARENTS_MAX,
};
use crate::merkle::{self, Hash, Proof, SALT_BYTES, Salt};
use crate::signed::{Signable, Signature, Signed, VerifyError};

/// What a log is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogKind {
    /// Who belongs to the plant. Goes to every member and is never pruned.
    Trust,
    /// What a machine has to report and what it was asked to do.
    Data,
    /// What one share carries to partners.
    Share(ShareId),
}

/// One log: its author and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogId {
    /// The only key that writes it.
    pub author: PublicKey,
    /// What it is for.
    pub kind: LogKind,
}

/// The signed part of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Which log the group extends.
    pub log: LogId,
    /// The life of the writer that wrote it.
    pub incarnation: Incarnation,
    /// One more than the highest number among the parents; 0 for the first.
    pub number: u64,
    /// The previous group, whatever its incarnation; several only where a person settled a fork.
    pub parents: Bounded<GroupId, PARENTS_MAX>,
    /// Entries in the log before this group, along the first parent.
    pub entries_before: u64,
    /// The membership record (or delegation, or genesis) the author acts under.
    pub acting_under: RecordId,
    /// Entries in this group.
    pub entries: u32,
    /// Root over them.
    pub root: Hash,
}

impl Signable for Header {
    const PURPOSE: &'static str = "gearmesh/plant/group/v1";
}

impl Header {
    /// The id of the group with this header.
    #[must_use]
    pub fn id(&self) -> GroupId {
        group_id(&codec::encode(self))
    }

    /// A hostile author may sign any count; one at its end would overflow in whoever goes on.
    const fn can_be_followed(&self) -> bool {
        let counted = self.entries_before.checked_add(self.entries as u64);
        self.number < u64::MAX && counted.is_some()
    }
}

/// A group as it is stored and sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    header: Signed<Header>,
    salt: Salt,
    #[serde(with = "byte_strings")]
    entries: Bounded<Vec<u8>, GROUP_ENTRIES_MAX>,
}

/// Why bytes are no group at all. Nothing of these depends on what a reader knows already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// Not canonical, or over a bound.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The signature is not the author's.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The header counts other entries than there are.
    #[error("the header counts {counted} entries, the group has {present}")]
    Count {
        /// What the header says.
        counted: u32,
        /// What is there.
        present: usize,
    },
    /// The entries are not those that were signed, or a group without any names a salt.
    #[error("the entries do not fit the signed root")]
    Root,
    /// An entry or the whole group is larger than allowed.
    #[error("{bytes} bytes where at most {max} are allowed")]
    TooLarge {
        /// Size found.
        bytes: usize,
        /// Size allowed.
        max: usize,
    },
    /// The header counts more entries than a group may have.
    #[error("the header counts {counted} entries where at most {GROUP_ENTRIES_MAX} are allowed")]
    TooMany {
        /// What the header says.
        counted: u32,
    },
    /// First groups have number 0 and nothing before; later ones have parents and a number. No
    /// count is at its end.
    #[error("number {number} with {parents} parents and {entries_before} entries before")]
    Shape {
        /// The group's number.
        number: u64,
        /// How many parents it names.
        parents: usize,
        /// How many entries it says came before.
        entries_before: u64,
    },
}

/// A group whose signature, shape and entries are right. Only [`Group::verify`] and [`Group::write`]
/// make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedGroup {
    id: GroupId,
    header: Header,
    group: Group,
}

/// What a group is to be written from.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Which log it extends.
    pub log: LogId,
    /// The writer's present life.
    pub incarnation: Incarnation,
    /// Where it goes on.
    pub after: Vec<Tip>,
    /// The record the author acts under.
    pub acting_under: RecordId,
    /// Random bytes for the leaves' salts.
    pub salt: Salt,
    /// The entries, encoded.
    pub entries: Vec<Vec<u8>>,
}

/// The end of a log as a writer needs it to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tip {
    /// The leaf.
    pub group: GroupId,
    /// Its number.
    pub number: u64,
    /// Entries in the log up to and with it.
    pub entries: u64,
}

impl Tip {
    /// The end of a log whose last group has this header.
    #[must_use]
    pub const fn of(group: GroupId, header: &Header) -> Self {
        let entries = header.entries_before.saturating_add(header.entries as u64);
        Self { group, number: header.number, entries }
    }

    /// Puts a group among the leaves of what was seen of its log, in the place of its parents. What
    /// came last stands first.
    pub fn grow(leaves: &mut Vec<Self>, group: GroupId, header: &Header) {
        leaves.retain(|leaf| leaf.group != group && !header.parents.contains(&leaf.group));
        leaves.insert(0, Self::of(group, header));
    }
}

/// Checks a header by itself: who signed it, and that it can stand in a log.
///
/// # Errors
/// Misshapen, or not what its author signed.
pub fn verified_header(
    plant: &PlantId,
    signed: &Signed<Header>,
) -> Result<(GroupId, Header), GroupError> {
    let author = signed.peek()?.log.author;
    let header = signed.verify(plant, &author)?.into_value();
    check_shape(&header)?;
    if header.entries as usize > GROUP_ENTRIES_MAX {
        return Err(GroupError::TooMany { counted: header.entries });
    }
    Ok((group_id(signed.payload()), header))
}

/// Whether a header can stand in a log.
fn check_shape(header: &Header) -> Result<(), GroupError> {
    let is_first = header.parents.is_empty();
    let is_misplaced = is_first != (header.number == 0) || (is_first && header.entries_before != 0);
    if is_misplaced || !header.can_be_followed() {
        return Err(GroupError::Shape {
            number: header.number,
            parents: header.parents.len(),
            entries_before: header.entries_before,
        });
    }
    Ok(())
}

impl Group {
    /// Writes and signs the next group of a log.
    ///
    /// # Errors
    /// Too many parents or entries, entries too large, or the log of another key.
    pub fn write(
        key: &SigningKey,
        plant: &PlantId,
        draft: Draft,
    ) -> Result<VerifiedGroup, GroupError> {
        let present = draft.entries.len();
        let number = draft.after.iter().map(|tip| tip.number.saturating_add(1)).max().unwrap_or(0);
        let entries_before = draft.after.first().map_or(0, |tip| tip.entries);
        let salt = if draft.entries.is_empty() { Salt::NONE } else { draft.salt };
        let root = merkle::root(&salt, &draft.entries);
        let parents: Vec<GroupId> = draft.after.iter().map(|tip| tip.group).collect();
        let parents = parents.try_into().map_err(|_| GroupError::Shape {
            number,
            parents: draft.after.len(),
            entries_before,
        })?;
        let counted = u32::try_from(present).unwrap_or(u32::MAX);
        let entries =
            draft.entries.try_into().map_err(|_| GroupError::Count { counted, present })?;
        let header = Header {
            log: draft.log,
            incarnation: draft.incarnation,
            number,
            parents,
            entries_before,
            acting_under: draft.acting_under,
            entries: counted,
            root,
        };
        check_shape(&header)?;
        let author = header.log.author;
        if PublicKey::of(key) != author {
            return Err(VerifyError::BadSignature { key: author, purpose: Header::PURPOSE }.into());
        }
        let signed = Signed::sign(key, plant, &header);
        let group = Self { header: signed, salt, entries };
        group.check_sizes()?;
        Ok(VerifiedGroup { id: group_id(group.header.payload()), header, group })
    }

    /// Reads a group from untrusted bytes and checks all that can be checked without its log.
    ///
    /// # Errors
    /// Not canonical, over a bound, misshapen, or not what its author signed.
    pub fn read(plant: &PlantId, bytes: &[u8]) -> Result<VerifiedGroup, GroupError> {
        codec::decode::<Self>(bytes, GROUP_BYTES_MAX)?.verify(plant)
    }

    /// Checks all that can be checked without its log.
    ///
    /// # Errors
    /// As [`Group::read`].
    pub fn verify(self, plant: &PlantId) -> Result<VerifiedGroup, GroupError> {
        self.check_sizes()?;
        let (id, header) = verified_header(plant, &self.header)?;
        if usize::try_from(header.entries) != Ok(self.entries.len()) {
            let present = self.entries.len();
            return Err(GroupError::Count { counted: header.entries, present });
        }
        // The root over nothing covers no salt, so any other salt would be a second spelling.
        let is_spare_salt = self.entries.is_empty() && self.salt != Salt::NONE;
        if is_spare_salt || merkle::root(&self.salt, &self.entries) != header.root {
            return Err(GroupError::Root);
        }
        Ok(VerifiedGroup { id, header, group: self })
    }

    /// Its header as its author signed it, for those who are not to see all entries.
    #[must_use]
    pub const fn signed_header(&self) -> &Signed<Header> {
        &self.header
    }

    /// The proof that entry `index` is in this group.
    #[must_use]
    pub fn prove(&self, index: u32) -> Option<Proof> {
        merkle::prove(&self.salt, &self.entries, index)
    }

    /// The proofs of all entries, in their order.
    #[must_use]
    pub fn prove_all(&self) -> Vec<Proof> {
        merkle::prove_all(&self.salt, &self.entries)
    }

    /// What it says of itself, and its id. Nothing is checked: for a group that was verified before
    /// it was stored, and whose bytes are the same.
    ///
    /// # Errors
    /// The header is none.
    pub fn peek(&self) -> Result<(GroupId, Header), DecodeError> {
        Ok((group_id(self.header.payload()), self.header.peek()?))
    }

    /// The entries, encoded. As little checked as [`Group::peek`].
    #[must_use]
    pub fn entries(&self) -> &[Vec<u8>] {
        &self.entries
    }

    fn check_sizes(&self) -> Result<(), GroupError> {
        let too_large = self.entries.iter().find(|entry| entry.len() > ENTRY_BYTES_MAX);
        if let Some(entry) = too_large {
            return Err(GroupError::TooLarge { bytes: entry.len(), max: ENTRY_BYTES_MAX });
        }
        let bytes = self.encoded_len();
        if bytes > GROUP_BYTES_MAX {
            return Err(GroupError::TooLarge { bytes, max: GROUP_BYTES_MAX });
        }
        Ok(())
    }

    /// Counted as it is encoded: a writer must not sign what every reader would refuse.
    fn encoded_len(&self) -> usize {
        let prefixed = |bytes: &[u8]| varint_len(bytes.len()) + bytes.len();
        let entries: usize = self.entries.iter().map(|entry| prefixed(entry)).sum();
        let signature = size_of::<Signature>();
        let counted = varint_len(self.entries.len());
        prefixed(self.header.payload()) + signature + SALT_BYTES + counted + entries
    }
}

impl VerifiedGroup {
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

    /// The entries, encoded.
    #[must_use]
    pub fn entries(&self) -> &[Vec<u8>] {
        &self.group.entries
    }

    /// The group as it is stored and sent.
    #[must_use]
    pub const fn group(&self) -> &Group {
        &self.group
    }

    /// The end of the log if this group is its leaf.
    #[must_use]
    pub const fn tip(&self) -> Tip {
        Tip::of(self.id, &self.header)
    }

    /// The proof that entry `index` is in this group.
    #[must_use]
    pub fn prove(&self, index: u32) -> Option<Proof> {
        self.group.prove(index)
    }
}

/// Where a revoked key's log ends: ancestors of the leaves, and the leaves, stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogCut {
    /// Which of the key's logs.
    pub kind: LogKind,
    /// Its last good groups; empty cuts the whole log.
    pub leaves: Bounded<GroupId, LEAVES_MAX>,
}

/// The ends of all logs of one key.
pub type Cut = Bounded<LogCut, CUT_LOGS_MAX>;

/// The id of the record at `index` of a group.
#[must_use]
pub fn record_id(group: &GroupId, index: u32) -> RecordId {
    let mut hasher = blake3::Hasher::new_derive_key("gearmesh 2026 record id v1");
    hasher.update(group.as_bytes());
    hasher.update(&index.to_le_bytes());
    RecordId(*hasher.finalize().as_bytes())
}

/// Bytes of a length in postcard's variable form: seven bits in each.
const fn varint_len(value: usize) -> usize {
    let bits = usize::BITS - value.leading_zeros();
    if bits == 0 { 1 } else { bits.div_ceil(7) as usize }
}

fn group_id(header_payload: &[u8]) -> GroupId {
    let mut hasher = blake3::Hasher::new_derive_key("gearmesh 2026 group id v1");
    hasher.update(header_payload);
    GroupId(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(key: &SigningKey, after: Vec<Tip>, entries: &[&[u8]]) -> Draft {
        Draft {
            log: LogId { author: PublicKey::of(key), kind: LogKind::Data },
            incarnation: Incarnation([1; 16]),
            after,
            acting_under: RecordId([2; 32]),
            salt: Salt([3; 16]),
            entries: entries.iter().map(|e| e.to_vec()).collect(),
        }
    }

    #[test]
    fn a_group_is_read_back_and_any_flipped_bit_is_refused() {
        let key = SigningKey::from_bytes(&[9; 32]);
        let plant = PlantId([8; 32]);
        let first = Group::write(&key, &plant, draft(&key, vec![], &[b"a", b"b"])).expect("first");
        let second =
            Group::write(&key, &plant, draft(&key, vec![first.tip()], &[b"c"])).expect("second");
        assert_eq!(second.header().number, 1);
        assert_eq!(second.header().entries_before, 2);
        let bytes = codec::encode(second.group());
        assert_eq!(Group::read(&plant, &bytes), Ok(second));
        for bit in 0..bytes.len() * 8 {
            let mut mutated = bytes.clone();
            mutated[bit / 8] ^= 1 << (bit % 8);
            assert!(Group::read(&plant, &mutated).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(Group::read(&plant, &bytes[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn a_group_without_entries_has_one_form() {
        let key = SigningKey::from_bytes(&[9; 32]);
        let plant = PlantId([8; 32]);
        let empty = Group::write(&key, &plant, draft(&key, vec![], &[])).expect("a group");
        let bytes = codec::encode(empty.group());
        assert_eq!(Group::read(&plant, &bytes), Ok(empty));
        for at in 0..bytes.len() {
            let mut mutated = bytes.clone();
            mutated[at] ^= 1;
            assert!(Group::read(&plant, &mutated).is_err(), "byte {at}");
        }
    }

    #[test]
    fn what_a_writer_may_write_a_reader_may_read() {
        let key = SigningKey::from_bytes(&[9; 32]);
        let plant = PlantId([8; 32]);
        let write = |rest: usize| {
            let entries: [&[u8]; 2] = [&[0; ENTRY_BYTES_MAX], &vec![0; rest]];
            Group::write(&key, &plant, draft(&key, vec![], &entries))
        };
        let spare = GROUP_BYTES_MAX - ENTRY_BYTES_MAX - 3 * 128;
        let fits = write(spare).expect("a group");
        let room = GROUP_BYTES_MAX - codec::encode(fits.group()).len();
        let full = write(spare + room).expect("a full group");
        let bytes = codec::encode(full.group());
        assert_eq!(bytes.len(), GROUP_BYTES_MAX);
        assert!(Group::read(&plant, &bytes).is_ok());
        let over = GroupError::TooLarge { bytes: GROUP_BYTES_MAX + 1, max: GROUP_BYTES_MAX };
        assert_eq!(write(spare + room + 1), Err(over));
    }

    #[test]
    fn lengths_take_as_many_bytes_as_postcard_writes() {
        for value in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
            assert_eq!(varint_len(value), codec::encode(&value).len(), "{value}");
        }
    }

    #[test]
    fn counts_that_would_overflow_are_refused() {
        let key = SigningKey::from_bytes(&[9; 32]);
        let plant = PlantId([8; 32]);
        let after = |number, entries| {
            let tip = Tip { group: GroupId([7; 32]), number, entries };
            Group::write(&key, &plant, draft(&key, vec![tip], &[b"a"])).map(|group| group.tip())
        };
        let last = after(u64::MAX - 2, u64::MAX - 1).expect("the last that can be followed");
        assert_eq!((last.number, last.entries), (u64::MAX - 1, u64::MAX));
        assert!(matches!(after(u64::MAX - 1, 1), Err(GroupError::Shape { .. })));
        assert!(matches!(after(u64::MAX, 1), Err(GroupError::Shape { .. })));
        assert!(matches!(after(1, u64::MAX), Err(GroupError::Shape { .. })));
    }

    #[test]
    fn a_group_belongs_to_one_plant() {
        let key = SigningKey::from_bytes(&[9; 32]);
        let group = Group::write(&key, &PlantId([8; 32]), draft(&key, vec![], &[b"a"]));
        let bytes = codec::encode(group.expect("a group").group());
        assert!(Group::read(&PlantId([7; 32]), &bytes).is_err());
    }
}
