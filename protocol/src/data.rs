//! The data lane: how members give each other what must not be lost.
//!
//! Whoever has a data log on disk says where its copy ends; whoever lacks something asks for what
//! follows its own end. Saying where a copy ends is also the acknowledgement: everything up to there is
//! on the disk of the member that says so, but for what it names as missing.
//!
//! ```text
//!   A ── Ends(A: #7) ──▶ B
//!   A ◀── Pull(A, after #5) ── B
//!   A ── Groups(A: #6, #7) ──▶ B        B writes them and syncs
//!   A ◀── Ends(A: #7) ── B              now A knows that B has them
//! ```

use serde::{Deserialize, Serialize};

use crate::bounded::{Bounded, byte_strings};
use crate::ids::PublicKey;
use crate::limits::{GAPS_TOLD_MAX, GROUPS_PAGE_MAX, HEADS_PAGE_MAX, LEAVES_MAX};
use crate::log::Tip;
use crate::refusal::Refusal;
use crate::shown::{ReadRequest, ShownPage};

/// libp2p protocol name of the lane for data logs.
pub const DATA_PROTOCOL: &str = "/gearmesh/plant/data/1";

/// Frames of the data lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DataFrame {
    /// Where my copies of logs end of which nothing is missing. Of logs that are not named, nothing
    /// changed.
    Ends(Bounded<LogEnds, HEADS_PAGE_MAX>),
    /// Send me what I lack of a log.
    Pull {
        /// Whose log.
        author: PublicKey,
        /// Where my copy ends.
        after: Bounded<Tip, LEAVES_MAX>,
    },
    /// What was asked for, as much as fits one answer.
    Groups(GroupsPage),
    /// Show me what follows my place in a log: of who keeps no copies.
    Read(ReadRequest),
    /// What was asked for, as much of it as fits one answer and as may be shown.
    Shown(ShownPage),
    /// A question that is not answered.
    NotShown {
        /// Which.
        number: u64,
        /// Why not.
        refusal: Refusal,
    },
    /// Where my copies of logs end of which something is missing. Of logs that are not named, nothing
    /// changed.
    Parts(Bounded<LogParts, HEADS_PAGE_MAX>),
}

/// Where a copy of one data log ends. A copy of nothing has no ends, and saying so tells the author
/// that nothing of its log is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEnds {
    /// Whose log.
    pub author: PublicKey,
    /// Its ends, the longest branch first.
    pub ends: Bounded<Tip, LEAVES_MAX>,
}

/// What there is in a copy of one data log that does not have all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogParts {
    /// Whose log.
    pub author: PublicKey,
    /// Its ends, the longest branch first.
    pub ends: Bounded<Tip, LEAVES_MAX>,
    /// The lowest number that is kept: what was before is too old, or never came.
    pub first: u64,
    /// What is missing behind it, in order.
    pub gaps: Bounded<Numbers, GAPS_TOLD_MAX>,
}

/// Groups by their numbers, on whatever branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Numbers {
    /// The lowest.
    pub first: u64,
    /// The highest.
    pub last: u64,
}

impl Numbers {
    /// Whether it is one of them.
    #[must_use]
    pub const fn contains(&self, number: u64) -> bool {
        self.first <= number && number <= self.last
    }
}

/// A part of a data log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupsPage {
    /// Whose log.
    pub author: PublicKey,
    /// Groups in their canonical bytes, parents before children.
    #[serde(with = "byte_strings")]
    pub groups: Bounded<Vec<u8>, GROUPS_PAGE_MAX>,
    /// Entries in front of the first group that the sender does not have any more.
    pub gap: u64,
    /// Whether the sender has nothing more of it.
    pub is_last: bool,
}

impl DataFrame {
    /// The frame's name for logs and counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ends(_) => "ends",
            Self::Pull { .. } => "pull",
            Self::Groups(_) => "groups",
            Self::Read(_) => "read",
            Self::Shown(_) => "shown",
            Self::NotShown { .. } => "not shown",
            Self::Parts(_) => "parts",
        }
    }
}
