//! One node of a gearmesh plant.
//!
//! ```text
//!                       protocol            what is on the wire and what is signed
//!                          ▲
//!         ┌────────────────┼─────────────────┐
//!         │                core              │   decides; opens nothing
//!         │                plant             │
//!         └────────────────▲─────────────────┘
//!         │                shell             │   moves bytes, records and timers
//!         │  plant · journal · local · source│
//!         └────────────────▲─────────────────┘
//!               gearmeshd, gearmesh up
//! ```
//!
//! A program that runs a node uses [`Node`] and [`Options`]; what the daemon and `gearmesh up`
//! share is in [`daemon`].

/// Public for the simulation in `tests/`, which runs the real thing in a world of its own, and for
/// nobody else: what is in here changes without notice.
#[doc(hidden)]
pub mod core;
/// What a program may use of it is named below.
#[doc(hidden)]
pub mod shell;

pub use shell::daemon;
pub use shell::home;
pub use shell::listen;
pub use shell::{FoundError, Node, Options, StartError, found, peek};

/// What a home's journal holds, for tools that found a plant.
pub use core::record::Record;
