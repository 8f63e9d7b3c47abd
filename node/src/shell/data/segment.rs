//! A segment: the name of its file, its records, and what is kept of it in memory.
//!
//! Its first record is the [`Head`]. Groups follow, as their canonical bytes; before a group whose
//! parents beyond the first tell something new stands a record that says where those lie. Such a
//! group may jump in number; all others of an unbroken run count on from the one before, so that a
//! group is found by counting records from the [point](Point) before it.

use std::fmt;
use std::str::FromStr;

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{PlantId, PublicKey};
use gearmesh_protocol::limits::{GROUP_BYTES_MAX, PARENTS_MAX};
use gearmesh_protocol::log::{Header, Tip};
use serde::{Deserialize, Serialize};

use crate::core::plant::chain::Place;
use crate::shell::frames::{FRAME_HEAD_BYTES, Format, HEADER_BYTES, RECORD_BYTES_MAX};

/// The format written and read by this gearmesh.
pub(in crate::shell) const FORMAT_VERSION: u16 = 1;

/// How a segment begins.
pub(super) const FORMAT: Format = Format { magic: *b"GMSG", version: FORMAT_VERSION };

/// Longest segment (8 MiB): what one damaged directory entry can cost, what goes at once when old
/// groups go, and few enough files for a log of gigabytes.
pub(in crate::shell) const SEGMENT_BYTES_MAX: u64 = 8 << 20;

/// Bytes of file between two points of the index (64 KiB): what is read to find one group.
pub(in crate::shell) const POINT_BYTES: u64 = 64 << 10;

/// Bytes up to which a file may be a segment that was begun and never used: the header and the
/// longest head are shorter, and the shortest group is longer than what is left.
pub(super) const BEGUN_BYTES_MAX: u64 = 256;

/// Kinds of records.
pub(super) const HEAD: u8 = 1;
pub(super) const GROUP: u8 = 2;
pub(super) const JOIN: u8 = 3;

/// Bytes of a record that says where parents lie.
const JOIN_BYTES_MAX: usize = 16 * PARENTS_MAX;

const _: () = {
    assert!(GROUP_BYTES_MAX <= RECORD_BYTES_MAX, "a group fits a record");
    assert!(SEGMENT_BYTES_MAX <= u32::MAX as u64, "a point holds a place in 32 bits");
    let longest_frames = 2 * FRAME_HEAD_BYTES + GROUP_BYTES_MAX + JOIN_BYTES_MAX;
    assert!(
        BEGUN_BYTES_MAX as usize + longest_frames <= SEGMENT_BYTES_MAX as usize,
        "every group fits a new segment"
    );
    assert!(HEADER_BYTES < BEGUN_BYTES_MAX, "a header is shorter than a begun segment");
};

/// The name of a segment's file within its author's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) branch: u16,
    /// The number of the group for which it was begun.
    pub(super) first: u64,
    /// Tells it from others that were begun for a group of this number: 0 unless it fills a hole.
    pub(super) fill: u16,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:05}-{:020}", self.branch, self.first)?;
        if self.fill > 0 {
            write!(f, ".{}", self.fill)?;
        }
        f.write_str(".seg")
    }
}

/// A file that is no segment, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotASegment;

impl FromStr for Name {
    type Err = NotASegment;

    fn from_str(text: &str) -> Result<Self, NotASegment> {
        let stem = text.strip_suffix(".seg").ok_or(NotASegment)?;
        let (stem, fill) = stem.split_once('.').unwrap_or((stem, "0"));
        let (branch, first) = stem.split_once('-').ok_or(NotASegment)?;
        let name = Self {
            branch: branch.parse().map_err(|_| NotASegment)?,
            first: first.parse().map_err(|_| NotASegment)?,
            fill: fill.parse().map_err(|_| NotASegment)?,
        };
        // One file, one name.
        if name.to_string() == text { Ok(name) } else { Err(NotASegment) }
    }
}

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) plant: PlantId,
    pub(super) author: PublicKey,
    pub(super) branch: u16,
    /// Branch and number of the group that the branch goes on from.
    pub(super) from: Option<(u16, u64)>,
    /// The group before the first one here.
    pub(super) before: Option<Tip>,
}

impl Head {
    pub(super) fn from(&self) -> Option<Place> {
        self.from.map(|(branch, number)| Place { branch, number })
    }

    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        codec::decode(payload, BEGUN_BYTES_MAX as usize).ok()
    }
}

/// The payload of a record that says where parents lie.
pub(super) fn join_payload(parents: &[Place]) -> Vec<u8> {
    let pairs: Vec<(u16, u64)> = parents.iter().map(|at| (at.branch, at.number)).collect();
    codec::encode(&pairs)
}

/// The parents that such a record names.
pub(super) fn read_join(payload: &[u8]) -> Option<Vec<Place>> {
    let pairs: Vec<(u16, u64)> = codec::decode(payload, JOIN_BYTES_MAX).ok()?;
    Some(pairs.into_iter().map(|(branch, number)| Place { branch, number }).collect())
}

/// The header of a group that was stored. Its signature was checked before that, and its bytes by
/// the record's checksum.
pub(super) fn header_of(group: &[u8]) -> Option<Header> {
    // A group begins with its signed header: a length in seven bits a byte, and as many bytes.
    let mut length = 0_usize;
    for (at, byte) in group.iter().take(3).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let payload = group.get(at + 1..)?.get(..length)?;
            return codec::decode(payload, GROUP_BYTES_MAX).ok();
        }
    }
    None
}

/// The group that a header follows, as far as the header tells.
pub(super) fn before_of(header: &Header) -> Option<Tip> {
    let parent = header.parents.first()?;
    let number = header.number.saturating_sub(1);
    Some(Tip { group: *parent, number, entries: header.entries_before })
}

/// Groups of a segment with nothing missing between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) name: Name,
    /// The group before its first.
    pub(super) before: Option<Tip>,
    /// The number of its first group.
    pub(super) first: u64,
    pub(super) last: Tip,
    pub(super) groups: u64,
    /// Where its last record ends.
    pub(super) end: u64,
    /// At least its first group, in order.
    pub(super) points: Vec<Point>,
}

/// Where a group lies in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) number: u64,
    pub(super) offset: u32,
}

impl Run {
    /// A run of one group, whose frame lies at `offset`.
    pub(super) fn begun(name: Name, before: Option<Tip>, tip: Tip, offset: u64, end: u64) -> Self {
        let point = Point { number: tip.number, offset: offset as u32 };
        Self { name, before, first: tip.number, last: tip, groups: 1, end, points: vec![point] }
    }

    /// One more group, whose frame lies at `offset`.
    pub(super) fn extended(&mut self, tip: Tip, offset: u64, end: u64) {
        note_point(&mut self.points, self.last.number, tip.number, offset);
        (self.last, self.end) = (tip, end);
        self.groups += 1;
    }

    /// The last point that is not behind the group with this number.
    pub(super) fn point_before(&self, number: u64) -> usize {
        self.points.partition_point(|point| point.number <= number).saturating_sub(1)
    }
}

/// Adds a point for the group `number` at `offset`, which follows the group `after`, where one is
/// due.
pub(super) fn note_point(points: &mut Vec<Point>, after: u64, number: u64, offset: u64) {
    let jumps = number != after.saturating_add(1);
    let far = points.last().is_none_or(|last| offset >= u64::from(last.offset) + POINT_BYTES);
    if jumps || far {
        points.push(Point { number, offset: offset as u32 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_form() {
        let names = [
            Name { branch: 0, first: 0, fill: 0 },
            Name { branch: 7, first: 4711, fill: 0 },
            Name { branch: u16::MAX, first: u64::MAX, fill: u16::MAX },
        ];
        for name in names {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        for other in ["0-0.seg", "journal", "00000-00000000000000000000.seg.bad"] {
            assert_eq!(other.parse::<Name>(), Err(NotASegment), "{other}");
        }
    }

    #[test]
    fn parents_are_read_back() {
        let places = [Place { branch: 1, number: 9 }, Place { branch: u16::MAX, number: u64::MAX }];
        assert_eq!(read_join(&join_payload(&places)), Some(places.to_vec()));
        let most = vec![places[1]; PARENTS_MAX - 1];
        assert_eq!(read_join(&join_payload(&most)), Some(most));
    }

    #[test]
    fn the_longest_head_fits_a_begun_segment() {
        let key = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
        let group = gearmesh_protocol::ids::GroupId([1; 32]);
        let head = Head {
            plant: PlantId([1; 32]),
            author: PublicKey::of(&key),
            branch: u16::MAX,
            from: Some((u16::MAX, u64::MAX)),
            before: Some(Tip { group, number: u64::MAX, entries: u64::MAX }),
        };
        let payload = codec::encode(&head);
        assert!(
            HEADER_BYTES as usize + FRAME_HEAD_BYTES + payload.len() < BEGUN_BYTES_MAX as usize
        );
        assert_eq!(Head::read(&payload), Some(head));
    }
}
