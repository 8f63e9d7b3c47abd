//! Work items: something to be done that any capable machine may take.
//!
//! ```text
//!   Offering ─► offerer ── note(new) ─► on disk ── Offered ──────────► worker
//!                  ▲ ▲                                                   │
//!                  │ └── note(taken) ◄── Take ───────────────────────────┘
//!                  └──── Outcome ◄── caller ── Call ── target            a command, as any other
//! ```
//!
//! The node that offers an item arbitrates it alone: so no machine has to ask a third whether it may
//! begin, and the record of that node's log is the truth about the item. To be executed at most once, an
//! attempt is a command, whose id follows from the item and the number of the attempt: whoever asks
//! for it again, in whatever life, hears what became of the first.
//!
//! ```text
//!   item     one item
//!   offerer  the items of this node: who has which, and what became of it
//!   worker   who takes what, and what this machine has promised to do
//!   room     both in a plant: links, members, the own log, commands
//! ```

mod contract;
mod item;
pub mod offerer;
mod room;
#[cfg(test)]
mod tests;
mod worker;

pub use contract::{Errand, ItemStatus, Offering, WorkEffect, WorkInput};
pub(super) use room::Items;
