//! Durable values over the local API: publishing them, and reading what was published.

use serde::{Deserialize, Serialize};

use crate::ids::{GroupId, PublicKey};
use crate::sample::Sample;
use crate::topic::Name;

/// `POST /v1/durable`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DurableRequest {
    /// Relative to the own scope; absolute with a leading `/`.
    pub topic: String,
    /// The value.
    pub sample: Sample,
    /// When the answer is due.
    #[serde(default)]
    pub ack: AckLevel,
    /// A resource that this node must hold a lease of, or nothing is published.
    #[serde(default)]
    pub lease: Option<String>,
}

/// How safe a value is to be before its publisher hears that it is. In JSON `"local"` or
/// `{"replicated":2}`, on the command line `local` or `replicated=2`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AckLevel {
    /// On the disk of the publisher's node.
    #[default]
    Local,
    /// There, and on the disks of so many other members.
    Replicated(u8),
}

/// Text that names no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write local, or replicated=N with N from 1 to 255")]
pub struct NoAckLevel;

impl std::str::FromStr for AckLevel {
    type Err = NoAckLevel;

    fn from_str(text: &str) -> Result<Self, NoAckLevel> {
        if text == "local" {
            return Ok(Self::Local);
        }
        let members = text.strip_prefix("replicated=").and_then(|number| number.parse().ok());
        members.filter(|members| *members > 0).map(Self::Replicated).ok_or(NoAckLevel)
    }
}

/// Answer to a durable publish: the value is on the disk of the publisher's node, whatever else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DurablePublished {
    /// The whole topic.
    pub topic: String,
    /// The signed group that holds it.
    pub group: GroupId,
    /// Its place among all entries that this node ever wrote.
    pub entry: u64,
    /// Other members that have it on their disks.
    pub replicas: usize,
    /// Whether that is as many as was asked for. If not, it reaches them when it can.
    pub reached: bool,
}

/// One event of `GET /v1/history`. Entries of one author come in the order in which it wrote them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HistoryEvent {
    /// A value.
    Entry(HistoryEntry),
    /// Entries that this node does not have any more, or that are damaged on its disk.
    Gap {
        /// Whose.
        author: String,
        /// The author's key.
        author_key: PublicKey,
        /// How many entries, whatever their topics.
        count: u64,
    },
    /// That was all.
    End {
        /// How many values came.
        entries: u64,
        /// Entries that match and are not believed: see `gearmesh why` of their authors.
        withheld: u64,
    },
}

/// One event of `GET /v1/consume`, with a number by which the program confirms it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsumeEvent {
    /// Counts the events of this request from 1.
    pub seq: u64,
    /// A value or a gap; such a stream has no end.
    #[serde(flatten)]
    pub event: HistoryEvent,
}

/// `POST /v1/consume/confirm`: the program has done with all events up to this one, and never wants
/// to see them again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmRequest {
    /// The consumer.
    pub name: Name,
    /// The last event that the program has done with.
    pub seq: u64,
}

/// Answer to a confirmation. What is confirmed is written down within a second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// As it was said.
    pub seq: u64,
}

/// A value of a data log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Its topic.
    pub topic: String,
    /// What its author is, or was, called.
    pub author: String,
    /// The author's key.
    pub author_key: PublicKey,
    /// The value.
    pub sample: Sample,
    /// The signed group that holds it.
    pub group: GroupId,
    /// Its place among all entries of its author.
    pub entry: u64,
    /// Whether its author was revoked without blame before it was written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_cut: bool,
    /// Whether it lies beside the longest branch of a forked log.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fork: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_as_they_are_typed() {
        assert_eq!("local".parse(), Ok(AckLevel::Local));
        assert_eq!("replicated=2".parse(), Ok(AckLevel::Replicated(2)));
        for text in ["", "replicated", "replicated=0", "replicated=256", "replicated=-1", "Local"] {
            assert_eq!(text.parse::<AckLevel>(), Err(NoAckLevel), "{text}");
        }
        let json = serde_json::to_string(&AckLevel::Replicated(2)).expect("JSON");
        assert_eq!(json, r#"{"replicated":2}"#);
    }
}
