//! Bugs that are planted to see whether the simulator finds them.
//!
//! Each is a patch in `tests/planted`, against what is simulated. It is applied to a copy of the
//! workspace, the suite `sim_plant` is built there, and its scenarios run until one of them fails. A
//! bug that none of them finds is a hole in the invariants or in what is done in the scenarios.
//!
//! ```text
//!   Bug::all ──► Hunt::begin ── Tree (a copy) ── Build (cargo, with a target of its own)
//!                     └─► Hunt::hunt(bug) ── patch, build, run ─► Found | nothing
//! ```

mod bug;
mod build;
mod hunt;
mod tree;

pub use bug::Bug;
pub use hunt::{Found, Hunt, ROUNDS};
pub use tree::missing;
