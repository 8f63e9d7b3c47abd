//! One record, and how it lies in the file.
//!
//! Two magic bytes, kind (u8), payload length (u32, little endian), CRC32 (u32, little endian),
//! payload. The checksum covers the record's offset in the file, the kind, the length and the
//! payload.
//!
//! The offset is covered because a search for the next record after damage may have to look
//! through the payload of a broken one, and payloads come from elsewhere: one that holds a copy of
//! a file must not be replayed as if its records were ours. Bound to its place, a frame that is
//! merely contained in another is no frame. So frames cannot be moved as bytes: whoever copies
//! records into another file encodes them anew.

/// Longest payload of a record, in bytes (1 MiB). It bounds what a damaged length field can make
/// recovery read for one candidate; larger things are stored in pieces.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// Bytes of a frame before its payload.
pub(in crate::shell) const FRAME_HEAD_BYTES: usize = 11;

/// Longest frame.
pub(in crate::shell) const FRAME_BYTES_MAX: usize = FRAME_HEAD_BYTES + RECORD_BYTES_MAX;

/// Starts each frame. Not zero, so that zero-filled space never looks like records; not ASCII or
/// UTF-8, so that text seldom does.
pub(super) const FRAME_MAGIC: [u8; 2] = [0xF5, 0x9C];

/// What is appended and replayed. The file gives no meaning to either field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Tells the owner of the record how to read its payload.
    pub kind: u8,
    /// At most [`RECORD_BYTES_MAX`] bytes; may be empty.
    pub payload: Vec<u8>,
}

impl Record {
    /// Bytes this record takes in the file.
    pub(in crate::shell) fn frame_bytes(&self) -> usize {
        self.frame().bytes()
    }

    /// Appends the frame to `out`, for writing at `offset` in the file. The payload is within
    /// [`RECORD_BYTES_MAX`]: the handle refuses longer ones.
    pub(in crate::shell) fn encode(&self, offset: u64, out: &mut Vec<u8>) {
        self.frame().encode(offset, out);
    }

    fn frame(&self) -> Frame<'_> {
        Frame { kind: self.kind, payload: &self.payload }
    }
}

/// A record whose payload lies elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shell) struct Frame<'a> {
    /// As [`Record::kind`].
    pub(in crate::shell) kind: u8,
    /// As [`Record::payload`].
    pub(in crate::shell) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Bytes this record takes in the file.
    pub(in crate::shell) const fn bytes(&self) -> usize {
        FRAME_HEAD_BYTES + self.payload.len()
    }

    /// As [`Record::encode`].
    pub(in crate::shell) fn encode(&self, offset: u64, out: &mut Vec<u8>) {
        let length = (self.payload.len() as u32).to_le_bytes();
        let crc = checksum(offset, self.kind, length, self.payload);
        out.extend_from_slice(&FRAME_MAGIC);
        out.push(self.kind);
        out.extend_from_slice(&length);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(self.payload);
    }

    /// The record whose frame starts `bytes`, which were read at `offset`; `None` when there is no
    /// whole and intact frame.
    pub(in crate::shell) fn decode(offset: u64, bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<FRAME_HEAD_BYTES>()?;
        let [_, _, kind, l0, l1, l2, l3, c0, c1, c2, c3] = *head;
        let payload = rest.get(..claimed_bytes(bytes)? - FRAME_HEAD_BYTES)?;
        let found = checksum(offset, kind, [l0, l1, l2, l3], payload);
        (found == u32::from_le_bytes([c0, c1, c2, c3])).then_some(Self { kind, payload })
    }
}

/// How long the frame at the start of `bytes` says that it is; `None` when there cannot be one.
pub(super) fn claimed_bytes(bytes: &[u8]) -> Option<usize> {
    let [m0, m1, _, l0, l1, l2, l3, ..] = *bytes else { return None };
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    ([m0, m1] == FRAME_MAGIC && length <= RECORD_BYTES_MAX).then_some(FRAME_HEAD_BYTES + length)
}

fn checksum(offset: u64, kind: u8, length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&offset.to_le_bytes());
    hasher.update(&[kind]);
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_holds_only_at_its_place() {
        let record = Record { kind: 7, payload: b"spindle".to_vec() };
        let mut frame = Vec::new();
        record.encode(4096, &mut frame);
        assert_eq!(frame.len(), record.frame_bytes());
        assert_eq!(Frame::decode(4096, &frame), Some(record.frame()));
        assert_eq!(Frame::decode(4097, &frame), None);
    }

    #[test]
    fn a_length_over_the_limit_is_not_followed() {
        let record = Record { kind: 0, payload: vec![1; RECORD_BYTES_MAX + 1] };
        let mut frame = Vec::new();
        record.encode(0, &mut frame);
        assert_eq!(Frame::decode(0, &frame), None);
    }
}
