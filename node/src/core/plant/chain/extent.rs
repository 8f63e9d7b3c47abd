//! What a copy of a log holds of it: all that its author and other members need to know.

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::data::{LogEnds, LogParts, Numbers};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::GAPS_TOLD_MAX;
use gearmesh_protocol::log::Tip;

use super::{Chain, Gap};

/// What there is of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The groups without children, the longest branch first.
    pub ends: Vec<Tip>,
    /// The lowest number that is kept: what was before is too old, or never came.
    pub first: u64,
    /// What is missing behind it, in order: at most [`GAPS_TOLD_MAX`].
    pub gaps: Vec<Numbers>,
}

impl Extent {
    /// Whether it is all of the log up to its ends.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.first == 0 && self.gaps.is_empty()
    }

    /// As members are told of it when it is whole.
    #[must_use]
    pub fn ends_of(&self, author: PublicKey) -> LogEnds {
        LogEnds { author, ends: Bounded::first_of(self.ends.iter().copied()) }
    }

    /// As members are told of it when it is not.
    #[must_use]
    pub fn parts_of(&self, author: PublicKey) -> LogParts {
        let ends = Bounded::first_of(self.ends.iter().copied());
        let gaps = Bounded::first_of(self.gaps.iter().copied());
        LogParts { author, ends, first: self.first, gaps }
    }
}

/// A whole log that ends there.
impl From<Vec<Tip>> for Extent {
    fn from(ends: Vec<Tip>) -> Self {
        Self { ends, ..Self::default() }
    }
}

impl From<LogEnds> for Extent {
    fn from(told: LogEnds) -> Self {
        told.ends.into_vec().into()
    }
}

impl From<LogParts> for Extent {
    fn from(told: LogParts) -> Self {
        let LogParts { ends, first, gaps, .. } = told;
        Self { ends: ends.into_vec(), first, gaps: gaps.into_vec() }
    }
}

impl Chain {
    /// What there is of the log.
    #[must_use]
    pub fn extent(&self) -> Extent {
        let gaps = self.branches().values().flat_map(|branch| &branch.gaps);
        let mut gaps: Vec<Numbers> = gaps.map(Gap::numbers).collect();
        gaps.sort_unstable();
        let beyond = gaps.len().saturating_sub(GAPS_TOLD_MAX);
        if beyond > 0 {
            let oldest: Vec<Numbers> = gaps.drain(..=beyond).collect();
            gaps.splice(0..0, oldest.into_iter().reduce(around));
        }
        Extent { ends: self.ends(), first: self.floor(), gaps }
    }
}

/// Both, and what lies between.
fn around(lower: Numbers, higher: Numbers) -> Numbers {
    Numbers { first: lower.first, last: lower.last.max(higher.last) }
}

impl Gap {
    /// The numbers that the missing groups may have.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        let first = self.after.map_or(0, |after| after.number.saturating_add(1));
        Numbers { first, last: self.until.number }
    }
}
