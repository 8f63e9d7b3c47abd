//! Frames behind their length: how they are cut out of what was read, and put into what will be
//! written. The live lane of a link and the streams of the local API have them in common.

use crate::limits::FRAME_BYTES_MAX;

/// Bytes of a length: it comes first, big-endian.
pub const LENGTH_BYTES: usize = 4;

/// Bytes that one read may bring at least.
const READ_BYTES: usize = 64 * 1024;

/// Bytes of the buffer, as long as no frame is longer: then bytes are moved in one of a few reads.
const BUFFER_BYTES: usize = 4 * READ_BYTES;

/// A frame longer than any may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {bytes} bytes where at most {max} are allowed")]
pub struct TooLong {
    /// The announced length.
    pub bytes: usize,
    /// The bound.
    pub max: usize,
}

/// Bytes that were read and not yet understood.
#[derive(Debug, Default)]
pub struct ReadBuffer {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
}

impl ReadBuffer {
    /// Room for what the next read brings: the rest of a long frame, or what one read may bring.
    pub fn space(&mut self) -> &mut [u8] {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        }
        let held = self.to - self.from;
        let needed = self.announced().unwrap_or(0).max(READ_BYTES).max(held + 1);
        // Memory of an unusually long frame is given back after it.
        let is_idle = self.bytes.len() > BUFFER_BYTES && needed == READ_BYTES;
        if self.from + needed > self.bytes.len() || is_idle {
            self.bytes.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, held);
        }
        if self.bytes.len() < needed || is_idle {
            // With some room beyond, so that bytes beyond a frame do not make it grow each time.
            let room = if is_idle { 0 } else { needed + READ_BYTES };
            self.bytes.resize(room.max(BUFFER_BYTES), 0);
            self.bytes.shrink_to_fit();
        }
        &mut self.bytes[self.to..]
    }

    /// Takes in what was read into the [`space`](Self::space).
    pub fn filled(&mut self, bytes: usize) {
        self.to = self.bytes.len().min(self.to + bytes);
    }

    /// Takes in bytes that were read elsewhere.
    pub fn extend(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.space();
            let (now, later) = bytes.split_at(bytes.len().min(space.len()));
            space[..now.len()].copy_from_slice(now);
            self.filled(now.len());
            bytes = later;
        }
    }

    /// Whether a frame has begun and not ended, once [`frame`](Self::frame) has nothing more.
    #[must_use]
    pub const fn is_within_frame(&self) -> bool {
        self.from < self.to
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// It is announced as longer than [`FRAME_BYTES_MAX`].
    pub fn frame(&mut self) -> Result<Option<&[u8]>, TooLong> {
        let there = &self.bytes[self.from..self.to];
        let Some((frame, _)) = split_frame(there)? else { return Ok(None) };
        self.from += LENGTH_BYTES + frame.len();
        Ok(Some(frame))
    }

    /// The whole frames from the next one on that belong together, one behind the other and each
    /// with its length in front; nothing if already the next one does not.
    ///
    /// # Errors
    /// One is announced as longer than [`FRAME_BYTES_MAX`], or what `belongs` says; then nothing is
    /// taken.
    pub fn frames<E: From<TooLong>>(
        &mut self,
        mut belongs: impl FnMut(&[u8]) -> Result<bool, E>,
    ) -> Result<&[u8], E> {
        let there = &self.bytes[self.from..self.to];
        let mut rest = there;
        while let Some((frame, behind)) = split_frame(rest)? {
            if !belongs(frame)? {
                break;
            }
            rest = behind;
        }
        let taken = there.len() - rest.len();
        self.from += taken;
        Ok(&there[..taken])
    }

    /// The last of what was taken out, so many bytes of it. It lies there until the next
    /// [`space`](Self::space).
    #[must_use]
    pub fn taken(&self, bytes: usize) -> &[u8] {
        &self.bytes[self.from.saturating_sub(bytes)..self.from]
    }

    /// Bytes of the first frame with its length, once its length is there and allowed.
    fn announced(&self) -> Option<usize> {
        let bytes = length_of(*self.bytes.get(self.from..self.to)?.first_chunk()?);
        (bytes <= FRAME_BYTES_MAX).then_some(LENGTH_BYTES + bytes)
    }
}

/// A frame, and what is behind it.
pub type Split<'a> = (&'a [u8], &'a [u8]);

/// The first frame and what is behind it, if all of it is there.
///
/// # Errors
/// It is announced as longer than [`FRAME_BYTES_MAX`].
#[inline]
pub fn split_frame(bytes: &[u8]) -> Result<Option<Split<'_>>, TooLong> {
    let Some((length, rest)) = bytes.split_first_chunk() else { return Ok(None) };
    let bytes = length_of(*length);
    if bytes > FRAME_BYTES_MAX {
        return Err(TooLong { bytes, max: FRAME_BYTES_MAX });
    }
    Ok(rest.split_at_checked(bytes))
}

#[inline]
fn length_of(length: [u8; LENGTH_BYTES]) -> usize {
    usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX)
}

/// Appends the length of a frame that follows.
#[inline]
pub fn put_length(out: &mut Vec<u8>, bytes: usize) {
    let length = u32::try_from(bytes).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
}

/// Appends a frame with its length in front.
pub fn framed(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    put(out);
    let length = u32::try_from(out.len() - at - LENGTH_BYTES).unwrap_or(u32::MAX);
    out[at..at + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(buffer: &mut ReadBuffer) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| buffer.frame().expect("a length").map(<[u8]>::to_vec)).collect()
    }

    #[test]
    fn frames_are_cut_out_however_they_arrive() {
        let long = vec![7; 3 * READ_BYTES];
        let mut written = Vec::new();
        for frame in [&b"one"[..], b"", &long] {
            framed(&mut written, |out| out.extend_from_slice(frame));
        }
        for step in [1, 5, 4096, written.len()] {
            let (mut buffer, mut seen) = (ReadBuffer::default(), Vec::new());
            for part in written.chunks(step) {
                buffer.extend(part);
                seen.append(&mut frames(&mut buffer));
            }
            assert_eq!(seen, [b"one".to_vec(), Vec::new(), long.clone()], "{step} at once");
            assert!(!buffer.is_within_frame());
        }
    }

    #[test]
    fn frames_that_belong_together_are_taken_together() {
        let mut written = Vec::new();
        for frame in [&b"one"[..], b"onetwo", b"two", b"one"] {
            framed(&mut written, |out| out.extend_from_slice(frame));
        }
        let mut buffer = ReadBuffer::default();
        buffer.extend(&written[..written.len() - 1]);
        let mut together = |with: &[u8]| {
            let taken = buffer.frames(|frame| Ok::<_, TooLong>(frame.starts_with(with)));
            taken.map(<[u8]>::to_vec)
        };
        assert_eq!(together(b"two"), Ok(Vec::new()));
        assert_eq!(together(b"one"), Ok(written[..17].to_vec()));
        assert_eq!(together(b"two"), Ok(written[17..24].to_vec()));
        assert_eq!(together(b"one"), Ok(Vec::new()), "the last one is not whole");
        assert_eq!(buffer.taken(7), &written[17..24]);
        buffer.extend(&written[written.len() - 1..]);
        let refused = buffer.frames(|_| Err(TooLong { bytes: 1, max: 0 }));
        assert!(refused.is_err());
        assert_eq!(buffer.frame(), Ok(Some(&b"one"[..])), "a refusal takes nothing");
    }

    #[test]
    fn the_memory_of_a_long_frame_is_given_back() {
        let mut written = Vec::new();
        framed(&mut written, |out| out.resize(out.len() + FRAME_BYTES_MAX, 3));
        for _ in 0..40_000 {
            framed(&mut written, |out| out.push(1));
        }
        let (mut buffer, mut seen, mut rest) = (ReadBuffer::default(), 0, &written[..]);
        while !rest.is_empty() {
            let space = buffer.space();
            let read = space.len().min(rest.len());
            space[..read].copy_from_slice(&rest[..read]);
            buffer.filled(read);
            rest = &rest[read..];
            while let Some(frame) = buffer.frame().expect("frames") {
                seen += 1;
                assert!(frame.len() == FRAME_BYTES_MAX || frame == [1]);
            }
        }
        assert_eq!(seen, 40_001);
        assert!(buffer.bytes.len() <= BUFFER_BYTES, "{} bytes are kept", buffer.bytes.len());
    }

    #[test]
    fn half_a_frame_is_known_as_such() {
        let mut buffer = ReadBuffer::default();
        assert!(!buffer.is_within_frame());
        for byte in [0, 0, 0, 2, 9] {
            buffer.extend(&[byte]);
            assert_eq!(buffer.frame(), Ok(None));
            assert!(buffer.is_within_frame());
        }
    }

    #[test]
    fn a_length_beyond_the_bound_takes_no_memory() {
        let mut buffer = ReadBuffer::default();
        buffer.extend(&u32::MAX.to_be_bytes());
        let bytes = usize::try_from(u32::MAX).expect("a number");
        assert_eq!(buffer.frame(), Err(TooLong { bytes, max: FRAME_BYTES_MAX }));
        assert!(buffer.space().len() <= BUFFER_BYTES);
    }
}
