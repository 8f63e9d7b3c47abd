//! What the shell and the core say to each other about work items.

use gearmesh_protocol::entry::{FencingToken, WorkState, WorkTerms};
use gearmesh_protocol::ids::{CommandId, PublicKey, WorkId};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::Name;

use super::super::Ticket;
use super::super::commands::Fit;

/// What programs want of work items.
#[derive(Debug)]
pub enum WorkInput {
    /// Something is to be done by whoever can; answered when that is on the disk.
    Offer {
        /// Where the answer goes.
        ticket: Ticket,
        /// What.
        offering: Offering,
    },
    /// Something is not to be done any more.
    Cancel {
        /// Where the answer goes.
        ticket: Ticket,
        /// Which.
        id: WorkId,
    },
    /// A program wants to know how all items of this node stand.
    List {
        /// Where the answer goes.
        ticket: Ticket,
    },
    /// The answer to [`WorkEffect::Check`].
    Checked {
        /// What was checked.
        errand: Box<Errand>,
        /// Whether the arguments are what the verb takes.
        fit: Fit,
    },
}

/// What is to be done about work items.
#[derive(Clone, Debug)]
pub enum WorkEffect {
    /// This node takes its own item: see whether the arguments are what the verb takes.
    Check(Box<Errand>),
    /// Something came of an attempt that nobody waits for any more, since somebody else has the item.
    Late,
}

/// Something that is to be done by whoever can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offering {
    /// Chosen by whoever offers it; the same again is the same item.
    pub id: WorkId,
    /// What is to be done.
    pub verb: Name,
    /// The arguments, JSON.
    pub arguments: Vec<u8>,
    /// How often it is tried, and when a machine is given up.
    pub terms: WorkTerms,
}

/// One attempt, for the machine that took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    /// The command that it is.
    pub command: CommandId,
    /// Who does it.
    pub by: PublicKey,
    /// What.
    pub verb: Name,
    /// The arguments, JSON.
    pub arguments: Vec<u8>,
    /// Under which token.
    pub token: FencingToken,
    /// How long the machine may be away.
    pub silence_ms: u32,
    /// Whether it is only asked for what became of it, and not begun any more.
    pub is_probe: bool,
}

/// How an item of this node stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemStatus {
    /// Which.
    pub id: WorkId,
    /// What is to be done.
    pub verb: Name,
    /// Offered, taken, completed or failed.
    pub state: WorkState,
    /// Who took it last.
    pub worker: Option<PublicKey>,
    /// How often it was taken.
    pub takes: u32,
    /// How often it is tried, and when a machine is given up.
    pub terms: WorkTerms,
    /// Since when it stands so.
    pub since: UnixMillis,
    /// Why the last attempt came to nothing, if one did.
    pub trouble: String,
}
