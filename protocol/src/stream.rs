//! Frames between a node and a program on its machine, over the streams of the local API.
//!
//! They have the form of the [`live`](crate::live) lane, so a body is written and read by the same
//! code. A program that publishes gives its topics their aliases as a node does. One that follows
//! is told by [`FollowFrame::Source`] what an alias means, and of which member, and with every value
//! how long it has been at the node.
//!
//! ```text
//!   program → node, publishing:
//!     topic   := 0 alias:u16 text                  from here on, alias means this topic
//!     value   := 1 alias:u16 body                  a value of the topic
//!   node → program, publishing:
//!     refused := 6 alias:u16 code:u16              its values go nowhere, and why
//!     taken   := 7 alias:u16                       they are published again
//!   node → program, following:
//!     source  := 4 alias:u16 key:32 len:u8 name topic   from here on, alias means this topic of
//!                                                       this member
//!     arrived := 5 alias:u16 age:u32 body          a value, and its milliseconds at the node
//!     lost    := 2 alias:u16 count:u64             values of it that the program did not read
//!     others  := 3 count:u64                       values lost of topics that nobody remembers
//!   node → program, both:
//!     ended   := 8 code:u16                        the last frame, and why it is
//! ```
//!
//! Numbers are little-endian; each frame stands behind its length, as [`framing`](crate::framing)
//! has it.

use crate::ids::PublicKey;
use crate::live::{
    Alias, Bodies, Body, LiveError, put_head, put_lost, put_lost_elsewhere, take_alias, to_text,
    whole,
};
use crate::refusal::Refusal;
use crate::topic::{Name, Topic};

/// What the `Upgrade` header says.
pub const UPGRADE: &str = "gearmesh-stream";

/// Where a program publishes.
pub const PUBLISH_PATH: &str = "/v1/stream/publish";

/// Where a program follows.
pub const FOLLOW_PATH: &str = "/v1/stream/follow";

const TOPIC: u8 = 0;
const VALUE: u8 = 1;
const LOST: u8 = 2;
const LOST_ELSEWHERE: u8 = 3;
const SOURCE: u8 = 4;
const ARRIVED: u8 = 5;
const REFUSED: u8 = 6;
const TAKEN: u8 = 7;
const ENDED: u8 = 8;

/// Bytes of a value's frame in front of its body, where a program publishes.
pub const VALUE_HEADER_BYTES: usize = crate::live::VALUE_HEADER_BYTES;

/// Bytes of a value's frame in front of its body, where a program follows.
pub const ARRIVED_HEADER_BYTES: usize = VALUE_HEADER_BYTES + 4;

/// What a program says that publishes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PublishFrame<'a> {
    /// From here on, the alias means this topic: relative to the node's scope, or absolute with a
    /// leading `/`.
    Topic {
        /// The alias.
        alias: Alias,
        /// The topic as it was written; not checked yet.
        topic: &'a str,
    },
    /// A value.
    Value {
        /// Which topic.
        alias: Alias,
        /// Its body; not checked yet, since one that nobody may publish ends no stream.
        body: &'a [u8],
    },
}

/// What the node answers to a program that publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerFrame {
    /// Values under the alias go nowhere.
    Refused {
        /// Which topic.
        alias: Alias,
        /// Why.
        refusal: Refusal,
    },
    /// After such a refusal: they are published again.
    Taken {
        /// Which topic.
        alias: Alias,
    },
    /// The last frame.
    Ended {
        /// Why nothing follows.
        refusal: Refusal,
    },
}

/// What the node says to a program that follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FollowFrame<'a> {
    /// From here on, the alias means this topic of this member.
    Source {
        /// The alias.
        alias: Alias,
        /// The member's key.
        author: PublicKey,
        /// Its name; not checked yet.
        name: &'a str,
        /// The topic; not checked yet.
        topic: &'a str,
    },
    /// A value.
    Arrived {
        /// Of which topic and member.
        alias: Alias,
        /// Milliseconds since it arrived at the node, when the node wrote it.
        age_ms: u32,
        /// The value.
        body: Body<'a>,
    },
    /// Values that the program did not read in time, since the last such frame.
    Lost {
        /// Of which topic and member.
        alias: Alias,
        /// How many.
        count: u64,
    },
    /// Values that were lost of topics that nobody remembers.
    LostElsewhere {
        /// How many.
        count: u64,
    },
    /// The last frame.
    Ended {
        /// Why nothing follows.
        refusal: Refusal,
    },
}

/// Appends the frame that gives a topic its alias, as a program writes it, without its length.
pub fn put_topic(out: &mut Vec<u8>, alias: Alias, topic: &str) {
    put_head(out, TOPIC, alias);
    out.extend_from_slice(topic.as_bytes());
}

/// Appends the head of a value that a program publishes; its body follows.
pub fn put_value_head(out: &mut Vec<u8>, alias: Alias) {
    put_head(out, VALUE, alias);
}

/// Appends the frame that says what an alias means on a followed stream, without its length.
pub fn put_source(out: &mut Vec<u8>, alias: Alias, author: &PublicKey, name: &Name, topic: &Topic) {
    put_head(out, SOURCE, alias);
    out.extend_from_slice(author.as_bytes());
    let name = name.as_str().as_bytes();
    out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(name);
    out.extend_from_slice(topic.as_str().as_bytes());
}

/// Appends the head of a value that arrived; its body follows.
pub fn put_arrived_head(out: &mut Vec<u8>, alias: Alias, age_ms: u32) {
    put_head(out, ARRIVED, alias);
    out.extend_from_slice(&age_ms.to_le_bytes());
}

/// The values in frames that arrived one behind the other and were decoded before.
#[must_use]
pub const fn arrived_bodies(frames: &[u8]) -> Bodies<'_> {
    Bodies::behind(frames, ARRIVED_HEADER_BYTES)
}

impl AnswerFrame {
    /// Appends the frame without its length.
    pub fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Refused { alias, refusal } => {
                put_head(out, REFUSED, *alias);
                out.extend_from_slice(&refusal.code().to_le_bytes());
            }
            Self::Taken { alias } => put_head(out, TAKEN, *alias),
            Self::Ended { refusal } => put_ended(out, *refusal),
        }
    }

    /// Reads one frame.
    ///
    /// # Errors
    /// Anything but exactly one frame of this direction.
    pub fn decode(frame: &[u8]) -> Result<Self, LiveError> {
        let (kind, rest) = take_kind(frame)?;
        match kind {
            REFUSED => {
                let (alias, rest) = take_alias(rest)?;
                Ok(Self::Refused { alias, refusal: to_refusal(rest)? })
            }
            TAKEN => {
                let (alias, rest) = take_alias(rest)?;
                whole::<0>(rest, "alias")?;
                Ok(Self::Taken { alias })
            }
            ENDED => Ok(Self::Ended { refusal: to_refusal(rest)? }),
            other => Err(unknown(other)),
        }
    }
}

/// Appends the last frame of a stream, without its length.
pub fn put_ended(out: &mut Vec<u8>, refusal: Refusal) {
    out.push(ENDED);
    out.extend_from_slice(&refusal.code().to_le_bytes());
}

impl<'a> PublishFrame<'a> {
    /// Reads one frame.
    ///
    /// # Errors
    /// Anything but one frame of this direction.
    pub fn decode(frame: &'a [u8]) -> Result<Self, LiveError> {
        let (kind, rest) = take_kind(frame)?;
        match kind {
            TOPIC => {
                let (alias, topic) = take_alias(rest)?;
                Ok(Self::Topic { alias, topic: to_text(topic, "topic")? })
            }
            VALUE => {
                let (alias, body) = take_alias(rest)?;
                Ok(Self::Value { alias, body })
            }
            other => Err(unknown(other)),
        }
    }
}

impl<'a> FollowFrame<'a> {
    /// Reads one frame.
    ///
    /// # Errors
    /// Anything but exactly one frame of this direction.
    pub fn decode(frame: &'a [u8]) -> Result<Self, LiveError> {
        let (kind, rest) = take_kind(frame)?;
        match kind {
            SOURCE => {
                let (alias, rest) = take_alias(rest)?;
                let short = |what| LiveError::Short { what };
                let (author, rest) = rest.split_first_chunk().ok_or_else(|| short("author"))?;
                let (length, rest) = rest.split_first().ok_or_else(|| short("name"))?;
                let parts = rest.split_at_checked(usize::from(*length));
                let (name, topic) = parts.ok_or_else(|| short("name"))?;
                let author = PublicKey::from_bytes(*author)
                    .map_err(|_| LiveError::Unknown { what: "author", found: 0 })?;
                let (name, topic) = (to_text(name, "name")?, to_text(topic, "topic")?);
                Ok(Self::Source { alias, author, name, topic })
            }
            ARRIVED => {
                let (alias, rest) = take_alias(rest)?;
                let Some((age, body)) = rest.split_first_chunk() else {
                    return Err(LiveError::Short { what: "age" });
                };
                let age_ms = u32::from_le_bytes(*age);
                Ok(Self::Arrived { alias, age_ms, body: Body::decode(body)? })
            }
            LOST => {
                let (alias, rest) = take_alias(rest)?;
                Ok(Self::Lost { alias, count: u64::from_le_bytes(whole(rest, "count")?) })
            }
            LOST_ELSEWHERE => {
                Ok(Self::LostElsewhere { count: u64::from_le_bytes(whole(rest, "count")?) })
            }
            ENDED => Ok(Self::Ended { refusal: to_refusal(rest)? }),
            other => Err(unknown(other)),
        }
    }
}

/// Appends the frame that reports lost values of a topic, or of topics that nobody remembers.
pub fn put_losses(out: &mut Vec<u8>, alias: Option<Alias>, count: u64) {
    match alias {
        Some(alias) => put_lost(out, alias, count),
        None => put_lost_elsewhere(out, count),
    }
}

fn take_kind(frame: &[u8]) -> Result<(u8, &[u8]), LiveError> {
    match frame.split_first() {
        Some((kind, rest)) => Ok((*kind, rest)),
        None => Err(LiveError::Short { what: "kind" }),
    }
}

fn unknown(kind: u8) -> LiveError {
    LiveError::Unknown { what: "kind", found: kind.into() }
}

fn to_refusal(bytes: &[u8]) -> Result<Refusal, LiveError> {
    Ok(u16::from_le_bytes(whole(bytes, "code")?).into())
}

#[cfg(test)]
mod tests;
