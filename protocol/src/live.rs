//! Frames of the live lane: values, and the short names of their topics.
//!
//! Values are neither signed nor stored; what counts is how little one costs. So these frames have
//! a form of their own instead of serde's: a topic travels once per link and is called by its
//! [`Alias`] from then on (as MQTT 5.0 section 3.3.2.3.4), and the value at the end of a frame is
//! the rest of it. A body is encoded once and is the same on every link. Every frame has exactly
//! one form, and decoding refuses all others.
//!
//! ```text
//!   frame  := kind:u8 …                        behind a length, as on every lane
//!   topic  := 0 alias:u16 text                 from here on, alias means this topic
//!   value  := 1 alias:u16 body                 a value of the topic
//!   lost   := 2 alias:u16 count:u64            values of the topic that this link could not carry
//!   others := 3 count:u64                      values lost of topics that nobody remembers
//!   body   := head:u8 time:u64 [len:u8 unit] value
//!   head   := quality (bits 0-1), type (bits 2-4), with unit (bit 5), replay (bit 6)
//! ```
//!
//! Numbers are little-endian.

use crate::framing::{LENGTH_BYTES, split_frame};
use crate::limits::{LIVE_ALIASES_MAX, SAMPLE_BYTES_MAX, TOPIC_BYTES_MAX};
use crate::sample::{Quality, Sample, SampleError, SampleRef, Value, ValueRef};
use crate::time::UnixMillis;
use crate::topic::{TextError, Topic, Unit};

/// What a topic is called on one link, in one direction; below [`LIVE_ALIASES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alias(u16);

impl Alias {
    /// The alias with a number, if there is one.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if (number as usize) < LIVE_ALIASES_MAX { Some(Self(number)) } else { None }
    }

    /// The alias that things numbered in order take in turn.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below the bound")]
    pub const fn in_turn(number: u64) -> Self {
        Self((number % LIVE_ALIASES_MAX as u64) as u16)
    }

    /// Its place in a table.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One frame, as it lies in the bytes that were read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LiveFrame<'a> {
    /// From here on, the alias means this topic.
    Topic {
        /// The alias.
        alias: Alias,
        /// The topic; not checked yet.
        topic: &'a str,
    },
    /// A value.
    Value {
        /// Which topic.
        alias: Alias,
        /// The value.
        body: Body<'a>,
    },
    /// Values of one topic that this link could not carry, since the last such frame.
    Lost {
        /// Which topic.
        alias: Alias,
        /// How many.
        count: u64,
    },
    /// Values that were lost of topics that nobody remembers.
    LostElsewhere {
        /// How many.
        count: u64,
    },
}

/// The body of a value, as it lies in the bytes that were read. Its number is finite, its size
/// within [`SAMPLE_BYTES_MAX`]; the unit is not checked yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Body<'a> {
    value: ValueRef<'a>,
    quality: Quality,
    source_time: UnixMillis,
    unit: Option<&'a str>,
    replay: bool,
}

/// Bytes that are no live frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LiveError {
    /// It ends too early.
    #[error("a live frame ends before its {what}")]
    Short {
        /// What is missing.
        what: &'static str,
    },
    /// It goes on too long.
    #[error("{bytes} bytes follow the end of a live frame")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A number without a meaning there.
    #[error("{found} is no {what} of a live frame")]
    Unknown {
        /// What should be there.
        what: &'static str,
        /// What is there.
        found: u16,
    },
    /// An alias beyond [`LIVE_ALIASES_MAX`].
    #[error("{found} is no alias; they are below {LIVE_ALIASES_MAX}")]
    UnknownAlias {
        /// What is there.
        found: u16,
    },
    /// Text that is no UTF-8.
    #[error("the {what} of a live frame is no text")]
    NoText {
        /// What should be text.
        what: &'static str,
    },
    /// A value that nobody may publish.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// A topic or a unit that breaks their rules.
    #[error(transparent)]
    Text(#[from] TextError),
}

const TOPIC: u8 = 0;
const VALUE: u8 = 1;
const LOST: u8 = 2;
const LOST_ELSEWHERE: u8 = 3;

const FALSE: u8 = 0;
const TRUE: u8 = 1;
const INTEGER: u8 = 2;
const FLOAT: u8 = 3;
const TEXT: u8 = 4;
const BYTES: u8 = 5;

const WITH_UNIT: u8 = 1 << 5;
const REPLAYED: u8 = 1 << 6;

/// Bytes of a value frame in front of its body.
pub const VALUE_HEADER_BYTES: usize = 3;

/// Bytes of a body besides unit and value.
const BODY_HEADER_BYTES: usize = 9;

/// The values in frames that lie one behind the other, each with its length in front, and were
/// decoded before: as [`ReadBuffer::frames`](crate::framing::ReadBuffer::frames) takes them out
/// together. What follows something that is no such frame is not looked at.
#[derive(Clone, Debug)]
pub struct Bodies<'a> {
    frames: &'a [u8],
    header: usize,
}

impl<'a> Bodies<'a> {
    /// Those of frames that came over a link.
    #[must_use]
    pub const fn of_link(frames: &'a [u8]) -> Self {
        Self::behind(frames, VALUE_HEADER_BYTES)
    }

    /// Those of frames with so many bytes in front of each body.
    pub(crate) const fn behind(frames: &'a [u8], header: usize) -> Self {
        Self { frames, header }
    }

    /// The next body as it is written.
    #[inline]
    pub fn next_bytes(&mut self) -> Option<&'a [u8]> {
        let (frame, behind) = split_frame(self.frames).ok()??;
        self.frames = behind;
        frame.get(self.header..)
    }

    /// The frames that are left.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.frames
    }
}

impl<'a> Iterator for Bodies<'a> {
    type Item = Body<'a>;

    #[inline]
    fn next(&mut self) -> Option<Body<'a>> {
        Body::decode(self.next_bytes()?).ok()
    }
}

/// The body of a value, ready for any link.
///
/// # Errors
/// The sample is too large or no finite number; see [`Sample::check`].
pub fn encode_body(sample: &Sample) -> Result<Vec<u8>, SampleError> {
    sample.check()?;
    let mut body = Vec::new();
    put_body(&mut body, sample);
    Ok(body)
}

/// Appends the body of a sample that was checked.
#[inline]
pub fn put_body(out: &mut Vec<u8>, sample: &Sample) {
    let unit = sample.unit.as_ref().map_or("", Unit::as_str);
    let (kind, rest): (u8, &[u8]) = match &sample.value {
        Value::Bool(false) => (FALSE, &[]),
        Value::Bool(true) => (TRUE, &[]),
        Value::Integer(value) => (INTEGER, &value.to_le_bytes()),
        Value::Float(value) => (FLOAT, &value.to_le_bytes()),
        Value::Text(text) => (TEXT, text.as_bytes()),
        Value::Bytes(bytes) => (BYTES, bytes),
    };
    let unit_bytes = if unit.is_empty() { 0 } else { 1 + unit.len() };
    // Exactly what is needed, so that a body by itself can be shared as it is.
    out.reserve(BODY_HEADER_BYTES + unit_bytes + rest.len());
    let with_unit = if unit.is_empty() { 0 } else { WITH_UNIT };
    let replayed = if sample.replay { REPLAYED } else { 0 };
    out.push(quality_bits(sample.quality) | kind << 2 | with_unit | replayed);
    out.extend_from_slice(&sample.source_time.0.to_le_bytes());
    if let (Ok(length @ 1..), Some(_)) = (u8::try_from(unit.len()), &sample.unit) {
        out.push(length);
        out.extend_from_slice(unit.as_bytes());
    }
    out.extend_from_slice(rest);
}

const fn quality_bits(quality: Quality) -> u8 {
    match quality {
        Quality::Good => 0,
        Quality::Uncertain => 1,
        Quality::Bad => 2,
    }
}

/// Appends the frame that gives a topic its alias, without its length.
pub fn put_topic(out: &mut Vec<u8>, alias: Alias, topic: &Topic) {
    put_head(out, TOPIC, alias);
    out.extend_from_slice(topic.as_str().as_bytes());
}

/// Appends the frame of a value, without its length. `body` comes from [`encode_body`].
pub fn put_value(out: &mut Vec<u8>, alias: Alias, body: &[u8]) {
    put_head(out, VALUE, alias);
    out.extend_from_slice(body);
}

/// Appends the frame of a value with its length in front, as it is written most often.
#[inline]
pub fn put_framed_value(out: &mut Vec<u8>, alias: Alias, body: &[u8]) {
    let length = u32::try_from(VALUE_HEADER_BYTES + body.len()).unwrap_or(u32::MAX);
    let mut head = [0; LENGTH_BYTES + VALUE_HEADER_BYTES];
    head[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    head[LENGTH_BYTES] = VALUE;
    head[LENGTH_BYTES + 1..].copy_from_slice(&alias.0.to_le_bytes());
    out.reserve(head.len() + body.len());
    out.extend_from_slice(&head);
    out.extend_from_slice(body);
}

/// Appends the frame that reports lost values of a topic, without its length.
pub fn put_lost(out: &mut Vec<u8>, alias: Alias, count: u64) {
    put_head(out, LOST, alias);
    out.extend_from_slice(&count.to_le_bytes());
}

/// Appends the frame that reports lost values of unknown topics, without its length.
pub fn put_lost_elsewhere(out: &mut Vec<u8>, count: u64) {
    out.push(LOST_ELSEWHERE);
    out.extend_from_slice(&count.to_le_bytes());
}

pub(crate) fn put_head(out: &mut Vec<u8>, kind: u8, alias: Alias) {
    let [low, high] = alias.0.to_le_bytes();
    out.extend_from_slice(&[kind, low, high]);
}

impl<'a> LiveFrame<'a> {
    /// Reads one frame.
    ///
    /// # Errors
    /// Anything but exactly one frame.
    #[inline]
    pub fn decode(frame: &'a [u8]) -> Result<Self, LiveError> {
        let Some((kind, rest)) = frame.split_first() else {
            return Err(LiveError::Short { what: "kind" });
        };
        match *kind {
            TOPIC => {
                let (alias, text) = take_alias(rest)?;
                if text.len() > TOPIC_BYTES_MAX {
                    let (what, bytes, max) = ("a topic", text.len(), TOPIC_BYTES_MAX);
                    return Err(TextError::TooLong { what, bytes, max }.into());
                }
                Ok(Self::Topic { alias, topic: to_text(text, "topic")? })
            }
            VALUE => {
                let (alias, body) = take_alias(rest)?;
                Ok(Self::Value { alias, body: Body::decode(body)? })
            }
            LOST => {
                let (alias, rest) = take_alias(rest)?;
                Ok(Self::Lost { alias, count: u64::from_le_bytes(whole(rest, "count")?) })
            }
            LOST_ELSEWHERE => {
                Ok(Self::LostElsewhere { count: u64::from_le_bytes(whole(rest, "count")?) })
            }
            other => Err(LiveError::Unknown { what: "kind", found: other.into() }),
        }
    }
}

impl<'a> Body<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// Anything but exactly one body of a sample that may be published.
    #[inline]
    pub fn decode(body: &'a [u8]) -> Result<Self, LiveError> {
        let Some((head, rest)) = body.split_first() else {
            return Err(LiveError::Short { what: "head" });
        };
        let Some((time, rest)) = rest.split_first_chunk() else {
            return Err(LiveError::Short { what: "source time" });
        };
        let quality = match head & 0b11 {
            0 => Quality::Good,
            1 => Quality::Uncertain,
            2 => Quality::Bad,
            _ => return Err(LiveError::Unknown { what: "quality", found: 3 }),
        };
        if head & 0b1000_0000 != 0 {
            return Err(LiveError::Unknown { what: "head", found: (*head).into() });
        }
        let (unit, rest) = if head & WITH_UNIT == 0 { (None, rest) } else { take_unit(rest)? };
        Ok(Self {
            value: decode_value(head >> 2 & 0b111, rest)?,
            quality,
            source_time: UnixMillis(u64::from_le_bytes(*time)),
            unit,
            replay: head & REPLAYED != 0,
        })
    }

    /// The sample. `known` is the unit that the topic had last: as long as it stays the same, it
    /// is shared.
    ///
    /// # Errors
    /// The unit breaks the rules of units.
    pub fn to_sample(&self, known: &mut Option<Unit>) -> Result<Sample, TextError> {
        let unit = self.known_unit(known)?;
        Ok(Sample { unit, ..self.view(None).to_sample() })
    }

    /// The unit. `known` is the one that the topic had last: as long as it stays the same, it is
    /// shared.
    ///
    /// # Errors
    /// It breaks the rules of units.
    pub fn known_unit(&self, known: &mut Option<Unit>) -> Result<Option<Unit>, TextError> {
        match (self.unit, &*known) {
            (None, _) => Ok(None),
            (Some(text), Some(last)) if last.as_str() == text => Ok(known.clone()),
            (Some(text), _) => {
                *known = Some(text.parse()?);
                Ok(known.clone())
            }
        }
    }

    /// The sample where it lies. `unit` is the one that is written here, as it was read before.
    #[inline]
    #[must_use]
    pub const fn view<'b>(&self, unit: Option<&'b Unit>) -> SampleRef<'b>
    where
        'a: 'b,
    {
        let Self { value, quality, source_time, replay, .. } = *self;
        SampleRef { value, quality, source_time, unit, replay }
    }

    /// The unit as it is written; not checked yet.
    #[inline]
    #[must_use]
    pub const fn unit(&self) -> Option<&'a str> {
        self.unit
    }
}

#[inline]
fn decode_value(kind: u8, rest: &[u8]) -> Result<ValueRef<'_>, LiveError> {
    let value = match kind {
        FALSE | TRUE => {
            whole::<0>(rest, "value")?;
            ValueRef::Bool(kind == TRUE)
        }
        INTEGER => ValueRef::Integer(i64::from_le_bytes(whole(rest, "value")?)),
        FLOAT => ValueRef::Float(f64::from_le_bytes(whole(rest, "value")?)),
        TEXT => ValueRef::Text(to_text(rest, "value")?),
        BYTES => ValueRef::Bytes(rest),
        other => return Err(LiveError::Unknown { what: "type", found: other.into() }),
    };
    match value {
        ValueRef::Float(value) if !value.is_finite() => Err(SampleError::NotFinite.into()),
        ValueRef::Text(_) | ValueRef::Bytes(_) if rest.len() > SAMPLE_BYTES_MAX => {
            Err(SampleError::TooLarge { bytes: rest.len(), max: SAMPLE_BYTES_MAX }.into())
        }
        value => Ok(value),
    }
}

#[inline]
pub(crate) fn take_alias(bytes: &[u8]) -> Result<(Alias, &[u8]), LiveError> {
    let Some((number, rest)) = bytes.split_first_chunk() else {
        return Err(LiveError::Short { what: "alias" });
    };
    let number = u16::from_le_bytes(*number);
    match Alias::new(number) {
        Some(alias) => Ok((alias, rest)),
        None => Err(LiveError::UnknownAlias { found: number }),
    }
}

fn take_unit(bytes: &[u8]) -> Result<(Option<&str>, &[u8]), LiveError> {
    let short = LiveError::Short { what: "unit" };
    let (length, rest) = bytes.split_first().ok_or_else(|| short.clone())?;
    let (unit, rest) = rest.split_at_checked(usize::from(*length)).ok_or(short)?;
    if unit.is_empty() {
        return Err(TextError::Empty { what: "a unit" }.into());
    }
    Ok((Some(to_text(unit, "unit")?), rest))
}

pub(crate) fn to_text<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a str, LiveError> {
    std::str::from_utf8(bytes).map_err(|_| LiveError::NoText { what })
}

/// All that is left, which must be `N` bytes.
pub(crate) fn whole<const N: usize>(
    bytes: &[u8],
    what: &'static str,
) -> Result<[u8; N], LiveError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(LiveError::Short { what })?;
    match rest.len() {
        0 => Ok(*number),
        bytes => Err(LiveError::Trailing { bytes }),
    }
}

#[cfg(test)]
mod tests;
