//! Work items: something to be done that any capable machine may take.
//!
//! The node that offers an item arbitrates it: it alone says who has it, and writes down what became of
//! it. Every time it is taken is an *attempt*, and an attempt is a command: so it is executed at most
//! once, checked, told and written down as every command is. The frames only say who takes what; they
//! are not signed, since the link says who speaks.
//!
//! ```text
//!   offerer                                worker
//!          ◀── Takes(fetch) ──             it has programs that take such items
//!   Offered(fetch, 7th of item a) ──▶
//!          ◀── Take ──                     it keeps a place for it
//!   that it is taken is on the offerer's disk
//!   Call(signed, token) ──▶                from here on it is a command
//!          or
//!   Gone ──▶                               somebody else was faster
//! ```

use serde::{Deserialize, Serialize};

use crate::bounded::Bounded;
use crate::ids::{CommandId, WorkId};
use crate::limits::{ATTEMPTS_OFFERED_MAX, VERBS_MAX};
use crate::topic::Name;

/// What is said about work items on the command lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkFrame {
    /// The verbs for which I take work items. Replaces what was said before.
    Takes(Bounded<Name, VERBS_MAX>),
    /// Who does these? Repeated as long as nobody has them.
    Offered {
        /// What is to be done.
        verb: Name,
        /// The next attempts, in the order of their items.
        attempts: Bounded<Attempt, ATTEMPTS_OFFERED_MAX>,
    },
    /// I do.
    Take(Attempt),
    /// Not any more: somebody else does, or nobody is to.
    Gone(Attempt),
}

impl WorkFrame {
    /// The frame's name for logs and counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Takes(_) => "work_takes",
            Self::Offered { .. } => "work_offered",
            Self::Take(_) => "work_take",
            Self::Gone(_) => "work_gone",
        }
    }
}

/// One of the times that an item is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Attempt {
    /// The item.
    pub id: WorkId,
    /// Counts them, from 1.
    pub number: u32,
}

impl Attempt {
    /// The command that the attempt is. Offerer and worker both know it, in every life.
    #[must_use]
    pub fn command(&self) -> CommandId {
        let mut bytes = self.id.0.to_vec();
        bytes.extend_from_slice(&self.number.to_le_bytes());
        CommandId(half(&blake3::derive_key("gearmesh 2026 work attempt v1", &bytes)))
    }
}

/// The first half of a hash, as ids have it.
pub(crate) fn half(hash: &[u8; 32]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attempt_is_a_command_of_its_own() {
        let attempt = |item, number| Attempt { id: WorkId([item; 16]), number }.command();
        assert_eq!(attempt(1, 1), attempt(1, 1));
        assert_ne!(attempt(1, 1), attempt(1, 2));
        assert_ne!(attempt(1, 1), attempt(2, 1));
    }
}
