//! The harness behind the suites: real daemons, and what they are waited for with.
#![expect(clippy::expect_used, reason = "a harness has one way to fail a test")]

pub mod cli;
pub mod daemon;
pub mod skip;
pub mod wait;
