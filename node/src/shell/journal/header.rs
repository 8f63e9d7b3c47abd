//! The first bytes of the file: that it is a journal, and in which format.
//!
//! `"GMJL"`, the format version (u16, little endian), CRC32 of these six bytes (u32, little
//! endian). Every future version keeps these ten bytes where they are. The checksum is what tells
//! a newer format, which must be refused, from a flipped bit, which must not cost the whole file.

/// The format written and read by this gearmesh.
pub const FORMAT_VERSION: u16 = 1;

/// Length of the header; the first record starts here.
pub(super) const HEADER_BYTES: u64 = HEADER_LEN as u64;

const HEADER_LEN: usize = 10;
const MAGIC: [u8; 4] = *b"GMJL";

/// What the start of a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    /// No header yet: an empty file, or one whose creation was cut short.
    Absent,
    /// A header of [`FORMAT_VERSION`].
    Current,
    /// An intact header of another version.
    Other {
        /// The version it names.
        version: u16,
    },
    /// Not a header as it stands. The file may still be a journal: its records decide.
    Damaged {
        /// The version it names, when at least the magic is in place.
        claims: Option<u16>,
    },
}

/// The header of a file in format `version`.
pub(super) fn encode(version: u16) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..6].copy_from_slice(&version.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..6]);
    bytes[6..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Judges `head`, the first [`HEADER_BYTES`] of a file (all of it, when it is shorter); `whole`
/// says that the file ends there.
pub(super) fn judge(head: &[u8], whole: bool) -> Header {
    let current = encode(FORMAT_VERSION);
    if head == current {
        return Header::Current;
    }
    // Records are written only after the header is durable, so a creation cut short leaves no more
    // than a header's length, partly written or, on some file systems, zero-filled.
    if whole && head.iter().zip(current).all(|(&found, wanted)| found == wanted || found == 0) {
        return Header::Absent;
    }
    let claims = match head {
        [m0, m1, m2, m3, low, high, ..] if [*m0, *m1, *m2, *m3] == MAGIC => {
            Some(u16::from_le_bytes([*low, *high]))
        }
        _ => None,
    };
    match claims {
        Some(version) if head == encode(version) => Header::Other { version },
        _ => Header::Damaged { claims },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_creation_cut_short_is_no_header() {
        let full = encode(FORMAT_VERSION);
        for kept in 0..full.len() {
            assert_eq!(judge(&full[..kept], true), Header::Absent);
        }
        assert_eq!(judge(&[0; HEADER_LEN], true), Header::Absent);
        assert_eq!(judge(&full, true), Header::Current);
    }

    #[test]
    fn a_longer_file_of_zeros_is_not_ours_to_claim() {
        assert_eq!(judge(&[0; HEADER_LEN], false), Header::Damaged { claims: None });
    }

    #[test]
    fn a_flipped_bit_is_not_another_version() {
        assert_eq!(judge(&encode(2), false), Header::Other { version: 2 });
        let mut flipped = encode(FORMAT_VERSION);
        flipped[4] ^= 2;
        assert_eq!(judge(&flipped, false), Header::Damaged { claims: Some(3) });
    }
}
