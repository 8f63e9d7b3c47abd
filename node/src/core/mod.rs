//! The core decides; it opens nothing.
//!
//! ```text
//!    Input ──►  Plant::handle(now, input)  ──► effects, in order
//!                    │
//!    the ledger ── the roster ── who may do what        (pure functions of signed records)
//! ```
//!
//! The contract, for every type here: time and randomness are arguments; nothing is opened, read
//! or sent; iteration is ordered; the same inputs give the same effects. Effects are carried out
//! by the shell in the order in which they were given. What must be on disk before it may be
//! believed goes out as [`plant::Effect::Persist`] and takes effect only when the shell answers
//! with [`plant::Input::Persisted`]: a crash in between leaves no trace in memory to disagree
//! with the disk.

pub mod bridge;
pub mod clock;
pub mod conflation;
pub mod cursors;
pub mod partner;
pub mod plant;
pub mod random;
pub mod record;
pub mod topic_index;
