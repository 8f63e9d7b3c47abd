//! The first bytes of a file: what it is, and in which format.
//!
//! Four bytes of magic, the format version (u16, little endian), CRC32 of these six bytes (u32,
//! little endian). Every future version keeps these ten bytes where they are. The checksum is what
//! tells a newer format, which must be refused, from a flipped bit, which must not cost the whole
//! file.

/// Length of the header; the first record starts here.
pub(in crate::shell) const HEADER_BYTES: u64 = HEADER_LEN as u64;

const HEADER_LEN: usize = 10;

/// A kind of file, in the format written and read by this gearmesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shell) struct Format {
    /// Which kind of file.
    pub(in crate::shell) magic: [u8; 4],
    /// The only version read.
    pub(in crate::shell) version: u16,
}

/// What the start of a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shell) enum Header {
    /// No header yet: an empty file, or one whose creation was cut short.
    Absent,
    /// A header of the wanted format.
    Current,
    /// An intact header of another version.
    Other {
        /// The version it names.
        version: u16,
    },
    /// Not a header as it stands. The file may still be of the wanted kind: its records decide.
    Damaged {
        /// The version it names, when at least the magic is in place.
        claims: Option<u16>,
    },
}

impl Format {
    /// The header of a file in this format.
    pub(in crate::shell) fn encode(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&self.magic);
        bytes[4..6].copy_from_slice(&self.version.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..6]);
        bytes[6..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Judges `head`, the first [`HEADER_BYTES`] of a file (all of it, when it is shorter); `whole`
    /// says that the file ends there.
    pub(in crate::shell) fn judge(self, head: &[u8], whole: bool) -> Header {
        let current = self.encode();
        if head == current {
            return Header::Current;
        }
        // Records are written only after the header is durable, so a creation cut short leaves no
        // more than a header's length, partly written or, on some file systems, zero-filled.
        if whole && head.iter().zip(current).all(|(&found, wanted)| found == wanted || found == 0) {
            return Header::Absent;
        }
        let claims = match head {
            [m0, m1, m2, m3, low, high, ..] if [*m0, *m1, *m2, *m3] == self.magic => {
                Some(u16::from_le_bytes([*low, *high]))
            }
            _ => None,
        };
        match claims {
            Some(version) if head == (Self { version, ..self }).encode() => {
                Header::Other { version }
            }
            _ => Header::Damaged { claims },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format = Format { magic: *b"GMTT", version: 1 };

    #[test]
    fn a_creation_cut_short_is_no_header() {
        let full = FORMAT.encode();
        for kept in 0..full.len() {
            assert_eq!(FORMAT.judge(&full[..kept], true), Header::Absent);
        }
        assert_eq!(FORMAT.judge(&[0; HEADER_LEN], true), Header::Absent);
        assert_eq!(FORMAT.judge(&full, true), Header::Current);
    }

    #[test]
    fn a_longer_file_of_zeros_is_not_ours_to_claim() {
        assert_eq!(FORMAT.judge(&[0; HEADER_LEN], false), Header::Damaged { claims: None });
    }

    #[test]
    fn a_flipped_bit_is_not_another_version() {
        let mut other = Format { version: 2, ..FORMAT }.encode();
        assert_eq!(FORMAT.judge(&other, false), Header::Other { version: 2 });
        other[4] ^= 1;
        assert_eq!(FORMAT.judge(&other, false), Header::Damaged { claims: Some(3) });
    }

    #[test]
    fn a_file_of_another_kind_claims_nothing() {
        let other = Format { magic: *b"GMUU", ..FORMAT }.encode();
        assert_eq!(FORMAT.judge(&other, true), Header::Damaged { claims: None });
    }
}
