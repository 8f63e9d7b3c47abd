//! The command lane: how one machine asks another to do something, once.
//!
//! A *command* is signed, written down by its target before it is executed, and executed at most
//! once. A *query* asks and leaves no trace: it may be repeated, and is believed by the link that it
//! came over, as live values are.
//!
//! ```text
//!   caller                                 target
//!          ◀── Clock ── Verbs ──           what time it is there, and what it can do
//!   Call(signed) ──▶
//!          ◀── Progress(received) ──
//!                                          the record is on the target's disk
//!          ◀── Progress(accepted) ──       … the verb runs; what came of it goes to the disk
//!          ◀── Outcome(signed) ──
//! ```
//!
//! A call that is sent again, over this link or a later one, is answered with what became of the
//! first: the caller repeats the same bytes until it has the outcome.

use serde::{Deserialize, Serialize};

use crate::bounded::{Bounded, byte_string};
use crate::entry::{CommandState, FencingToken};
use crate::ids::{CommandId, Incarnation, PublicKey};
use crate::lease::LeaseFrame;
use crate::limits::{COMMAND_BYTES_MAX, COMMAND_DETAIL_BYTES_MAX, VERBS_BYTES_MAX, VERBS_MAX};
use crate::signed::{Signable, Signed};
use crate::topic::Name;
use crate::work::WorkFrame;

/// libp2p protocol name of the lane for commands and queries.
pub const COMMAND_PROTOCOL: &str = "/gearmesh/plant/command/1";

/// Frames of the command lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommandFrame {
    /// What time it is here: what deadlines of commands count from.
    Clock(Moment),
    /// The verbs that I serve. Replaces what was said before.
    Verbs(Bounded<Verb, VERBS_MAX>),
    /// Do this, once.
    Call(Signed<Call>),
    /// How far a command of yours has come. Only for whoever watches: the outcome counts.
    Progress {
        /// Which.
        id: CommandId,
        /// How far.
        progress: Progress,
    },
    /// What became of a command of yours.
    Outcome(Signed<Outcome>),
    /// Tell me.
    Query(Query),
    /// What a query of yours is answered.
    Told {
        /// Which, by the number that it carried.
        number: u64,
        /// Done, failed or refused.
        state: CommandState,
        /// The same in a sentence, where there is more to say.
        detail: String,
    },
    /// About leases.
    Lease(LeaseFrame),
    /// About work items.
    Work(WorkFrame),
}

impl CommandFrame {
    /// The frame's name for logs and counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Clock(_) => "clock",
            Self::Verbs(_) => "verbs",
            Self::Call(_) => "call",
            Self::Progress { .. } => "progress",
            Self::Outcome(_) => "outcome",
            Self::Query(_) => "query",
            Self::Told { .. } => "told",
            Self::Lease(frame) => frame.name(),
            Self::Work(frame) => frame.name(),
        }
    }
}

/// A moment in one life of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Which life.
    pub incarnation: Incarnation,
    /// Milliseconds since it began, by a clock that goes on while the machine sleeps.
    pub tick_ms: u64,
}

/// Something that a machine can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verb {
    /// What it is called.
    pub name: Name,
    /// Whether it only reads, and may be asked any number of times.
    pub is_query: bool,
    /// A JSON Schema of the arguments; empty if any JSON will do.
    #[serde(with = "byte_string")]
    pub schema: Vec<u8>,
}

/// Whether a machine may announce all these verbs together.
#[must_use]
pub fn fits_announcement(verbs: &[Verb]) -> bool {
    let bytes: usize = verbs.iter().map(|verb| verb.schema.len()).sum();
    verbs.len() <= VERBS_MAX && bytes <= VERBS_BYTES_MAX
}

/// What a caller signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Chosen by the caller; a retry carries the same.
    pub id: CommandId,
    /// Who is to do it.
    pub target: PublicKey,
    /// A moment that the target issued: in another life it does not act on the call any more.
    pub issued: Moment,
    /// How long after that moment it may still be accepted, in milliseconds.
    pub ttl_ms: u32,
    /// What is to be done.
    pub verb: Name,
    /// The arguments, JSON.
    #[serde(with = "byte_string")]
    pub arguments: Vec<u8>,
    /// The lease under which the caller acts, where the verb needs one.
    pub token: Option<FencingToken>,
    /// The partner for whom a gateway calls.
    pub partner: Option<Name>,
}

impl Signable for Call {
    const PURPOSE: &'static str = "gearmesh/plant/call/v1";
}

/// What a target signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Who called.
    pub caller: PublicKey,
    /// The command.
    pub id: CommandId,
    /// What became of it: never received or accepted.
    pub state: CommandState,
    /// The same in a sentence, where there is more to say than the state does.
    pub detail: String,
}

impl Signable for Outcome {
    const PURPOSE: &'static str = "gearmesh/plant/outcome/v1";
}

/// How far a command has come that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// It is with the target.
    Received,
    /// It is on the target's disk, and being executed.
    Accepted,
}

/// A question that leaves no trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// Counts the queries of one link.
    pub number: u64,
    /// What is asked for.
    pub verb: Name,
    /// The arguments, JSON.
    #[serde(with = "byte_string")]
    pub arguments: Vec<u8>,
    /// How long the caller waits, in milliseconds.
    pub ttl_ms: u32,
}

/// The hash by which a retry is told from another command under the same id.
#[must_use]
pub fn arguments_hash(arguments: &[u8]) -> [u8; 32] {
    blake3::derive_key("gearmesh 2026 command arguments v1", arguments)
}

/// Whether arguments, or an answer, are short enough for a command.
#[must_use]
pub const fn is_short(json: &[u8]) -> bool {
    json.len() <= COMMAND_BYTES_MAX
}

/// A sentence for people, cut to what an outcome carries.
#[must_use]
pub fn detail(text: impl std::fmt::Display) -> String {
    let mut text = text.to_string();
    let fits = |at: &usize| *at <= COMMAND_DETAIL_BYTES_MAX;
    let end =
        text.char_indices().map(|(at, letter)| at + letter.len_utf8()).take_while(fits).last();
    text.truncate(end.unwrap_or(0));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_cut_between_letters() {
        assert_eq!(detail("door open"), "door open");
        let long = "ü".repeat(COMMAND_DETAIL_BYTES_MAX);
        assert_eq!(detail(&long).len(), COMMAND_DETAIL_BYTES_MAX / 2 * 2);
    }

    #[test]
    fn schemas_of_one_machine_have_a_bound_together() {
        let verb = |bytes| Verb {
            name: "load".parse().expect("a name"),
            is_query: false,
            schema: vec![b' '; bytes],
        };
        assert!(fits_announcement(&[verb(VERBS_BYTES_MAX / 2), verb(VERBS_BYTES_MAX / 2)]));
        assert!(!fits_announcement(&[verb(VERBS_BYTES_MAX / 2), verb(VERBS_BYTES_MAX / 2 + 1)]));
        assert!(!fits_announcement(&vec![verb(0); VERBS_MAX + 1]));
    }
}
