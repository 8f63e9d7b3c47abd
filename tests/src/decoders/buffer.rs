//! Frames cut out of what was read, however it arrived.

use gearmesh_protocol::framing::{LENGTH_BYTES, ReadBuffer, TooLong, framed};
use gearmesh_protocol::limits::FRAME_BYTES_MAX;

/// Bytes that one input may stand for.
const BYTES_MAX: usize = 3 * FRAME_BYTES_MAX;

/// Bytes that the buffer may offer for a read.
const SPACE_MAX: usize = 2 * FRAME_BYTES_MAX;

/// What a frame begins with that nobody takes.
const REFUSED: u8 = 0xff;

/// What is said of it.
const NOT_TAKEN: TooLong = TooLong { bytes: 1, max: 0 };

/// The frames are those that stand in the bytes, in whatever pieces these come, taken one by one or
/// together. The bytes are also taken for lengths: of frames, and of the pieces in which they arrive.
pub fn read_buffer(bytes: &[u8]) {
    let first = bytes.first().map_or(1, |first| 1 + usize::from(*first));
    for step in [1, first, bytes.len().max(1)] {
        check(bytes, bytes.chunks(step));
        check_together(bytes, bytes.chunks(step));
    }
    let lengths: Vec<usize> = bytes.chunks(3).map(length).collect();
    let (frames, steps) = lengths.split_at(lengths.len() / 2);
    let mut written = Vec::new();
    for (number, bytes) in frames.iter().enumerate() {
        if written.len() + bytes <= BYTES_MAX {
            framed(&mut written, |out| out.resize(out.len() + bytes, number as u8));
        }
    }
    let pieces = || Pieces { rest: &written, steps: steps.iter() };
    check(&written, pieces());
    check_together(&written, pieces());
}

fn length(digits: &[u8]) -> usize {
    let length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
    length % (FRAME_BYTES_MAX + 1)
}

/// Pieces of these lengths, and the rest at once.
struct Pieces<'a> {
    rest: &'a [u8],
    steps: std::slice::Iter<'a, usize>,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let all = self.rest.len();
        let step = self.steps.next().map_or(all, |step| all.min(*step));
        let (piece, rest) = self.rest.split_at(step);
        self.rest = rest;
        (all > 0).then_some(piece)
    }
}

fn check<'a>(bytes: &[u8], pieces: impl Iterator<Item = &'a [u8]>) {
    let (mut buffer, mut rest) = (ReadBuffer::default(), bytes);
    let mut arrived = 0;
    for piece in pieces {
        arrived += piece.len();
        let offered = buffer.space().len();
        assert!((1..=SPACE_MAX).contains(&offered), "{offered} bytes are offered");
        buffer.extend(piece);
        loop {
            let there = &rest[..rest.len() - (bytes.len() - arrived)];
            let (expected, behind) = cut(there);
            assert_eq!(buffer.frame(), expected);
            if expected.is_err() {
                return;
            }
            rest = &rest[there.len() - behind.len()..];
            if expected == Ok(None) {
                assert_eq!(buffer.is_within_frame(), !behind.is_empty());
                break;
            }
        }
    }
}

/// Frames that follow each other and begin alike are taken together, all others one by one.
fn check_together<'a>(bytes: &[u8], pieces: impl Iterator<Item = &'a [u8]>) {
    let (mut buffer, mut rest) = (ReadBuffer::default(), bytes);
    let mut arrived = 0;
    for piece in pieces {
        arrived += piece.len();
        buffer.extend(piece);
        loop {
            let there = &rest[..rest.len() - (bytes.len() - arrived)];
            let together = run(there);
            let mut first = None;
            let taken = buffer.frames(|frame| belongs(&mut first, frame)).map(<[u8]>::len);
            assert_eq!(taken, together);
            let Ok(taken) = taken else {
                // A refusal takes nothing.
                assert_eq!(buffer.frame(), cut(there).0);
                return;
            };
            assert_eq!(buffer.taken(taken), &there[..taken]);
            rest = &rest[taken..];
            if taken > 0 {
                continue;
            }
            let (alone, behind) = cut(there);
            assert_eq!(buffer.frame(), alone);
            rest = &rest[there.len() - behind.len()..];
            if alone == Ok(None) {
                assert_eq!(buffer.is_within_frame(), !behind.is_empty());
                break;
            }
        }
    }
}

/// Whether a frame begins as the first one does. One without bytes begins in no way.
fn belongs(first: &mut Option<u8>, frame: &[u8]) -> Result<bool, TooLong> {
    match frame.first() {
        Some(&REFUSED) => Err(NOT_TAKEN),
        Some(kind) => Ok(first.get_or_insert(*kind) == kind),
        None => Ok(false),
    }
}

/// Bytes of the frames that belong together from the first one on.
fn run(bytes: &[u8]) -> Result<usize, TooLong> {
    let (mut first, mut rest) = (None, bytes);
    while let (Some(frame), behind) = whole(rest)? {
        if !belongs(&mut first, frame)? {
            break;
        }
        rest = behind;
    }
    Ok(bytes.len() - rest.len())
}

fn whole(bytes: &[u8]) -> Result<(Option<&[u8]>, &[u8]), TooLong> {
    let (frame, behind) = cut(bytes);
    Ok((frame?, behind))
}

/// The first frame, and what stands behind it.
fn cut(bytes: &[u8]) -> (Result<Option<&[u8]>, TooLong>, &[u8]) {
    let Some((length, body)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return (Ok(None), bytes);
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).expect("a length");
    if length > FRAME_BYTES_MAX {
        return (Err(TooLong { bytes: length, max: FRAME_BYTES_MAX }), bytes);
    }
    body.split_at_checked(length).map_or((Ok(None), bytes), |(frame, rest)| (Ok(Some(frame)), rest))
}
