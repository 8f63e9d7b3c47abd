//! The harness behind the suites: real daemons, a simulated world, and what they are waited for
//! with.
#![expect(clippy::expect_used, reason = "a harness has one way to fail a test")]

pub mod cli;
pub mod daemon;
pub mod invariants;
pub mod skip;
pub mod wait;
pub mod world;
